/** Chunks into volumes: members of a tar archive, one behind the other. Compression and sealing are not known here. */

import { copyBytes } from '../copy.ts';
import { memberSize, writeChunkHeader } from '../tar/chunk-header.ts';
import { BLOCK } from '../tar/header.ts';
import { forVolumes } from './compress.ts';
import { type ObjectSink, type ObjectWriter, ROOM } from './sink.ts';

const ZEROS = Buffer.alloc(2 * BLOCK);

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

/** Chunks up to this size, in bytes, may be made in place: see space(). */
export const SPACE_MAX = ROOM - 2 * BLOCK;

/** Packs chunks, in the order in which they come, into as many volumes as they need. */
export class VolumePacker {
  readonly #sink: ObjectSink;
  readonly #nameOf: (volume: number) => string;
  readonly #limits: PackLimits;
  /** Volumes that have been ended. */
  #ended = 0;
  #current: OpenVolume | undefined;
  #reserved = false;
  /** What compression has made of a byte lately: the guess for a volume of which nothing has been compressed. */
  #guess = 1;
  /** Volumes that were closed, and of which that is not known yet, oldest first. */
  readonly #closed: OpenVolume[] = [];

  constructor(sink: ObjectSink, nameOf: (volume: number) => string, limits: PackLimits) {
    this.#sink = sink;
    this.#nameOf = nameOf;
    this.#limits = limits;
  }

  /** How many volumes have been begun. */
  get volumes(): number {
    return this.#ended + (this.#current === undefined || this.#current.isEmpty ? 0 : 1);
  }

  /**
   * Memory for the content of a chunk of at most `length` bytes (up to SPACE_MAX), which becomes one by keep(), or else is of no consequence. It is
   * to be used until the next call. Waits when too much is on its way to the store.
   */
  space(length: number): Buffer {
    if (this.#reserved) throw new Error('space() after reserve()');
    return this.#open().space(length);
  }

  /** Takes the first `length` bytes of the space as a chunk. Returns where it lies. */
  keep(sha256: string, length: number): ChunkPlace {
    const volume = this.#current;
    if (volume === undefined) throw new Error('keep() without space()');
    volume.keep(sha256, length);
    return { volume: this.#ended + 1, position: volume.count - 1 };
  }

  /** Says where the next chunk will lie; that place is kept until the next add(). Waits as space() does. */
  reserve(): ChunkPlace {
    const { count } = this.#open();
    this.#reserved = true;
    return { volume: this.#ended + 1, position: count };
  }

  /** Adds a chunk, whose bytes are copied. */
  add(sha256: string, bytes: Uint8Array): void {
    if (!this.#reserved || this.#current === undefined) throw new Error('add() without reserve()');
    this.#reserved = false;
    this.#current.add(sha256, bytes);
  }

  /** Ends the last volume. */
  finish(): void {
    if (this.#current !== undefined) this.#close(this.#current);
  }

  #open(): OpenVolume {
    this.#learn();
    if (this.#current?.isFull(this.#limits, this.#guess)) this.#close(this.#current);
    this.#current ??= new OpenVolume(
      this.#sink.open(this.#nameOf(this.#ended + 1), forVolumes(this.#limits.level)),
    );
    return this.#current;
  }

  #close(volume: OpenVolume): void {
    this.#current = undefined;
    if (volume.isEmpty) {
      volume.discard();
      return;
    }
    volume.close();
    this.#closed.push(volume);
    this.#ended++;
  }

  #learn(): void {
    for (let ratio = this.#closed[0]?.ratio; ratio !== undefined; ratio = this.#closed[0]?.ratio) {
      this.#guess = ratio;
      this.#closed.shift();
    }
  }
}

/** One volume in the making. */
class OpenVolume {
  readonly #writer: ObjectWriter;
  #room: Buffer | undefined;
  count = 0;
  #plain = 0;

  constructor(writer: ObjectWriter) {
    this.#writer = writer;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** What is still being compressed counts as if it came out in the proportion seen so far, or in the one that is guessed. */
  isFull(limits: PackLimits, guess: number): boolean {
    if (this.#plain >= limits.plainSize) return true;
    const { taken, out } = this.#writer.figures;
    return out + (this.#plain - taken) * (this.ratio ?? guess) >= limits.size;
  }

  /** What compression makes of a byte, as far as it is known by now. */
  get ratio(): number | undefined {
    const { taken, out } = this.#writer.figures;
    return taken > 0 ? Math.min(1, out / taken) : undefined;
  }

  space(length: number): Buffer {
    this.#room = this.#writer.room(memberSize(length));
    return this.#room.subarray(BLOCK, BLOCK + length);
  }

  keep(sha256: string, length: number): void {
    const room = this.#room;
    if (room === undefined) throw new Error('keep() without space()');
    this.#room = undefined;
    const size = memberSize(length);
    writeChunkHeader(room, sha256, length);
    room.fill(0, BLOCK + length, size);
    this.#writer.filled(size);
    this.#took(size);
  }

  add(sha256: string, bytes: Uint8Array): void {
    if (bytes.length <= SPACE_MAX) {
      copyBytes(bytes, this.space(bytes.length), 0);
      this.keep(sha256, bytes.length);
      return;
    }
    writeChunkHeader(this.#writer.room(BLOCK), sha256, bytes.length);
    this.#writer.filled(BLOCK);
    this.#writer.write(bytes);
    const size = memberSize(bytes.length);
    this.#writer.write(ZEROS.subarray(0, size - BLOCK - bytes.length));
    this.#took(size);
  }

  close(): void {
    this.#writer.write(ZEROS);
    this.#writer.end();
  }

  discard(): void {
    this.#writer.discard();
  }

  #took(size: number): void {
    this.count++;
    this.#plain += size;
  }
}
