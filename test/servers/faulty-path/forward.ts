/** Passes one request to the real server and its answer back, streaming, with the changes of a course. */
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as open, type ServerResponse } from 'node:http';
import { LOOPBACK } from '../ports.ts';
import type { Change } from './body.ts';
import { Cut, Left, ServerLost } from './endings.ts';
import type { Exchange } from './exchange.ts';
import { endToEnd, flat, type Headers, statedLength } from './headers.ts';

/** The head of an answer on its way back. */
export interface AnswerHead {
  status: number;
  headers: Headers;
}

/** What happens to a request on its way. Any of it may throw Cut. */
export interface Course {
  /** Changes the request's headers and query before they go out. */
  ask?: (headers: Headers, query: URLSearchParams) => void;
  upload?: Change;
  /** Called when the server has answered, before the client is told anything. */
  answered?: () => Promise<void> | void;
  /** Changes the answer's head. */
  answer?: (head: AnswerHead) => void;
  /** Changes the answer's body; its length is the one that the server stated. */
  download?: Change;
}

/** Throws Cut, Left, ServerLost. */
export async function forward(exchange: Exchange, course: Course): Promise<void> {
  if (exchange.gone.aborted) throw new Left('the client left');
  const upstream = ask(exchange, course);
  const leave = () => upstream.destroy();
  exchange.gone.addEventListener('abort', leave);
  try {
    const answer = await answerOf(exchange, upstream, course);
    await course.answered?.();
    await passBack(exchange, answer, course);
  } catch (error) {
    if (exchange.gone.aborted && !(error instanceof Cut)) throw new Left('the client left', { cause: error });
    throw error;
  } finally {
    exchange.gone.removeEventListener('abort', leave);
    upstream.destroy();
  }
}

/**
 * A connection of its own for each request: one that was kept could be closed under it, which would be a fault that no rule asked
 * for. The server is not told so: it would close early on clients that it refuses, where it otherwise hears them out.
 */
function ask({ request, headers, way }: Exchange, course: Course): ClientRequest {
  // Not by way of URL, which would normalize names such as `a/../b`.
  const [path, ...rest] = (request.url ?? '/').split('?');
  const search = rest.length === 0 ? '' : `?${rest.join('?')}`;
  const outgoing: Headers = new Map(headers);
  way.tokens.outward(outgoing);
  outgoing.set('host', [`${LOOPBACK}:${way.upstreamPort}`]);
  outgoing.set('connection', ['keep-alive']);
  if (request.headers['transfer-encoding'] !== undefined) outgoing.set('transfer-encoding', ['chunked']);
  const query = new URLSearchParams(search);
  const before = query.toString();
  course.ask?.(outgoing, query);
  const isSame = query.toString() === before;
  const upstream = open({
    host: LOOPBACK,
    port: way.upstreamPort,
    agent: false,
    method: request.method,
    path: path + (isSame ? search : `?${query}`),
    headers: flat(outgoing),
  });
  upstream.on('error', () => {});
  upstream.flushHeaders();
  return upstream;
}

/** Sends the request's body; the answer may come before all of it was sent. */
async function answerOf(
  exchange: Exchange,
  upstream: ClientRequest,
  course: Course,
): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.on('response', resolve);
    upstream.on('error', (error) => reject(new ServerLost('the server was lost', { cause: error })));
    upstream.on('close', () => reject(new ServerLost('the server was lost')));
  });
  const body = changed(exchange.body(), course.upload, statedLength(exchange.headers));
  const uploaded = pass(body, upstream);
  // What the server no longer takes is read all the same, so that the client hears the answer.
  uploaded.catch((error) => (error instanceof ServerLost ? exchange.drain() : undefined)).catch(() => {});
  const answer = await Promise.race([
    answered,
    uploaded.then(
      () => answered,
      (error) => {
        if (error instanceof ServerLost) return answered;
        throw error;
      },
    ),
  ]);
  exchange.logged.upstream = answer.statusCode;
  return answer;
}

async function passBack(exchange: Exchange, answer: IncomingMessage, course: Course): Promise<void> {
  const { response, request, way, logged } = exchange;
  const head: AnswerHead = { status: answer.statusCode ?? 502, headers: endToEnd(answer.rawHeaders) };
  const length = statedLength(head.headers);
  way.tokens.inward(head.headers);
  const storage = head.headers.get('x-storage-url')?.[0];
  if (storage !== undefined) head.headers.set('x-storage-url', [way.url + new URL(storage).pathname]);
  course.answer?.(head);
  if (exchange.gone.aborted) throw new Left('the client left');
  logged.status = head.status;
  response.sendDate = false;
  response.writeHead(head.status, flat(head.headers));
  if (request.method !== 'HEAD' && head.status !== 204 && head.status !== 304) {
    response.flushHeaders();
    const counted = counting(changed(from(answer), course.download, length), (bytes) => {
      logged.sent += bytes;
    });
    await pass(counted, response);
  } else response.end();
  if (!response.writableFinished) await once(response, 'finish', { signal: exchange.gone });
}

function changed(
  body: AsyncIterable<Buffer>,
  change: Change | undefined,
  length: number | undefined,
): AsyncIterable<Buffer> {
  return change === undefined ? body : change(body, length);
}

async function* from(answer: IncomingMessage): AsyncIterable<Buffer> {
  try {
    yield* answer;
  } catch (error) {
    throw new ServerLost('the server was lost', { cause: error });
  }
}

async function* counting(body: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncIterable<Buffer> {
  for await (const bytes of body) {
    count(bytes.length);
    yield bytes;
  }
}

/** Writes `body` and ends `to`. On a Cut what was written before has left this process. Throws ServerLost when `to` breaks. */
async function pass(body: AsyncIterable<Buffer>, to: ClientRequest | ServerResponse): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    to.once('close', resolve);
  });
  try {
    for await (const bytes of body) {
      if (to.destroyed) throw new ServerLost('the connection was lost');
      if (!to.write(bytes)) await Promise.race([new Promise((resolve) => to.once('drain', resolve)), closed]);
    }
  } catch (error) {
    if (error instanceof Cut) {
      const flushed = new Promise((resolve) => to.write(Buffer.alloc(0), resolve));
      await Promise.race([flushed, closed]);
    }
    throw error;
  }
  to.end();
}
