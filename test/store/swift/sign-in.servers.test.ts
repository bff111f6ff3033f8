import { expect, it } from 'vitest';
import { findCredentials } from '../../../src/store/swift/credentials/find.ts';
import { type SignedIn, signIn, type Wanted } from '../../../src/store/swift/sign-in.ts';
import {
  createApplicationCredential,
  type KeystoneAddress,
  revokeApplicationCredential,
} from '../../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../../servers/servers.ts';
import { connectionFor } from './answering.ts';

/** Signs in with variables of the environment, and nothing else around. */
async function signInWith(env: Record<string, string>, want: Wanted = {}): Promise<SignedIn> {
  const credentials = await findCredentials({}, { env, cwd: '/nonexistent', home: '/nonexistent' });
  return await signIn(credentials, await connectionFor(credentials), want);
}

/** Whether the token opens the account. */
async function opens({ storageUrl, token }: SignedIn): Promise<boolean> {
  return (await fetch(storageUrl, { method: 'HEAD', headers: { 'x-auth-token': token } })).status < 300;
}

describeWithSwift('TempAuth', (swift) => {
  const env = () => ({ ST_AUTH: swift().authUrl, ST_USER: swift().user, ST_KEY: swift().key });

  it('gives a token that opens the account', async () => {
    const signedIn = await signInWith(env());
    expect(await opens(signedIn)).toBe(true);
    expect(signedIn).toMatchObject({ region: undefined, user: swift().user });
    const life = signedIn.expires!.getTime() - signedIn.date!.getTime();
    expect(life).toBeGreaterThan(0);
    expect(life).toBeLessThanOrEqual(86_400_000);
  });

  it('refuses a wrong key and an unknown user in the same words', async () => {
    for (const wrong of [{ ST_KEY: 'wrong' }, { ST_USER: 'town:nobody' }]) {
      await expect(signInWith({ ...env(), ...wrong })).rejects.toMatchObject({
        code: 'store',
        message: expect.stringContaining('user or key is wrong'),
      });
    }
  });

  it('is no Keystone', async () => {
    const url = swift().authUrl.replace('/auth/v1.0', '');
    const set = { OS_AUTH_URL: url, OS_USERNAME: 'a', OS_PASSWORD: 'b', OS_PROJECT_NAME: 'c' };
    await expect(signInWith(set)).rejects.toMatchObject({ code: 'store' });
  });
});

describeWithKeystone('Keystone', (servers) => {
  /** The set for a password, in the first region. */
  function passwordSet({ authUrl, user, project, regions }: KeystoneAddress): Record<string, string> {
    return {
      OS_AUTH_URL: authUrl,
      OS_USERNAME: user.name,
      OS_PASSWORD: user.password,
      OS_PROJECT_NAME: project.name,
      OS_REGION_NAME: regions[0],
    };
  }
  function applicationSet(
    { authUrl, regions }: KeystoneAddress,
    { id, secret }: { id: string; secret: string },
  ) {
    return {
      OS_AUTH_URL: authUrl,
      OS_APPLICATION_CREDENTIAL_ID: id,
      OS_APPLICATION_CREDENTIAL_SECRET: secret,
      OS_REGION_NAME: regions[0],
    };
  }

  it('gives a token that opens the account, by names and by ids, with and without version', async () => {
    const { keystone } = servers();
    const { OS_USERNAME: _, OS_PROJECT_NAME: __, ...rest } = passwordSet(keystone);
    const ids = { ...rest, OS_USER_ID: keystone.user.id, OS_PROJECT_ID: keystone.project.id };
    const bare = { ...passwordSet(keystone), OS_AUTH_URL: keystone.authUrl.replace('/v3', '') };
    const domains = { OS_USER_DOMAIN_NAME: 'Default', OS_PROJECT_DOMAIN_NAME: 'Default' };
    for (const env of [passwordSet(keystone), ids, bare, { ...passwordSet(keystone), ...domains }]) {
      const signedIn = await signInWith(env);
      expect(await opens(signedIn)).toBe(true);
      expect(signedIn.storageUrl.pathname).toBe(`/v1/AUTH_${keystone.project.id}`);
      expect(signedIn).toMatchObject({
        region: keystone.regions[0],
        user: `"${keystone.user.name}" in project "${keystone.project.name}"`,
        roles: expect.arrayContaining(['member']),
      });
      expect(signedIn.expires!.getTime()).toBeGreaterThan(signedIn.date!.getTime());
    }
  });

  it('takes an application credential by id and by name, until it is revoked', async () => {
    const { keystone } = servers();
    const credential = await createApplicationCredential(keystone, 'sign-in');
    const byId = applicationSet(keystone, credential);
    const { OS_APPLICATION_CREDENTIAL_ID: _, ...rest } = byId;
    const byName = { ...rest, OS_APPLICATION_CREDENTIAL_NAME: 'sign-in', OS_USERNAME: keystone.user.name };
    for (const env of [byId, byName]) expect(await opens(await signInWith(env))).toBe(true);

    await revokeApplicationCredential(keystone, credential.id);
    for (const env of [byId, byName]) {
      await expect(signInWith(env)).rejects.toMatchObject({
        code: 'store',
        message: expect.stringContaining('wrong, expired or revoked'),
      });
    }
  });

  it('says when the token of an application credential ends with it', async () => {
    const { keystone } = servers();
    const ends = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000);
    const credential = await createApplicationCredential(keystone, 'sign-in-ends', ends);
    expect((await signInWith(applicationSet(keystone, credential))).expires).toEqual(ends);
  });

  const wrong: [string, Record<string, string>][] = [
    ['password', { OS_PASSWORD: 'wrong' }],
    ['user', { OS_USERNAME: 'nobody' }],
    ['domain', { OS_USER_DOMAIN_NAME: 'nowhere' }],
    ['project', { OS_PROJECT_NAME: 'nowhere' }],
  ];
  it.each(wrong)('refuses a wrong %s', async (_, part) => {
    await expect(signInWith({ ...passwordSet(servers().keystone), ...part })).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining('wrong, expired or revoked'),
    });
  });

  it('refuses a wrong secret of an application credential', async () => {
    const { keystone } = servers();
    const credential = await createApplicationCredential(keystone, 'sign-in-wrong');
    const env = applicationSet(keystone, { ...credential, secret: 'wrong' });
    await expect(signInWith(env)).rejects.toThrow('wrong, expired or revoked');
  });

  it('an auth URL beside it is no Keystone v3', async () => {
    const env = passwordSet(servers().keystone);
    for (const url of [env.OS_AUTH_URL!.replace('/v3', '/identity/v3'), `${env.OS_AUTH_URL}/elsewhere`]) {
      await expect(signInWith({ ...env, OS_AUTH_URL: url })).rejects.toThrow(
        'the auth URL seems not to be one of Keystone v3',
      );
    }
  });

  it('names the regions there are, and keeps to those that are allowed', async () => {
    const { keystone } = servers();
    const { OS_REGION_NAME: _, ...env } = passwordSet(keystone);
    const [first, second] = keystone.regions;
    await expect(signInWith(env)).rejects.toMatchObject({
      code: 'strategy',
      message: expect.stringMatching(
        new RegExp(`choose one with store.swift.region .*"${first}".*"${second}"|"${second}".*"${first}"`),
      ),
    });
    const elsewhere = { ...env, OS_REGION_NAME: 'elsewhere' };
    await expect(signInWith(elsewhere)).rejects.toThrow('not offered in region "elsewhere"');
    const there = { ...env, OS_REGION_NAME: second, OS_INTERFACE: 'internal' };
    expect(await signInWith(there, { allowedRegions: [second] })).toMatchObject({ region: second });
    await expect(signInWith(there, { allowedRegions: [first] })).rejects.toMatchObject({ code: 'strategy' });
  });
});
