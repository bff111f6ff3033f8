/** The content of a volume, given its session key: decrypts and decompresses it piece by piece; knows nothing of the archive in it. */
import { pipeline } from 'node:stream/promises';
import { constants, createZstdDecompress } from 'node:zlib';
import { decrypt, type OpenLimits, type SessionKey } from '../crypto/decrypt.ts';
import { PIECE_SIZE } from '../crypto/pieces.ts';
import { HoldfastError } from '../errors.ts';
import { WINDOW_LOG } from '../format/limits.ts';
import { freeBuffer } from '../free.ts';
import { FrameDecompressor } from './decompress.ts';
import { type Frame, framesOf } from './frame.ts';
import { ONE_CALL, VolumeMemory } from './memory.ts';

/** Small writes and reads are dear: each is a hop to another thread. */
const PIECE = 1024 * 1024;
/** Pieces as small as this are copied rather than waited for. */
const SMALL = 128 * 1024;
const DECOMPRESSION = {
  chunkSize: PIECE,
  params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
};

/** The object's name, and how closely its message is looked at. */
export type ContentLimits = Pick<OpenLimits, 'isKnown'> & { object: string };

/**
 * Yields the content of a sealed object in pieces of at most 8 MiB, whose memory is used again, or given back, when more is asked for, unless it
 * was moved away by then. `memory` is used for it, and kept; without it, what is needed is given back in the end. They come before the end of the object was seen: it is good only when the generator has ended.
 *
 * Errors: `damage`, naming the object, for everything that is not as docs/format.md, section 3, says.
 */
export async function* contentOf(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  limits: ContentLimits,
  memory?: VolumeMemory,
): AsyncGenerator<Buffer, void> {
  const { object } = limits;
  const room = memory ?? new VolumeMemory();
  const decompressor = new FrameDecompressor((bytes) => room.content(bytes));
  let isStreaming = false;
  try {
    for (const frame of framesOf(compressed(ciphertext, sessionKey, limits, () => isStreaming))) {
      const { bytes, isWhole } = gather(frame, room.frame());
      const { contentSize } = frame;
      if (isWhole && contentSize !== undefined && contentSize <= ONE_CALL)
        // In this thread: streams copy more, and hop to another thread for each piece.
        yield decompressor.decompress(bytes, contentSize);
      else {
        isStreaming = true;
        yield* asStream(bytes, frame);
        isStreaming = false;
      }
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw damaged(object, `cannot be unpacked (${error instanceof Error ? error.message : 'error'})`, error);
  } finally {
    decompressor.free();
    // A stream that was given up in its midst may still be reading in it, in a thread of Node's.
    if (isStreaming) room.leaveFrame();
    if (memory === undefined) room.free();
  }
}

/** The error `damage` for an object that is not what it should be. */
export function damaged(object: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${object} ${problem}: it is damaged, or was not written by Holdfast; run holdfast verify to see which points it harms`,
    { object, cause },
  );
}

/**
 * What a message holds. The memory of what was yielded is given back when more is asked for, or in the end; where the end comes in the midst of it, not
 * while `isRead` says that somebody may still be reading it.
 */
function* compressed(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  limits: ContentLimits,
  isRead: () => boolean,
): Generator<Uint8Array, void> {
  let last: ArrayBufferLike | undefined;
  let isOver = false;
  try {
    for (const piece of decrypt(ciphertext, sessionKey, limits)) {
      // Several pieces may lie in one buffer.
      if (last !== piece.buffer) release(last);
      last = piece.buffer;
      yield piece;
    }
    isOver = true;
  } finally {
    if (isOver || !isRead()) release(last);
  }
}

/** The beginning of a frame, as much of it as there is room for: all of a short one. */
function gather(frame: Frame, room: Buffer): { bytes: Buffer; isWhole: boolean } {
  let length = 0;
  while (length + PIECE_SIZE <= room.length) {
    const { done, value } = frame.pieces.next();
    if (done) return { bytes: room.subarray(0, length), isWhole: true };
    room.set(value, length);
    length += value.length;
  }
  return { bytes: room.subarray(0, length), isWhole: false };
}

/** A frame of any length, of which the beginning is there already. */
async function* asStream(beginning: Buffer, frame: Frame): AsyncGenerator<Buffer, void> {
  const zstd = createZstdDecompress(DECOMPRESSION);
  // What goes wrong there is thrown by the reading below.
  pipeline(forStream(beginning, frame), zstd).catch(() => {});
  for await (const piece of zstd as AsyncIterable<Buffer>) {
    yield piece;
    // The decompressor fills one buffer after the other: with its last byte, one has served.
    if (piece.byteOffset + piece.length === piece.buffer.byteLength) release(piece.buffer);
  }
}

/** Pieces as a stream can have them: it takes large ones one at a time, but gathers small ones. */
function* forStream(beginning: Buffer, frame: Frame): Generator<Uint8Array, void> {
  yield beginning;
  for (const piece of frame.pieces) yield piece.length < SMALL ? Buffer.from(piece) : piece;
}

/** Gives memory back, but for small buffers, which others may share. */
function release(buffer: ArrayBufferLike | undefined): void {
  if (buffer !== undefined && buffer.byteLength >= SMALL) freeBuffer(buffer);
}
