/** Tokens that end in mid-run, and credentials that are taken away: one new sign-in for all that wait, and none for ever. */
import { describe, expect, test } from 'vitest';
import type { Store } from '../../../../src/store/store.ts';
import * as faulty from '../../../servers/faulty-path.ts';
import { any, bulkDelete, del, get, head, listing, nth, once, put } from '../../../servers/faulty-path.ts';
import { createApplicationCredential, revokeApplicationCredential } from '../../../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../../../servers/servers.ts';
import { listed, put as putText } from '../../contract.ts';
import { openTestSwift } from '../opening.ts';
import { behindPath, body, says, signIns } from './around.ts';

describeWithSwift('a token that ends', (swift) => {
  test('while many uploads are under way is replaced by one sign-in, and all are sent anew from their start', async () => {
    const at = await behindPath(swift());
    const given = Array.from({ length: 12 }, (_, i) => body(2_000_000, `volume ${i}`));
    const fault = at.path.on(put(), nth(3), faulty.expireToken({ early: true }));
    await Promise.all(given.map(({ pieces, md5 }, i) => at.store.put(`town/vol-${i}`, pieces, { md5 })));
    expect(fault.acted).toBe(1);
    expect(at.requests(put()).filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(1);
    expect(signIns(at)).toBe(1);
    expect(at.waits).toEqual([]);
    for (const [i, { md5 }] of given.entries()) {
      expect(await at.truth.stat(`town/vol-${i}`)).toEqual({ size: 2_000_000, md5 });
    }
  });

  test('while many uploads begin is replaced by one sign-in', async () => {
    const at = await behindPath(swift());
    at.path.expireTokens();
    const given = Array.from({ length: 12 }, (_, i) => body(100_000, `volume ${i}`));
    await Promise.all(given.map(({ pieces, md5 }, i) => at.store.put(`town/vol-${i}`, pieces, { md5 })));
    expect(at.requests(any()).filter(({ done }) => done === 'token expired').length).toBeGreaterThanOrEqual(
      1,
    );
    expect(signIns(at)).toBe(1);
    expect(await listed(at.truth, 'town/')).toHaveLength(12);
  });

  test('again and again, each time after some good answers, is replaced each time', async () => {
    const at = await behindPath(swift());
    const fault = at.path.on(put(), faulty.every(3), faulty.expireToken());
    for (let i = 0; i < 8; i++) await putText(at.store, `town/${i}`, 'x');
    expect(fault.acted).toBeGreaterThanOrEqual(3);
    expect(signIns(at)).toBe(fault.acted);
    expect(await listed(at.truth, 'town/')).toHaveLength(8);
  });

  const requests: [string, faulty.Match, (store: Store) => Promise<unknown>][] = [
    ['a download', get(/\/a$/), (store) => store.get('town/a', 10)],
    ['a look', head(), (store) => store.stat('town/a')],
    ['a listing', listing(), (store) => listed(store, 'town/')],
    ['a removal', del(), (store) => store.remove(['town/a'])],
    ['a removal of many', bulkDelete(), (store) => store.remove(['town/a', 'town/b'])],
  ];
  test.each(requests)('before %s is replaced', async (_, match, ask) => {
    const at = await behindPath(swift());
    await putText(at.truth, 'town/a', 'x');
    const fault = at.path.on(match, once, faulty.expireToken());
    await ask(at.store);
    expect(fault.acted).toBe(1);
    expect(signIns(at)).toBe(1);
    expect(at.retries).toEqual([]);
  });

  // A removal of many that is refused is done one by one: whether that may be done decides then.
  const single = requests.filter(([name]) => name !== 'a removal of many');
  test.each(single)('and is refused anew before %s is final', async (_, match, ask) => {
    const at = await behindPath(swift());
    const fault = at.path.on(match, says(401));
    const { code, message } = await at.refusal(ask(at.store));
    expect(code).toBe('store');
    expect(message).toContain('refuses a token that it has just been given (401)');
    expect(fault.acted).toBe(2);
    expect(signIns(at)).toBe(1);
    expect(at.retries).toEqual([]);
  });

  test('and is refused anew in mid-upload is final: nothing is stored', async () => {
    const at = await behindPath(swift());
    const fault = at.path.on(put(), faulty.status(401, { early: true }));
    const { pieces, md5 } = body(16 << 20);
    const error = await at.refusal(at.store.put('town/vol-1', pieces, { md5 }));
    expect(error.message).toContain('(401)');
    expect(fault.acted).toBe(2);
    expect(signIns(at)).toBe(1);
    expect(await at.truth.stat('town/vol-1')).toBeUndefined();
  });

  test('is replaced though the sign-in fails at first', async () => {
    const at = await behindPath(swift());
    at.path.expireTokens();
    const fault = at.path.on(faulty.signIn(), faulty.first(2), says(503));
    await putText(at.store, 'town/a', 'x');
    expect(fault.acted).toBe(2);
    expect(at.waits).toHaveLength(2);
    expect(await at.truth.stat('town/a')).toMatchObject({ size: 1 });
  });

  test('is not replaced when the credentials are refused meanwhile: that is final', async () => {
    const at = await behindPath(swift());
    at.path.expireTokens();
    const fault = at.path.on(faulty.signIn(), says(401));
    expect((await at.refusal(putText(at.store, 'town/a', 'x'))).message).toContain('user or key is wrong');
    expect(fault.acted).toBe(1);
    expect(at.waits).toEqual([]);
  });
});

describeWithKeystone('an application credential', (servers) => {
  /** Opens a store with it and stores until that is refused; the error. */
  async function untilRefused(expires: Date | undefined, meanwhile: (id: string) => Promise<void>) {
    const { keystone } = servers();
    const { id, secret } = await createApplicationCredential(keystone, `faults-${Date.now()}`, expires);
    const env = {
      OS_AUTH_URL: keystone.authUrl,
      OS_REGION_NAME: keystone.regions[0],
      OS_APPLICATION_CREDENTIAL_ID: id,
      OS_APPLICATION_CREDENTIAL_SECRET: secret,
    };
    const { store, session } = await openTestSwift(env);
    await store.prepare();
    await putText(store, 'town/0', 'x');
    const { token } = await session.ticket();
    await meanwhile(id);
    for (let i = 1; ; i++) {
      const error: unknown = await putText(store, `town/${i}`, 'x').then(
        () => undefined,
        (e: unknown) => e,
      );
      if (error === undefined) continue;
      expect(String(error)).not.toContain(secret);
      expect(String(error)).not.toContain(token);
      await store.close();
      return error;
    }
  }

  describe('that ends in mid-run is told by name', () => {
    const refusal = {
      code: 'store',
      message: expect.stringMatching(
        /application credential "[0-9a-f]+" is wrong, expired or revoked; look it up/,
      ),
    };

    test('because it was revoked', async () => {
      const { keystone } = servers();
      const revoke = (id: string) => revokeApplicationCredential(keystone, id);
      expect(await untilRefused(undefined, revoke)).toMatchObject(refusal);
    });

    test('because its time is over', async () => {
      const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 8000);
      expect(await untilRefused(soon, async () => undefined)).toMatchObject(refusal);
    });
  });
});
