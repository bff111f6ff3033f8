/** Bytes that look random and are the same in every run. */
import { createHash } from 'node:crypto';

/** `length` bytes that `seed` stands for. */
export function noise(length: number, seed: string): Buffer {
  return createHash('shake256', { outputLength: Math.max(length, 1) })
    .update(seed)
    .digest()
    .subarray(0, length);
}
