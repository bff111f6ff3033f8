import type { RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { BOUNDS, type Bounds, exchange } from '../../../src/store/swift/exchange.ts';
import { Transient } from '../../../src/store/swift/failure.ts';
import { answering, answeringRaw, connectionFor } from './answering.ts';

async function ask(url: string, bounds: Partial<Bounds> = {}, signal?: AbortSignal) {
  return exchange(
    { method: 'GET', url: new URL(url), headers: {}, what: 'sign-in' },
    await connectionFor(),
    signal,
    { ...BOUNDS, ...bounds },
  );
}

describe('an exchange', () => {
  test('gives any status with headers and the whole body', async () => {
    const url = await answering((_, response) =>
      response.writeHead(418, { 'X-A': 'b' }).end('x'.repeat(100_000)),
    );
    const answer = await ask(url);
    expect(answer).toMatchObject({ status: 418, headers: { 'x-a': 'b' } });
    expect(answer.body.length).toBe(100_000);
  });

  test.each([301, 302, 303, 307, 308])(
    'does not follow a redirect (%i), and names where to',
    async (status) => {
      let asked = 0;
      const url = await answering((_, response) => {
        asked += 1;
        response.writeHead(status, { Location: 'http://u:p@elsewhere.example.org/auth?token=secret' }).end();
      });
      const error = await ask(url).catch((error: unknown) => error);
      expect(error).toMatchObject({
        code: 'store',
        message: expect.stringContaining(`sends us on to http://elsewhere.example.org/auth (${status})`),
      });
      expect(asked).toBe(1);
    },
  );

  const broken: [string, string, string][] = [
    ['nothing', '', 'cut off'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-', 'cut off'],
    ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'cut off'],
    ['half a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab', 'cut off'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'no HTTP'],
    [
      'an upgrade',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      'without an answer',
    ],
    ['an endless head', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(10_000)}`, 'HPE_HEADER_OVERFLOW'],
  ];
  test.each(broken)('%s may pass', async (_, bytes, message) => {
    const url = await answeringRaw((socket) => socket.once('data', () => socket.end(bytes)));
    const error = await ask(url).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Transient);
    expect((error as Error).message).toMatch(/^sign-in: /);
    expect((error as Error).message).toContain(message);
  });

  test('a body that is too large ends it, for good', async () => {
    const endless: RequestListener = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', more).on('error', () => undefined);
      more();
    };
    const refused = ask(await answering(endless), { bytes: 1_000_000 });
    await expect(refused).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining('larger than 1000000 bytes'),
    });
  });

  test.each([
    ['before the head', ''],
    ['in the head', 'HTTP/1.1 200 OK\r\nX-A: '],
    ['in the body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
  ])('a server that falls silent %s is given up, and may pass', async (_, bytes) => {
    const url = await answeringRaw((socket) => socket.once('data', () => socket.write(bytes)));
    const error = await ask(url, { stall: 100 }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Transient);
    expect((error as Error).message).toBe('sign-in: no sign of life for 0.1 s');
  });

  test('a server that sends a byte now and then is given up', async () => {
    const url = await answeringRaw((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
        const drip = setInterval(() => socket.write('x'), 5);
        socket.on('close', () => clearInterval(drip));
      });
    });
    await expect(ask(url, { whole: 200 })).rejects.toThrow('sign-in: not finished after 0.2 s');
  });

  test('a TLS server that does not shake hands is given up, and may pass', async () => {
    const url = await answeringRaw(() => undefined);
    const error = await ask(url.replace('http:', 'https:'), { connect: 100 }).catch(
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(Transient);
    expect((error as Error).message).toBe('sign-in: no connection within 0.1 s');
  });

  test('it can be interrupted before, while waiting for the head, and in the body', async () => {
    const expected = { code: 'interrupted', message: 'sign-in: interrupted' };
    await expect(ask('http://127.0.0.1:1/', {}, AbortSignal.abort())).rejects.toMatchObject(expected);
    for (const bytes of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc']) {
      const controller = new AbortController();
      const url = await answeringRaw((socket) =>
        socket.once('data', () => socket.write(bytes === '' ? 'H' : bytes, () => controller.abort())),
      );
      await expect(ask(url, {}, controller.signal)).rejects.toMatchObject(expected);
    }
  });
});
