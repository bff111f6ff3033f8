/** What the rest of the program needs of an object store. Each kind of store is one folder or file beside this one. */
import type { TakePlace } from './object-places.ts';

/** One object as a listing names it. */
export interface StoredObject {
  /** Full name below the root of the store, components separated by `/`. */
  name: string;
  /** Bytes. */
  size: number;
}

/** What is known of one object without fetching it. */
export interface ObjectStat {
  size: number;
  /** Digests of the content, as the store knows it or has just read it, lower-case hex: one of them, or none. */
  md5?: string | undefined;
  sha256?: string;
}

/** What an object should be. */
export interface ExpectedObject {
  size: number;
  md5?: string | undefined;
  sha256?: string | undefined;
}

/** What tells an object from the one that it should be: its size, or one of the digests that are known of both; undefined when nothing does. */
export function difference(
  found: ObjectStat,
  expected: ExpectedObject,
): 'size' | 'MD5' | 'SHA-256' | undefined {
  const differ = (a: string | undefined, b: string | undefined) =>
    a !== undefined && b !== undefined && a !== b;
  if (found.size !== expected.size) return 'size';
  if (differ(found.md5, expected.md5)) return 'MD5';
  return differ(found.sha256, expected.sha256) ? 'SHA-256' : undefined;
}

/** How an object is got. */
export interface GetOptions {
  /**
   * Any copy of the object will do, since it was written once and the caller knows its digest. Otherwise a store that keeps several
   * asks all of them, and gives the newest.
   */
  anyCopy?: boolean;
  /**
   * Whether these bytes are the object, by a digest that the caller has: a store that may look at one of its own needs not, where they are. Where they are not, its own tells
   * whether they were altered on their way, and are to be fetched again.
   */
  isRight?: (bytes: Uint8Array) => boolean;
  /** Memory to read it into, asked for at most one byte more than the limit, once for each attempt; what is got lies at its beginning. */
  place?: TakePlace;
}

/** How a listing is made. */
export interface ListOptions {
  /** True where only names are wanted: sizes are then 0 where the store would have to look for each. */
  namesOnly?: boolean;
}

/** What the body must be found to be: put fails when what was stored differs. */
export interface PutOptions {
  /** Lower-case hex. A store that knows objects by it reckons it itself where it is not given. */
  md5?: string | undefined;
  /** CRC-32 (of zlib), for a store that sees no other harm than that of memory; where it is given, such a store does not look at the MD5. */
  crc32?: number;
}

/**
 * An object store: whole objects under names, written once. All methods reject with HoldfastError
 * (`store`, `store-absent`, `no-space`), except where said.
 */
export interface Store {
  /** How the store is named to people, e.g. `directory:/var/backups/holdfast`. Holds no secret. */
  readonly label: string;
  /** How many puts are worth having under way at once. */
  readonly uploads: number;
  /**
   * Whether a listing may leave out what is there, and show what is gone with the size that it had: then only an answer about the object
   * itself decides anything.
   */
  readonly listingsMayLie: boolean;
  /** Whether the store knows objects by their MD5: a commit then names it, so that they can be checked without being read. */
  readonly knowsMd5: boolean;
  /** Checks that the store is there and can be used; creates nothing. */
  check(): Promise<void>;
  /** Checks the same, and makes what a new store of this kind lacks, where that is allowed. */
  prepare(): Promise<void>;
  /** Stores one object; resolves only when the store has it durably. An existing object of that name is replaced. */
  put(name: string, body: readonly Uint8Array[], options: PutOptions): Promise<void>;
  /**
   * The whole object, at most `limit` bytes (a larger one is refused before it is read), in the place that was given for it, or in memory that is
   * the caller's own; undefined when there is none.
   */
  get(name: string, limit: number, options?: GetOptions): Promise<Uint8Array | undefined>;
  /** Size and digest, asked of the store anew (never from a cache); undefined when there is none. */
  stat(name: string): Promise<ObjectStat | undefined>;
  /** All objects whose name begins with `prefix` (a folder, ending in `/`), in bytewise order of names. */
  list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject>;
  /** Removes objects; one that is not there is no error. When it rejects, some may have been removed. */
  remove(names: readonly string[]): Promise<void>;
  /** Ends connections; what is under way rejects with `interrupted`, or ends. The store must not be used afterwards. */
  close(): Promise<void>;
}

/** The first name of a listing; undefined where there is none. Errors: those of the store. */
export async function firstName(store: Store, prefix: string): Promise<string | undefined> {
  for await (const { name } of store.list(prefix, { namesOnly: true })) return name;
  return undefined;
}
