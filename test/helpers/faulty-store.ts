/** A store that fails on purpose: at the N-th operation, in one of several ways, around any other store. */
import { createHash } from 'node:crypto';
import { HoldfastError } from '../../src/errors.ts';
import type { GetOptions, ObjectStat, PutOptions, Store, StoredObject } from '../../src/store/store.ts';

/**
 * What happens at the chosen operation:
 * - `error-once`: it rejects, nothing is done; `error-on`: it and every later one do;
 * - `torn`: a put stores half of the bytes under the final name and rejects;
 * - `lost-answer`: it is done, and rejects;
 * - `kill`, `kill-after`: `kill` is called before it, or once it is done; if that returns, this and every later one reject.
 *
 * Operations that cannot be torn reject without being done.
 */
export type FaultMode = 'error-once' | 'error-on' | 'torn' | 'lost-answer' | 'kill' | 'kill-after';

export type StoreOperation = 'check' | 'prepare' | 'put' | 'get' | 'stat' | 'list' | 'remove';

export interface Faults {
  /** Which operation fails, from 1; without it none does. */
  at?: number;
  mode?: FaultMode;
  /** Only these operations are counted; without it all are. */
  counted?: readonly StoreOperation[];
  kill?: () => void;
  /** What it rejects with; a `store` error by default. */
  error?: (operation: StoreOperation, name: string) => Error;
  /** Objects that listings leave out, though they are there (a listing that lags). */
  hidden?: (name: string) => boolean;
  /** Objects that listings show, though they are not there (a listing that lags): from now on, also those that are added later. */
  ghosts?: readonly StoredObject[];
  /** Whether the store admits that; by default as the store within, but true where ghosts are given. */
  listingsMayLie?: boolean;
}

export interface FaultyStore extends Store {
  /** Operations begun, in order: `put a/b`, `list a/`, `check`. */
  readonly log: string[];
  /** How many operations were counted so far. */
  readonly count: number;
}

/** Wraps `inner`. A listing counts as one operation, when it is begun. */
export function faultyStore(inner: Store, faults: Faults = {}): FaultyStore {
  const { at, mode = 'error-once', hidden = () => false, ghosts } = faults;
  const log: string[] = [];
  let count = 0;
  let dead = false;

  const fault = (operation: StoreOperation, name: string): Error =>
    faults.error?.(operation, name) ??
    new HoldfastError('store', `store ${inner.label}: ${operation} ${name} failed on purpose`, {
      object: name,
    });

  /** Decides over one operation: what is to be done of it, and whether it rejects afterwards. */
  async function step<T>(
    operation: StoreOperation,
    name: string,
    whole: () => Promise<T>,
    half?: () => Promise<void>,
  ): Promise<T> {
    log.push(name === '' ? operation : `${operation} ${name}`);
    if (dead) throw fault(operation, name);
    if (faults.counted !== undefined && !faults.counted.includes(operation)) return whole();
    count += 1;
    if (count !== at) return whole();
    if (mode === 'error-on' || mode === 'kill' || mode === 'kill-after') dead = true;
    if (mode === 'kill') faults.kill?.();
    if (mode === 'torn') await half?.();
    if (mode === 'lost-answer' || mode === 'kill-after') await whole();
    if (mode === 'kill-after') faults.kill?.();
    throw fault(operation, name);
  }

  return {
    label: inner.label,
    uploads: inner.uploads,
    knowsMd5: inner.knowsMd5,
    listingsMayLie: faults.listingsMayLie ?? (ghosts !== undefined || inner.listingsMayLie),
    log,
    get count() {
      return count;
    },
    check: () => step('check', '', () => inner.check()),
    prepare: () => step('prepare', '', () => inner.prepare()),
    put: (name: string, body: readonly Uint8Array[], options: PutOptions) =>
      step(
        'put',
        name,
        () => inner.put(name, body, options),
        () => putHalf(inner, name, body),
      ),
    get: (name: string, limit: number, options?: GetOptions): Promise<Uint8Array | undefined> =>
      step('get', name, () => inner.get(name, limit, options)),
    stat: (name: string): Promise<ObjectStat | undefined> => step('stat', name, () => inner.stat(name)),
    async *list(prefix: string): AsyncIterable<StoredObject> {
      const objects = await step('list', prefix, async () => inner.list(prefix));
      if (ghosts === undefined) {
        for await (const object of objects) if (!hidden(object.name)) yield object;
        return;
      }
      yield* haunted(objects, ghosts, prefix, hidden);
    },
    remove: (names: readonly string[]) => step('remove', names.join(' '), () => inner.remove(names)),
    close: () => inner.close(),
  };
}

/** The listing with ghosts in their places; what is there shows as it is. */
async function* haunted(
  objects: AsyncIterable<StoredObject>,
  ghosts: readonly StoredObject[],
  prefix: string,
  hidden: (name: string) => boolean,
): AsyncGenerator<StoredObject, void> {
  const shown = new Map(
    ghosts.filter(({ name }) => name.startsWith(prefix)).map((ghost) => [ghost.name, ghost]),
  );
  for await (const object of objects) if (!hidden(object.name)) shown.set(object.name, object);
  yield* [...shown.values()].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

async function putHalf(inner: Store, name: string, body: readonly Uint8Array[]): Promise<void> {
  const whole = Buffer.concat(body);
  const half = whole.subarray(0, whole.length >> 1);
  await inner.put(name, [half], { md5: createHash('md5').update(half).digest('hex') });
}
