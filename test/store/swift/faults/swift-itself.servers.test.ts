/** Faults that a real Swift makes by itself: tokens that it forgets, an outage, an object larger than it takes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Store } from '../../../../src/store/store.ts';
import { any, listing, put } from '../../../servers/faulty-path.ts';
import { describeWithServers } from '../../../servers/servers.ts';
import { type SwiftServer, startSwift } from '../../../servers/swift.ts';
import { listed, put as putText } from '../../contract.ts';
import { behindPath, body, signIns } from './around.ts';

describeWithServers('a Swift of its own', () => {
  let swift: SwiftServer;
  beforeAll(async () => {
    swift = await startSwift({
      maxFileSize: 6_000_000,
      listingLimit: 3,
      users: [
        { user: 'town:keeper', admin: true },
        { user: 'cloud:operator', admin: true, reseller: true },
      ],
    });
  });
  afterAll(() => swift?.stop());

  test('that forgets its tokens while many uploads are under way is signed in to once more', async () => {
    const at = await behindPath(swift);
    const given = Array.from({ length: 8 }, (_, i) => body(2_000_000, `volume ${i}`));
    await putText(at.store, 'town/first', 'x');
    await swift.forgetTokens();
    await Promise.all(given.map(({ pieces, md5 }, i) => at.store.put(`town/vol-${i}`, pieces, { md5 })));
    expect(at.requests(put()).some(({ upstream }) => upstream === 401)).toBe(true);
    expect(signIns(at)).toBe(1);
    for (const [i, { md5 }] of given.entries()) {
      expect(await at.truth.stat(`town/vol-${i}`)).toEqual({ size: 2_000_000, md5 });
    }
  });

  const asks: [string, (store: Store) => Promise<unknown>][] = [
    ['an upload', (store) => putText(store, 'town/b', 'x')],
    ['a download', (store) => store.get('town/a', 10)],
    ['a look', (store) => store.stat('town/a')],
    ['a listing', (store) => listed(store, 'town/')],
    ['a removal', (store) => store.remove(['town/c'])],
    ['a removal of many', (store) => store.remove(['town/c', 'town/d'])],
  ];
  test.each(asks)('that forgets its tokens before %s is signed in to once more', async (_, ask) => {
    const { truth } = await behindPath(swift);
    await putText(truth, 'town/a', 'x');
    await swift.forgetTokens();
    await ask(truth);
  });

  test('that is stopped and started again is waited for', async () => {
    const at = await behindPath(swift, {
      atWait: (n) => (n === 3 ? swift.startProxy() : undefined),
      deadline: 1e9,
    });
    const { pieces, md5 } = body(2_000_000);
    await swift.stopProxy();
    await at.store.put('town/vol-1', pieces, { md5 });
    expect(at.waits).toHaveLength(3);
    expect(at.requests(any()).some(({ cut }) => cut)).toBe(true);
    expect(await at.truth.stat('town/vol-1')).toEqual({ size: 2_000_000, md5 });
  });

  test('whose pages of a listing are short is asked for one after the other, to the end', async () => {
    const at = await behindPath(swift);
    const names = Array.from({ length: 7 }, (_, i) => `town/vol-${i}`);
    for (const name of names) await putText(at.truth, name, 'x');
    const pages = async () => {
      const before = at.requests(listing()).length;
      expect((await listed(at.store, 'town/')).map(({ name }) => name)).toEqual(names);
      return at.requests(listing()).slice(before);
    };
    expect(await pages()).toMatchObject(Array.from({ length: 4 }, () => ({ upstream: 200 })));
    await at.store.remove(['town/vol-6']);
    names.pop();
    // Full pages alone, of which none may be taken for the last.
    expect(await pages()).toHaveLength(3);
    expect(at.retries).toEqual([]);
  });

  test('whose account has no more room says so at once', async () => {
    const at = await behindPath(swift);
    const account = at.session.signedIn?.storageUrl.pathname;
    const allow = async (bytes: string) => {
      const { user = '', key = '' } = swift.logins.find(({ reseller }) => reseller) ?? {};
      const signedIn = await fetch(swift.authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
      const token = signedIn.headers.get('x-auth-token') ?? '';
      const headers = { 'x-auth-token': token, 'x-account-meta-quota-bytes': bytes };
      const { status } = await fetch(`http://127.0.0.1:${swift.proxyPort}${account}`, {
        method: 'POST',
        headers,
      });
      expect(status).toBe(204);
    };
    await allow('1000');
    try {
      const { pieces, md5 } = body(2_000_000);
      const error = await at.refusal(at.store.put('town/vol-1', pieces, { md5 }));
      expect(error).toMatchObject({ code: 'no-space', object: 'town/vol-1' });
      expect(error.message).toContain('the quota of the container or the account is reached (413)');
      expect(at.requests(put()).map(({ upstream }) => upstream)).toEqual([413]);
    } finally {
      await allow('');
    }
  });

  test('that takes no objects of this size says so at once', async () => {
    const at = await behindPath(swift);
    const { pieces, md5 } = body(7_000_000);
    const error = await at.refusal(at.store.put('town/large', pieces, { md5 }));
    expect(error).toMatchObject({ code: 'no-space', object: 'town/large' });
    expect(error.message).toContain('larger than the server takes (413): choose a smaller volume.size');
    expect(at.requests(put()).map(({ upstream }) => upstream)).toEqual([413]);
    expect(await at.truth.stat('town/large')).toBeUndefined();
  });
});
