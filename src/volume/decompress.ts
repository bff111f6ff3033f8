/**
 * Decompresses whole zstd frames into memory that is used again for the next one. node:zlib makes a new buffer for each, whose pages the system has to find and
 * to clear each time: a tenth of the time of a restore. So Node's own zstd is called where it can be reached, and node:zlib elsewhere.
 */
import { constants, zstdDecompressSync } from 'node:zlib';
import { WINDOW_LOG } from '../format/limits.ts';
import { freeBuffer } from '../free.ts';
import { type NativeFunction, native } from '../native.ts';
import type { Place } from './memory.ts';

/** zlib takes no smaller buffer. */
const LEAST_CHUNK = 64;

/** What of zstd is called (zstd.h: the stable interface). Contexts are pointers that stand for themselves. */
interface Zstd {
  context: unknown;
  decompress: NativeFunction<unknown, number | bigint>;
  errorName: NativeFunction<number | bigint, string>;
}

let known: Zstd | null | undefined;

/** The functions, and this thread's context; undefined where this Node does not have them. */
function zstd(): Zstd | undefined {
  known ??= load() ?? null;
  return known ?? undefined;
}

function load(): Zstd | undefined {
  const functions = native();
  try {
    if (functions === undefined) return undefined;
    const found = {
      decompress: functions.find<unknown, number | bigint>(
        'size_t ZSTD_decompressDCtx(void *dctx, void *dst, size_t dstCapacity, const void *src, size_t srcSize)',
      ),
      errorName: functions.find<number | bigint, string>('const char *ZSTD_getErrorName(size_t code)'),
    };
    // One for each thread, to its end.
    const context = functions.find<never, unknown>('void *ZSTD_createDCtx()')();
    return context == null ? undefined : { ...found, context };
  } catch {
    return undefined;
  }
}

export class FrameDecompressor {
  readonly #place: Place;
  #own = Buffer.alloc(0);

  /** `place` is asked for memory for each frame; without it, one and the same is used for all of them. */
  constructor(place?: Place) {
    this.#place = place ?? ((bytes) => this.#room(bytes));
  }

  /**
   * The content of one whole frame, whose header says that it is so long, with no other frame behind it. It is good until the next call, or free().
   * Throws where the frame is damaged, or holds anything else.
   */
  decompress(frame: Uint8Array, contentSize: number): Buffer {
    const library = zstd();
    return library === undefined
      ? this.#byZlib(frame, contentSize)
      : this.#byZstd(library, frame, contentSize);
  }

  /** Gives its memory back. */
  free(): void {
    freeBuffer(this.#own.buffer);
    this.#own = Buffer.alloc(0);
  }

  #byZstd({ context, decompress, errorName }: Zstd, frame: Uint8Array, contentSize: number): Buffer {
    const content = this.#place(contentSize).subarray(0, contentSize);
    // What it is told of the memory is what it keeps to, whatever the frame says.
    if (content.length !== contentSize) throw new Error('there is no place for a frame');
    const length = decompress(context, content, content.length, frame, frame.length);
    if (length === contentSize) return content;
    throw new Error(length > contentSize ? errorName(length) : 'it holds less than its header says');
  }

  #byZlib(frame: Uint8Array, contentSize: number): Buffer {
    freeBuffer(this.#own.buffer);
    const chunkSize = Math.max(contentSize, LEAST_CHUNK);
    const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG };
    const content = zstdDecompressSync(frame, { params, chunkSize, maxOutputLength: chunkSize });
    // Small ones may lie among others.
    if (content.buffer.byteLength === chunkSize) this.#own = content;
    return content;
  }

  #room(bytes: number): Buffer {
    if (this.#own.length < bytes) {
      freeBuffer(this.#own.buffer);
      this.#own = Buffer.allocUnsafeSlow(bytes);
    }
    return this.#own;
  }
}
