/** Answers in the server's place are what they say, and nothing reaches the server. */
import { once as event } from 'node:events';
import { request as open } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import * as faulty from '../faulty-path.ts';
import { any, get, head, nth, once, put } from '../faulty-path.ts';
import { ACCOUNT, aroundEach, ask, BODY, BOX, fetched, path, server, store } from './around.ts';
import { TOKEN } from './plain-server.ts';

aroundEach();

describe("answers in the server's place", () => {
  test('a status, once the whole body is read; the connection goes on', async () => {
    path.on(put(), once, faulty.status(503, { headers: { 'Retry-After': '2' }, body: 'busy' }));
    const heard = await store('a');
    expect(heard).toMatchObject({ status: 503, early: false, headers: { 'retry-after': '2' } });
    expect(heard.body.toString()).toBe('busy');
    expect(path.requests[0]).toMatchObject({
      done: 'status 503',
      received: BODY.length,
      upstream: undefined,
    });
    expect(server.heads).toHaveLength(0);
    await store('a');
    expect(path.requests.map(({ connection }) => connection)).toEqual([1, 1]);
  });

  test('a status while the body is still arriving; the connection ends', async () => {
    path.on(put(), once, faulty.status(401, { early: true }));
    const body = new Readable({ read() {} });
    body.push(BODY);
    const heard = await ask('PUT', `${BOX}/a`, { body });
    expect(heard).toMatchObject({ status: 401, early: true, headers: { connection: 'close' } });
    body.push(null);
    await store('a');
    expect(path.requests.map(({ connection }) => connection)).toEqual([1, 2]);
  });

  test('answers without a body have none', async () => {
    path.on(any(), faulty.status(204));
    path.on(head(), faulty.status(503));
    expect(await store('a')).toMatchObject({ status: 204, body: Buffer.alloc(0) });
    path.rules[0]!.remove();
    expect(await ask('HEAD', `${BOX}/a`)).toMatchObject({ status: 503, body: Buffer.alloc(0) });
  });

  test("another proxy's page", async () => {
    path.on(put(), faulty.html());
    const heard = await store('a');
    expect(heard).toMatchObject({
      status: 200,
      headers: { 'content-type': expect.stringContaining('html') },
    });
    expect(heard.body.toString()).toContain('<html>');
    expect(heard.headers.etag).toBeUndefined();
  });

  test('another protocol (101), once the whole body is read', async () => {
    path.on(put(), faulty.upgrade());
    const request = open(`${path.url}${BOX}/a`, { method: 'PUT' });
    const upgraded = event(request, 'upgrade');
    request.end(BODY);
    const [answer, socket] = await upgraded;
    expect(answer).toMatchObject({ statusCode: 101, headers: { upgrade: 'websocket' } });
    socket.destroy();
    expect(path.requests[0]).toMatchObject({ done: 'upgrade', received: BODY.length, upstream: undefined });
    expect(server.heads).toHaveLength(0);
  });

  test('a redirect', async () => {
    path.on(get(), faulty.redirect('http://elsewhere.invalid/', 307));
    expect(await fetched('a')).toMatchObject({
      status: 307,
      headers: { location: 'http://elsewhere.invalid/' },
    });
  });

  test('a token ends in mid-run, and a new sign-in helps', async () => {
    const signIn = async () => (await ask('GET', '/auth/v1.0')).headers['x-auth-token'] as string;
    const old = await signIn();
    path.on(put(), nth(2), faulty.expireToken());
    const code = async (token: string) =>
      (await ask('PUT', `${BOX}/a`, { body: BODY, headers: { 'X-Auth-Token': token } })).status;
    expect([await code(old), await code(old), await code(old)]).toEqual([201, 401, 401]);
    const fresh = await signIn();
    expect(fresh).not.toBe(old);
    expect(await code(fresh)).toBe(201);
    expect(server.heads.at(-1)).toMatchObject({ 'x-auth-token': TOKEN });
    expect(await signIn()).toBe(fresh);
    expect(await code(old)).toBe(401);
    path.expireTokens();
    expect(await code(fresh)).toBe(401);
    expect(await code(await signIn())).toBe(201);
    const refused = await ask('GET', `${BOX}/a`, { headers: { 'X-Auth-Token': old } });
    expect(refused.headers['www-authenticate']).toBe('Swift realm="AUTH_test"');
  });

  test('a bulk delete that fails with 200', async () => {
    path.on(faulty.bulkDelete(), faulty.bulkDeleteFails());
    const body = Buffer.from('/box/a\nbox/b%20c\n');
    const json = await ask('POST', `${ACCOUNT}?bulk-delete`, {
      body,
      headers: { Accept: 'application/json' },
    });
    expect(json.status).toBe(200);
    expect(JSON.parse(json.body.toString())).toEqual({
      'Number Deleted': 0,
      'Number Not Found': 0,
      'Response Status': '400 Bad Request',
      'Response Body': '',
      Errors: [
        ['/box/a', '403 Forbidden'],
        ['/box/b%20c', '403 Forbidden'],
      ],
    });
    const text = await ask('POST', `${ACCOUNT}?bulk-delete`, { body });
    expect(text.body.toString()).toContain(
      'Response Status: 400 Bad Request\nErrors:\n/box/a, 403 Forbidden\n',
    );
  });
});
