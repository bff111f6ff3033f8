/** Volumes into chunks, given their session keys: decrypts, decompresses and takes apart one volume as a stream, and checks every chunk that is wanted. */
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { decrypt, type SessionKey } from '../crypto/decrypt.ts';
import { PIECE_SIZE } from '../crypto/pieces.ts';
import { HoldfastError } from '../errors.ts';
import { WINDOW_LOG } from '../format/limits.ts';
import { freeBuffer } from '../free.ts';
import { Archive, MalformedArchive, type OnChunk } from './archive.ts';
import { FRAME_CONTENT, FRAME_ROOM } from './compress.ts';
import { type Frame, framesOf } from './frame.ts';

export type { OnChunk } from './archive.ts';

/** Small writes and reads are dear: each is a hop to another thread. */
const PIECE = 1024 * 1024;
/** Pieces as small as this are copied rather than waited for. */
const SMALL = 128 * 1024;

/** zlib takes no smaller buffer. */
const LEAST_CHUNK = 64;
const DECOMPRESSION = {
  chunkSize: PIECE,
  params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
};

/** What the signed commit says of a volume. */
export interface ExpectedVolume {
  /** Full name of the object, for errors. */
  object: string;
  /** Bytes of the uncompressed content. */
  plainSize: number;
}

/**
 * Hands the chunks of one volume to `onChunk`, in order; those that `wanted` declines are passed over unread. The SHA-256
 * of `ciphertext` must have been checked against the commit before. Chunks come before the end of the volume was
 * seen: the volume is good only when the promise has resolved. A chunk that does not match its digest is not handed
 * on, but those after it are, before the promise rejects.
 *
 * Errors: `damage`, naming the object, for everything that is not as docs/format.md sections 3 and 4 say. What `onChunk` throws is
 * thrown on.
 */
export async function unpackChunks(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  expected: ExpectedVolume,
  onChunk: OnChunk,
  wanted: (position: number) => boolean = () => true,
): Promise<void> {
  const archive = new Archive(expected.plainSize, onChunk, wanted);
  try {
    const room = Buffer.allocUnsafeSlow(FRAME_ROOM + PIECE_SIZE);
    try {
      for (const frame of framesOf(compressed(ciphertext, sessionKey, expected))) {
        const { bytes, isWhole } = gather(frame, room);
        if (isWhole && frame.contentSize !== undefined && frame.contentSize <= FRAME_CONTENT)
          await takeWhole(bytes, frame.contentSize, archive);
        else await takeStreamed(bytes, frame, archive);
      }
    } finally {
      freeBuffer(room.buffer);
    }
    archive.end();
  } catch (error) {
    if (archive.thrown !== undefined) throw archive.thrown.error;
    if (error instanceof HoldfastError) throw error;
    const problem =
      error instanceof MalformedArchive
        ? error.message
        : `cannot be unpacked (${error instanceof Error ? error.message : 'error'})`;
    throw damaged(expected, problem, error);
  }
}

/** The content of a message. The memory of what was yielded is given back when more is asked for. */
function* compressed(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  { object }: ExpectedVolume,
): Generator<Uint8Array, void> {
  let last: ArrayBufferLike | undefined;
  for (const piece of decrypt(ciphertext, sessionKey, { object })) {
    // Several pieces may lie in one buffer.
    if (last !== piece.buffer) release(last);
    last = piece.buffer;
    yield piece;
  }
  release(last);
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

/** A frame of known length is decompressed in one call, in this thread: streams copy more, and hop to another thread for each piece. */
async function takeWhole(frame: Buffer, contentSize: number, archive: Archive): Promise<void> {
  const chunkSize = Math.max(contentSize, LEAST_CHUNK);
  const content = zstdDecompressSync(frame, { ...DECOMPRESSION, chunkSize, maxOutputLength: chunkSize });
  await archive.take(content);
  if (content.buffer.byteLength === chunkSize) freeBuffer(content.buffer);
}

/** A frame of any length, of which the beginning is there already. */
async function takeStreamed(beginning: Buffer, frame: Frame, archive: Archive): Promise<void> {
  const pieces = function* () {
    yield beginning;
    yield* frame.pieces;
  };
  await pipeline(inStream(pieces()), createZstdDecompress(DECOMPRESSION), sinkOf(archive));
}

/** Pieces as a stream can have them: it takes large ones one at a time, but gathers small ones. */
function* inStream(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void> {
  for (const piece of pieces) yield piece.length < SMALL ? Buffer.from(piece) : piece;
}

function sinkOf(archive: Archive): Writable {
  return new Writable({
    highWaterMark: PIECE,
    write(piece: Buffer, _encoding, done) {
      const taken = () => {
        // The decompressor fills one buffer after the other: with its last byte, one has served.
        if (piece.byteOffset + piece.length === piece.buffer.byteLength) release(piece.buffer);
        done();
      };
      const failed = (error: unknown) => done(asError(error));
      try {
        const taking = archive.take(piece);
        if (taking === undefined) taken();
        else taking.then(taken, failed);
      } catch (error) {
        failed(error);
      }
    },
  });
}

/** Gives memory back, but for small buffers, which others may share. */
function release(buffer: ArrayBufferLike | undefined): void {
  if (buffer !== undefined && buffer.byteLength >= SMALL) freeBuffer(buffer);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('failed', { cause: error });
}

function damaged({ object }: ExpectedVolume, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${object} ${problem}: it is damaged, or was not written by Holdfast; run holdfast verify to see which points it harms`,
    { object, cause },
  );
}
