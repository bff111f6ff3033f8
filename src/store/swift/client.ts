/**
 * One request to the object store, and its whole answer, through pkgcloud's storage client: the only user of pkgcloud.
 * What an answer means is judged elsewhere, and nothing is tried again here.
 *
 * Of the client only the call on which all others rest is used. `upload` takes 408, 429, 507 and 202 for success, `download` hands a
 * 404's page on as content, and `getFiles` never answers when a listing is malformed.
 */
import type { Agent, IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import process from 'node:process';
import { Readable } from 'node:stream';
import { copyBytes } from '../../copy.ts';
import { HoldfastError } from '../../errors.ts';
import { Garbage } from '../../garbage.ts';
import type { TakePlace } from '../object-places.ts';
import type { Connection } from './connection.ts';
import { connectionFailure } from './connection-failure.ts';
import { BOUNDS, type Bounds } from './exchange.ts';
import { Transient } from './failure.ts';
import { seconds, watchAbandoned, watchConnecting, watchWhole } from './patience.ts';
import type { Identity, PendingRequest, Storage, StorageClient } from './pkgcloud-types.ts';
import type { Session, Ticket } from './session.ts';

/** What is asked of the store. */
export interface Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Without one the account is meant. */
  container?: string;
  /** Full name of an object. */
  object?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent in pieces of at most some hundred KiB; `size` is the sum of all. */
  body?: {
    size: number;
    pieces: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
    /** Milliseconds for which the pieces were held back so far, by this machine's own will. Never shrinks. */
    held?: () => number;
  };
  /** The most bytes that the body of a good answer (200) may have; pages that say what is wrong may have some more. */
  limit: number;
  /** Memory to put the body of a good answer (200) into. */
  place?: TakePlace | undefined;
  /** Called with each piece of the answer's body that arrives. */
  moved?: () => void;
  /** Names the request in messages: `swift:backups: GET web01/…`. */
  what: string;
}

/** The whole answer. */
export interface Reply {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string | undefined>;
  body: Buffer;
  /** The token that was used. */
  token: string;
}

/** The answer was larger than it may be; it was not read. */
export class TooLarge extends Error {
  readonly status: number;
  readonly headers: Reply['headers'];
  /** Bytes that it has, where it said so. */
  readonly size: number | undefined;

  constructor({ status, headers }: Pick<Reply, 'status' | 'headers'>, size: number | undefined) {
    super('the answer is larger than it may be');
    this.status = status;
    this.headers = headers;
    this.size = size;
  }
}

/** After how many milliseconds an attempt is given up. `whole` is what it may take besides its transfer. */
export interface Times extends Pick<Bounds, 'connect' | 'stall' | 'whole'> {
  /** Bytes a second below which a transfer is given up, but for the time in which its body was held back here. */
  slowest: number;
}

/** A server that takes or sends a byte now and then does not hold a run up for ever. */
export const TIMES: Times = { ...BOUNDS, slowest: 1024 };

const storage = loadQuietly();

/** The library under pkgcloud decides when it is loaded whether to print every request, with its token: it does where NODE_DEBUG names it. */
function loadQuietly(): Storage {
  const said = process.env.NODE_DEBUG;
  delete process.env.NODE_DEBUG;
  try {
    return createRequire(import.meta.url)('pkgcloud/lib/pkgcloud/openstack/storage/index.js');
  } finally {
    if (said !== undefined) process.env.NODE_DEBUG = said;
  }
}

/** Bytes that an error page may have. */
const PAGE = 1 << 20;

export class SwiftClient {
  readonly #session: Session;
  readonly #identity: TicketIdentity;
  readonly #client: StorageClient;
  readonly #signal: AbortSignal;
  readonly #times: Times;

  /** `signal` ends what is under way. */
  constructor(session: Session, connection: Connection, signal: AbortSignal, times: Times = TIMES) {
    this.#session = session;
    this.#signal = signal;
    this.#times = times;
    const identity = new TicketIdentity(connection);
    this.#identity = identity;
    this.#client = storage.createClient({
      // Never asked: the session knows where to sign in.
      authUrl: 'https://sign-in.invalid',
      identity: class {
        constructor() {
          // biome-ignore lint/correctness/noConstructorReturn: pkgcloud makes its identity itself, and this one is there already.
          return identity;
        }
      } as unknown as new () => Identity,
      strictSSL: !connection.insecure,
      earlyTokenTimeout: 0,
    });
    this.#client.before.push((outgoing) => {
      outgoing.json = false;
      outgoing.proxy = null;
      outgoing.followRedirect = false;
      outgoing.timeout = times.stall;
      outgoing.agent = identity.agent;
      return outgoing;
    });
  }

  /**
   * Sends a request, once. Rejects with Transient for what may pass, HoldfastError for what will not (among it `interrupted`), TooLarge.
   */
  async send(request: Request): Promise<Reply> {
    this.#refuseInterrupted(request);
    const ticket = await this.#session.ticket();
    this.#refuseInterrupted(request);
    try {
      return { ...(await this.#exchange(request, ticket)), token: ticket.token };
    } catch (error) {
      this.#refuseInterrupted(request);
      if (error instanceof TooLarge) throw error;
      throw connectionFailure(error, request.what);
    }
  }

  /**
   * Begins a request with this ticket. All in one go: pkgcloud would wait for a sign-in with the request begun, and large bodies
   * never get through then.
   */
  #begin(ticket: Ticket, options: Parameters<StorageClient['_request']>[0]): PendingRequest {
    this.#identity.use(ticket);
    this.#client.auth((error) => {
      if (error != null) throw error;
    });
    return this.#client._request(options);
  }

  #exchange(
    { method, container, object, query, headers, body, limit, place, moved, what }: Request,
    ticket: Ticket,
  ): Promise<Omit<Reply, 'token'>> {
    const { promise, resolve, reject } = Promise.withResolvers<Omit<Reply, 'token'>>();
    const pending = this.#begin(ticket, {
      method,
      ...(container !== undefined && { container }),
      ...(object !== undefined && { path: object }),
      ...(query !== undefined && { qs: query }),
      headers: {
        // Any other than JSON's, or pkgcloud would encode the body.
        'Content-Type': 'application/octet-stream',
        ...headers,
        ...(body !== undefined && { 'Content-Length': String(body.size) }),
      },
    });
    let isOver = false;
    const fail = (error: unknown) => {
      isOver = true;
      pending.abort();
      reject(error);
    };
    const abort = () => fail(new Transient('interrupted'));
    this.#signal.addEventListener('abort', abort, { once: true });
    const transferred = Math.max(body?.size ?? 0, Math.min(limit, 1 << 30));
    const { connect, stall, whole: besides, slowest } = this.#times;
    const patience = besides + (transferred / slowest) * 1000;
    const endWatch = watchWhole(patience, body?.held, (held) =>
      fail(
        new Transient(
          `${what}: not finished after ${seconds(patience)}${held < 500 ? '' : `, besides ${seconds(held)} for which limits.upload held it back`}`,
        ),
      ),
    );
    const connecting = watchConnecting(pending, connect, () =>
      fail(new Transient(`${what}: no connection within ${connect / 1000} s`)),
    );
    let answered = false;
    // Some odd answers, such as an upgrade, bring neither a response nor an error.
    pending.on('request', (request) => {
      request.on('close', () => {
        if (!answered) fail(new Transient(`${what}: the connection was closed without an answer`));
      });
    });
    const abandoned = watchAbandoned(pending, stall, () =>
      fail(new Transient(`${what}: no answer in time, and the connection is closed`)),
    );
    pending.on('error', fail);
    if (moved !== undefined) pending.on('data', moved);
    pending.on('response', (response) => {
      answered = true;
      if (method !== 'HEAD') {
        const take = response.statusCode === 200 ? place : undefined;
        readAnswer(pending, response, { limit, place: take, isOver: () => isOver, what }).then(resolve, fail);
        return;
      }
      resolve({ ...headOf(response), body: Buffer.alloc(0) });
      // Swift's middlewares refuse a HEAD (401, 403) with a chunked answer and its end, as if it were a GET: Node takes that for garbage.
      if (response.headers['content-length'] === undefined) pending.abort();
    });
    if (body !== undefined) {
      const pieces = Readable.from(body.pieces(), { objectMode: true, highWaterMark: 1 });
      pieces.on('error', fail);
      pieces.pipe(pending);
      const stop = () => {
        // An answer may come before the body was sent: then nobody waits for the rest of it.
        if (!pieces.readableEnded) pending.abort();
        pieces.destroy();
      };
      promise.then(stop, stop);
    }
    return promise.finally(() => {
      endWatch();
      connecting();
      abandoned();
      this.#signal.removeEventListener('abort', abort);
    });
  }

  #refuseInterrupted({ what }: Request): void {
    if (this.#signal.aborted) throw new HoldfastError('interrupted', `${what}: interrupted`);
  }
}

/** What Node leaves behind of all answers: for each byte of them more than one. */
const garbage = new Garbage(2 * 1024 * 1024);

function placeFor(bytes: number, take: TakePlace | undefined): Buffer {
  const taken = take?.(bytes);
  return taken === undefined
    ? Buffer.allocUnsafeSlow(bytes)
    : Buffer.from(taken.buffer, taken.byteOffset, bytes);
}

/** Status and headers of an answer. */
function headOf({ statusCode = 0, headers }: IncomingMessage): Pick<Reply, 'status' | 'headers'> {
  const single = Object.entries(headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ]);
  return { status: statusCode, headers: Object.fromEntries(single) };
}

/** Reads an answer to its end. `request` takes a connection that was cut for the end of the answer, so its length is checked. */
function readAnswer(
  pending: PendingRequest,
  response: IncomingMessage,
  {
    limit,
    place: take,
    isOver,
    what,
  }: { limit: number; place: TakePlace | undefined; isOver: () => boolean; what: string },
): Promise<Omit<Reply, 'token'>> {
  const { promise, resolve, reject } = Promise.withResolvers<Omit<Reply, 'token'>>();
  const { status, headers } = headOf(response);
  const most = status === 200 ? limit : Math.max(limit, PAGE);
  const announced = announcedLength(headers['content-length']);
  if (announced !== undefined && announced > most) {
    reject(new TooLarge({ status, headers }, announced));
    return promise;
  }
  // One place for the whole answer, where its length is known: pieces to be joined would need it twice.
  const place = announced === undefined ? undefined : placeFor(announced, take);
  const pieces: Buffer[] = [];
  let length = 0;
  pending.on('data', (piece) => {
    // The place may be another's by now.
    if (isOver()) return;
    if (length + piece.length > (place?.length ?? most)) {
      reject(new TooLarge({ status, headers }, undefined));
      return;
    }
    if (place === undefined) {
      pieces.push(piece);
    } else {
      copyBytes(piece, place, length);
      garbage.add(piece.length);
    }
    length += piece.length;
  });
  pending.on('end', () => {
    if (!response.complete || (place !== undefined && length !== place.length)) {
      reject(new Transient(`${what}: the answer was cut short after ${length} bytes`));
      return;
    }
    resolve({ status, headers, body: place ?? Buffer.concat(pieces) });
  });
  return promise;
}

function announcedLength(written: string | undefined): number | undefined {
  return written !== undefined && /^\d{1,15}$/.test(written) ? Number(written) : undefined;
}

/** A ticket in the form in which pkgcloud asks for a sign-in: it is answered at once. */
class TicketIdentity implements Identity {
  readonly #connection: Connection;
  #ticket: Ticket | undefined;
  /** For the storage URL of the ticket. */
  agent: Agent;
  token: { id: string; expires: Date } | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.agent = connection.http;
  }

  /** Throws where the agent cannot be made. */
  use(ticket: Ticket): void {
    const isSecure = ticket.storageUrl.protocol === 'https:';
    this.agent = isSecure ? this.#connection.https : this.#connection.http;
    this.#ticket = ticket;
    this.token = undefined;
  }

  on(): void {
    // Its log would tell tokens.
  }

  authorize(callback: (error?: unknown) => void): void {
    if (this.#ticket === undefined) throw new Error('a request was begun without a ticket');
    this.token = { id: this.#ticket.token, expires: new Date(LAST_DAY) };
    callback();
  }

  getServiceEndpointUrl(): string {
    return this.#ticket?.storageUrl.href.replace(/\/$/, '') ?? '';
  }
}

/** Milliseconds of the last day that a Date can hold: when a token ends is the session's business. */
const LAST_DAY = 8.64e15;
