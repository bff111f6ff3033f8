/** Whole objects by hand: content in one zstd frame, of which the program makes several, and back again. */
import { execFileSync } from 'node:child_process';
import { zstdCompressSync } from 'node:zlib';
import { forVolumes, zstdOptions } from '../../src/volume/compress.ts';

export function compressWhole(content: Uint8Array, level: number): Buffer {
  return zstdCompressSync(content, zstdOptions(forVolumes(level)));
}

/** The content of any number of frames, by the zstd that people have: zlib's own call stops after the first one. */
export function decompressAll(frames: Uint8Array): Buffer {
  return execFileSync('zstd', ['--decompress', '--stdout', '--quiet'], { input: frames, maxBuffer: 2 ** 30 });
}
