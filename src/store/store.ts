/** What the rest of the program needs of an object store. Each kind of store is one folder or file beside this one. */

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
  /** MD5 of the content as the store knows it, lower-case hex; undefined where the store keeps none. */
  md5: string | undefined;
}

/** How an object is got. */
export interface GetOptions {
  /**
   * Any copy of the object will do, since it was written once and the caller knows its digest. Otherwise a store that keeps several
   * asks all of them, and gives the newest.
   */
  anyCopy?: boolean;
}

/** Digests of the body that the store must see arrive, in lower-case hex: put fails when what was stored differs. */
export interface PutOptions {
  md5: string;
  /** Where it is known, a store that reckons by itself takes this one, which is better and cheaper. */
  sha256?: string;
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
  /** Checks that the store is there and can be used; creates nothing. */
  check(): Promise<void>;
  /** Checks the same, and makes what a new store of this kind lacks, where that is allowed. */
  prepare(): Promise<void>;
  /** Stores one object; resolves only when the store has it durably. An existing object of that name is replaced. */
  put(name: string, body: readonly Uint8Array[], options: PutOptions): Promise<void>;
  /**
   * The whole object, at most `limit` bytes (a larger one is refused before it is read), in memory that is the caller's
   * own; undefined when there is none.
   */
  get(name: string, limit: number, options?: GetOptions): Promise<Uint8Array | undefined>;
  /** Size and MD5, asked of the store anew (never from a cache); undefined when there is none. */
  stat(name: string): Promise<ObjectStat | undefined>;
  /** All objects whose name begins with `prefix` (a folder, ending in `/`), in bytewise order of names. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Removes objects; one that is not there is no error. When it rejects, some may have been removed. */
  remove(names: readonly string[]): Promise<void>;
  /** Ends connections; what is under way rejects with `interrupted`, or ends. The store must not be used afterwards. */
  close(): Promise<void>;
}
