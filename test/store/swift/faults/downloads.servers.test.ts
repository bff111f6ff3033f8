/** Downloads, and looks at objects, that go wrong: what is cut, short or altered is never taken for the object. */
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../../../src/chunk/digest.ts';
import { fetchObject } from '../../../../src/store/fetch-object.ts';
import * as faulty from '../../../servers/faulty-path.ts';
import { get, half, head, nth, once } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import type { SwiftAddress } from '../../../servers/swift.ts';
import { put } from '../../contract.ts';
import { behindPath, body, type Faulty, PASSING, says } from './around.ts';

const NAME = 'town/vol-1';
const { pieces, whole, md5 } = body();

/** A store with one object. */
async function withObject(swift: SwiftAddress): Promise<Faulty> {
  const at = await behindPath(swift);
  await at.truth.put(NAME, pieces, { md5 });
  return at;
}

/** Gets the object, which must go well; how many requests that took. */
async function got({ store, requests }: Faulty): Promise<number> {
  expect(Buffer.compare((await store.get(NAME, whole.length)) ?? Buffer.alloc(0), whole)).toBe(0);
  return requests(get()).length;
}

describeWithSwift('a download', (swift) => {
  const faults: [string, faulty.Action, RegExp][] = [
    ['is cut short by a close', faulty.truncateAnswer(half, 'close'), /cut short|cut off/],
    ['is cut short by a reset', faulty.truncateAnswer(half, 'reset'), /cut short|cut off/],
    ['is cut before its first byte', faulty.truncateAnswer(0), /cut short|cut off/],
    ['is cut before its last byte', faulty.truncateAnswer(299_999), /cut short|cut off/],
    ['has fewer bytes, and says so', faulty.shortAnswer(1000), /altered or cut short on its way/],
    ['is empty, and says so', faulty.shortAnswer(0), /altered or cut short on its way/],
    ['has a flipped bit', faulty.corruptAnswer(150_000), /altered or cut short on its way/],
    ['has a flipped bit at its end', faulty.corruptAnswer(-1), /altered or cut short on its way/],
    ['has no ETag', faulty.changeHeaders({ etag: null }), /not Swift's/],
    ['gets no answer', faulty.cutBefore(), /cut off/],
    ['loses its answer', faulty.loseAnswer(), /cut off/],
  ];
  test.each(faults)('that %s is repeated, and given up when it goes on so', async (_, fault, says) => {
    const at = await withObject(swift());
    const rule = at.path.on(get(), once, fault);
    expect(await got(at)).toBe(2);
    expect(rule.acted).toBe(1);
    expect(at.retries).toEqual([expect.stringMatching(says)]);
    at.path.on(get(), fault);
    const error = await at.refusal(at.store.get(NAME, whole.length));
    expect(error).toMatchObject({ code: 'store', object: NAME, message: expect.stringMatching(says) });
  });

  test.each(PASSING)('that is answered %i is repeated', async (code) => {
    const at = await withObject(swift());
    const rule = at.path.on(get(), once, says(code, { 'retry-after': '3' }));
    expect(await got(at)).toBe(2);
    expect(rule.acted).toBe(1);
    expect(at.waits).toEqual([3000]);
  });

  describe('of an object smaller than an error page', () => {
    test.each([
      ['that is not there says so', says(404, {}, 'x'.repeat(5000)), undefined, 0],
      ['is repeated when the server is unwell', says(503, {}, 'x'.repeat(5000)), 'tiny', 1],
      ["is repeated when a proxy's page comes instead", faulty.html(), 'tiny', 1],
      ['is repeated when an endless page comes instead', says(503, {}, 'x'.repeat(2 << 20)), 'tiny', 1],
    ] as const)('%s', async (_, fault, content, repeated) => {
      const at = await behindPath(swift());
      await put(at.truth, NAME, 'tiny');
      const rule = at.path.on(get(), once, fault);
      expect(await at.store.get(NAME, 4)).toEqual(content && Buffer.from(content));
      expect(rule.acted).toBe(1);
      expect(at.waits).toHaveLength(repeated);
    });
  });

  describe('of which the caller knows a better digest', () => {
    const object = { name: NAME, size: whole.length, plainSize: 0, sha256: sha256(whole), md5 };

    test('that is altered on its way is repeated as long as any other', async () => {
      const at = await withObject(swift());
      const rules = [1, 2, 3].map((n) => at.path.on(get(), nth(n), faulty.corruptAnswer(150_000)));
      expect(Buffer.compare(await fetchObject(at.store, NAME, object), whole)).toBe(0);
      expect(rules.map(({ acted }) => acted)).toEqual([1, 1, 1]);
      expect(at.retries).toHaveLength(3);
      expect(at.retries[0]).toMatch(/altered or cut short on its way/);
    });

    test('is not asked for its MD5 where that digest is right', async () => {
      const at = await withObject(swift());
      at.path.on(get(), once, faulty.changeHeaders({ etag: '0'.repeat(32) }));
      expect(Buffer.compare(await fetchObject(at.store, NAME, object), whole)).toBe(0);
      expect(at.retries).toEqual([]);
      at.path.on(get(), once, faulty.changeHeaders({ etag: '0'.repeat(32) }));
      expect(Buffer.compare((await at.store.get(NAME, whole.length)) ?? Buffer.alloc(0), whole)).toBe(0);
      expect(at.retries).toHaveLength(1);
    });

    test('that is whole, and another, is damage: all replicas are asked before', async () => {
      const at = await withObject(swift());
      const other = { ...object, sha256: sha256(Buffer.from('another')) };
      await expect(fetchObject(at.store, NAME, other)).rejects.toMatchObject({
        code: 'damage',
        object: NAME,
      });
      expect(at.requests(get()).map(({ headers }) => headers['x-newest'])).toEqual([undefined, 'true']);
      expect(at.retries).toEqual([]);
    });
  });

  test('of something larger than it can be is refused at once, by its name', async () => {
    const at = await withObject(swift());
    const error = await at.refusal(at.store.get(NAME, 1000));
    expect(error).toMatchObject({
      code: 'damage',
      object: NAME,
      message: expect.stringContaining('has 300000 bytes'),
    });
    expect(at.requests(get())).toHaveLength(1);
  });
});

describeWithSwift('a look at an object', (swift) => {
  test.each([
    ['is answered 503', says(503)],
    ['gets no answer', faulty.cutBefore()],
    ['loses its answer', faulty.loseAnswer()],
    ["gets a proxy's page", faulty.html()],
    ["gets a proxy's 404", faulty.status(404)],
    ['gets no ETag', faulty.changeHeaders({ etag: null })],
    ['gets no length', faulty.changeHeaders({ 'content-length': null })],
  ])('that %s is repeated', async (_, fault) => {
    const at = await withObject(swift());
    const rule = at.path.on(head(), once, fault);
    expect(await at.store.stat(NAME)).toEqual({ size: whole.length, md5 });
    expect(rule.acted).toBe(1);
    expect(at.requests(head()).map(({ headers }) => headers['x-newest'])).toEqual(['true', 'true']);
  });
});
