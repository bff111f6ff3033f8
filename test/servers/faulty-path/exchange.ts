/** One request on its way through the faulty path: what actions can do with it, and what the log says of it. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CutBy, Left } from './endings.ts';
import { type Course, forward } from './forward.ts';
import { change, endToEnd, flat, type HeaderChanges, type Headers, withoutSecrets } from './headers.ts';
import type { Asked } from './match.ts';
import type { Tokens } from './tokens.ts';

/** What the log keeps of a request; it is filled in as things happen. */
export interface Logged extends Asked {
  /** Which connection it came on, from 1. */
  connection: number;
  /** Bytes of its body that have come in. */
  received: number;
  /** Bytes of the answer's body that went out. */
  sent: number;
  /** What was done with it: `forwarded`, or the action's name. */
  done: string;
  /** What the client was told; undefined when it was told nothing. */
  status: number | undefined;
  /** What the server answered; undefined when it was not asked or did not say. */
  upstream: number | undefined;
  /** Whether the client left, or lost its connection, before the answer was out. */
  cut: boolean;
  /** Whether nothing more will happen to it. */
  ended: boolean;
}

/** What a rule does with a request. */
export interface Action {
  readonly name: string;
  /** Throws Cut where the client's connection is to be cut. */
  run(exchange: Exchange): Promise<void>;
}

export interface AnswerOptions {
  headers?: HeaderChanges;
  body?: string | Buffer;
  /** Answer while the body is still arriving, and close the connection; by default the whole body is read first. */
  early?: boolean;
}

/** How long a connection that was answered early may go on sending: unread bytes would make the close a reset that eats the answer. */
const LINGER = 2_000;

/** Where requests go. */
export interface Way {
  /** The real server's port. */
  readonly upstreamPort: number;
  /** The path's own address, which clients are to use. */
  readonly url: string;
  readonly tokens: Tokens;
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly logged: Logged;
  readonly way: Way;
  /** The request's headers as they would go upstream. */
  readonly headers: Headers;
  /** Aborted when the client's connection has ended. */
  readonly gone: AbortSignal;

  constructor(request: IncomingMessage, response: ServerResponse, connection: number, way: Way) {
    this.request = request;
    this.response = response;
    this.way = way;
    this.headers = endToEnd(request.rawHeaders);
    const gone = new AbortController();
    this.gone = gone.signal;
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    response.on('error', () => gone.abort());
    this.logged = {
      ...described(request, this.headers),
      connection,
      received: 0,
      sent: 0,
      done: 'forwarded',
      status: undefined,
      upstream: undefined,
      cut: false,
      ended: false,
    };
  }

  /** The request's body. What is not taken of it stays in the socket. Throws Left. */
  async *body(): AsyncIterable<Buffer> {
    try {
      for await (const bytes of this.request.iterator({ destroyOnReturn: false })) {
        this.logged.received += bytes.length;
        yield bytes;
      }
    } catch (error) {
      throw new Left('the client left', { cause: error });
    }
  }

  /** Reads what is left of the body. */
  async drain(): Promise<void> {
    for await (const _ of this.body());
  }

  /** Passes the request on, and the answer back, changed as `course` says. */
  forward(course: Course = {}): Promise<void> {
    return forward(this, course);
  }

  /** Answers without asking the server. */
  async answer(status: number, options: AnswerOptions = {}): Promise<void> {
    const body = Buffer.from(options.body ?? '');
    const headers: Headers = new Map([
      ['content-type', ['text/html; charset=UTF-8']],
      ['content-length', [String(body.length)]],
      ['date', [new Date().toUTCString()]],
    ]);
    change(headers, options.headers ?? {});
    if (status === 204) headers.delete('content-length');
    if (options.early !== true) await this.drain();
    if (this.gone.aborted) throw new Left('the client left');
    this.logged.status = status;
    const content = this.request.method === 'HEAD' || status === 204 ? Buffer.alloc(0) : body;
    this.logged.sent = content.length;
    if (options.early === true) await this.#answerAndClose(status, headers, content);
    else {
      this.response.writeHead(status, flat(headers));
      this.response.end(content);
    }
  }

  /** Ends the client's connection. */
  cut(by: CutBy): void {
    const { socket } = this.request;
    this.logged.cut = true;
    if (by === 'reset') socket.resetAndDestroy();
    else socket.destroy();
  }

  /** Waits; forever when `milliseconds` is Infinity. Throws Left when the client leaves meanwhile. */
  async pause(milliseconds: number): Promise<void> {
    try {
      const signal = this.gone;
      if (Number.isFinite(milliseconds)) await sleep(milliseconds, undefined, { signal });
      else while (true) await sleep(3_600_000, undefined, { signal });
    } catch (error) {
      throw new Left('the client left', { cause: error });
    }
  }

  /** Writes past ServerResponse, which would close the socket with bytes unread. */
  async #answerAndClose(status: number, headers: Headers, body: Buffer): Promise<void> {
    const { socket } = this.request;
    const fields = [...headers, ['connection', ['close']] as const].flatMap(([name, values]) =>
      values.map((value) => `${name}: ${value}\r\n`),
    );
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n${fields.join('')}\r\n`);
    socket.end(body);
    this.request.resume();
    this.request.on('data', (bytes: Buffer) => {
      this.logged.received += bytes.length;
    });
    await sleep(LINGER, undefined, { signal: this.gone }).catch(() => {});
    socket.destroy();
  }
}

function described(request: IncomingMessage, headers: Headers): Asked {
  const [sent, ...rest] = (request.url ?? '/').split('?') as [string, ...string[]];
  let path = sent;
  const query = new URLSearchParams(rest.join('?'));
  query.delete('temp_url_sig');
  try {
    path = decodeURIComponent(path);
  } catch {
    // Names that are not UTF-8 are matched and logged as they were sent.
  }
  return { method: request.method ?? 'GET', path, query, headers: withoutSecrets(headers) };
}
