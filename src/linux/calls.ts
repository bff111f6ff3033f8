/** Calls of the C library that Node does not have, by their names. What they mean is in the files beside this one. */
import { constants } from 'node:os';
import type { ByteString } from '../model.ts';
import { native } from '../native.ts';

/** What the calls return is what their man pages say: -1 is a failure, whose reason errno has. */
type Call = (...args: (number | bigint | NodeJS.ArrayBufferView | null)[]) => number;

/** The calls. Paths are bytes that end with NUL. */
export interface Calls {
  llistxattr: Call;
  lgetxattr: Call;
  lsetxattr: Call;
  lremovexattr: Call;
  flistxattr: Call;
  fgetxattr: Call;
  fsetxattr: Call;
  fremovexattr: Call;
  listxattr: Call;
  getxattr: Call;
  setxattr: Call;
  removexattr: Call;
  utimensat: Call;
  futimens: Call;
  /** Undefined where the C library only has it as a macro: GNU's before 2.33. */
  mknod: Call | undefined;
  __xmknod: Call | undefined;
  lseek: Call;
  openat: Call;
  close: Call;
  /** Undefined where the C library does not have them. */
  sync_file_range: Call | undefined;
  statx: Call | undefined;
  getdents64: Call | undefined;
  errno(): number;
}

const PROTOTYPES = {
  llistxattr: 'long llistxattr(const void *path, void *list, size_t size)',
  lgetxattr: 'long lgetxattr(const void *path, const void *name, void *value, size_t size)',
  lsetxattr: 'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
  lremovexattr: 'int lremovexattr(const void *path, const void *name)',
  flistxattr: 'long flistxattr(int fd, void *list, size_t size)',
  fgetxattr: 'long fgetxattr(int fd, const void *name, void *value, size_t size)',
  fsetxattr: 'int fsetxattr(int fd, const void *name, const void *value, size_t size, int flags)',
  fremovexattr: 'int fremovexattr(int fd, const void *name)',
  listxattr: 'long listxattr(const void *path, void *list, size_t size)',
  getxattr: 'long getxattr(const void *path, const void *name, void *value, size_t size)',
  setxattr: 'int setxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
  removexattr: 'int removexattr(const void *path, const void *name)',
  utimensat: 'int utimensat(int fd, const void *path, const void *times, int flags)',
  futimens: 'int futimens(int fd, const void *times)',
  lseek: 'int64_t lseek(int fd, int64_t offset, int whence)',
  // Without the mode, which only a file that is made needs.
  openat: 'int openat(int at, const void *path, int flags)',
  close: 'int close(int fd)',
} as const;
const STATX = 'int statx(int at, const void *path, int flags, unsigned int mask, void *answer)';
const GETDENTS64 = 'long getdents64(int fd, void *names, size_t size)';
const SYNC_FILE_RANGE = 'int sync_file_range(int fd, int64_t offset, int64_t nbytes, unsigned int flags)';
const MKNOD = 'int mknod(const void *path, unsigned int mode, uint64_t dev)';
const XMKNOD = 'int __xmknod(int version, const void *path, unsigned int mode, const void *dev)';

let known: Calls | null | undefined;

/** The calls; undefined where they cannot be had: on another system than Linux with 64 bits, or without the native part. */
export function calls(): Calls | undefined {
  known ??= load() ?? null;
  return known ?? undefined;
}

function load(): Calls | undefined {
  const functions = native();
  if (functions === undefined) return undefined;
  const find = (prototype: string): Call => functions.find(prototype);
  const optional = (prototype: string) => {
    try {
      return find(prototype);
    } catch {
      return undefined;
    }
  };
  try {
    const found: Record<string, Call> = {};
    for (const [name, prototype] of Object.entries(PROTOTYPES)) found[name] = find(prototype);
    return {
      ...found,
      sync_file_range: optional(SYNC_FILE_RANGE),
      statx: optional(STATX),
      getdents64: optional(GETDENTS64),
      mknod: optional(MKNOD),
      __xmknod: optional(XMKNOD),
      errno: functions.errno,
    } as Calls;
  } catch {
    return undefined;
  }
}

/** Names of errno: of two for one number the first, as libuv has it. */
const CODES = new Map<number, string>();
for (const [code, number] of Object.entries(constants.errno)) {
  if (!CODES.has(number)) CODES.set(number, code);
}

/** Throws an error as node:fs does, with the system's `code`, when a call has failed; else returns what it returned. */
export function checked(result: number, name: string): number {
  if (result >= 0) return result;
  const errno = known?.errno() ?? 0;
  const code = CODES.get(errno) ?? `errno ${errno}`;
  throw Object.assign(new Error(`${code}: ${name}`), { code, errno: -errno, syscall: name });
}

/** A string as the C library takes it: its bytes, and NUL. */
export function toC(text: ByteString): Buffer {
  return Buffer.from(`${text}\0`, 'latin1');
}
