/** Volumes that exist in memory only: takes chunks as the packer does, and rebuilds contents from what was recorded of them. */
import { expect } from 'vitest';
import type { ByteSource, ChunkSink } from '../../src/backup/content.ts';
import { sha256 } from '../../src/chunk/digest.ts';
import type { SegmentExtent, SegmentLog } from '../../src/index/segment-log.ts';
import type { Extent } from '../../src/model.ts';
import type { ChunkPlace } from '../../src/volume/pack.ts';

/** Volumes are closed at this size, in bytes. */
const VOLUME = 3_000_000;

export class MemoryChunks implements ChunkSink {
  /** By `seq/volume/position`. */
  readonly #chunks = new Map<string, Buffer>();
  #seq = 0;
  #volume = 1;
  #position = 0;
  #volumeBytes = 0;
  #reserved: ChunkPlace | undefined;
  #space = Buffer.alloc(0);
  /** Bytes and chunks taken since the set was begun. */
  stored = 0;
  count = 0;

  /** Begins the next set. */
  begin(seq: number): void {
    this.#seq = seq;
    this.#volume = 1;
    this.#position = 0;
    this.#volumeBytes = 0;
    this.#reserved = undefined;
    this.stored = 0;
    this.count = 0;
  }

  reserve(): ChunkPlace {
    if (this.#reserved !== undefined) throw new Error('one place is reserved already');
    if (this.#volumeBytes >= VOLUME) {
      this.#volume++;
      this.#position = 0;
      this.#volumeBytes = 0;
    }
    this.#reserved = { volume: this.#volume, position: this.#position };
    return { ...this.#reserved };
  }

  space(length: number): Buffer {
    if (this.#reserved !== undefined) throw new Error('a place is reserved for another chunk');
    // What is not kept must be of no consequence.
    this.#space = Buffer.alloc(length, 0xee);
    return this.#space;
  }

  keep(digest: string, length: number): ChunkPlace {
    const place = this.reserve();
    this.add(digest, this.#space.subarray(0, length));
    return place;
  }

  add(digest: string, bytes: Uint8Array): void {
    if (this.#reserved === undefined) throw new Error('no place is reserved');
    if (bytes.length === 0) throw new Error('a chunk is empty');
    if (bytes.length > 4 * 1024 * 1024) throw new Error(`a chunk has ${bytes.length} bytes`);
    if (sha256(bytes) !== digest) throw new Error('a chunk has another digest than it is said to have');
    const { volume, position } = this.#reserved;
    this.#chunks.set(`${this.#seq}/${volume}/${position}`, Buffer.from(bytes));
    this.#reserved = undefined;
    this.#position++;
    this.#volumeBytes += bytes.length;
    this.stored += bytes.length;
    this.count++;
  }

  /** Whether a place was promised to a chunk that has not come. */
  get isWaiting(): boolean {
    return this.#reserved !== undefined;
  }

  /** The bytes of an extent. */
  bytes({ seq, volume, position, offset, length }: Extent): Buffer {
    if (seq === 0) return Buffer.alloc(length);
    const chunk = this.#chunks.get(`${seq}/${volume}/${position}`);
    if (chunk === undefined)
      throw new Error(`there is no chunk ${position} in volume ${volume} of set ${seq}`);
    if (offset + length > chunk.length) throw new Error('an extent reaches beyond its chunk');
    return chunk.subarray(offset, offset + length);
  }

  /** The content that segments stand for. */
  rebuild(log: SegmentLog, segments: Iterable<number>): Buffer {
    return Buffer.concat(extentsOf(log, segments).map((extent) => this.bytes(extent)));
  }

  /** Checks that every segment of a log can be rebuilt, and is what its digest says. */
  checkAll(log: SegmentLog): void {
    for (let number = 0; number < log.count; number++) {
      const segment = log.segment(number);
      const content = Buffer.concat(segment.extents.map((extent) => this.bytes(extent)));
      if (content.length !== segment.length || sha256(content) !== log.sha256(number))
        expect(number).toBe('right');
    }
  }
}

export function extentsOf(log: SegmentLog, segments: Iterable<number>): SegmentExtent[] {
  return [...segments].flatMap((number) => log.segment(number).extents);
}

/** A content that is read from memory; `onRead` is called before each read with how many bytes were read before. */
export function sourceOf(content: Buffer, onRead: (length: number) => void = () => {}): ByteSource {
  let at = 0;
  return {
    read(into) {
      onRead(at);
      const n = content.copy(into, 0, at, at + into.length);
      at += n;
      return n;
    },
  };
}
