/** Folders by their open descriptors: what is in them, and what lstat says of each. The kernel need not go the whole way from the root for each name, nor Node make its objects. */
import { constants } from 'node:fs';
import { constants as system } from 'node:os';
import type { ByteString } from '../model.ts';
import { type Calls, calls, checked } from './calls.ts';
import { packDevice } from './device-number.ts';

/** Stands for the working folder where an open one is asked for (linux/fcntl.h): whole paths are looked up with it. */
export const AT_CWD = -100;

const AT_SYMLINK_NOFOLLOW = 0x100;
/** Everything that statx knows but for the time of birth, as stat(2) has it. */
const STATX_BASIC_STATS = 0x7ff;
const O_CLOEXEC = 0o2000000;
const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC;
/** PATH_MAX of linux/limits.h, in bytes with the NUL: a longer path is refused by the kernel. */
export const PATH_MAX = 4096;
/** Bytes of names that are asked for at once. */
const NAMES = 64 * 1024;
/** `struct linux_dirent64` (man 2 getdents): where the length of the record stands, and the name. */
const RECORD_LENGTH = 16;
const RECORD_NAME = 19;
const NANOSECONDS = 1_000_000_000n;

/** The calls that are needed; they came with the GNU C library 2.30. */
export interface FolderCalls {
  /** Opens a folder that lies in an open one; a link is none. Errors are like Node's own. */
  open(at: number, name: ByteString): number;
  close(fd: number): void;
  /** Gives every name in an open folder, as it comes, but for `.` and `..`. Errors are like Node's own. */
  names(fd: number, each: (name: ByteString) => void): void;
  /** What lstat says of a name in an open folder: valid until the next call. Errors are like Node's own. */
  lstat(at: number, name: ByteString): Statx;
}

/** `struct statx` (man 2 statx), which is the same on all machines: what the last call wrote there. */
export class Statx {
  readonly bytes = new Uint8Array(256);
  readonly #u16 = new Uint16Array(this.bytes.buffer);
  readonly #u32 = new Uint32Array(this.bytes.buffer);
  readonly #s64 = new BigInt64Array(this.bytes.buffer);

  get nlink(): number {
    return this.#u32[4] as number;
  }

  get uid(): number {
    return this.#u32[5] as number;
  }

  get gid(): number {
    return this.#u32[6] as number;
  }

  get mode(): number {
    return this.#u16[14] as number;
  }

  get ino(): bigint {
    return this.#s64[4] as bigint;
  }

  get size(): bigint {
    return this.#s64[5] as bigint;
  }

  get blocks(): bigint {
    return this.#s64[6] as bigint;
  }

  get ctimeNs(): bigint {
    return (this.#s64[12] as bigint) * NANOSECONDS + BigInt(this.#u32[26] as number);
  }

  get mtimeNs(): bigint {
    return (this.#s64[14] as bigint) * NANOSECONDS + BigInt(this.#u32[30] as number);
  }

  get rdev(): bigint {
    return packDevice(this.#u32[32] as number, this.#u32[33] as number);
  }

  get dev(): bigint {
    return packDevice(this.#u32[34] as number, this.#u32[35] as number);
  }
}

let known: FolderCalls | null | undefined;

/** The calls; undefined where they cannot be had: on another system than Linux with 64 bits, with an older C library, or where statx is forbidden. */
export function folderCalls(): FolderCalls | undefined {
  known ??= load() ?? null;
  return known ?? undefined;
}

function load(): FolderCalls | undefined {
  const c = calls();
  if (c?.statx === undefined || c.getdents64 === undefined) return undefined;
  const found = folderCallsOf({ ...c, statx: c.statx, getdents64: c.getdents64 });
  try {
    found.lstat(AT_CWD, '/');
    return found;
  } catch {
    return undefined;
  }
}

function folderCallsOf(
  c: Calls & { statx: NonNullable<Calls['statx']>; getdents64: NonNullable<Calls['getdents64']> },
): FolderCalls {
  const path = Buffer.alloc(PATH_MAX);
  const names = Buffer.allocUnsafeSlow(NAMES);
  const answer = new Statx();
  /** Writes a path where the calls look for it. */
  const at = (name: ByteString) => {
    if (name.length >= PATH_MAX) {
      throw Object.assign(new Error('ENAMETOOLONG: path'), { code: 'ENAMETOOLONG' });
    }
    // Names are short: a call of Buffer's takes longer.
    for (let i = 0; i < name.length; i++) path[i] = name.charCodeAt(i);
    path[name.length] = 0;
    return path;
  };
  /** Some file systems answer that a signal came: as Node's own calls do, it is asked again. */
  const ask = (call: string, once: () => number) => {
    let result = once();
    while (result < 0 && c.errno() === system.errno.EINTR) result = once();
    return checked(result, call);
  };
  return {
    open: (folder, name) => ask('openat', () => c.openat(folder, at(name), OPEN_FOLDER)),
    close(fd) {
      c.close(fd);
    },
    names(fd, each) {
      for (;;) {
        const length = ask('getdents64', () => c.getdents64(fd, names, names.length));
        if (length === 0) return;
        for (let record = 0; record < length; ) {
          const begin = record + RECORD_NAME;
          let end = begin;
          while (names[end] !== 0) end++;
          const name = names.toString('latin1', begin, end);
          if (name !== '.' && name !== '..') each(name);
          record += names.readUInt16LE(record + RECORD_LENGTH);
        }
      }
    },
    lstat(folder, name) {
      ask('statx', () => c.statx(folder, at(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, answer.bytes));
      return answer;
    },
  };
}
