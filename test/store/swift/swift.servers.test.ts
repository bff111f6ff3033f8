/** The contract of all stores, on containers of a real Swift, signed in to in each of the ways that clouds have. */
import { describe, expect, test } from 'vitest';
import { createApplicationCredential } from '../../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../../servers/servers.ts';
import { listed, put, storeContract } from '../contract.ts';
import { openTestSwift, tempAuthEnv } from './opening.ts';

/** Each is a request to real servers on small disks; pages of listings have a test of their own. */
const MANY = 200;

/** A new store that is prepared, for the contract. */
async function fresh(env: NodeJS.ProcessEnv, prefix: string) {
  const { store } = await openTestSwift(env, { prefix });
  await store.prepare();
  return { store, cleanup: () => store.close() };
}

describeWithSwift('TempAuth', (swift) => {
  storeContract('Swift, without a prefix', () => fresh(tempAuthEnv(swift()), ''), MANY);
  storeContract('Swift, below a prefix', () => fresh(tempAuthEnv(swift()), 'web01/two levels'), MANY);

  describe('a container', () => {
    test('that is not there is named, and made by prepare alone', async () => {
      const { store } = await openTestSwift(tempAuthEnv(swift()));
      await expect(store.check()).rejects.toMatchObject({ code: 'store-absent' });
      await expect(put(store, 'a/b', 'x')).rejects.toMatchObject({ code: 'store-absent', object: 'a/b' });
      await expect(listed(store, '')).rejects.toMatchObject({ code: 'store-absent' });
      await store.prepare();
      await store.prepare();
      await store.check();
      await put(store, 'a/b', 'x');
      expect(await listed(store, '')).toEqual([{ name: 'a/b', size: 1 }]);
      await store.close();
    });

    test('with another prefix in it does not show it', async () => {
      const one = await openTestSwift(tempAuthEnv(swift()), { prefix: 'web' });
      const { container } = { container: one.store.label.replace(/^swift:|\/web$/g, '') };
      const two = await openTestSwift(tempAuthEnv(swift()), { prefix: 'web-2', container });
      await one.store.prepare();
      await put(one.store, 'town/a', '1');
      await put(two.store, 'town/b', '2');
      expect(await listed(one.store, '')).toEqual([{ name: 'town/a', size: 1 }]);
      expect(await listed(two.store, '')).toEqual([{ name: 'town/b', size: 1 }]);
      await Promise.all([one.store.close(), two.store.close()]);
    });
  });

  test('many objects are removed by few requests, those that are not there among them', async () => {
    const { store, client, info } = await openTestSwift(tempAuthEnv(swift()), { prefix: 'p' });
    await store.prepare();
    expect((await info())?.bulkDeletes).toBeGreaterThan(0);
    const names = Array.from({ length: 30 }, (_, i) => `town/${i} ü%#?`);
    await Promise.all(names.map((name) => put(store, name, 'x')));
    await put(store, 'town/kept', 'x');
    const { send } = client;
    const methods: string[] = [];
    client.send = (request) => {
      methods.push(request.method);
      return send.call(client, request);
    };
    await store.remove([...names, 'town/never there']);
    expect(methods).toEqual(['POST']);
    expect(await listed(store, '')).toEqual([{ name: 'town/kept', size: 1 }]);
    await store.close();
  });

  test('what is under way when a store is closed ends, and nothing begins', async () => {
    const { store } = await openTestSwift(tempAuthEnv(swift()));
    await store.prepare();
    const body = Buffer.alloc(64 << 20);
    const { hash } = await import('node:crypto');
    const under = store.put('town/large', [body], { md5: hash('md5', body) });
    await store.close();
    await expect(under).rejects.toMatchObject({ code: 'interrupted' });
    await expect(store.check()).rejects.toMatchObject({ code: 'interrupted' });
  });
});

describeWithKeystone('Keystone', (servers) => {
  const common = () => {
    const { authUrl, regions } = servers().keystone;
    return { OS_AUTH_URL: authUrl, OS_REGION_NAME: regions[0] };
  };

  storeContract(
    'Swift, with a password',
    () => {
      const { user, project } = servers().keystone;
      const env = { OS_USERNAME: user.name, OS_PASSWORD: user.password, OS_PROJECT_NAME: project.name };
      return fresh({ ...common(), ...env }, 'web01');
    },
    MANY,
  );

  test('an application credential stores, lists, gets and removes', async () => {
    const { id, secret } = await createApplicationCredential(servers().keystone, 'contract');
    const env = { OS_APPLICATION_CREDENTIAL_ID: id, OS_APPLICATION_CREDENTIAL_SECRET: secret };
    const { store } = await fresh({ ...common(), ...env }, 'web01');
    await put(store, 'town/a', 'content');
    expect(await store.get('town/a', 100)).toEqual(Buffer.from('content'));
    expect(await listed(store, 'town/')).toEqual([{ name: 'town/a', size: 7 }]);
    await store.remove(['town/a']);
    expect(await store.stat('town/a')).toBeUndefined();
    await store.close();
  });
});
