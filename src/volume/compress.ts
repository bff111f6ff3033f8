/** Compresses content into zstd frames of a bounded length each, so that several threads can work on one object. */
import { constants, zstdCompressSync } from 'node:zlib';
import { WINDOW_LOG } from '../format/limits.ts';
import { freeBuffer } from '../free.ts';
import type { Compression } from './sink.ts';

/** The most bytes of content of a frame. Frames of 8 MiB would make volumes 1.5 % smaller, and take twice the memory wherever one is made or opened. */
export const FRAME_CONTENT = 4 * 1024 * 1024;
/** Memory for a frame, as much as zstd asks for so that it writes straight into it (ZSTD_compressBound): the content is not copied then. */
export const FRAME_ROOM = FRAME_CONTENT + FRAME_CONTENT / 256;
/** Lines of a manifest repeat what came shortly before: a larger window than zstd takes at its middle levels gains nothing. */
const LINES_WINDOW_LOG = 21;

/** The level at which volumes are compressed unless a strategy says otherwise. */
const USUAL_LEVEL = 3;
/**
 * At that level, zstd looks for short matches by a table of so many entries, as a power of two (its own choice is 16): one that stays in the processor's cache
 * takes a tenth less time, and makes text and code half a percent larger, tables and databases one to two percent smaller.
 */
const SHORT_MATCHES_LOG = 14;

/** How volumes are compressed at a level. */
export function forVolumes(level: number): Compression {
  const usual = { level, windowLog: WINDOW_LOG };
  return level === USUAL_LEVEL ? { ...usual, chainLog: SHORT_MATCHES_LOG } : usual;
}

/** How the lines of manifests are. */
export function forLines(level: number): Compression {
  return { level, windowLog: LINES_WINDOW_LOG };
}

/** zlib's own names for a compression. */
export function zstdOptions({ level, windowLog, chainLog }: Compression): { params: Record<number, number> } {
  const params: Record<number, number> = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_windowLog]: windowLog,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  if (chainLog !== undefined) params[constants.ZSTD_c_chainLog] = chainLog;
  return { params };
}

/**
 * Puts a frame in the place of its content, which are the first `length` bytes (at most FRAME_CONTENT) of FRAME_ROOM bytes of memory. Returns the
 * frame's length. Blocks meanwhile.
 */
export function compressInPlace(memory: Uint8Array, length: number, compression: Compression): number {
  const content = memory.subarray(0, length);
  const frame = zstdCompressSync(content, { ...zstdOptions(compression), chunkSize: FRAME_ROOM });
  const { length: frameLength } = frame;
  frame.copy(memory);
  // Of FRAME_ROOM bytes, however short the frame is; small ones may lie among others.
  if (frame.buffer.byteLength === FRAME_ROOM) freeBuffer(frame.buffer);
  return frameLength;
}
