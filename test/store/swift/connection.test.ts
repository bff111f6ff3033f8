import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../../src/errors.ts';
import { connectionFailure, refusePlain } from '../../../src/store/swift/connection.ts';
import { exchange } from '../../../src/store/swift/exchange.ts';
import { Transient } from '../../../src/store/swift/failure.ts';
import { temporaryFolder } from '../../helpers/temporary.ts';
import { answering, answeringSecurely, connectionFor, makeCertificates } from './answering.ts';

describe('plain http', () => {
  test.each([
    'https://swift.example.org',
    'http://localhost:8080/v1',
    'http://127.0.0.1:8080',
    'http://127.1',
    'http://127.255.255.254/',
    'http://[::1]:8080/',
  ])('%s is let through', (url) => {
    expect(() => refusePlain(new URL(url), false)).not.toThrow();
  });

  test.each([
    'http://swift.example.org:8080/v1/AUTH_secret',
    'http://10.0.0.1',
    'http://localhost.example.org',
    'http://127.0.0.1.example.org',
    'http://[::2]',
    'http://128.0.0.1',
  ])('%s is refused, unless insecure', (url) => {
    expect(() => refusePlain(new URL(url), false, 'the auth URL')).toThrow(
      expect.objectContaining({
        code: 'strategy',
        message: `the auth URL is ${new URL(url).origin}, which is not encrypted: use https, or allow it for tests with store.swift.insecure: true`,
      }),
    );
    expect(() => refusePlain(new URL(url), true)).not.toThrow();
  });
});

describe('certificates', () => {
  const what = 'sign-in';
  const ok = (_: unknown, response: { end(text: string): void }) => response.end('hello');
  const question = (url: string) => ({ method: 'GET', url: new URL(url), headers: {}, what }) as const;

  test('of the authority in caFile are taken, and nothing else is', async () => {
    const made = await makeCertificates();
    const trusting = await connectionFor({ caFile: made.authority });
    const good = await answeringSecurely(made.good, ok);
    expect((await exchange(question(good), trusting)).body.toString()).toBe('hello');
    // A second one on the same connection.
    expect((await exchange(question(good), trusting)).body.toString()).toBe('hello');
    const cases = [
      [good, {}, /cannot be checked: its authority is not known here.*store\.swift\.caFile/],
      [await answeringSecurely(made.other, ok), { caFile: made.authority }, /is for another name/],
      [await answeringSecurely(made.expired, ok), { caFile: made.authority }, /has expired/],
      [await answeringSecurely(made.weakKey, ok), { caFile: made.authority }, /2048 bits/],
      [await answeringSecurely(made.sha1, ok), { caFile: made.authority }, /SHA-256/],
      [await answeringSecurely(made.oddExtension, ok), { caFile: made.authority }, /unhandled critical/],
      [await answeringSecurely(made.alone, ok), {}, /cannot be checked: it is signed by itself/],
      [
        await answeringSecurely(made.alone, ok),
        { caFile: made.authority },
        /cannot be checked: it is signed by itself/,
      ],
    ] as const;
    for (const [url, trust, message] of cases) {
      const refused = exchange(question(url), await connectionFor(trust));
      await expect(refused).rejects.toSatisfy(
        (error) => error instanceof HoldfastError && error.code === 'store' && message.test(error.message),
      );
      const insecure = await connectionFor({ ...trust, insecure: true });
      expect((await exchange(question(url), insecure)).body.toString()).toBe('hello');
    }
  });

  test('a server with TLS older than 1.2 is refused, for good', async () => {
    const { good, authority } = await makeCertificates();
    const old = {
      ...good,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const;
    const url = await answeringSecurely(old, ok);
    const refused = exchange(question(url), await connectionFor({ caFile: authority }));
    await expect(refused).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining('knows only TLS older than 1.2'),
    });
  });

  test('https to a port of plain http is told so, and http to a port of TLS', async () => {
    const plain = await answering(ok);
    const { good } = await makeCertificates();
    const secure = await answeringSecurely(good, ok);
    await expect(
      exchange(question(plain.replace('http:', 'https:')), await connectionFor()),
    ).rejects.toMatchObject({ code: 'store', message: expect.stringContaining('does not speak TLS there') });
    await expect(
      exchange(question(secure.replace('https:', 'http:')), await connectionFor()),
    ).rejects.toBeInstanceOf(Transient);
  });

  test('a CA file that cannot be used is refused before any connection', async () => {
    const folder = await temporaryFolder();
    const write = async (name: string, text: string) => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
    for (const [file, message] of [
      [join(folder, 'none'), 'cannot be read (ENOENT)'],
      [folder, 'cannot be read (EISDIR)'],
      [await write('text', 'hello'), 'holds no certificate in PEM form'],
      [await write('damaged', pem('AAAA')), 'certificate 1 in it is damaged'],
    ] as const) {
      await expect(connectionFor({ caFile: file })).rejects.toMatchObject({
        code: 'strategy',
        message: expect.stringMatching(`^${file}: `),
      });
      await expect(connectionFor({ caFile: file })).rejects.toThrow(message);
    }
  });
});

describe('what a failed connection means', () => {
  const failed = (code: string, more: object = {}) => Object.assign(new Error('x'), { code, ...more });

  test.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EPROTO',
    'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
    'ERR_OSSL_ASN1_WRONG_TAG',
    'HPE_INVALID_CONSTANT',
  ])('%s may pass', (code) => {
    const failure = connectionFailure(failed(code), 'sign-in at x');
    expect(failure).toBeInstanceOf(Transient);
    expect(failure.message).toMatch(new RegExp(`^sign-in at x: .*${code}`));
  });

  test.each([
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'CERT_REVOKED',
    'CERT_UNTRUSTED',
    'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
    'ERR_TLS_CERT_ALTNAME_FORMAT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  ])('%s does not pass', (code) => {
    const failure = connectionFailure(failed(code), 'sign-in at x');
    expect(failure).toMatchObject({ name: 'HoldfastError', code: 'store' });
    expect(failure.message).toMatch(new RegExp(`^sign-in at x: .*${code}`));
  });

  test('other errors of a socket may pass', () => {
    expect(connectionFailure(failed('EMFILE', { syscall: 'connect' }), 'x')).toBeInstanceOf(Transient);
  });

  test('what was judged already stays, and what is no failure of a connection is thrown on', () => {
    const passing = new Transient('patience');
    const final = new HoldfastError('store', 'refused');
    expect(connectionFailure(passing, 'x')).toBe(passing);
    expect(connectionFailure(final, 'x')).toBe(final);
    for (const defect of [new TypeError('defect'), failed('ERR_INVALID_CHAR'), 'text']) {
      expect(() => connectionFailure(defect, 'x')).toThrow(defect as Error);
    }
  });

  test('a name that is not there and a port on which nobody listens', async () => {
    const ask = async (url: string) =>
      exchange({ method: 'GET', url: new URL(url), headers: {}, what: 'x' }, await connectionFor());
    await expect(ask('http://no-such-host.invalid/')).rejects.toBeInstanceOf(Transient);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await expect(ask(`http://127.0.0.1:${port}/`)).rejects.toThrow('the connection was refused');
  });
});
