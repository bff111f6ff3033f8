/** Finds the holes of an open file: what was never written and takes no room. */
import { systemCode } from '../errors.ts';
import { calls, checked } from './calls.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** The next stretch of data at or after `from`, below `size`; undefined where nothing but a hole is left. */
export function nextData(fd: number, from: number, size: number): { from: number; to: number } | undefined {
  const c = calls();
  if (c === undefined) return from < size ? { from, to: size } : undefined;
  try {
    const start = checked(c.lseek(fd, from, SEEK_DATA), 'lseek');
    if (start >= size) return undefined;
    return { from: start, to: Math.min(size, checked(c.lseek(fd, start, SEEK_HOLE), 'lseek')) };
  } catch (error) {
    // ENXIO: no data there or after it.
    if (systemCode(error) === 'ENXIO') return undefined;
    // A file system that cannot tell.
    if (systemCode(error) === 'EINVAL') return from < size ? { from, to: size } : undefined;
    throw error;
  }
}

/** Whether holes can be found on this machine at all. */
export function canFindHoles(): boolean {
  return calls() !== undefined;
}
