/** Compresses content that is kept whole: one zstd frame, piece by piece or in one go. Volumes, which are not kept, are made by pack.ts. */
import { constants, createZstdCompress, type ZstdCompress, zstdCompressSync } from 'node:zlib';
import { WINDOW_LOG } from '../format/limits.ts';

/** Lines of a manifest repeat what came shortly before: a window of 2 MiB, as zstd takes at its middle levels, costs a third of the memory of 8 MiB. */
const LINES_WINDOW_LOG = 21;
const OUTPUT = 64 * 1024;

/** A frame in the making; what comes out is kept until the end. */
export class FrameWriter {
  readonly #zstd: ZstdCompress;
  readonly #pieces: Buffer[] = [];

  constructor(level: number) {
    this.#zstd = createZstdCompress({
      params: {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_windowLog]: LINES_WINDOW_LOG,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
      chunkSize: OUTPUT,
    });
    this.#zstd.on('data', (piece: Buffer) => this.#pieces.push(piece));
    // Whoever writes or ends hears of a failure.
    this.#zstd.on('error', () => {});
  }

  /** Resolves when the bytes have been taken in and may be changed. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#zstd.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Ends the frame; resolves with all of it. */
  async end(): Promise<Buffer[]> {
    await new Promise<void>((resolve, reject) => {
      this.#zstd.once('end', resolve);
      this.#zstd.once('error', reject);
      this.#zstd.end();
    });
    return this.#pieces;
  }
}

/** A whole object's content, compressed in one go. */
export function compressWhole(content: Uint8Array, level: number): Buffer {
  return zstdCompressSync(content, {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: WINDOW_LOG,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
}
