/** The digest of a file of the index, by which it is known to be the one that the header means. */
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';

const PIECE = 1024 * 1024;

/** SHA-256 of a file, hex, read piece by piece; undefined when it cannot be read. */
export function digestFile(file: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(PIECE);
    for (;;) {
      const n = readSync(fd, buffer, 0, PIECE, null);
      if (n === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, n));
    }
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
