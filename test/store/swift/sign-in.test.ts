import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../../src/errors.ts';
import type { Credentials, HowToSignIn } from '../../../src/store/swift/credentials/credentials.ts';
import { Transient } from '../../../src/store/swift/failure.ts';
import { signIn, type Wanted } from '../../../src/store/swift/sign-in.ts';
import { answering, answeringSecurely, bodyOf, connectionFor, makeCertificates } from './answering.ts';

/** Secrets in tests all hold this word, so that none can slip into a message unseen. */
const SECRET = 'hunter2';
const DATE = 'Wed, 25 Nov 2026 03:00:00 GMT';

const TEMPAUTH: HowToSignIn = { kind: 'tempauth', user: 'test:tester', key: SECRET };
const PASSWORD: HowToSignIn = {
  kind: 'password',
  user: { name: 'backup', domain: { id: 'default' } },
  password: SECRET,
  project: { name: 'townhall', domain: { name: 'Town' } },
};
const APPLICATION: HowToSignIn = { kind: 'application-credential', which: { id: 'abc' }, secret: SECRET };

interface Attempt extends Partial<Omit<Credentials, 'authUrl'>> {
  want?: Wanted;
  signal?: AbortSignal;
}

async function attempt(url: string, how: HowToSignIn, { want = {}, signal, ...more }: Attempt = {}) {
  const credentials: Credentials = {
    authUrl: new URL(url),
    how,
    interface: 'public',
    insecure: false,
    source: 'the test',
    ...more,
  };
  return await signIn(credentials, await connectionFor(credentials), want, signal);
}

/** The error of an attempt; it must be one of the two kinds, on one line, and tell no secret. */
async function failure(attempted: Promise<unknown>): Promise<Transient | HoldfastError> {
  const error = await attempted.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof Transient || error instanceof HoldfastError)) throw error ?? new Error('signed in');
  expect(error.message).not.toContain(SECRET);
  expect(error.message).not.toContain('\n');
  return error;
}

function endpoints(...regions: string[]) {
  return regions.flatMap((region) =>
    ['public', 'internal'].map((name) => ({
      interface: name,
      region,
      region_id: region,
      url: `https://${name}.${region}.example.org/v1/AUTH_1/`,
    })),
  );
}

/** An answer of Keystone v3, with parts of the token replaced. */
function tokenWith(parts: object = {}) {
  return {
    token: {
      methods: ['password'],
      expires_at: '2026-11-25T04:00:00.000000Z',
      user: { id: 'u', name: 'backup', domain: { id: 'default', name: 'Default' } },
      project: { id: 'p', name: 'townhall', domain: { id: 'default', name: 'Default' } },
      roles: [{ id: 'r', name: 'member' }],
      catalog: [
        { type: 'identity', name: 'keystone', endpoints: [] },
        { type: 'object-store', name: 'swift', endpoints: endpoints('fra') },
      ],
      ...parts,
    },
  };
}

type Seen = { url: string | undefined; method: string | undefined; body: unknown }[];

/** A server that answers as Keystone; `seen` are the requests. */
async function keystone(body: object = tokenWith(), headers: Record<string, string> = {}, status = 201) {
  const seen: Seen = [];
  const url = await answering(async (request, response) => {
    seen.push({ url: request.url, method: request.method, body: JSON.parse(await bodyOf(request)) });
    response
      .writeHead(status, {
        'Content-Type': 'application/json',
        'X-Subject-Token': 'token-1',
        Date: DATE,
        ...headers,
      })
      .end(JSON.stringify(body));
  });
  return { url, seen };
}

function tempauth(headers: Record<string, string>, status = 200) {
  return answering((_, response) => response.writeHead(status, headers).end());
}

describe('TempAuth', () => {
  const ANSWER = {
    'X-Storage-Url': 'http://127.0.0.1:8080/v1/AUTH_test/',
    'X-Auth-Token': 'AUTH_tk1',
    'X-Auth-Token-Expires': '86400',
    Date: DATE,
  };

  test('gives token, storage URL and expiry', async () => {
    let seen: IncomingMessage | undefined;
    const url = await answering((request, response) => {
      seen = request;
      response.writeHead(200, ANSWER).end();
    });
    expect(await attempt(`${url}/auth/v1.0`, TEMPAUTH)).toEqual({
      token: 'AUTH_tk1',
      expires: new Date('2026-11-26T03:00:00Z'),
      storageUrl: new URL('http://127.0.0.1:8080/v1/AUTH_test'),
      region: undefined,
      user: 'test:tester',
      date: new Date('2026-11-25T03:00:00Z'),
    });
    expect(seen).toMatchObject({
      method: 'GET',
      url: '/auth/v1.0',
      headers: { 'x-auth-user': 'test:tester', 'x-auth-key': SECRET },
    });
  });

  test('an expiry that is missing or no number is unknown', async () => {
    for (const expires of ['', 'soon', '-1', '1e9']) {
      const url = await tempauth({ ...ANSWER, 'X-Auth-Token-Expires': expires });
      expect((await attempt(url, TEMPAUTH)).expires).toBeUndefined();
    }
  });

  test('a user and key beyond ASCII are sent as UTF-8', async () => {
    let seen: IncomingMessage | undefined;
    const url = await answering((request, response) => {
      seen = request;
      response.writeHead(200, ANSWER).end();
    });
    await attempt(url, { kind: 'tempauth', user: 'rathaus:grüße', key: '密码' });
    const sent = (name: string) => Buffer.from(String(seen?.headers[name]), 'latin1').toString('utf8');
    expect([sent('x-auth-user'), sent('x-auth-key')]).toEqual(['rathaus:grüße', '密码']);
  });

  test('a key with a line break is refused, and nothing is sent', async () => {
    const error = await failure(attempt('http://127.0.0.1:1', { ...TEMPAUTH, key: `${SECRET}\r\nX: y` }));
    expect(error).toMatchObject({ code: 'strategy' });
  });

  const wrong: [string, Record<string, string>, number, object, string][] = [
    [
      '401',
      {},
      401,
      { code: 'store' },
      'refused (401) for "test:tester": user or key is wrong; check ST_USER',
    ],
    ['403', {}, 403, { code: 'store' }, 'refused (403)'],
    ['404', {}, 404, { code: 'store' }, 'seems not to be one of TempAuth'],
    ['an answer without headers', {}, 200, { code: 'store' }, 'has no X-Storage-Url and X-Auth-Token'],
    [
      '503',
      { 'Retry-After': '7', 'X-Trans-Id': 'tx9' },
      503,
      { name: 'Transient', retryAfter: 7000 },
      '503 [tx9]',
    ],
    ['429', {}, 429, { name: 'Transient', retryAfter: undefined }, '429'],
    ['498', {}, 498, { name: 'Transient' }, '498'],
    [
      'a storage URL that is none',
      { ...ANSWER, 'X-Storage-Url': '/v1/AUTH_test' },
      200,
      { code: 'store' },
      'is no URL that can be used',
    ],
    [
      'a password in the storage URL',
      { ...ANSWER, 'X-Storage-Url': `https://u:${SECRET}@s.example.org/v1` },
      200,
      { code: 'store' },
      'is no URL that can be used',
    ],
    [
      'a storage URL in plain http',
      { ...ANSWER, 'X-Storage-Url': 'http://s.example.org/v1/a' },
      200,
      { code: 'strategy' },
      'is http://s.example.org, which is not encrypted',
    ],
    [
      'a token with blanks',
      { ...ANSWER, 'X-Auth-Token': `a ${SECRET}` },
      200,
      { code: 'store' },
      'holds no token that can be used',
    ],
    [
      'an endless token',
      { ...ANSWER, 'X-Auth-Token': 'x'.repeat(9000) },
      200,
      { code: 'store' },
      'holds no token that can be used',
    ],
    [
      'a redirect',
      { Location: 'https://s.example.org/auth/v1.0' },
      302,
      { code: 'store' },
      'sends us on to https://s.example.org/auth/v1.0 (302)',
    ],
  ];
  test.each(wrong)('%s', async (_, headers, status, kind, message) => {
    const error = await failure(attempt(await tempauth(headers, status), TEMPAUTH));
    expect(error).toMatchObject({ ...kind, message: expect.stringContaining(message) });
  });

  test('allowed regions cannot be kept, which is said before anything is sent', async () => {
    const want = { allowedRegions: ['fra'] };
    const error = await failure(attempt('http://127.0.0.1:1', TEMPAUTH, { want }));
    expect(error).toMatchObject({
      code: 'strategy',
      message: expect.stringContaining('allowedRegions cannot be kept'),
    });
  });
});

describe('Keystone', () => {
  test('gives token, storage URL, region, roles and expiry', async () => {
    const { url } = await keystone();
    expect(await attempt(url, PASSWORD)).toEqual({
      token: 'token-1',
      expires: new Date('2026-11-25T04:00:00Z'),
      storageUrl: new URL('https://public.fra.example.org/v1/AUTH_1'),
      region: 'fra',
      user: '"backup" in project "townhall"',
      date: new Date('2026-11-25T03:00:00Z'),
      roles: ['member'],
    });
  });

  test.each([
    ['', '/v3/auth/tokens'],
    ['/', '/v3/auth/tokens'],
    ['/v3', '/v3/auth/tokens'],
    ['/v3/', '/v3/auth/tokens'],
    ['/identity', '/identity/v3/auth/tokens'],
    ['/identity/v3//', '/identity/v3/auth/tokens'],
  ])('with the auth URL …%s, %s is asked', async (path, expected) => {
    const { url, seen } = await keystone();
    await attempt(url + path, PASSWORD);
    expect(seen).toMatchObject([{ method: 'POST', url: expected }]);
  });

  const requests: [string, HowToSignIn, object][] = [
    [
      'names',
      PASSWORD,
      {
        identity: {
          methods: ['password'],
          password: { user: { name: 'backup', domain: { id: 'default' }, password: SECRET } },
        },
        scope: { project: { name: 'townhall', domain: { name: 'Town' } } },
      },
    ],
    [
      'ids',
      { kind: 'password', user: { id: 'u' }, password: SECRET, project: { id: 'p' } },
      {
        identity: { methods: ['password'], password: { user: { id: 'u', password: SECRET } } },
        scope: { project: { id: 'p' } },
      },
    ],
    [
      'an application credential by id',
      APPLICATION,
      {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: 'abc', secret: SECRET },
        },
      },
    ],
    [
      'an application credential by name',
      { ...APPLICATION, which: { name: 'web01', user: { name: 'b', domain: { name: 'Town' } } } },
      {
        identity: {
          methods: ['application_credential'],
          application_credential: {
            name: 'web01',
            user: { name: 'b', domain: { name: 'Town' } },
            secret: SECRET,
          },
        },
      },
    ],
  ];
  test.each(requests)('is asked with %s', async (_, how, auth) => {
    const { url, seen } = await keystone();
    await attempt(url, how);
    expect(seen[0]?.body).toEqual({ auth });
  });

  test('interface and region of the credentials choose the endpoint', async () => {
    const catalog = [{ type: 'object-store', endpoints: endpoints('fra', 'ber') }];
    const { url } = await keystone(tokenWith({ catalog }));
    const want = { allowedRegions: ['muc', 'ber'] };
    const signedIn = await attempt(url, PASSWORD, { region: 'ber', interface: 'internal', want });
    expect(signedIn).toMatchObject({
      region: 'ber',
      storageUrl: new URL('https://internal.ber.example.org/v1/AUTH_1'),
    });
    expect(await failure(attempt(url, PASSWORD))).toMatchObject({
      code: 'strategy',
      message: expect.stringContaining('choose one with store.swift.region ("fra", "ber")'),
    });
  });

  test('a region that is chosen and not allowed is refused before any sign-in, any other before the store is asked', async () => {
    const { url, seen } = await keystone();
    const want = { allowedRegions: ['ber'] };
    const message = 'lies in region "fra", but store.swift.allowedRegions has only "ber"';
    const expected = { code: 'strategy', message: expect.stringContaining(message) };
    expect(await failure(attempt(url, PASSWORD, { region: 'fra', want }))).toMatchObject(expected);
    expect(seen).toEqual([]);
    expect(await failure(attempt(url, PASSWORD, { want }))).toMatchObject(expected);
    expect(seen).toHaveLength(1);
  });

  const statuses: [number, object, string][] = [
    [
      401,
      { code: 'store' },
      'refused (401): the credential of user "backup" is wrong, expired or revoked; check user, password, domains and project',
    ],
    [403, { code: 'store' }, 'refused (403) for user "backup"'],
    [404, { code: 'store' }, 'the auth URL seems not to be one of Keystone v3'],
    [405, { code: 'store' }, 'the auth URL seems not to be one of Keystone v3'],
    [300, { code: 'store' }, 'the auth URL seems not to be one of Keystone v3'],
    [400, { code: 'store' }, 'did not understand the request (400)'],
    [407, { code: 'store' }, 'answered 407, which is no answer to a sign-in'],
    [413, { code: 'store' }, 'answered 413'],
    [204, { code: 'store' }, 'answered 204'],
    [408, { name: 'Transient', retryAfter: 3000 }, 'answered 408 [req-1]'],
    [429, { name: 'Transient', retryAfter: 3000 }, 'answered 429 [req-1]'],
    [500, { name: 'Transient', retryAfter: 3000 }, 'answered 500 [req-1]'],
    [503, { name: 'Transient', retryAfter: 3000 }, 'answered 503 [req-1]'],
  ];
  test.each(statuses)('status %i; what the server quotes is not shown', async (status, kind, message) => {
    const quoted = { error: { message: `Invalid input for field 'password': ${SECRET}` } };
    const { url } = await keystone(quoted, { 'Retry-After': '3', 'X-Openstack-Request-Id': 'req-1' }, status);
    const error = await failure(attempt(`${url}/v3`, PASSWORD));
    expect(error).toMatchObject({ ...kind, message: expect.stringContaining(message) });
    expect(error.message).toContain(`sign-in at ${url}/v3/auth/tokens`);
  });

  test('401 for an application credential says how to look it up', async () => {
    const { url } = await keystone({}, {}, 401);
    expect((await failure(attempt(url, APPLICATION))).message).toContain(
      'the credential of application credential "abc" is wrong, expired or revoked; look it up with "openstack application credential list"',
    );
  });

  test('404 in the form of Keystone is an application credential that is not there', async () => {
    const { url } = await keystone({ error: { code: 404, title: 'Not Found', message: 'abc' } }, {}, 404);
    expect((await failure(attempt(url, APPLICATION))).message).toContain(
      'refused (404): the credential of application credential "abc" is wrong, expired or revoked',
    );
  });

  test('an expiry without a zone is UTC, as Keystone takes it from an application credential', async () => {
    const { url } = await keystone(tokenWith({ expires_at: '2026-11-25T04:00:00.000000' }));
    expect((await attempt(url, APPLICATION)).expires).toEqual(new Date('2026-11-25T04:00:00Z'));
  });

  const answers: [string, (response: ServerResponse) => void, string][] = [
    [
      'a web page',
      (r) => r.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end('<html>'),
      'answered with a web page (200)',
    ],
    [
      'a web page by its looks',
      (r) => r.writeHead(201).end(' \n<!DOCTYPE html>'),
      'answered with a web page (201)',
    ],
    ['text', (r) => r.writeHead(200).end('welcome'), 'is no JSON'],
    ['nothing', (r) => r.writeHead(201).end(), 'is no JSON'],
    ['a list', (r) => r.writeHead(201).end('[]'), 'is not what Keystone v3 gives'],
    [
      'versions',
      (r) => r.writeHead(200).end('{"versions":{"values":[]}}'),
      'is not what Keystone v3 gives (token)',
    ],
  ];
  test.each(answers)('%s instead of a token', async (_, answer, message) => {
    const url = await answering((_, response) => answer(response));
    const error = await failure(attempt(url, PASSWORD));
    expect(error).toMatchObject({ code: 'store', message: expect.stringContaining(message) });
  });

  const tokens: [string, object, Record<string, string>, string, string][] = [
    ['no expiry', { expires_at: undefined }, {}, 'store', 'is not what Keystone v3 gives (token.expires_at)'],
    ['an expiry that is none', { expires_at: 'tomorrow' }, {}, 'store', '(token.expires_at)'],
    ['no user', { user: undefined }, {}, 'store', '(token.user)'],
    ['no project', { project: undefined }, {}, 'store', 'for no project, and so for no object store'],
    ['no catalogue', { catalog: undefined }, {}, 'store', 'for no project, and so for no object store'],
    ['an empty catalogue', { catalog: [] }, {}, 'store', 'offers this project no object store'],
    [
      'an endpoint without URL',
      { catalog: [{ type: 'object-store', endpoints: [{ interface: 'public' }] }] },
      {},
      'store',
      '(token.catalog.0.endpoints.0.url)',
    ],
    [
      'an endpoint that is no URL',
      { catalog: [{ type: 'object-store', endpoints: [{ interface: 'public', url: 'swift' }] }] },
      {},
      'store',
      'is no URL that can be used',
    ],
    [
      'an endpoint in plain http',
      {
        catalog: [
          { type: 'object-store', endpoints: [{ interface: 'public', url: 'http://s.example.org/v1' }] },
        ],
      },
      {},
      'strategy',
      'http://s.example.org, which is not encrypted',
    ],
    [
      'a token that cannot be sent',
      {},
      { 'X-Subject-Token': `${SECRET} x` },
      'store',
      'holds no token that can be used',
    ],
  ];
  test.each(tokens)('a token with %s is refused', async (_, parts, headers, code, message) => {
    const { url } = await keystone(tokenWith(parts), headers);
    const error = await failure(attempt(url, PASSWORD));
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test('what a token has besides does not matter', async () => {
    const { url } = await keystone(tokenWith({ roles: undefined, audit_ids: ['x'], is_domain: false }));
    expect((await attempt(url, PASSWORD)).roles).toEqual([]);
  });

  test('names from the server are shown on one line', async () => {
    const { url } = await keystone(tokenWith({ user: { name: 'a\n\u001b[31m' } }));
    expect((await attempt(url, PASSWORD)).user).toBe('"a\\n\\u001b[31m" in project "townhall"');
  });
});

describe('the way there', () => {
  test('plain http to another machine is refused, and nothing is sent', async () => {
    for (const how of [TEMPAUTH, PASSWORD, APPLICATION]) {
      expect(await failure(attempt('http://keystone.invalid:5000', how))).toMatchObject({
        code: 'strategy',
        message: expect.stringContaining(
          'the auth URL of the test is http://keystone.invalid:5000, which is not encrypted',
        ),
      });
      expect(await failure(attempt('http://keystone.invalid:5000', how, { insecure: true }))).toBeInstanceOf(
        Transient,
      );
    }
  });

  test('from https to a store in plain http is refused, unless insecure', async () => {
    const { good, authority } = await makeCertificates();
    const url = await answeringSecurely(good, (_, response) =>
      response.writeHead(200, { 'X-Storage-Url': 'http://s.example.org/v1/a', 'X-Auth-Token': 't' }).end(),
    );
    expect(await failure(attempt(url, TEMPAUTH, { caFile: authority }))).toMatchObject({
      code: 'strategy',
      message: expect.stringContaining('is http://s.example.org, which is not encrypted'),
    });
    const signedIn = await attempt(url, TEMPAUTH, { insecure: true });
    expect(signedIn.storageUrl.href).toBe('http://s.example.org/v1/a');
  });

  test('an unknown certificate ends it, for good, and names caFile', async () => {
    const { good } = await makeCertificates();
    const url = await answeringSecurely(good, (_, response) => response.end());
    expect(await failure(attempt(url, PASSWORD))).toMatchObject({
      code: 'store',
      message: expect.stringMatching(/^sign-in at https:\/\/localhost:.*store\.swift\.caFile/),
    });
  });

  test('it can be interrupted', async () => {
    const error = await failure(attempt('http://127.0.0.1:1', PASSWORD, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: 'interrupted' });
  });
});
