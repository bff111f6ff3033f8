/** Whole objects by hand: content in one zstd frame, as the program makes them piece by piece. */
import { zstdCompressSync } from 'node:zlib';
import { forVolumes, zstdOptions } from '../../src/volume/compress.ts';

export function compressWhole(content: Uint8Array, level: number): Buffer {
  return zstdCompressSync(content, zstdOptions(forVolumes(level)));
}
