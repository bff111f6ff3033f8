/** The nouns that the stages share: what an entry, an extent, a point is. Plain data, no behaviour beyond names and numbers. */

/**
 * Bytes kept in a string, one byte a character (Latin-1): how names and paths of the file system are held,
 * because Linux allows any bytes in them. See format/bytes.ts for the ways in and out.
 */
export type ByteString = string;

/** Kinds of entries. `gone` records a deletion. */
export type EntryType = 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block';

/**
 * A stretch of a stored chunk: the chunk is the `position`-th entry (from 0) of volume `volume` (from 1) of
 * the set with number `seq`; the stretch begins `offset` bytes into it. `seq` 0 is a hole: `length` zero bytes.
 */
export interface Extent {
  seq: number;
  volume: number;
  position: number;
  offset: number;
  length: number;
}

/** An extended attribute: an ACL and a program's capabilities are such, too. */
export interface ExtendedAttribute {
  /** With its namespace, such as `user.comment`. */
  name: ByteString;
  value: Uint8Array;
}

/** Metadata of an entry, as recorded. */
export interface Metadata {
  type: EntryType;
  /** Permission bits with set-uid, set-gid and sticky: 0 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Owner's and group's names when the point was made; absent when the number had none. */
  user?: string;
  group?: string;
  /** Modification time, nanoseconds since 1970 (negative before). */
  mtimeNs: bigint;
  /** Symlinks: where it points to. */
  target?: ByteString;
  /** Devices: major and minor number. */
  rdev?: [number, number];
  /** Members of one hard-link group of a source carry the same id. */
  link?: string;
  /** The entry could not be read in this run; what stands here is its last known version. */
  carried?: true;
  /** The file was written to while it was read, every time that it was tried; its content is a mixture. */
  torn?: true;
  /** Some of its extended attributes could not be read. */
  partial?: true;
}

/** One line (or several) of a manifest: an entry that exists at the point. */
export interface Entry extends Metadata {
  source: string;
  /** Absolute path in the source, without a trailing slash (the root itself is `/`). */
  path: ByteString;
  /** Number of the set in which this entry last changed. */
  since: number;
  /** Files: length in bytes. */
  size: number;
  /** Files: SHA-256 of the content, lower-case hex. */
  sha256?: string;
  /** Files: where the content lies, in order; empty for an empty file. */
  extents: Extent[];
  /** In ascending order of their names; absent where there are none. */
  xattrs?: ExtendedAttribute[];
}

/** A recorded deletion. */
export interface Gone {
  source: string;
  path: ByteString;
  since: number;
  type: 'gone';
}
