/** Chunks into volumes: tar, then zstd, piece by piece. Sealing is not known here. */
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import { WINDOW_LOG } from '../format/limits.ts';
import type { ObjectSink, ObjectWriter } from './sink.ts';

const SLAB = 2 * 1024 * 1024;
/** Bytes that zstd gives at once. */
const OUTPUT = 256 * 1024;
const TAR_BLOCK = 512;
const TRAILER = 2 * TAR_BLOCK;
const EPOCH = new Date(0);

/** When a volume is closed, in bytes, and how hard zstd tries. */
export interface PackLimits {
  /** Size of the compressed volume. */
  size: number;
  /** Size of its content. */
  plainSize: number;
  /** zstd level. */
  level: number;
}

/** Where a chunk lies within this set. */
export interface ChunkPlace {
  /** From 1. */
  volume: number;
  /** From 0. */
  position: number;
}

/** Packs chunks, in the order in which they come, into as many volumes as they need. */
export class VolumePacker {
  readonly #sink: ObjectSink;
  readonly #nameOf: (volume: number) => string;
  readonly #limits: PackLimits;
  #volume = 0;
  #current: OpenVolume | undefined;
  #reserved = false;
  readonly #buffers = newBuffers();

  constructor(sink: ObjectSink, nameOf: (volume: number) => string, limits: PackLimits) {
    this.#sink = sink;
    this.#nameOf = nameOf;
    this.#limits = limits;
  }

  /** How many volumes have been begun. */
  get volumes(): number {
    return this.#volume;
  }

  /**
   * Says where the next chunk will lie; that place is kept until the next add(). Waits when too much is on its way to the store.
   */
  async reserve(): Promise<ChunkPlace> {
    if (this.#current?.isFull(this.#limits)) await this.#close();
    if (this.#current === undefined) {
      this.#volume++;
      const writer = await this.#sink.open(this.#nameOf(this.#volume));
      this.#current = new OpenVolume(writer, this.#limits.level, this.#buffers);
    }
    this.#reserved = true;
    return { volume: this.#volume, position: this.#current.count };
  }

  /** Adds a chunk, whose bytes may be changed as soon as the promise resolves (or at once, when there is none). */
  add(sha256: string, bytes: Uint8Array): Promise<void> | undefined {
    if (!this.#reserved || this.#current === undefined) throw new Error('add() without reserve()');
    this.#reserved = false;
    return this.#current.add(sha256, bytes);
  }

  /** Ends the last volume. */
  async finish(): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const volume = this.#current;
    this.#current = undefined;
    await volume?.close();
  }
}

/** Chunks from this size on are not copied twice: the caller waits until they are laid out. */
const LARGE_CHUNK = 256 * 1024;
/** Room in a slab for what one drain can bring: members up to SLAB with headers and padding, and one chunk of the greatest size. */
const SLAB_ROOM = 2 * SLAB + 4 * 1024 * 1024;

/** Buffers that one volume after the other uses. */
interface Buffers {
  /** Small chunks wait here: tar-stream keeps references, and the caller's buffer is used again. */
  arena: Buffer;
  /** One fills while zstd works on the other. */
  slabs: [Buffer, Buffer];
}

function newBuffers(): Buffers {
  return {
    arena: Buffer.allocUnsafeSlow(SLAB),
    slabs: [Buffer.allocUnsafeSlow(SLAB_ROOM), Buffer.allocUnsafeSlow(SLAB_ROOM)],
  };
}

/**
 * One volume in the making. Bytes go from the caller's buffer into a slab, as tar-stream lays them out, and a full slab goes to zstd
 * in one write, which works on it in a thread of its own while the next slab fills.
 */
class OpenVolume {
  readonly #writer: ObjectWriter;
  readonly #buffers: Buffers;
  readonly #tar: Pack = pack();
  readonly #zstd: ZstdCompress;
  #arenaUsed = 0;
  /** Bytes given to tar-stream, and received from it. */
  #expected = 0;
  #received = 0;
  #onReceived: (() => void) | undefined;
  #slab: Buffer;
  #slabUsed = 0;
  #compressing: Promise<void> = Promise.resolve();
  #failed: unknown;
  /** Bytes of content that zstd has taken in, and bytes that have come out. */
  #taken = 0;
  #out = 0;
  count = 0;
  #plain = 0;

  constructor(writer: ObjectWriter, level: number, buffers: Buffers) {
    this.#writer = writer;
    this.#buffers = buffers;
    this.#slab = buffers.slabs[0];
    this.#zstd = createZstdCompress({
      params: {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_windowLog]: WINDOW_LOG,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
      chunkSize: OUTPUT,
    });
    this.#zstd.on('data', (piece: Buffer) => {
      this.#out += piece.length;
      this.#writer.write(piece);
    });
    this.#zstd.on('error', (error) => {
      this.#failed = error;
    });
    this.#tar.on('data', (data: unknown) => {
      const piece = data as Buffer;
      this.#slab.set(piece, this.#slabUsed);
      this.#slabUsed += piece.length;
      this.#received += piece.length;
      if (this.#received === this.#expected) this.#onReceived?.();
    });
  }

  /** What zstd still holds counts as if it came out in the proportion seen so far. */
  isFull(limits: PackLimits): boolean {
    if (this.#plain >= limits.plainSize) return true;
    const ratio = this.#taken > 0 ? Math.min(1, this.#out / this.#taken) : 1;
    return this.#out + (this.#plain - this.#taken) * ratio >= limits.size;
  }

  add(sha256: string, bytes: Uint8Array): Promise<void> | undefined {
    this.count++;
    if (bytes.length >= LARGE_CHUNK) return this.#addLarge(sha256, bytes);
    if (bytes.length > SLAB - this.#arenaUsed) return this.#drain().then(() => this.#addSmall(sha256, bytes));
    this.#addSmall(sha256, bytes);
    return this.#laidOut >= SLAB ? this.#drain() : undefined;
  }

  async close(): Promise<void> {
    await this.#drain();
    this.#expected += TRAILER;
    this.#plain += TRAILER;
    this.#tar.finalize();
    await this.#drain();
    await this.#compressing;
    await new Promise<void>((resolve, reject) => {
      this.#zstd.once('end', resolve);
      this.#zstd.once('error', reject);
      this.#zstd.end();
    });
    await this.#writer.end(this.#plain);
  }

  /** Bytes that are in the slab, or will come there: tar-stream gives what it has whenever the caller waits for anything. */
  get #laidOut(): number {
    return this.#slabUsed + this.#expected - this.#received;
  }

  async #addLarge(sha256: string, bytes: Uint8Array): Promise<void> {
    await this.#drain();
    this.#entry(sha256, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    await this.#drain();
  }

  #addSmall(sha256: string, bytes: Uint8Array): void {
    const body = this.#buffers.arena.subarray(this.#arenaUsed, this.#arenaUsed + bytes.length);
    body.set(bytes);
    this.#arenaUsed += bytes.length;
    this.#entry(sha256, body);
  }

  #entry(sha256: string, body: Buffer): void {
    const size = TAR_BLOCK + Math.ceil(body.length / TAR_BLOCK) * TAR_BLOCK;
    this.#plain += size;
    this.#expected += size;
    this.#tar.entry({ name: sha256, size: body.length, mode: 0o600, mtime: EPOCH, uid: 0, gid: 0 }, body);
  }

  /** Waits until tar-stream has laid out everything in the slab, and hands that to zstd once the one before is done. */
  async #drain(): Promise<void> {
    if (this.#received < this.#expected) {
      await new Promise<void>((resolve) => {
        this.#onReceived = resolve;
      });
      this.#onReceived = undefined;
    }
    this.#arenaUsed = 0;
    if (this.#slabUsed === 0) return;
    await this.#compressing;
    await this.#writer.ready();
    if (this.#failed !== undefined) throw this.#failed;
    const full = this.#slab.subarray(0, this.#slabUsed);
    this.#slab = this.#buffers.slabs[this.#slab === this.#buffers.slabs[0] ? 1 : 0];
    this.#slabUsed = 0;
    this.#compressing = new Promise<void>((resolve, reject) => {
      this.#zstd.write(full, (error) => {
        this.#taken += full.length;
        if (error) reject(error);
        else resolve();
      });
    });
    // A failure is met at the next await of the promise; until then it is no unhandled one.
    this.#compressing.catch(() => {});
  }
}
