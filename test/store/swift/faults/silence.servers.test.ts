/** Servers that fall silent, stay away, come back, or lose one connection in five. The bounds are short here, and wide enough for a busy machine. */
import { expect, test } from 'vitest';
import type { Store } from '../../../../src/store/store.ts';
import * as faulty from '../../../servers/faulty-path.ts';
import { any, forever, get, half, head, listing, once, put, signIn } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import { listed, put as putText } from '../../contract.ts';
import { answeringRaw } from '../answering.ts';
import { behindPath, body, says } from './around.ts';

const NAME = 'town/vol-1';
const STALL = { stall: 2000 };

describeWithSwift('a server that falls silent', (swift) => {
  const { pieces, whole, md5 } = body(5_000_000);

  test.each([
    ['before an upload', faulty.stall(forever)],
    ['in an upload', faulty.stallUpload(half, forever)],
    ['when all was stored', faulty.stallAnswer(forever)],
  ])('%s is given up, and asked again', async (_, fault) => {
    const at = await behindPath(swift(), { times: STALL });
    const rule = at.path.on(put(), once, fault);
    await at.store.put(NAME, pieces, { md5 });
    expect(rule.acted).toBe(1);
    expect(at.retries[0]).toMatch(/no answer in time/);
    expect(await at.truth.stat(NAME)).toEqual({ size: whole.length, md5 });
  });

  test.each([
    ['before a download', get(/vol/), faulty.stall(forever)],
    ['in a download', get(/vol/), faulty.stallDownload(half, forever)],
    ['in a listing', listing(), faulty.stallDownload(1, forever)],
    ['before a look', head(), faulty.stallAnswer(forever)],
  ])('%s is given up, and asked again', async (_, match, fault) => {
    const at = await behindPath(swift(), { times: STALL });
    await at.truth.put(NAME, pieces, { md5 });
    const rule = at.path.on(match, once, fault);
    expect(await listed(at.store, 'town/')).toEqual([{ name: NAME, size: whole.length }]);
    expect(await at.store.stat(NAME)).toEqual({ size: whole.length, md5 });
    expect(Buffer.compare((await at.store.get(NAME, whole.length)) ?? Buffer.alloc(0), whole)).toBe(0);
    expect(rule.acted).toBe(1);
    expect(at.retries[0]).toMatch(/no answer in time|cut short/);
  });

  test('but for a byte now and then is given up, and asked again', async () => {
    const at = await behindPath(swift(), { times: { whole: 3000 } });
    await putText(at.truth, NAME, 'x'.repeat(1000));
    const rule = at.path.on(get(/vol/), once, faulty.trickle(20));
    expect(await at.store.get(NAME, 1000)).toHaveLength(1000);
    expect(rule.acted).toBe(1);
    expect(at.retries[0]).toMatch(/not finished after 4 s/);
  });

  test('before a connection stands is given up, and where the store is asked for again', async () => {
    const silent = (await answeringRaw(() => undefined)).replace('http:', 'https:');
    const at = await behindPath(swift(), { times: { connect: 1000 } });
    at.path.expireTokens();
    const rule = at.path.on(signIn(), faulty.changeHeaders({ 'X-Storage-Url': `${silent}/v1/AUTH_town` }));
    const { code, message } = await at.refusal(putText(at.store, NAME, 'x'));
    expect(code).toBe('store');
    expect(message).toMatch(/no connection within 1 s \(given up: tried \d+ times within 20 s\)/);
    expect(rule.acted).toBe(1);
  });
});

describeWithSwift('a server that answers with another protocol (101)', (swift) => {
  const { pieces, whole, md5 } = body(5_000_000);
  const asks: [string, faulty.Match, faulty.Action, (store: Store) => Promise<unknown>][] = [
    ['an upload', put(), faulty.upgrade(), (store) => store.put(NAME, pieces, { md5 })],
    [
      'an upload in its midst',
      put(),
      faulty.upgrade({ early: true }),
      (store) => store.put(NAME, pieces, { md5 }),
    ],
    ['a listing', listing(), faulty.upgrade(), (store) => listed(store, 'town/')],
    ['a download', get(/vol/), faulty.upgrade(), (store) => store.get(NAME, whole.length)],
    ['a look', head(), faulty.upgrade(), (store) => store.stat(NAME)],
    ['a removal', faulty.del(), faulty.upgrade(), (store) => store.remove([NAME])],
  ];

  test.each(asks)('to %s is asked again, and given up where it goes on', async (_, match, fault, ask) => {
    const at = await behindPath(swift());
    await at.truth.put(NAME, pieces, { md5 });
    const rule = at.path.on(match, once, fault);
    await ask(at.store);
    expect(rule.acted).toBe(1);
    expect(at.retries).toEqual([
      expect.stringMatching(/the connection was (closed without an answer|cut off)/),
    ]);
    await at.truth.remove([NAME]);
    at.path.on(match, fault);
    expect((await at.refusal(ask(at.store))).code).toBe('store');
  });
});

describeWithSwift('a server that cannot be reached', (swift) => {
  test.each([
    ['upload', () => undefined],
    ['sign-in', (path: faulty.FaultyPath) => path.expireTokens()],
  ])('for good, at an %s, is given up when its time is over, with a clear error', async (_, before) => {
    const at = await behindPath(swift(), { deadline: 180_000 });
    before(at.path);
    await at.path.down();
    const { code, message } = await at.refusal(putText(at.store, NAME, 'x'));
    expect(code).toBe('store');
    expect(message).toMatch(/the connection was refused.*\(ECONNREFUSED\)/);
    expect(message).toMatch(
      /given up: tried \d+ times within 180 s\); check the store with "holdfast doctor"/,
    );
    expect(at.waits.reduce((sum, wait) => sum + wait)).toBe(180_000);
    await at.path.up();
    await putText(at.store, NAME, 'x');
    expect(await at.truth.stat(NAME)).toMatchObject({ size: 1 });
  });

  test('for a while is waited for: in mid-upload, and before every other request', async () => {
    let bringUp = async () => {};
    const at = await behindPath(swift(), {
      atWait: (n) => (n % 3 === 0 ? bringUp() : undefined),
      deadline: 180_000,
    });
    bringUp = async () => at.path.up();
    const { pieces, md5, whole } = body(5_000_000);
    const fault = at.path.on(
      put(),
      once,
      faulty.callBefore(() => at.path.down()),
    );
    await at.store.put(NAME, pieces, { md5 });
    expect(fault.acted).toBe(1);
    expect(at.waits).toHaveLength(3);
    for (const ask of [
      () => at.store.get(NAME, whole.length),
      () => at.store.stat(NAME),
      () => listed(at.store, 'town/'),
      () => at.store.remove([NAME]),
    ]) {
      await at.path.down();
      expect(await ask()).not.toEqual([]);
    }
    expect(at.waits).toHaveLength(15);
    expect(await at.truth.stat(NAME)).toBeUndefined();
  });
});

describeWithSwift('a network that loses', (swift) => {
  const given = Array.from({ length: 40 }, (_, i) => ({
    name: `town/vol-${i}`,
    ...body(50_000 + i, `lossy ${i}`),
  }));

  test.each([
    ['cuts one request in five', (seed: string) => faulty.cutOneIn(5, seed)],
    ['cuts every second request', (seed: string) => faulty.cutOneIn(2, seed)],
  ])('%s delays everything, and harms nothing', async (_, cut) => {
    const seed = process.env.HOLDFAST_TEST_SEED ?? String(Date.now() % 1_000_000);
    console.log(`losses: HOLDFAST_TEST_SEED=${seed}`);
    const at = await behindPath(swift(), { deadline: 1e9 });
    at.path.on(any(), cut(seed));
    await Promise.all(given.map(({ name, pieces, md5 }) => at.store.put(name, pieces, { md5 })));
    const sizes = given.map(({ name, whole }) => ({ name, size: whole.length }));
    expect(await listed(at.store, 'town/')).toEqual(sizes.sort((a, b) => (a.name < b.name ? -1 : 1)));
    await Promise.all(
      given.map(async ({ name, whole, md5 }) => {
        expect(await at.store.stat(name)).toEqual({ size: whole.length, md5 });
        expect(Buffer.compare((await at.store.get(name, whole.length)) ?? Buffer.alloc(0), whole), seed).toBe(
          0,
        );
      }),
    );
    const cuts = at.requests(({ method }) => method !== 'none').filter(({ done }) => done !== 'forwarded');
    expect(cuts.length, seed).toBeGreaterThan(5);
    await at.store.remove(given.map(({ name }) => name));
    expect(await listed(at.truth, ''), seed).toEqual([]);
  });

  test('its first of each kind of request', async () => {
    const at = await behindPath(swift());
    const rule = at.path.on(any(), faulty.firstOfEach(2), says(503));
    await putText(at.store, NAME, 'x');
    expect(await at.store.get(NAME, 1)).toHaveLength(1);
    expect(rule.acted).toBeGreaterThanOrEqual(4);
  });
});
