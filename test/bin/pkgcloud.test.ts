/** The one file that the build makes of pkgcloud: what is left out of it is asked for by no request, and it prints no token. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, Agent as HttpAgent, type RequestListener } from 'node:http';
import { createServer as createSecureServer, Agent as HttpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  Identity,
  OutgoingRequest,
  Storage,
  StorageClient,
} from '../../src/store/swift/pkgcloud-types.ts';
import { project } from '../helpers/script.ts';
import { makeFolder } from '../helpers/temporary.ts';
import { answering, makeCertificates } from '../store/swift/answering.ts';

const BUILT = project('dist/node_modules/pkgcloud/lib/pkgcloud/openstack/storage/index.js');
/** What the build puts in the place of a package that it leaves out. */
const LEFT_OUT = 'module.exports={}}';

const asked: string[] = [];
let storage: Storage;
let authority: string;
let base: string;
const servers: { close(): unknown; closeAllConnections(): void }[] = [];
const urls = { http: '', https: '' };

/** Notes whatever it is asked for. */
const recorder: object = new Proxy(() => {}, {
  get: (_, name) => {
    asked.push(String(name));
    return recorder;
  },
  apply: () => {
    asked.push('()');
    return recorder;
  },
  construct: () => {
    asked.push('new');
    return recorder;
  },
});

/** Answers by the last part of the path. */
const answer: RequestListener = (request, response) => {
  const what = request.url?.split('/').at(-1) ?? '';
  if (what === 'stall') return;
  if (what === 'reset') {
    request.socket.destroy();
    return;
  }
  let got = 0;
  request.on('data', (piece: Buffer) => {
    got += piece.length;
  });
  request.on('end', () => {
    const cookies = { 'set-cookie': ['a=b', 'c=d'] };
    if (what === 'moved') response.writeHead(302, { location: 'http://127.0.0.1:1/x', ...cookies }).end('no');
    else if (what === 'refused')
      response.writeHead(401, { 'www-authenticate': 'Digest realm="x", nonce="y"', ...cookies }).end('no');
    else if (what === 'packed')
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': 3 }).end('abc');
    else if (what === 'cut') {
      response.writeHead(200, { 'content-length': 300 }).write('abc');
      setTimeout(() => response.destroy(), 20);
    } else
      response
        .writeHead(request.method === 'PUT' ? 201 : 200, {
          'x-got': got,
          'x-token': request.headers['x-auth-token'],
          ...cookies,
        })
        .end('hello');
  });
};

let preparing: Promise<void> | undefined;

/** Certificates are made within a test; servers go on until all have ended. */
function prepared(): Promise<void> {
  preparing ??= prepare();
  return preparing;
}

async function prepare(): Promise<void> {
  const certificates = await makeCertificates();
  authority = readFileSync(certificates.authority, 'utf8');
  const plain = createServer(answer);
  const secure = createSecureServer(certificates.good, answer);
  for (const server of [plain, secure]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
  }
  urls.http = `http://localhost:${(plain.address() as AddressInfo).port}/v1/A`;
  urls.https = `https://localhost:${(secure.address() as AddressInfo).port}/v1/A`;
}

beforeAll(async () => {
  // In a folder of that name, as it is built: Node warns of deprecated calls elsewhere.
  base = await makeFolder();
  const folder = join(base, 'node_modules');
  mkdirSync(folder);
  const text = readFileSync(BUILT, 'utf8');
  expect(text.split(LEFT_OUT).length - 1).toBe(11);
  writeFileSync(
    join(folder, 'recorded.cjs'),
    text.replaceAll(LEFT_OUT, 'module.exports=globalThis.recorder}'),
  );
  Object.assign(globalThis, { recorder });
  storage = createRequire(join(folder, 'x.cjs'))('./recorded.cjs');
});

afterAll(async () => {
  await rm(base, { recursive: true, force: true });
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

/** As store/swift/client.ts makes it. */
function clientOf(url: string, agent: HttpAgent | HttpsAgent, strictSSL: boolean): StorageClient {
  const identity: Identity = {
    token: undefined,
    on() {},
    authorize(callback) {
      this.token = { id: 'TOKEN', expires: new Date(8.64e15) };
      callback();
    },
    getServiceEndpointUrl: () => url,
  };
  const client = storage.createClient({
    authUrl: 'https://sign-in.invalid',
    identity: class {
      constructor() {
        // biome-ignore lint/correctness/noConstructorReturn: as the program does.
        return identity;
      }
    } as unknown as new () => Identity,
    strictSSL,
    earlyTokenTimeout: 0,
  });
  client.before.push((outgoing: OutgoingRequest) => {
    const own = { json: false, proxy: null, followRedirect: false, timeout: 300, agent };
    return Object.assign(outgoing, own);
  });
  return client;
}

type Options = Parameters<StorageClient['_request']>[0];

/** The status, the answer's headers and its body; or what went wrong. */
function ask(client: StorageClient, options: Options, body?: Buffer, abortAfter?: number): Promise<string> {
  return new Promise((resolve) => {
    client.auth(() => {});
    const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
    const headers = { 'Content-Type': 'application/octet-stream', ...length, ...options.headers };
    const pending = client._request({ ...options, headers });
    let said = '';
    pending.on('error', (error) =>
      resolve(`error ${(error as NodeJS.ErrnoException).code ?? error.message}`),
    );
    pending.on('response', ({ statusCode, headers }) => {
      said = `${statusCode} ${headers['x-got'] ?? ''} ${headers['x-token'] ?? ''}`.trim();
      if (options.method === 'HEAD') resolve(said);
    });
    pending.on('data', (piece) => {
      said += ` ${piece}`;
    });
    pending.on('end', () => resolve(said));
    if (body !== undefined) Readable.from([body.subarray(0, 10), body.subarray(10)]).pipe(pending);
    if (abortAfter === undefined) return;
    setTimeout(() => {
      pending.abort();
      resolve('aborted');
    }, abortAfter);
  });
}

describe.each(['http', 'https'] as const)(
  'what is left out is asked for by no request, over %s',
  (scheme) => {
    const client = (strictSSL = true) => {
      const agent =
        scheme === 'http'
          ? new HttpAgent({ keepAlive: true })
          : new HttpsAgent({ keepAlive: true, ca: authority, rejectUnauthorized: strictSSL });
      return clientOf(urls[scheme], agent, strictSSL);
    };

    test.each<[string, Options, Buffer | undefined, number | undefined, RegExp]>([
      [
        'an odd name',
        { method: 'GET', container: 'c', path: 'ö x/y&z?#%1' },
        undefined,
        undefined,
        /^200 0 TOKEN hello$/,
      ],
      [
        'a listing',
        { method: 'GET', container: 'c', qs: { format: 'json', prefix: "a'(b)*!ü&=" } },
        undefined,
        undefined,
        /^200 0 TOKEN hello$/,
      ],
      ['a look', { method: 'HEAD', container: 'c', path: 'x' }, undefined, undefined, /^200 0 TOKEN$/],
      [
        'an upload',
        { method: 'PUT', container: 'c', path: 'x' },
        Buffer.alloc(300_000),
        undefined,
        /^201 300000 TOKEN/,
      ],
      ['a container', { method: 'PUT', container: 'c' }, undefined, undefined, /^201 0 TOKEN/],
      [
        'a bulk',
        { method: 'POST', qs: { 'bulk-delete': 'true' } },
        Buffer.from('c/1\nc/2\nc/3\n'),
        undefined,
        /^200 12 TOKEN/,
      ],
      ['a removal', { method: 'DELETE', container: 'c', path: 'x' }, undefined, undefined, /^200 0 TOKEN/],
      ['a redirect', { method: 'GET', container: 'c', path: 'moved' }, undefined, undefined, /^302 no$/],
      ['a refusal', { method: 'GET', container: 'c', path: 'refused' }, undefined, undefined, /^401 no$/],
      [
        'a packed answer',
        { method: 'GET', container: 'c', path: 'packed' },
        undefined,
        undefined,
        /^200 abc$/,
      ],
      [
        'an answer cut short',
        { method: 'GET', container: 'c', path: 'cut' },
        undefined,
        undefined,
        /abc|ECONNRESET|aborted/,
      ],
      [
        'a connection cut',
        { method: 'GET', container: 'c', path: 'reset' },
        undefined,
        undefined,
        /ECONNRESET/,
      ],
      [
        'a server that stalls',
        { method: 'GET', container: 'c', path: 'stall' },
        undefined,
        undefined,
        /TIMEDOUT/,
      ],
      ['an abort', { method: 'GET', container: 'c', path: 'stall' }, undefined, 50, /^aborted$/],
      [
        'an upload aborted',
        { method: 'PUT', container: 'c', path: 'stall' },
        Buffer.alloc(3_000_000),
        50,
        /^aborted$/,
      ],
    ])('%s', async (_, options, body, abortAfter, expected) => {
      await prepared();
      expect(await ask(client(), options, body, abortAfter)).toMatch(expected);
      expect(asked).toEqual([]);
    });

    test('a server that is unknown, and one that refuses', async () => {
      const agent = scheme === 'http' ? new HttpAgent() : new HttpsAgent();
      for (const [host, expected] of [
        ['localhost:1', /ECONNREFUSED/],
        ['no.such.host.invalid', /ENOTFOUND|EAI_AGAIN/],
      ] as const) {
        const unknown = clientOf(`${scheme}://${host}/v1/A`, agent, true);
        expect(await ask(unknown, { method: 'GET', container: 'c', path: 'x' })).toMatch(expected);
      }
      expect(asked).toEqual([]);
    });
  },
);

test('over TLS, a certificate that nobody trusts is refused unless it was said that it need not be', async () => {
  await prepared();
  const options: Options = { method: 'GET', container: 'c', path: 'x' };
  expect(await ask(clientOf(urls.https, new HttpsAgent(), true), options)).toMatch(
    /SELF_SIGNED|UNABLE_TO_VERIFY/,
  );
  const lax = new HttpsAgent({ rejectUnauthorized: false });
  expect(await ask(clientOf(urls.https, lax, false), options)).toBe('200 0 TOKEN hello');
  expect(asked).toEqual([]);
});

test('NODE_DEBUG=request makes the program print no token', async () => {
  const tokens: unknown[] = [];
  const url: string = await answering((request, response) => {
    if (request.url === '/auth/v1.0') {
      const said = { 'x-auth-token': 'AUTH_tk0123456789', 'x-storage-url': `${url}/v1/AUTH_town` };
      response.writeHead(200, said).end();
      return;
    }
    tokens.push(request.headers['x-auth-token']);
    response.writeHead(200, { 'x-trans-id': 'tx', 'x-container-object-count': '0' }).end('[]');
  });
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    NODE_DEBUG: 'request',
    ST_AUTH: `${url}/auth/v1.0`,
    ST_USER: 'town:keeper',
    ST_KEY: 'the-secret-key',
  };
  const failed = await promisify(execFile)(
    project('bin/holdfast.js'),
    ['points', '--store', 'swift:c', '--name', 'town'],
    { env },
  ).then(
    () => undefined,
    (error: { code: number; stderr: string }) => error,
  );
  expect(failed?.stderr).toContain('no points');
  expect(tokens.length).toBeGreaterThan(2);
  expect(new Set(tokens)).toEqual(new Set(['AUTH_tk0123456789']));
  expect(failed?.stderr).not.toContain('AUTH_tk');
  expect(failed?.stderr).not.toContain('the-secret-key');
});
