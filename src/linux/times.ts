/** Sets modification times to the nanosecond, which node:fs does not. */
import { calls, checked, toC } from './calls.ts';
import type { Place } from './xattrs.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** Two of struct timespec: access and modification. */
const times = new BigInt64Array(4);

/** A time as Linux has it: `nanoseconds` is from 0 to 999,999,999, also before 1970. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

/**
 * Sets access and modification time of an open file, or of what is at a path (of a symlink: its own). False where this machine cannot set
 * nanoseconds; nothing is set then. Errors are like Node's own.
 */
export function setTime(at: Place, { seconds, nanoseconds }: Timespec): boolean {
  const c = calls();
  if (c === undefined) return false;
  times[0] = times[2] = BigInt(seconds);
  times[1] = times[3] = BigInt(nanoseconds);
  let result: number;
  if (typeof at === 'number') result = c.futimens(at, times);
  else if (typeof at === 'string') result = c.utimensat(AT_FDCWD, toC(at), times, AT_SYMLINK_NOFOLLOW);
  else result = c.utimensat(AT_FDCWD, toC(at.followed), times, 0);
  checked(result, 'utimensat');
  return true;
}
