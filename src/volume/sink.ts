/** Where the plain content of objects goes on its way to the store: the producer writes, others compress, seal and upload. */

/** The most bytes that room() can be asked for. */
export const ROOM = 1024 * 1024;

/** How an object's content is compressed. */
export interface Compression {
  /** zstd level. */
  level: number;
  /** Logarithm of the window in bytes, at most WINDOW_LOG of format/limits.ts. */
  windowLog: number;
  /** Logarithm of the entries of a table that zstd looks for matches with (ZSTD_c_chainLog); its own choice where it is undefined. */
  chainLog?: number;
}

/** Takes objects. Everything blocks while too much is on its way: the producer runs in a thread of its own. */
export interface ObjectSink {
  /** Begins an object, if anything comes to be written; `name` is its name below the set's folder. */
  open(name: string, compression: Compression): ObjectWriter;
}

/** One object on its way. Several may be open at once. */
export interface ObjectWriter {
  /** Memory for at least so many bytes of content more (at most ROOM), to be written into until the next call. It holds anything. */
  room(bytes: number): Buffer;
  /** Takes the first bytes of the room as content. */
  filled(bytes: number): void;
  /** Takes a copy of some bytes as content, however many. */
  write(bytes: Uint8Array): void;
  /** Bytes of content that compression has taken in so far, and bytes that have come out of it. Both lag behind. */
  readonly figures: { readonly taken: number; readonly out: number };
  /** Ends the object. Does not wait until it is stored. */
  end(): void;
  /** Gives up an object of which nothing was taken. */
  discard(): void;
}
