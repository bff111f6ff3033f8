import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { describeWithServers, describeWithSwift } from './servers.ts';
import { type SwiftAddress, startSwift } from './swift.ts';

const run = promisify(execFile);

/** An account of Swift, signed in to. */
async function account({ authUrl }: SwiftAddress, { user, key }: { user: string; key: string }) {
  const answer = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
  const [url, token] = [answer.headers.get('x-storage-url'), answer.headers.get('x-auth-token') ?? ''];
  return (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
    fetch(`${url}${path}`, {
      method,
      headers: { 'x-auth-token': token, ...headers },
      ...(body !== undefined && { body }),
    });
}

describeWithSwift('the Swift of the run', (swift) => {
  it('stores, gives, lists and deletes an object', async () => {
    const request = await account(swift(), swift());
    expect((await request('PUT', '/whole')).status).toBe(201);
    expect((await request('PUT', '/whole/a%20b', {}, 'content')).status).toBe(201);
    const got = await request('GET', '/whole/a%20b');
    expect([got.status, await got.text()]).toEqual([200, 'content']);
    expect(await (await request('GET', '/whole')).text()).toBe('a b\n');
    expect((await request('DELETE', '/whole/a%20b')).status).toBe(204);
    expect((await request('GET', '/whole/a%20b')).status).toBe(404);
  });

  it('refuses a wrong key', async () => {
    const { authUrl, user } = swift();
    const answer = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': 'wrong' } });
    expect(answer.status).toBe(401);
  });

  it("takes OpenStack's own client", async () => {
    const { authUrl, user, key } = swift();
    const env = { PATH: '/usr/bin', ST_AUTH: authUrl, ST_USER: user, ST_KEY: key };
    await run('/usr/bin/swift', ['post', 'client'], { env });
    expect((await run('/usr/bin/swift', ['list'], { env })).stdout).toContain('client\n');
  });

  it('holds to a quota of a container, also one that was reached a moment ago', async () => {
    const request = await account(swift(), swift());
    await request('PUT', '/quota', { 'x-container-meta-quota-bytes': '10' });
    expect((await request('PUT', '/quota/first', {}, '123456')).status).toBe(201);
    expect((await request('PUT', '/quota/second', {}, '123456')).status).toBe(413);
  });

  it('keeps what was deleted, by X-History-Location and by X-Versions-Enabled', async () => {
    const request = await account(swift(), swift());
    await request('PUT', '/history');
    await request('PUT', '/kept', { 'x-history-location': 'history' });
    await request('PUT', '/kept/o', {}, 'old');
    await request('DELETE', '/kept/o');
    expect((await request('GET', '/kept/o')).status).toBe(404);
    expect(await (await request('GET', '/history')).text()).toMatch(/^001o\/.*\n001o\/.*\n$/);

    expect((await request('PUT', '/versions', { 'x-versions-enabled': 'true' })).status).toBe(201);
    await request('PUT', '/versions/o', {}, 'old');
    await request('DELETE', '/versions/o');
    const listed = await request('GET', '/versions?versions&format=json');
    expect(await listed.json()).toMatchObject([{ name: 'o' }, { name: 'o', bytes: 3 }]);
  });

  it('deletes many at once', async () => {
    const request = await account(swift(), swift());
    await request('PUT', '/bulk');
    await request('PUT', '/bulk/a', {}, 'a');
    const headers = { 'content-type': 'text/plain', accept: 'application/json' };
    const answer = await request('POST', '?bulk-delete', headers, '/bulk/a\n/bulk/absent\n');
    expect(await answer.json()).toMatchObject({ 'Number Deleted': 1, 'Number Not Found': 1, Errors: [] });
    expect((await request('GET', '/bulk/a')).status).toBe(404);
  });

  it('lets an ordinary user do what an ACL says, and no more', async () => {
    const ordinary = swift().logins.find(({ admin }) => !admin);
    const [mine, theirs] = [await account(swift(), swift()), await account(swift(), ordinary!)];
    await mine('PUT', '/granted', { 'x-container-write': ordinary!.user });
    expect((await theirs('PUT', '/granted/o', {}, 'o')).status).toBe(201);
    expect((await theirs('GET', '/granted/o')).status).toBe(403);
    expect((await theirs('PUT', '/other')).status).toBe(403);
  });
});

describeWithServers('a Swift of a test', () => {
  it('ends with all its processes, and takes its folder along', async () => {
    const swift = await startSwift();
    const pids = swift.pids();
    expect(pids).toHaveLength(5);
    expect(pids.filter(isRunning)).toEqual(pids);
    await swift.stop();
    expect(pids.filter(isRunning)).toEqual([]);
    expect(existsSync(swift.folder)).toBe(false);
  });

  describe('with limits', () => {
    it('is out for a while, forgets tokens, refuses what is too large, and lacks what it shall lack', async () => {
      const swift = await startSwift({ maxFileSize: 100, bulk: false, versions: false, tokenLife: 5000 });
      try {
        const request = await account(swift, swift);
        await request('PUT', '/c');
        expect((await request('PUT', '/c/large', {}, 'x'.repeat(101))).status).toBe(413);
        expect((await request('PUT', '/c/small', {}, 'x'.repeat(100))).status).toBe(201);

        await swift.stopProxy();
        await expect(request('GET', '/c/small')).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
        await swift.startProxy();
        expect((await request('GET', '/c/small')).status).toBe(200);

        await swift.forgetTokens();
        expect((await request('GET', '/c/small')).status).toBe(401);
        const again = await fetch(swift.authUrl, {
          headers: { 'x-auth-user': swift.user, 'x-auth-key': swift.key },
        });
        expect(Number(again.headers.get('x-auth-token-expires'))).toBeLessThanOrEqual(5000);

        const info = (await (await fetch(new URL('/info', swift.authUrl))).json()) as object;
        expect(Object.keys(info)).toContain('container_quotas');
        expect(Object.keys(info)).not.toContain('bulk_delete');
        expect(Object.keys(info)).not.toContain('object_versioning');
      } finally {
        await swift.stop();
      }
    });
  });
});

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
