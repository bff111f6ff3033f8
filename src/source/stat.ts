/** What lstat says of an entry, as far as anything here looks at it; and the same in memory that threads share. */
import { type BigIntStats, constants } from 'node:fs';
import type { Statx } from '../linux/folders.ts';

/** See man 2 stat; times in nanoseconds since 1970. */
export type Stat = Pick<
  BigIntStats,
  | (typeof FIELDS)[number]
  | 'isFile'
  | 'isDirectory'
  | 'isSymbolicLink'
  | 'isFIFO'
  | 'isSocket'
  | 'isCharacterDevice'
>;

const FIELDS = [
  'dev',
  'ino',
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'size',
  'blocks',
  'mtimeNs',
  'ctimeNs',
] as const;

/** Words of 64 bits that a stat takes: one for each field, and what is left of the two times, which end in the year 2262 else. */
export const STAT_WORDS = FIELDS.length + 2;
const MOST = 2n ** 63n - 1n;

/** Writes a stat to STAT_WORDS words, from `at` on. */
export function packStat(stat: Stat, words: BigInt64Array, at: number): void {
  words[at] = stat.dev;
  words[at + 1] = stat.ino;
  words[at + 2] = stat.mode;
  words[at + 3] = stat.nlink;
  words[at + 4] = stat.uid;
  words[at + 5] = stat.gid;
  words[at + 6] = stat.rdev;
  words[at + 7] = stat.size;
  words[at + 8] = stat.blocks;
  words[at + 9] = stat.mtimeNs;
  words[at + 10] = stat.ctimeNs;
  words[at + 11] = upperHalf(stat.mtimeNs);
  words[at + 12] = upperHalf(stat.ctimeNs);
}

/** What a word of 64 bits, which takes the lower half, leaves of a number. */
function upperHalf(value: bigint): bigint {
  return value >= 0n && value <= MOST ? 0n : value >> 64n;
}

function whole(lower: bigint, upper: bigint): bigint {
  return upper === 0n && lower >= 0n ? lower : (upper << 64n) | BigInt.asUintN(64, lower);
}

/** The stat that packStat() wrote there: a copy. */
export function unpackStat(words: BigInt64Array, at: number): Stat {
  return new PlainStat(
    words[at] as bigint,
    words[at + 1] as bigint,
    words[at + 2] as bigint,
    words[at + 3] as bigint,
    words[at + 4] as bigint,
    words[at + 5] as bigint,
    words[at + 6] as bigint,
    words[at + 7] as bigint,
    words[at + 8] as bigint,
    whole(words[at + 9] as bigint, words[at + 11] as bigint),
    whole(words[at + 10] as bigint, words[at + 12] as bigint),
  );
}

/** What statx said: a copy. */
export function statOf(said: Statx): Stat {
  return new PlainStat(
    said.dev,
    said.ino,
    BigInt(said.mode),
    BigInt(said.nlink),
    BigInt(said.uid),
    BigInt(said.gid),
    said.rdev,
    said.size,
    said.blocks,
    said.mtimeNs,
    said.ctimeNs,
  );
}

const TYPE = BigInt(constants.S_IFMT);
const FILE = BigInt(constants.S_IFREG);
const FOLDER = BigInt(constants.S_IFDIR);
const LINK = BigInt(constants.S_IFLNK);
const FIFO = BigInt(constants.S_IFIFO);
const SOCKET = BigInt(constants.S_IFSOCK);
const CHARACTER = BigInt(constants.S_IFCHR);

/** The fields, and nothing else. */
class PlainStat implements Stat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;

  constructor(
    dev: bigint,
    ino: bigint,
    mode: bigint,
    nlink: bigint,
    uid: bigint,
    gid: bigint,
    rdev: bigint,
    size: bigint,
    blocks: bigint,
    mtimeNs: bigint,
    ctimeNs: bigint,
  ) {
    this.dev = dev;
    this.ino = ino;
    this.mode = mode;
    this.nlink = nlink;
    this.uid = uid;
    this.gid = gid;
    this.rdev = rdev;
    this.size = size;
    this.blocks = blocks;
    this.mtimeNs = mtimeNs;
    this.ctimeNs = ctimeNs;
  }

  isFile(): boolean {
    return (this.mode & TYPE) === FILE;
  }

  isDirectory(): boolean {
    return (this.mode & TYPE) === FOLDER;
  }

  isSymbolicLink(): boolean {
    return (this.mode & TYPE) === LINK;
  }

  isFIFO(): boolean {
    return (this.mode & TYPE) === FIFO;
  }

  isSocket(): boolean {
    return (this.mode & TYPE) === SOCKET;
  }

  isCharacterDevice(): boolean {
    return (this.mode & TYPE) === CHARACTER;
  }
}
