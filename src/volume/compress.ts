/** Compresses the content of one object into one zstd frame, piece by piece, in a thread of libuv's. */
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import { WINDOW_LOG } from '../format/limits.ts';
import type { Compression } from './sink.ts';

/** Bytes that zstd gives at once. */
const OUTPUT = 256 * 1024;
/** Lines of a manifest repeat what came shortly before: a window of 2 MiB, as zstd takes at its middle levels, costs a third of the memory of 8 MiB. */
const LINES_WINDOW_LOG = 21;

/** How volumes are compressed at a level. */
export function forVolumes(level: number): Compression {
  return { level, windowLog: WINDOW_LOG };
}

/** How the lines of manifests are. */
export function forLines(level: number): Compression {
  return { level, windowLog: LINES_WINDOW_LOG };
}

/** zlib's own names for a compression. */
export function zstdOptions({ level, windowLog }: Compression): { params: Record<number, number> } {
  return {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: windowLog,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  };
}

/** A frame in the making. Pieces, the rest of them at end(), go to `onPiece`. */
export class Compressor {
  readonly #zstd: ZstdCompress;
  /** Writes that are under way. */
  #writes = 0;
  #onWritten: (() => void) | undefined;

  /** `onFailure` hears of what nothing can be done about; nothing else is called then. */
  constructor(
    compression: Compression,
    onPiece: (piece: Uint8Array) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#zstd = createZstdCompress({ ...zstdOptions(compression), chunkSize: OUTPUT });
    this.#zstd.on('data', onPiece);
    this.#zstd.on('error', onFailure);
  }

  /** Takes bytes in; calls `done` when they are not needed any more, after all pieces that have come out by then. */
  write(bytes: Uint8Array, done: () => void): void {
    this.#writes++;
    this.#zstd.write(bytes, (error) => {
      if (error) return;
      this.#writes--;
      done();
      if (this.#writes === 0) this.#onWritten?.();
    });
  }

  /** Ends the frame; calls `done` after its last piece. Nothing may be written any more. */
  end(done: () => void): void {
    this.#zstd.once('end', done);
    // Node ends a frame with its last write where it knows of the end by then, and once more at the end: an empty frame follows.
    if (this.#writes === 0) this.#zstd.end();
    else this.#onWritten = () => this.#zstd.end();
  }
}
