/**
 * A store in a container of OpenStack Swift: what the store's interface asks for, in requests. How a request travels is client.ts's,
 * when it is repeated attempts.ts's, and what an answer means verdict.ts's.
 */
import { hash } from 'node:crypto';
import { HoldfastError } from '../../errors.ts';
import { splitName, splitPrefix } from '../object-name.ts';
import type { GetOptions, ObjectStat, PutOptions, Store, StoredObject } from '../store.ts';
import { type Held, type Throttle, throttled } from '../throttle.ts';
import { type Persistence, persist } from './attempts.ts';
import { bulkBody, parseBulkAnswer } from './bulk-delete.ts';
import { type Reply, type Request, type SwiftClient, TooLarge } from './client.ts';
import { etagOf, hasMd5, md5Of } from './etag.ts';
import { Transient } from './failure.ts';
import { isBefore, type ListedObject, parsePage } from './listing.ts';
import type { Session } from './session.ts';
import { type Asked, isSwifts, verdict } from './verdict.ts';

/** What a Swift store is made of. */
export interface SwiftParts {
  container: string;
  /** Components joined by `/`, none at either end; empty for none. */
  prefix: string;
  /** Objects sent at once. */
  uploads: number;
  session: Session;
  client: SwiftClient;
  persistence: Persistence;
  throttle: Throttle | undefined;
  /** How many names one bulk deletion takes; undefined where the server has none. Asked when it is first needed. */
  bulkLimit: () => Promise<number | undefined>;
  /** Ends what is under way, and connections. */
  end: () => void;
}

/** Statuses with which a server says that it does not do something for these credentials, or at all. */
const REFUSALS = new Set([401, 403, 404, 405, 501]);

/** Names of one page of a listing, asked for where a server's own pages are too large: it gives more than this by itself then. */
const PAGE = 10_000;
/** Such a page of names of 1,024 bytes, each character escaped, with what Swift says of each object. */
const PAGE_LIMIT = PAGE * 4096;
/** The answer to anything but a get or a listing: an error page, at most. */
const SMALL = 1 << 20;

export class SwiftStore implements Store {
  readonly label: string;
  readonly uploads: number;
  /** Object servers tell the container's of what they store and remove when they come to it. */
  readonly listingsMayLie = true;
  readonly knowsMd5 = true;
  readonly #parts: SwiftParts;
  /** A credential that may do no more than it must is refused bulk deletions: they are a POST to the account. */
  #bulkIsRefused = false;
  /** Some servers are set up for pages of more names than it is safe to hold. */
  #pagesAreTooLarge = false;

  constructor(parts: SwiftParts) {
    this.label = `swift:${parts.container}${parts.prefix === '' ? '' : `/${parts.prefix}`}`;
    this.uploads = parts.uploads;
    this.#parts = parts;
  }

  async check(): Promise<void> {
    const asked: Asked = { failed: this.#words('cannot be used'), right: 'read' };
    // Not by HEAD: Swift's server ends the answer to that (204) with the end of a body, and Node takes it for garbage.
    const reply = await this.#ask('GET', asked, { query: { format: 'json', limit: '1' } }, [200, 204]);
    if (reply.headers['x-container-object-count'] !== undefined) return;
    throw new HoldfastError(
      'store',
      `${asked.failed}: what answers is no container of Swift; check the URL of the endpoint, and what stands between`,
    );
  }

  async prepare(): Promise<void> {
    try {
      await this.check();
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== 'store-absent') throw error;
      const asked: Asked = {
        failed: this.#words('the container is not there and cannot be made'),
        right: 'make',
      };
      await this.#ask('PUT', asked, {}, [201, 202]);
      await this.check();
    }
  }

  async put(name: string, body: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const md5 = options.md5 ?? md5Of(body);
    const object = this.#object(name);
    const asked: Asked = { failed: this.#words(`${name} cannot be stored`), right: 'write to', object: name };
    const size = body.reduce((sum, { length }) => sum + length, 0);
    let sent = 0;
    const held: Held = { milliseconds: 0 };
    const heldBack = () => held.milliseconds;
    const pieces = async function* (throttle: Throttle | undefined, moved: () => void) {
      for await (const piece of throttled(body, throttle, held)) {
        yield piece;
        sent += piece.length;
        moved();
      }
    };
    const attemptPut = async (attempt: number, moved: () => void): Promise<void> => {
      // All of it may have arrived, and only the answer been lost. And where a refusal was lost with the connection, this look is refused too.
      if (attempt > 1 && sent > 0 && (await this.#isStored(object, size, md5, asked))) return;
      sent = 0;
      const reply = await this.#send({
        method: 'PUT',
        container: this.#parts.container,
        object,
        headers: { ETag: md5 },
        body: { size, pieces: () => pieces(this.#parts.throttle, moved), held: heldBack },
        limit: SMALL,
        what: asked.failed,
      });
      if (reply.status === 201 && etagOf(reply) === md5) return;
      if (reply.status === 422 || reply.status === 201) throw this.#altered(reply, body, md5, asked);
      // The body did not arrive whole.
      if (reply.status === 499) throw new Transient(`${asked.failed}: it was cut short on its way (499)`);
      throw verdict(reply, asked);
    };
    await this.#persist(asked, attemptPut, heldBack);
  }

  async get(
    name: string,
    limit: number,
    { anyCopy = false, place, isRight }: GetOptions = {},
  ): Promise<Uint8Array | undefined> {
    const object = this.#object(name);
    const asked: Asked = { failed: this.#words(`${name} cannot be read`), right: 'read', object: name };
    return this.#persist(asked, async (_, moved) => {
      const reply = await this.#send({
        method: 'GET',
        container: this.#parts.container,
        object,
        headers: anyCopy ? {} : { 'X-Newest': 'true' },
        limit,
        place,
        moved,
        what: asked.failed,
      }).catch((error: unknown) => {
        // A page that some proxy puts in the object's place is no object.
        if (!(error instanceof TooLarge) || error.status !== 200 || etagOf(error) === undefined) throw error;
        const size = error.size === undefined ? 'more' : `${error.size} bytes`;
        throw new HoldfastError(
          'damage',
          `store ${this.label}: ${name} has ${size} where at most ${limit} can be right; put back the right object`,
          { object: name },
        );
      });
      if (reply.status === 404 && isSwifts(reply)) return undefined;
      if (reply.status !== 200) throw verdict(reply, asked);
      const etag = etagOf(reply);
      if (etag === undefined)
        throw new Transient(`${asked.failed}: the answer is not Swift's; does a proxy stand between?`);
      if (isRight?.(reply.body) === true) return reply.body;
      if (hasMd5(reply) && hash('md5', reply.body, 'hex') !== etag) {
        throw new Transient(`${asked.failed}: it was altered or cut short on its way (MD5)`);
      }
      return reply.body;
    });
  }

  async stat(name: string): Promise<ObjectStat | undefined> {
    const object = this.#object(name);
    const asked: Asked = { failed: this.#words(`${name} cannot be looked at`), right: 'read', object: name };
    return this.#persist(asked, () => this.#head(object, asked));
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    const inner = splitPrefix(prefix).length === 0 ? '' : prefix;
    const { prefix: outer } = this.#parts;
    const from = outer === '' ? inner : `${outer}/${inner}`;
    const cut = outer === '' ? 0 : outer.length + 1;
    let marker = '';
    for (;;) {
      const page = await this.#page(from, marker);
      const last = page.at(-1);
      if (last === undefined) return;
      for (const { name, size } of page) yield { name: name.slice(cut), size };
      marker = last.name;
    }
  }

  async remove(names: readonly string[]): Promise<void> {
    const objects = names.map((name) => this.#object(name));
    const bulk = objects.length > 1 && !this.#bulkIsRefused ? await this.#parts.bulkLimit() : undefined;
    if (bulk === undefined) {
      for (const [i, object] of objects.entries()) await this.#removeOne(object, names[i] ?? '');
      return;
    }
    for (let at = 0; at < objects.length; at += bulk) await this.#removeSome(objects.slice(at, at + bulk));
  }

  async close(): Promise<void> {
    this.#parts.end();
  }

  async #head(object: string, asked: Asked): Promise<ObjectStat | undefined> {
    const reply = await this.#send({
      method: 'HEAD',
      container: this.#parts.container,
      object,
      headers: { 'X-Newest': 'true' },
      limit: 0,
      what: asked.failed,
    });
    if (reply.status === 404 && isSwifts(reply)) return undefined;
    if (reply.status !== 200) throw verdict(reply, asked);
    const length = reply.headers['content-length'];
    const etag = etagOf(reply);
    if (length === undefined || !/^\d{1,15}$/.test(length) || etag === undefined) {
      throw new Transient(`${asked.failed}: the answer is not Swift's; does a proxy stand between?`);
    }
    return { size: Number(length), md5: hasMd5(reply) ? etag : undefined };
  }

  async #isStored(object: string, size: number, md5: string, asked: Asked): Promise<boolean> {
    const found = await this.#head(object, asked);
    return found?.size === size && found.md5 === md5;
  }

  /** The server got something else than was sent: a fault on the way, or of this machine's memory. */
  #altered(
    { status }: Reply,
    body: readonly Uint8Array[],
    md5: string,
    asked: Asked,
  ): Transient | HoldfastError {
    const md5Now = md5Of(body);
    if (md5Now === md5) return new Transient(`${asked.failed}: it was altered on its way (${status})`);
    return new HoldfastError(
      'store',
      `${asked.failed}: its bytes are not those that were digested; try again, and if it happens once more check the memory of this machine`,
      { ...(asked.object !== undefined && { object: asked.object }) },
    );
  }

  async #page(prefix: string, marker: string): Promise<ListedObject[]> {
    const asked: Asked = { failed: this.#words('cannot be listed'), right: 'list' };
    const query = {
      format: 'json',
      ...(prefix !== '' && { prefix }),
      ...(marker !== '' && { marker }),
    };
    const ask = (moved: () => void) =>
      this.#send({
        method: 'GET',
        container: this.#parts.container,
        // Swift refuses (412) a limit above its own `container_listing_limit`, which it need not tell.
        query: { ...query, ...(this.#pagesAreTooLarge && { limit: String(PAGE) }) },
        limit: PAGE_LIMIT,
        moved,
        what: asked.failed,
      });
    return this.#persist(asked, async (_, moved) => {
      const reply = await ask(moved).catch((error: unknown) => {
        if (!(error instanceof TooLarge) || this.#pagesAreTooLarge) throw error;
        this.#pagesAreTooLarge = true;
        return ask(moved);
      });
      if (reply.status === 204 && isSwifts(reply)) return [];
      if (reply.status !== 200) throw verdict(reply, asked);
      const page = parsePage(reply.body);
      if (page === undefined)
        throw new Transient(`${asked.failed}: the answer is no listing; does a proxy stand between?`);
      let before = marker;
      for (const { name } of page) {
        if (!name.startsWith(prefix) || !isBefore(before, name)) {
          throw new HoldfastError(
            'store',
            `${asked.failed}: the listing is not in order, or not what was asked for`,
          );
        }
        before = name;
      }
      return page;
    });
  }

  async #removeOne(object: string, name: string): Promise<void> {
    const asked: Asked = {
      failed: this.#words(`${name} cannot be removed`),
      right: 'delete from',
      object: name,
    };
    await this.#persist(asked, async () => {
      const reply = await this.#send({
        method: 'DELETE',
        container: this.#parts.container,
        object,
        limit: SMALL,
        what: asked.failed,
      });
      const isGone = reply.status === 204 || (reply.status === 404 && isSwifts(reply));
      if (!isGone) throw verdict(reply, asked);
    });
  }

  /** Removes a bulk; what the server says it could not remove is removed one by one, which tells why. */
  async #removeSome(objects: readonly string[]): Promise<void> {
    const { container } = this.#parts;
    const asked: Asked = {
      failed: this.#words(`${objects.length} objects cannot be removed`),
      right: 'delete from',
    };
    const outcome = await this.#persist(asked, async () => {
      const body = bulkBody(container, objects);
      const reply = await this.#sendAnew({
        method: 'POST',
        query: { 'bulk-delete': 'true' },
        headers: { 'Content-Type': 'text/plain', Accept: 'application/json' },
        body: { size: body.length, pieces: () => [body] },
        limit: SMALL + objects.length * 4096,
        what: asked.failed,
      });
      if (REFUSALS.has(reply.status)) {
        this.#bulkIsRefused = true;
        return undefined;
      }
      if (reply.status !== 200) throw verdict(reply, asked);
      return parseBulkAnswer(reply.body);
    });
    if (outcome !== undefined && outcome.status === 200 && outcome.errors.length === 0) return;
    const { prefix } = this.#parts;
    for (const object of objects)
      await this.#removeOne(object, prefix === '' ? object : object.slice(prefix.length + 1));
  }

  /** A request about the container itself. */
  async #ask(
    method: Request['method'],
    asked: Asked,
    more: Pick<Request, 'query'>,
    good: readonly number[],
  ): Promise<Reply> {
    const { container } = this.#parts;
    return this.#persist(asked, async () => {
      const reply = await this.#send({ method, container, ...more, limit: SMALL, what: asked.failed });
      if (!good.includes(reply.status)) throw verdict(reply, asked);
      return reply;
    });
  }

  /** Sends a request; a token that has ended is replaced once, and everything sent anew. */
  async #sendAnew(request: Request): Promise<Reply> {
    const { client, session } = this.#parts;
    const reply = await client.send(request);
    if (reply.status !== 401) return reply;
    session.refused(reply.token);
    return client.send(request);
  }

  /** The same; a new token that is refused too is an error. */
  async #send(request: Request): Promise<Reply> {
    const reply = await this.#sendAnew(request);
    if (reply.status !== 401) return reply;
    throw new HoldfastError(
      'store',
      `${request.what}: the store refuses a token that it has just been given (401): the credentials were revoked, do not fit this store, or have access rules that do not allow this`,
    );
  }

  /** `heldBack`: milliseconds that do not count towards the deadline, so far. */
  #persist<T>(
    asked: Asked,
    attempt: (number: number, moved: () => void) => Promise<T>,
    heldBack: () => number = () => 0,
  ): Promise<T> {
    const { persistence } = this.#parts;
    const bounded = (number: number, moved: () => void) =>
      attempt(number, moved).catch((error: unknown) => {
        if (!(error instanceof TooLarge)) throw error;
        throw new Transient(
          `${asked.failed}: the answer is too large to be Swift's; does a proxy stand between?`,
        );
      });
    return persist(asked.failed, { ...persistence, heldBack }, bounded, asked.object);
  }

  #words(problem: string): string {
    return `store ${this.label}: ${problem}`;
  }

  #object(name: string): string {
    splitName(name);
    const { prefix } = this.#parts;
    return prefix === '' ? name : `${prefix}/${name}`;
  }
}
