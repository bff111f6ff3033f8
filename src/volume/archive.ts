/** Takes a volume's archive apart (docs/format.md, section 4): plain ustar members named by their digests, and nothing else. */
import { hash } from 'node:crypto';
import { copyBytes } from '../copy.ts';
import { CHUNK_LIMIT } from '../format/limits.ts';
import type { VolumeMemory } from './memory.ts';

/** What becomes of the chunks of a volume, each known by its position in it (from 0). */
export interface ChunkTaker {
  /**
   * Receives one chunk: its SHA-256 in lower-case hex, and its bytes, which are good only until the call returns, or until the promise that it returns is
   * settled. They match, but where the taker has said that it checks the chunk itself: then the digest is nothing but a name.
   */
  take(position: number, digest: string, bytes: Uint8Array): void | Promise<void>;
  /** Whether a chunk is wanted; others are passed over unread. Asked for each, in ascending order; all are, where this is left out. */
  wants?(position: number): boolean;
  /** Whether no further chunk is wanted: then the rest of the volume is not looked at. Asked before each; never so, where this is left out. */
  isDone?(): boolean;
  /** Whether the taker finds out itself whether a chunk that it wants is right, by a digest of all of it that it will use: then its own is not checked. */
  checks?(position: number): boolean;
}

/** The archive is not as the format says; whoever knows the object's name turns it into an error. */
export class MalformedArchive extends Error {}

const BLOCK = 512;
/** Two blocks of zeros end an archive. */
const TRAILER = 2 * BLOCK;
const ZEROS = Buffer.alloc(BLOCK);
const DIGEST = /^[0-9a-f]{64}$/;
/** Fields of a header (POSIX, pax, "ustar Interchange Format"): where each begins and how long it is. */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const MAGIC = [257, 6] as const;
const PREFIX = [345, 155] as const;
/** What a file's header has as its type. */
const FILE: ReadonlySet<number> = new Set([0, 0x30]);

type Expecting = 'header' | 'content' | 'padding';

/** The parser, given the archive's bytes in any cut. */
export class Archive {
  /** What a taker of chunks has thrown. */
  thrown: { error: unknown } | undefined;
  readonly #plainSize: number;
  readonly #taker: ChunkTaker;
  readonly #memory: Pick<VolumeMemory, 'chunk'>;
  #expecting: Expecting = 'header';
  /** Bytes of what is expected that are still to come. */
  #left = BLOCK;
  /** What of it lay in pieces before this one; of content that nobody wants, nothing is kept. */
  #held: Buffer = ZEROS;
  #have = 0;
  readonly #header = Buffer.alloc(BLOCK);
  #skip = false;
  #position = -1;
  #digest = '';
  #size = 0;
  #plain = 0;
  /** Bytes of zero at the end. */
  #zeros = 0;
  #isEnough = false;
  #badChunk: string | undefined;

  /** `plainSize`: what the whole archive has, in bytes. `memory`: for chunks that lie in several pieces. */
  constructor(plainSize: number, taker: ChunkTaker, memory: Pick<VolumeMemory, 'chunk'>) {
    this.#memory = memory;
    this.#plainSize = plainSize;
    this.#taker = taker;
  }

  /** Takes the next bytes; they are looked at until the promise, where one is returned, is settled. Throws MalformedArchive. */
  take(piece: Buffer): void | Promise<void> {
    this.#plain += piece.length;
    if (this.#plain > this.#plainSize)
      throw new MalformedArchive(`unpacks to more than the ${this.#plainSize} bytes that it should`);
    return this.#take(piece, 0);
  }

  /** Whether the taker wants nothing of what is still to come. */
  get isEnough(): boolean {
    return this.#isEnough;
  }

  /** To be called when all bytes were taken, or enough of them. Throws MalformedArchive, also for chunks that did not match their digests. */
  end(): void {
    if (!this.#isEnough) this.#checkEnd();
    if (this.#badChunk !== undefined) throw new MalformedArchive(this.#badChunk);
  }

  #checkEnd(): void {
    if (this.#plain !== this.#plainSize)
      throw new MalformedArchive(`unpacks to ${this.#plain} bytes, but should to ${this.#plainSize}`);
    if (this.#zeros !== TRAILER || this.#expecting !== 'header' || this.#left !== BLOCK)
      throw new MalformedArchive('is not an archive of chunks alone');
  }

  #take(piece: Buffer, from: number): void | Promise<void> {
    let at = from;
    while (at < piece.length && !this.#isEnough) {
      const part = piece.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      const whole = this.#gather(part);
      if (whole === undefined) continue;
      const taking = this.#taken(whole);
      if (taking !== undefined) return taking.then(() => this.#take(piece, at));
    }
  }

  /** What was expected, once it is complete: where it lies, if it is in one piece. */
  #gather(part: Buffer): Buffer | undefined {
    const passes = this.#expecting === 'padding' || this.#skip;
    if (passes || (this.#have === 0 && this.#left === 0)) return this.#left === 0 ? part : undefined;
    if (this.#have === 0)
      this.#held = this.#expecting === 'header' ? this.#header : this.#memory.chunk(this.#size);
    copyBytes(part, this.#held, this.#have);
    this.#have += part.length;
    return this.#left === 0 ? this.#held : undefined;
  }

  #taken(whole: Buffer): void | Promise<void> {
    this.#have = 0;
    switch (this.#expecting) {
      case 'header':
        this.#takeHeader(whole);
        return;
      case 'content': {
        const padding = (BLOCK - (this.#size % BLOCK)) % BLOCK;
        if (padding > 0) this.#expect('padding', padding);
        else this.#expect('header', BLOCK);
        if (this.#skip) {
          this.#skip = false;
          return;
        }
        return this.#takeContent(whole);
      }
      case 'padding':
        this.#expect('header', BLOCK);
    }
  }

  #takeHeader(header: Buffer): void {
    if (this.#taker.isDone?.() === true) {
      this.#isEnough = true;
      return;
    }
    if (header.equals(ZEROS)) {
      this.#zeros += BLOCK;
      this.#expect('header', BLOCK);
      return;
    }
    if (this.#zeros > 0) throw new MalformedArchive('is not an archive of chunks alone');
    this.#position++;
    if (checksumOf(header) !== octal(header, CHECKSUM) || text(header, MAGIC) !== 'ustar')
      throw new MalformedArchive(
        `cannot be unpacked (no member begins after position ${this.#position - 1})`,
      );
    this.#digest = text(header, NAME);
    this.#size = octal(header, SIZE);
    const problem = !FILE.has(header[TYPE] as number)
      ? 'is not a file'
      : !DIGEST.test(this.#digest) || text(header, PREFIX) !== ''
        ? 'is not named by a digest'
        : !(this.#size > 0 && this.#size <= CHUNK_LIMIT)
          ? `has ${this.#size} bytes, which no chunk may have`
          : undefined;
    if (problem !== undefined)
      throw new MalformedArchive(`holds a member that ${problem} (position ${this.#position})`);
    this.#skip = this.#taker.wants?.(this.#position) === false;
    this.#expect('content', this.#size);
  }

  #takeContent(chunk: Buffer): void | Promise<void> {
    const isChecked = this.#taker.checks?.(this.#position) === true;
    if (!isChecked && hash('sha256', chunk, 'hex') !== this.#digest) {
      this.#badChunk ??= `holds a chunk that does not match its digest (position ${this.#position})`;
      return;
    }
    const failed = (error: unknown): never => {
      this.thrown = { error };
      throw error;
    };
    try {
      return this.#taker.take(this.#position, this.#digest, chunk)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  #expect(what: Expecting, bytes: number): void {
    this.#expecting = what;
    this.#left = bytes;
  }
}

function text(header: Buffer, [at, length]: readonly [number, number]): string {
  const end = header.indexOf(0, at);
  return header.toString('latin1', at, end < 0 ? at + length : Math.min(end, at + length));
}

/** A number in octal digits, as far as they go; NaN where there are none. */
function octal(header: Buffer, field: readonly [number, number]): number {
  const digits = /^ *([0-7]+) *$/.exec(text(header, field))?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(digits, 8);
}

/** The sum of all bytes of a header, its own field counted as spaces. */
function checksumOf(header: Buffer): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += header[i] as number;
  const [at, length] = CHECKSUM;
  for (let i = at; i < at + length; i++) sum += 0x20 - (header[i] as number);
  return sum;
}
