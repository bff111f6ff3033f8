/** One small request and its whole answer, as signing in needs it: bounded in size and time; what it means is not judged. */

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { HoldfastError } from '../../errors.ts';
import type { Connection } from './connection.ts';
import { connectionFailure } from './connection-failure.ts';
import { Transient } from './failure.ts';
import { http } from './http.ts';

export interface Question {
  method: 'GET' | 'POST';
  url: URL;
  /** Values are bytes as Latin-1 characters. */
  headers: Record<string, string>;
  body?: Buffer;
  /** Names the exchange in messages: `sign-in at https://…`. */
  what: string;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Milliseconds and bytes after which an exchange is given up. */
export interface Bounds {
  /** Until the connection stands, with TLS. */
  connect: number;
  /** Without a byte in either direction. */
  stall: number;
  /** For the whole exchange: a server that sends a byte now and then does not hold a run up for ever. */
  whole: number;
  bytes: number;
}

export const BOUNDS: Bounds = { connect: 15_000, stall: 60_000, whole: 300_000, bytes: 4 * 1024 * 1024 };

const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * The answer, whatever its status, except a redirect, which is not followed. Throws Transient for what may pass,
 * HoldfastError `store` for what will not, and `interrupted` when `signal` aborts.
 */
export async function exchange(
  question: Question,
  connection: Connection,
  signal?: AbortSignal,
  bounds: Bounds = BOUNDS,
): Promise<Answer> {
  const { what } = question;
  const interrupted = () => new HoldfastError('interrupted', `${what}: interrupted`);
  if (signal?.aborted) throw interrupted();
  let answer: Answer;
  try {
    answer = await ask(question, connection, signal, bounds);
  } catch (error) {
    if (signal?.aborted) throw interrupted();
    throw connectionFailure(error, what);
  }
  const { location } = answer.headers;
  if (REDIRECTS.includes(answer.status) && location !== undefined) {
    throw new HoldfastError(
      'store',
      `${what}: the server sends us on to ${target(location, question.url)} (${answer.status}), where the secret is not taken: if that is right, use it as the URL`,
    );
  }
  return answer;
}

function ask(
  { method, url, headers, body, what }: Question,
  connection: Connection,
  signal: AbortSignal | undefined,
  bounds: Bounds,
): Promise<Answer> {
  const secure = url.protocol === 'https:';
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = (secure ? httpsRequest : http.request)(url, {
    method,
    agent: secure ? connection.https : connection.http,
    headers: {
      'user-agent': 'holdfast',
      'accept-encoding': 'identity',
      ...headers,
      ...(body && { 'content-length': String(body.length) }),
    },
    ...(signal && { signal }),
  });
  let answered = false;
  const giveUp = (message: string) => request.destroy(new Transient(`${what}: ${message}`));
  const whole = setTimeout(() => giveUp(`not finished after ${seconds(bounds.whole)}`), bounds.whole);
  let connecting: NodeJS.Timeout | undefined;
  request.on('socket', (socket) => {
    // One that is kept from an earlier exchange stands already.
    if (!socket.connecting) return;
    connecting = setTimeout(() => giveUp(`no connection within ${seconds(bounds.connect)}`), bounds.connect);
    socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
  });
  request.setTimeout(bounds.stall, () => giveUp(`no sign of life for ${seconds(bounds.stall)}`));
  request.on('error', reject);
  request.on('response', (response) => {
    answered = true;
    readBody(response, bounds.bytes, what).then(
      (bytes) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes }),
      (error) => {
        reject(error);
        request.destroy();
      },
    );
  });
  request.on('close', () => {
    clearTimeout(whole);
    clearTimeout(connecting);
    // Some odd answers, such as an upgrade, bring neither a response nor an error.
    if (!answered) reject(new Transient(`${what}: the connection was closed without an answer`));
  });
  request.end(body);
  return promise;
}

async function readBody(response: IncomingMessage, most: number, what: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > most) {
      throw new HoldfastError(
        'store',
        `${what}: the answer is larger than ${most} bytes, which is no answer to a sign-in; check the URL`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Where a redirect leads, without what could be a secret in it. */
function target(location: string, from: URL): string {
  const url = URL.parse(location, from.href);
  if (url === null) return 'somewhere that is no URL';
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 200);
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}
