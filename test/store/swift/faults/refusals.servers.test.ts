/** What somebody has to put right: it is said at once, with what to do, and asked once only. */
import { hash, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../../../src/store/store.ts';
import * as faulty from '../../../servers/faulty-path.ts';
import { any, del, get, listing, put, startFaultyPath } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import type { SwiftAddress } from '../../../servers/swift.ts';
import { listed, put as putText } from '../../contract.ts';
import { openTestSwift, tempAuthEnv } from '../opening.ts';
import { behindPath, body, type Faulty, says } from './around.ts';

/** A request about a container, past the store. */
async function asKeeper(
  swift: SwiftAddress,
  method: string,
  container: string,
  headers: Record<string, string> = {},
) {
  const signedIn = await fetch(swift.authUrl, {
    headers: { 'x-auth-user': swift.user, 'x-auth-key': swift.key },
  });
  const answer = await fetch(`${signedIn.headers.get('x-storage-url')}/${container}`, {
    method,
    headers: { 'x-auth-token': signedIn.headers.get('x-auth-token') ?? '', ...headers },
  });
  expect(answer.status).toBeLessThan(300);
}

const requests: [string, RegExp, faulty.Match, (store: Store) => Promise<unknown>][] = [
  ['an upload', /may not write to the container/, put(), (store) => putText(store, 'town/a', 'x')],
  ['a download', /may not read the container/, get(/\/a$/), (store) => store.get('town/a', 100)],
  ['a look', /may not read the container/, faulty.head(), (store) => store.stat('town/a')],
  ['a listing', /may not list the container/, listing(), (store) => listed(store, 'town/')],
  ['a removal', /may not delete from the container/, del(), (store) => store.remove(['town/a'])],
];

describeWithSwift('a right that lacks', (swift) => {
  test.each(requests)('for %s is named, and asked for once', async (_, says, match, ask) => {
    const path = await startFaultyPath(swift().proxyPort);
    const container = `rights-${randomUUID()}`;
    await asKeeper(swift(), 'PUT', container);
    const { user, key } = swift().logins.find(({ admin }) => !admin) ?? swift();
    // Once without the path, which makes Swift's answers more regular than they are.
    for (const authUrl of [`${path.url}/auth/v1.0`, swift().authUrl]) {
      const { store } = await openTestSwift(tempAuthEnv({ authUrl, user, key }), { container });
      const error = await ask(store).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'store', message: expect.stringMatching(says) });
      expect((error as Error).message).toContain('(403)');
      await store.close();
    }
    expect(path.requests.filter(match).map(({ upstream }) => upstream)).toEqual([403]);
    await path.stop();
  });
});

describeWithSwift('a container that is gone', (swift) => {
  test('in mid-run is told, and nothing repeated', async () => {
    const at = await behindPath(swift());
    await putText(at.store, 'town/a', 'x');
    await at.truth.remove(['town/a']);
    await asKeeper(swift(), 'DELETE', at.container);
    const error = await at.refusal(putText(at.store, 'town/b', 'x'));
    expect(error).toMatchObject({ code: 'store-absent', object: 'town/b' });
    expect(at.requests(put())).toHaveLength(2);
    expect((await at.refusal(listed(at.store, ''))).code).toBe('store-absent');
  });
});

describeWithSwift('room', (swift) => {
  test.each([
    ['bytes', { 'x-container-meta-quota-bytes': '2000000' }],
    ['objects', { 'x-container-meta-quota-count': '1' }],
  ])(
    'that a quota of %s has no more of is told, and nothing repeated; what is there stays',
    async (_, quota) => {
      const at = await behindPath(swift());
      await asKeeper(swift(), 'POST', at.container, quota);
      await putText(at.store, 'town/small', 'x');
      const { pieces, md5 } = body(16 << 20);
      // What Swift counts by comes to it a moment after an object.
      await expect.poll(async () => (await listed(at.truth, '')).length, { timeout: 20_000 }).toBe(1);
      const error = await at.refusal(at.store.put('town/large', pieces, { md5 }));
      expect(error).toMatchObject({ code: 'no-space', object: 'town/large' });
      expect(error.message).toContain('the quota of the container or the account is reached (413)');
      expect(at.requests(put()).map(({ upstream }) => upstream)).toEqual([201, 413]);
      expect(await listed(at.truth, '')).toEqual([{ name: 'town/small', size: 1 }]);
    },
  );

  test('that one object may not take is told with what to choose', async () => {
    const at = await behindPath(swift());
    at.path.on(put(), says(413, {}, '<html>Request Entity Too Large</html>'));
    const error = await at.refusal(putText(at.store, 'town/a', 'x'));
    expect(error).toMatchObject({
      code: 'no-space',
      message: expect.stringContaining('smaller volume.size'),
    });
    expect(at.requests(put())).toHaveLength(1);
  });

  test('that a name may not take is told', async () => {
    const prefix = Array.from({ length: 3 }, () => 'p'.repeat(250)).join('/');
    const at = await behindPath(swift(), { prefix });
    const name = Array.from({ length: 2 }, () => 'n'.repeat(250)).join('/');
    const error = await at.refusal(putText(at.store, name, 'x'));
    expect(error).toMatchObject({
      code: 'store',
      object: name,
      message: expect.stringContaining('answered 400'),
    });
    expect(at.requests(put()).map(({ upstream }) => upstream)).toEqual([400]);
  });
});

describeWithSwift('something else than the store', (swift) => {
  /** Asks; nothing may come of it. */
  async function refusedAt(at: Faulty, ask: (store: Store) => Promise<unknown>): Promise<string> {
    const error = await at.refusal(ask(at.store));
    expect(error.code).toBe('store');
    return error.message;
  }

  test.each(requests)('that sends us on is not followed: %s', async (_, __, match, ask) => {
    const elsewhere = await startFaultyPath(swift().proxyPort);
    for (const code of [301, 302, 303, 307, 308]) {
      const at = await behindPath(swift());
      const fault = at.path.on(match, faulty.redirect(`${elsewhere.url}/login?token=secret`, code));
      const message = await refusedAt(at, ask);
      expect(message).toContain(`sends us on to ${elsewhere.url}/login (${code})`);
      expect(message).not.toContain('secret');
      expect(fault.acted).toBe(1);
    }
    expect(elsewhere.requests).toHaveLength(0);
    await elsewhere.stop();
  });

  test.each(requests)('that wants https on its port (497) is named: %s', async (_, __, match, ask) => {
    const at = await behindPath(swift());
    const fault = at.path.on(match, faulty.status(497));
    expect(await refusedAt(at, ask)).toContain('wants https there (497)');
    expect(fault.acted).toBe(1);
  });

  describe('that answers with a web page', () => {
    test.each(requests)('once is asked again: %s', async (_, __, match, ask) => {
      for (const page of [faulty.html(), faulty.status(404), faulty.status(403)]) {
        const at = await behindPath(swift());
        const fault = at.path.on(match, faulty.once, page);
        await ask(at.store);
        expect(fault.acted).toBe(1);
        expect(at.waits).toHaveLength(1);
      }
    });

    test.each(requests)('for good is never believed: %s', async (_, __, match, ask) => {
      for (const page of [faulty.html(), faulty.status(404)]) {
        const at = await behindPath(swift());
        await putText(at.truth, 'town/a', 'former');
        at.path.on(match, page);
        expect(await refusedAt(at, ask)).toContain('does a proxy stand between?');
        expect(await at.truth.stat('town/a')).toEqual({ size: 6, md5: hash('md5', 'former') });
      }
    });

    test('for the container is no container', async () => {
      const at = await behindPath(swift());
      at.path.on(any(/^\/v1\/[^/]+\/[^/]+$/), faulty.html());
      expect(await refusedAt(at, (store) => store.check())).toContain('is no container of Swift');
      expect(await refusedAt(at, (store) => store.prepare())).toContain('is no container of Swift');
    });
  });
});
