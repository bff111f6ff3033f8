/** Volumes into chunks: decrypts, decompresses and takes apart one volume as a stream, and checks every chunk that is wanted. */
import { hash } from 'node:crypto';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdDecompress } from 'node:zlib';
import { type ExtractEvents, extract, type Header } from 'tar-stream';
import { open, type ParsedSecretKey } from '../crypto/open.ts';
import { HoldfastError } from '../errors.ts';
import { CHUNK_LIMIT, WINDOW_LOG } from '../format/limits.ts';
import { FrameEnd } from './frame.ts';

/** Small writes and reads are dear: each is a hop to another thread. */
const PIECE = 1024 * 1024;
const TAR_BLOCK = 512;
const TRAILER = 2 * TAR_BLOCK;
const DIGEST = /^[0-9a-f]{64}$/;

/** What the signed commit says of a volume. */
export interface ExpectedVolume {
  /** Full name of the object, for errors. */
  object: string;
  /** Bytes of the uncompressed content. */
  plainSize: number;
}

/**
 * Receives one chunk: its position in the volume (from 0), its SHA-256 in lower-case hex, which was checked, and its bytes, which
 * are good only until the call returns, or until the promise that it returns is settled.
 */
export type OnChunk = (position: number, digest: string, bytes: Uint8Array) => void | Promise<void>;

/**
 * Hands the chunks of one volume to `onChunk`, in order; those that `wanted` declines are passed over unread. The SHA-256
 * of `ciphertext` must have been checked against the commit before. Chunks come before the end of the volume was
 * seen: the volume is good only when the promise has resolved. A chunk that does not match its digest is not handed
 * on, but those after it are, before the promise rejects.
 *
 * Errors: `damage`, naming the object, for everything that is not as docs/format.md sections 3 and 4 say; `key`, when
 * the volume is for other keys. What `onChunk` throws is thrown on.
 */
export async function unpackVolume(
  ciphertext: Uint8Array,
  key: ParsedSecretKey,
  expected: ExpectedVolume,
  onChunk: OnChunk,
  wanted: (position: number) => boolean = () => true,
): Promise<void> {
  const archive = new Archive(expected, onChunk, wanted);
  const zstd = createZstdDecompress({
    chunkSize: PIECE,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  });
  try {
    await pipeline(compressed(ciphertext, key, expected), zstd, archive.sink);
  } catch (error) {
    const cause = archive.failure ?? error;
    if (cause instanceof HoldfastError || archive.failedOutside) throw cause;
    throw damaged(
      expected,
      `cannot be unpacked (${cause instanceof Error ? cause.message : 'error'})`,
      cause,
    );
  }
}

/** The bytes of the one zstd frame that the message must hold. */
async function* compressed(
  ciphertext: Uint8Array,
  key: ParsedSecretKey,
  { object }: ExpectedVolume,
): AsyncGenerator<Uint8Array, void> {
  const frame = new FrameEnd();
  for await (const piece of open(ciphertext, key, { object })) {
    frame.push(piece);
    yield piece;
  }
  frame.end();
}

/** The archive in the making: counts what comes in, and gives each whole member to `onChunk`. */
class Archive {
  /** Where the uncompressed bytes go. */
  readonly sink: Writable;
  /** What went wrong first; streams may report it in other words. */
  failure: unknown;
  /** Whether it was thrown by `onChunk`. */
  failedOutside = false;
  readonly #tar = extract();
  readonly #expected: ExpectedVolume;
  readonly #onChunk: OnChunk;
  readonly #wanted: (position: number) => boolean;
  #position = 0;
  /** Bytes of content so far; bytes that the members seen so far account for. */
  #plain = 0;
  #accounted = 0;
  #badChunk: HoldfastError | undefined;
  /** Called when tar-stream has taken a piece in, or has failed. */
  #taken: ((error?: Error) => void) | undefined;

  constructor(expected: ExpectedVolume, onChunk: OnChunk, wanted: (position: number) => boolean) {
    this.#expected = expected;
    this.#onChunk = onChunk;
    this.#wanted = wanted;
    this.#tar.on('entry', (header, stream, next) => this.#member(header, stream, next));
    this.#tar.on('drain', () => this.#answer());
    this.#tar.on('error', (error) => this.#fail(error));
    this.sink = new Writable({
      highWaterMark: 2 * PIECE,
      write: (piece: Buffer, _encoding, taken) => this.#write(piece, taken),
      final: (done) => this.#end(done),
    });
  }

  #write(piece: Buffer, taken: (error?: Error) => void): void {
    this.#plain += piece.length;
    if (this.#plain > this.#expected.plainSize) {
      this.#fail(
        damaged(this.#expected, `unpacks to more than the ${this.#expected.plainSize} bytes that it should`),
      );
    }
    if (this.failure !== undefined) {
      taken(asError(this.failure));
    } else {
      this.#taken = taken;
      if (this.#tar.write(piece)) this.#answer();
    }
  }

  #end(done: (error?: Error) => void): void {
    this.#taken = done;
    if (this.failure !== undefined) this.#answer();
    this.#tar.once('finish', () => {
      const { plainSize } = this.#expected;
      if (this.#plain !== plainSize) {
        this.#fail(damaged(this.#expected, `unpacks to ${this.#plain} bytes, but should to ${plainSize}`));
      } else if (this.#accounted + TRAILER !== plainSize) {
        this.#fail(damaged(this.#expected, 'is not an archive of chunks alone'));
      } else if (this.#badChunk !== undefined) {
        this.#fail(this.#badChunk);
      }
      this.#answer();
    });
    this.#tar.end(null);
  }

  #member(header: Header, stream: ExtractEvents['entry'][1], next: () => void): void {
    const { name, size, type } = header;
    // A destroyed archive destroys its member, which would throw where nobody listens.
    stream.on('error', () => {});
    const position = this.#position++;
    this.#accounted += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    const problem =
      type !== 'file'
        ? 'is not a file'
        : !DIGEST.test(name)
          ? 'is not named by a digest'
          : size === 0 || size > CHUNK_LIMIT
            ? `has ${size} bytes, which no chunk may have`
            : undefined;
    if (problem !== undefined) {
      this.#fail(damaged(this.#expected, `holds a member that ${problem} (position ${position})`));
      return;
    }
    if (!this.#wanted(position)) {
      stream.on('end', next);
      stream.resume();
      return;
    }
    let bytes: Buffer | undefined;
    let rest: Buffer[] | undefined;
    stream.on('data', (data) => {
      const piece = data as Buffer;
      if (bytes === undefined) bytes = piece;
      else if (rest === undefined) rest = [bytes, piece];
      else rest.push(piece);
    });
    stream.on('end', () => {
      const chunk = rest === undefined ? (bytes as Buffer) : Buffer.concat(rest, size);
      if (hash('sha256', chunk, 'hex') === name) {
        this.#hand(position, name, chunk, next);
      } else {
        const problem = `holds a chunk that does not match its digest (position ${position})`;
        this.#badChunk ??= damaged(this.#expected, problem);
        next();
      }
    });
  }

  /** No promise is made for a chunk whose taker needs none. */
  #hand(position: number, digest: string, chunk: Buffer, next: () => void): void {
    const failed = (error: unknown) => {
      this.failedOutside = this.failure === undefined;
      this.#fail(error);
    };
    try {
      const taking = this.#onChunk(position, digest, chunk);
      if (taking === undefined) next();
      else taking.then(next, failed);
    } catch (error) {
      failed(error);
    }
  }

  #fail(error: unknown): void {
    this.failure ??= error;
    this.#answer();
    this.#tar.destroy();
  }

  #answer(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (this.failure === undefined) taken?.();
    else taken?.(asError(this.failure));
  }
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
