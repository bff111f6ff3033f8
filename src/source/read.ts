/** Reads a file as one consistent state of it, or says that it could not. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { LARGE_FILE } from '../chunk/cut.ts';
import { RunningDigest } from '../chunk/digest.ts';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import { writeDirtyPages } from '../linux/dirty-pages.ts';
import { canFindHoles, nextData } from '../linux/holes.ts';
import type { ByteString } from '../model.ts';
import { type ReadAttributes, readAttributes } from './attributes.ts';
import type { Stat } from './stat.ts';
import { isYoung, nowInNs } from './young.ts';

/** How often a file that is being rewritten is read before its content is taken as it came. */
const TRIES = 3;
const PIECE = 1024 * 1024;

/** Draws bytes of an open file, in order. */
export interface OpenFile {
  /** Fills `into` as far as the file goes; returns how many bytes were read. */
  read(into: Uint8Array): number;
  /** In files that take less room than they are long: where holes are. */
  sparse?: Sparse;
}

/** What is known of the holes of a file. */
export interface Sparse {
  /** The next stretch of data from where reading stands on; undefined where none is left. */
  nextData(): { from: number; to: number } | undefined;
  /** Moves on by so many bytes, which lie in a hole. */
  skip(length: number): void;
  /** Holes cannot be found: long runs of zeros are to be taken for them. */
  guess: boolean;
}

/** What take() has made of the bytes that it drew: at least how many there were, and their SHA-256. */
export interface Taken {
  length: number;
  /** Lower-case hex. */
  sha256: string;
}

/** A file that was read; `torn` if it never held still, so that its content is a mixture. */
export type ReadResult<T> =
  | { kind: 'read'; content: T; stat: Stat; torn: boolean; attributes: ReadAttributes }
  /** It has gone, or is another kind of thing now. */
  | { kind: 'gone' }
  /** It cannot be read; `error` is the system's code. */
  | { kind: 'unreadable'; error: string };

/**
 * Opens a regular file and lets `take` draw its first `size` bytes, size being that at the opening. A file that only grew meanwhile, its beginning
 * unchanged, is whole: the bytes of the first look count. One that changed otherwise is read again, three times in all.
 * `take` may be called several times; its errors pass through.
 *
 * `seen` is what lstat said of the path shortly before, if anything. A file that is as it was then, once it has been read, has not changed in
 * between: so most need be asked only once more. One that is not is read anew, for what it was when it was opened is not known.
 */
export function readFile<T extends Taken>(
  path: ByteString,
  keepAccessTime: boolean,
  take: (file: OpenFile, size: number) => T,
  seen?: Stat,
): ReadResult<T> {
  // Of a young one, that would not be enough.
  const isSeen = seen !== undefined && !isYoung(seen, nowInNs());
  for (let attempt = isSeen ? 0 : 1; ; attempt++) {
    let fd: number;
    try {
      fd = open(path, keepAccessTime);
    } catch (error) {
      return failure(error);
    }
    try {
      const before = attempt === 0 && seen !== undefined ? seen : lookAt(fd);
      if (!before.isFile()) return { kind: 'gone' };
      const size = Number(before.size);
      const young = isYoung(before, nowInNs());
      const content = take(reader(fd, before), size);
      const attributes = readAttributes(fd);
      const after = fstatSync(fd, { bigint: true });
      // A change within one tick of the kernel's clock leaves the stamps as they are.
      const still = isStill(before, after, content.length) && !young;
      if (attempt === 0 && !(still && after.ino === before.ino && after.dev === before.dev)) continue;
      if (still || isThereStill(fd, before, after, content)) {
        return { kind: 'read', content, stat: before, torn: false, attributes };
      }
      if (attempt === TRIES) return { kind: 'read', content, stat: before, torn: true, attributes };
    } catch (error) {
      // Whatever it was seen to be, a folder or a FIFO cannot be read as a file.
      if (error instanceof ReadFailure)
        return fstatSync(fd).isFile() ? failure(error.cause) : { kind: 'gone' };
      throw error;
    } finally {
      closeSync(fd);
    }
  }
}

/** A read that failed, told apart from whatever take() throws. */
class ReadFailure extends Error {}

/** What stat says of an open file; of a large one, once nothing can be stored in it any more without its time stamps moving. */
function lookAt(fd: number): Stat {
  const stat = fstatSync(fd, { bigint: true });
  if (!stat.isFile() || stat.size < LARGE_FILE) return stat;
  writeDirtyPages(fd);
  return fstatSync(fd, { bigint: true });
}

/** Never waits on a FIFO that took the file's place, never follows a link, leaves the access time alone where that is allowed. */
function open(path: ByteString, keepAccessTime: boolean): number {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  if (keepAccessTime) {
    try {
      return openSync(toFsPath(path), flags | constants.O_NOATIME);
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error;
    }
  }
  return openSync(toFsPath(path), flags);
}

function failure(error: unknown): { kind: 'gone' } | { kind: 'unreadable'; error: string } {
  const code = systemCode(error);
  if (code === undefined) throw error;
  // ELOOP: a symlink has taken its place. ENXIO: a FIFO or socket.
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO')
    return { kind: 'gone' };
  return { kind: 'unreadable', error: code };
}

/** Size of the units in which stat counts the room that a file takes. */
const UNIT = 512n;

function reader(fd: number, stat: Stat): OpenFile {
  let at = 0;
  const file: OpenFile = {
    read(into) {
      let done = 0;
      try {
        while (done < into.length) {
          const n = readSync(fd, into, done, into.length - done, at + done);
          if (n === 0) break;
          done += n;
        }
      } catch (cause) {
        throw new ReadFailure('read failed', { cause });
      }
      at += done;
      return done;
    },
  };
  if (stat.blocks * UNIT >= stat.size) return file;
  const size = Number(stat.size);
  return {
    ...file,
    sparse: {
      nextData() {
        try {
          return nextData(fd, at, size);
        } catch (cause) {
          throw new ReadFailure('seek failed', { cause });
        }
      },
      skip(length) {
        at += length;
      },
      guess: !canFindHoles(),
    },
  };
}

function isStill(before: Stat, after: Stat, length: number): boolean {
  return (
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs &&
    before.ctimeNs === after.ctimeNs &&
    BigInt(length) === before.size
  );
}

/**
 * Whether the bytes that were taken still stand at the file's beginning, all of them. Then they stood there together at the moment
 * between the two readings: they are one state of the file.
 */
function isThereStill(fd: number, before: Stat, after: Stat, taken: Taken): boolean {
  if (after.size < before.size || BigInt(taken.length) !== before.size) return false;
  const digest = new RunningDigest();
  const buffer = Buffer.allocUnsafe(PIECE);
  try {
    for (let at = 0; at < taken.length; ) {
      const n = readSync(fd, buffer, 0, Math.min(PIECE, taken.length - at), at);
      if (n === 0) return false;
      digest.update(buffer.subarray(0, n));
      at += n;
    }
  } catch (cause) {
    throw new ReadFailure('read failed', { cause });
  }
  return digest.hex() === taken.sha256;
}
