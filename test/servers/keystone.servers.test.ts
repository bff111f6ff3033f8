import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { startKeystone } from './keystone.ts';
import {
  createApplicationCredential,
  revokeApplicationCredential,
  signIn,
  signInWith,
} from './keystone-api.ts';
import { describeWithKeystone, describeWithServers } from './servers.ts';

const run = promisify(execFile);

describeWithKeystone('the Keystone of the run', (servers) => {
  it('offers Swift in two regions, publicly and internally', async () => {
    const { keystone, swift } = servers();
    const { authUrl, user, project, regions } = keystone;
    const { catalog } = await signIn(authUrl, user.name, user.password, project.name);
    const endpoints = catalog.find(({ type }) => type === 'object-store')?.endpoints ?? [];
    const url = `${swift.keystoneProxyUrl}/v1/AUTH_${project.id}`;
    expect(endpoints.map((e) => [e.region, e.interface, e.url]).sort()).toEqual(
      regions.flatMap((region) => ['internal', 'public'].map((kind) => [region, kind, url])).sort(),
    );
  });

  it("lets an application credential's token in at Swift, until it is revoked", async () => {
    const { keystone, swift } = servers();
    const credential = await createApplicationCredential(keystone, 'revoked');
    const { token } = await signInWith(keystone.authUrl, credential);
    const account = `${swift.keystoneProxyUrl}/v1/AUTH_${keystone.project.id}`;
    const put = await fetch(`${account}/by-credential`, {
      method: 'PUT',
      headers: { 'x-auth-token': token },
    });
    expect(put.status).toBe(201);

    await revokeApplicationCredential(keystone, credential.id);
    await expect(signInWith(keystone.authUrl, credential)).rejects.toMatchObject({ status: 404 });
    // Swift believes a token for a moment without asking.
    const status = () => fetch(account, { headers: { 'x-auth-token': token } }).then((r) => r.status);
    await expect.poll(status, { timeout: 60_000, interval: 500 }).toBe(401);
  });

  it('ends the token of an application credential with it', async () => {
    const { keystone } = servers();
    const expiresAt = new Date(Math.floor(Date.now() / 1000) * 1000 + 60_000);
    const credential = await createApplicationCredential(keystone, 'short', expiresAt);
    const token = await signInWith(keystone.authUrl, credential);
    // Keystone leaves out the zone, which is UTC, where it takes the credential's time.
    expect(token.expiresAt).toBe(expiresAt.toISOString().replace('.000Z', ''));
  });

  it('gives an ordinary user no rights at Swift but those of an ACL', async () => {
    const { keystone, swift } = servers();
    const { authUrl, user, ordinary, project } = keystone;
    const [mine, theirs] = [
      await signIn(authUrl, user.name, user.password, project.name),
      await signIn(authUrl, ordinary.name, ordinary.password, project.name),
    ];
    const container = `${swift.keystoneProxyUrl}/v1/AUTH_${project.id}/granted`;
    const put = (url: string, token: string, headers: Record<string, string> = {}) =>
      fetch(url, { method: 'PUT', headers: { 'x-auth-token': token, ...headers } }).then((r) => r.status);
    expect(await put(container, theirs.token)).toBe(403);
    expect(await put(container, mine.token, { 'x-container-write': `${project.id}:${ordinary.id}` })).toBe(
      201,
    );
    expect(await put(`${container}/o`, theirs.token)).toBe(201);
  });

  it("takes OpenStack's own client", async () => {
    const { authUrl, regions, project, user } = servers().keystone;
    const env = {
      PATH: '/usr/bin',
      OS_AUTH_URL: authUrl,
      OS_USERNAME: user.name,
      OS_PASSWORD: user.password,
      OS_PROJECT_NAME: project.name,
      OS_USER_DOMAIN_NAME: 'Default',
      OS_PROJECT_DOMAIN_NAME: 'Default',
      OS_IDENTITY_API_VERSION: '3',
      OS_REGION_NAME: regions[1],
    };
    await run('/usr/bin/swift', ['post', 'client'], { env });
    expect((await run('/usr/bin/swift', ['list'], { env })).stdout).toContain('client\n');
  });
});

describeWithServers('a Keystone of a test', () => {
  it('gives short tokens where it shall', async () => {
    const keystone = await startKeystone({ tokenLife: 90 });
    try {
      const { authUrl, user, project } = keystone;
      const before = Date.now();
      const { expiresAt } = await signIn(authUrl, user.name, user.password, project.name);
      expect(Date.parse(expiresAt)).toBeGreaterThan(before);
      expect(Date.parse(expiresAt)).toBeLessThanOrEqual(Date.now() + 90_000);
    } finally {
      await keystone.stop();
    }
  });
});
