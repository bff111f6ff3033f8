/** Before a real Swift, the faulty path is Swift as clients know it, and its faults are those that Swift shows. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { noise } from '../../chunk/noise.ts';
import * as faulty from '../faulty-path.ts';
import { type FaultyPath, put, startFaultyPath } from '../faulty-path.ts';
import { type SwiftServer, startSwift } from '../swift.ts';

const BODY = noise(3_000_000, 'body');
const ETAG = createHash('md5').update(BODY).digest('hex');

let swift: SwiftServer;
let path: FaultyPath;
let storage: string;
let token: string;

beforeAll(async () => {
  swift = await startSwift();
  path = await startFaultyPath(swift.proxyPort);
});

afterAll(async () => {
  await path?.stop();
  await swift?.stop();
});

beforeEach(async () => {
  path.clear();
  await signIn();
  expect((await ask('PUT', '')).status).toBeLessThan(300);
});

async function signIn(): Promise<void> {
  const headers = { 'X-Auth-User': swift.user, 'X-Auth-Key': swift.key };
  const answer = await fetch(`${path.url}/auth/v1.0`, { headers });
  expect(answer.status).toBe(200);
  token = answer.headers.get('x-auth-token')!;
  storage = answer.headers.get('x-storage-url')!;
}

/** In container `box`; `name` may have a query. */
function ask(method: string, name: string, body?: Buffer): Promise<Response> {
  const headers = { 'X-Auth-Token': token, ...(body && { ETag: ETAG }) };
  return fetch(`${storage}/box${name}`, { method, headers, ...(body && { body: new Uint8Array(body) }) });
}

test('objects are put, read and listed', async () => {
  expect(storage).toMatch(`${path.url}/v1/AUTH_`);
  expect((await ask('PUT', '/whole', BODY)).status).toBe(201);
  const read = await ask('GET', '/whole');
  expect(read.headers.get('etag')).toBe(ETAG);
  expect(Buffer.from(await read.arrayBuffer()).equals(BODY)).toBe(true);
  const head = await ask('HEAD', '/whole');
  expect(head.headers.get('content-length')).toBe('3000000');
  path.on(faulty.listing('box'), faulty.ghost('zzz'));
  const names = (await (await ask('GET', '?format=json')).json()) as { name: string }[];
  expect(names.map(({ name }) => name)).toEqual(['whole', 'zzz']);
});

test('a flipped bit of an upload is found by Swift, and nothing is stored', async () => {
  path.on(put(/flipped/), faulty.corruptUpload(2_000_000));
  expect((await ask('PUT', '/flipped', BODY)).status).toBe(422);
  expect((await ask('HEAD', '/flipped')).status).toBe(404);
});

test('an upload cut short is not stored, one whose answer is lost is', async () => {
  path.on(put(/cut/), faulty.cutInBody(faulty.half));
  path.on(put(/lost/), faulty.loseAnswer());
  await expect(ask('PUT', '/cut', BODY)).rejects.toThrow('fetch failed');
  await expect(ask('PUT', '/lost', BODY)).rejects.toThrow('fetch failed');
  expect((await ask('HEAD', '/cut')).status).toBe(404);
  expect((await ask('HEAD', '/lost')).headers.get('etag')).toBe(ETAG);
});

test('a token that ended is refused until the next sign-in, though TempAuth gives the same one again', async () => {
  const rule = path.on(put(), faulty.once, faulty.expireToken());
  expect((await ask('PUT', '/late', BODY)).status).toBe(401);
  expect((await ask('PUT', '/late', BODY)).status).toBe(401);
  await signIn();
  expect((await ask('PUT', '/late', BODY)).status).toBe(201);
  expect([rule.matched, rule.acted]).toEqual([2, 1]);
});
