/** Sets modification times to the nanosecond, which node:fs does not. */
import type { ByteString } from '../model.ts';
import { calls, checked, toC } from './calls.ts';

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
export function setTime(at: number | ByteString, { seconds, nanoseconds }: Timespec): boolean {
  const c = calls();
  if (c === undefined) return false;
  times[0] = times[2] = BigInt(seconds);
  times[1] = times[3] = BigInt(nanoseconds);
  const result =
    typeof at === 'number'
      ? c.futimens(at, times)
      : c.utimensat(AT_FDCWD, toC(at), times, AT_SYMLINK_NOFOLLOW);
  checked(result, 'utimensat');
  return true;
}
