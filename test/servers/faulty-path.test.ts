/** The faulty path leaves alone what no rule claims, and its rules act when it is their turn. */
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { noise } from '../chunk/noise.ts';
import {
  ACCOUNT,
  aroundEach,
  ask,
  BODY,
  BOX,
  fetched,
  kept,
  md5,
  path,
  reset,
  server,
  store,
  until,
} from './faulty-path/around.ts';
import { TOKEN } from './faulty-path/plain-server.ts';
import * as faulty from './faulty-path.ts';
import { any, first, get, nth, once, put, startFaultyPath } from './faulty-path.ts';

aroundEach();

describe('without rules', () => {
  test('requests and answers pass as they are, on one connection', async () => {
    const stored = await store('a');
    expect(stored).toMatchObject({ status: 201, headers: { etag: md5(BODY) } });
    expect(await fetched('a')).toMatchObject({ status: 200, body: BODY, headers: { 'x-trans-id': 'tx1' } });
    const headed = await ask('HEAD', `${BOX}/a`);
    expect(headed).toMatchObject({ status: 200, headers: { 'content-length': '300000' } });
    expect(headed.body).toHaveLength(0);
    expect((await fetched('b')).status).toBe(404);
    expect(path.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 1]);
  });

  test('a chunked body passes', async () => {
    const body = Readable.from([BODY.subarray(0, 70_000), BODY.subarray(70_000)]);
    expect((await ask('PUT', `${BOX}/a`, { body })).status).toBe(201);
    expect(kept('a')).toEqual(BODY);
    expect(server.heads[0]).toMatchObject({ 'transfer-encoding': 'chunked' });
  });

  test('64 MiB pass both ways', async () => {
    const large = noise(64 << 20, 'large');
    expect((await store('large', large)).headers.etag).toBe(md5(large));
    expect(md5((await fetched('large')).body)).toBe(md5(large));
  });

  test('names are passed as they were sent', async () => {
    await ask('PUT', `${BOX}/a%2Fb%20c?x=%2f`, { body: BODY });
    expect([...server.objects.keys()]).toEqual([`${BOX}/a%2Fb%20c`]);
    expect(server.targets).toEqual([`${BOX}/a%2Fb%20c?x=%2f`]);
    expect(path.requests[0]).toMatchObject({ path: `${BOX}/a/b c` });
  });

  test('the log says what happened, and no secret', async () => {
    await ask('PUT', `${BOX}/a?multipart-manifest=put`, {
      body: BODY,
      headers: { 'X-Auth-Token': 'secret-token', 'X-Auth-Key': 'secret-key', 'X-Object-Meta-Colour': 'red' },
    });
    const [logged] = path.requests;
    await until(() => logged!.ended);
    expect(logged).toMatchObject({
      method: 'PUT',
      path: `${BOX}/a`,
      received: BODY.length,
      done: 'forwarded',
      status: 201,
      upstream: 201,
      cut: false,
    });
    expect(logged!.query.get('multipart-manifest')).toBe('put');
    expect(logged!.headers).toMatchObject({ 'x-object-meta-colour': 'red' });
    expect(JSON.stringify(logged)).not.toContain('secret');
    expect(server.heads[0]).toMatchObject({ 'x-auth-token': 'secret-token', 'x-auth-key': 'secret-key' });
  });

  test('an answer that comes before the body is out is passed on at once', async () => {
    const body = new Readable({ read() {} });
    body.push(BODY);
    expect(await ask('PUT', `${BOX}/refused`, { body })).toMatchObject({ status: 413, early: true });
    body.push(null);
    await until(() => path.requests[0]!.received === BODY.length);
    expect((await store('a')).status).toBe(201);
  });

  test("the storage URL of a sign-in is the path's", async () => {
    const signed = await ask('GET', '/auth/v1.0', { headers: { 'X-Auth-User': 'test:tester' } });
    expect(signed.headers).toMatchObject({ 'x-storage-url': path.url + ACCOUNT, 'x-auth-token': TOKEN });
  });

  test('a server that is not there costs the client its connection', async () => {
    await server.stop();
    await expect(fetched('a')).rejects.toMatchObject(reset);
  });
});

describe('rules', () => {
  test('the first whose turn it is acts, and all count', async () => {
    const second = path.on(put(/vol-/), nth(2), faulty.status(503));
    const later = path.on(any(), faulty.fromOn(2), faulty.status(500));
    const codes = [];
    for (const name of ['vol-1', 'vol-2', 'vol-3', 'other']) codes.push((await store(name)).status);
    expect(codes).toEqual([201, 503, 500, 500]);
    expect([second.matched, second.acted, later.matched, later.acted]).toEqual([3, 1, 4, 2]);
    later.remove();
    expect((await store('vol-4')).status).toBe(201);
    path.on(any(), faulty.status(500));
    path.clear();
    expect((await store('vol-5')).status).toBe(201);
    expect(path.rules).toHaveLength(0);
  });

  test.each([
    ['once', faulty.once, '500 201 201 201 201'],
    ['first', faulty.first(2), '500 500 201 201 201'],
    ['every', faulty.every(2), '201 500 201 500 201'],
    ['fromOn', faulty.fromOn(4), '201 201 201 500 500'],
    ['a predicate', (count: number) => count > 1 && count < 4, '201 500 500 201 201'],
  ])('turns: %s', async (_name, when, codes) => {
    path.on(put(), when, faulty.status(500));
    const heard = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) heard.push((await store(name)).status);
    expect(heard.join(' ')).toBe(codes);
  });

  test('each object fails once', async () => {
    path.on(put(), faulty.firstOfEach(), faulty.status(500));
    const codes = [];
    for (const name of ['a', 'b', 'a', 'b']) codes.push((await store(name)).status);
    expect(codes).toEqual([500, 500, 201, 201]);
  });

  test('matches tell methods, paths, listings, sign-ins and bulk deletes apart', () => {
    const asked = (method: string, path: string, query = '') => ({
      method,
      path,
      query: new URLSearchParams(query),
      headers: {},
    });
    expect(faulty.listing()(asked('GET', BOX, 'format=json'))).toBe(true);
    expect(faulty.listing('other')(asked('GET', BOX))).toBe(false);
    expect(faulty.listing()(asked('GET', `${BOX}/a`))).toBe(false);
    expect(faulty.listing()(asked('GET', ACCOUNT))).toBe(false);
    expect(faulty.signIn()(asked('GET', '/auth/v1.0'))).toBe(true);
    expect(faulty.signIn()(asked('POST', '/identity/v3/auth/tokens'))).toBe(true);
    expect(faulty.signIn()(asked('GET', `${BOX}/auth`))).toBe(false);
    expect(faulty.bulkDelete()(asked('POST', ACCOUNT, 'bulk-delete'))).toBe(true);
    expect(faulty.bulkDelete()(asked('POST', ACCOUNT))).toBe(false);
    expect(faulty.all(get(/b/), faulty.not(get(/box/)))(asked('GET', BOX))).toBe(false);
    expect(put((path) => path.endsWith('x'))(asked('PUT', BOX))).toBe(true);
    expect(put(/x/)(asked('DELETE', BOX))).toBe(false);
  });

  test('arrivals can be awaited', async () => {
    const arrived = path.arrival(put(/vol-/), 2);
    await store('vol-1');
    await store('other');
    await store('vol-2');
    expect(await arrived).toMatchObject({ path: `${BOX}/vol-2` });
  });
});

describe('outages', () => {
  test('down ends what is under way and refuses the rest; up serves again on the same port', async () => {
    path.on(put(), first(1), faulty.stall(faulty.forever));
    const arrived = path.arrival(put());
    const held = store('a').catch((error) => error.code);
    await arrived;
    await path.down();
    expect(await held).toBe('ECONNRESET');
    await expect(store('a')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await path.up();
    expect((await store('a')).status).toBe(201);
    expect(new URL(path.url).port).toBe(String(path.port));
  });

  test('an outage from within a rule', async () => {
    path.on(
      put(),
      once,
      faulty.callBefore(() => path.down()),
    );
    await expect(store('a')).rejects.toMatchObject(reset);
    await expect(store('a')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(server.heads).toHaveLength(0);
    await path.up();
  });

  test('what fails in the path itself is told when it stops', async () => {
    const broken = await startFaultyPath(server.port);
    broken.on(get(), { name: 'broken', run: async () => Promise.reject(new TypeError('a slip')) });
    await expect(fetch(`${broken.url}/`)).rejects.toThrow();
    await expect(broken.stop()).rejects.toThrow('the faulty path itself failed');
  });
});
