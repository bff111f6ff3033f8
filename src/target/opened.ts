/** What is open, as a path: /proc leads to the very thing, whatever has become of its name. */
import { chmodSync, closeSync, constants, openSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** Opens a name and nothing behind it: no device is touched, no right to read is needed. Not in node:fs (asm-generic/fcntl.h). */
export const O_PATH = 0o10000000;

/** The path of something that this process has open. */
export function openedPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Sets the mode of what is at a place, which is never a symlink: Node has no call that would not follow one. */
export function setMode(place: ByteString, mode: number): void {
  const fd = openSync(toFsPath(place), O_PATH | constants.O_NOFOLLOW);
  try {
    // Of a symlink this is an error, ENOTSUP or ELOOP.
    chmodSync(openedPath(fd), mode);
  } finally {
    closeSync(fd);
  }
}
