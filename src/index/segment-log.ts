/**
 * The segments of a chain: for each, its SHA-256, where its bytes lie, and the digests of its blocks if it is part of a large
 * file. Numbered from 0 in the order in which they were found; records never change.
 */
import { crc32 } from 'node:zlib';
import { BLOCK_RECORD, type BlockList } from '../chunk/block-digest.ts';
import { HoldfastError } from '../errors.ts';
import type { Extent } from '../model.ts';
import { AppendLog } from './append-log.ts';
import { DigestTable } from './digest-table.ts';

const RECORD = 64;
const EXTENT = 20;
const LIST_HEADER = 8;
/** Marks an extent that lies in a patch chunk. */
const PATCH_BIT = 0x80000000;

/** Where its kind stands in a record. */
const KIND_AT = 56;
const KIND_CHUNK = 0;
const KIND_EXTENTS = 1;
const KIND_HOLE = 2;

/** An extent, and whether its chunk is one into which scattered changes were gathered. */
export interface SegmentExtent extends Extent {
  patch: boolean;
}

/** Lengths in bytes of the three files, as the index header keeps them. */
export interface SegmentLogLengths {
  segments: number;
  extents: number;
  blocks: number;
}

/** A segment as recorded. */
export interface Segment {
  length: number;
  extents: SegmentExtent[];
}

export class SegmentLog {
  readonly #segments: AppendLog;
  readonly #extents: AppendLog;
  readonly #blocks: AppendLog;
  readonly #record = Buffer.alloc(RECORD);
  #table: DigestTable | undefined;
  #avoided: Uint8Array | undefined;

  /** Opens the three files `<base>.segments`, `.extents`, `.blocks`, of which only the given lengths count. */
  constructor(base: string, lengths: SegmentLogLengths) {
    this.#segments = new AppendLog(`${base}.segments`, lengths.segments);
    this.#extents = new AppendLog(`${base}.extents`, lengths.extents);
    this.#blocks = new AppendLog(`${base}.blocks`, lengths.blocks);
  }

  /** How many segments there are. */
  get count(): number {
    return this.#segments.length / RECORD;
  }

  get lengths(): SegmentLogLengths {
    return {
      segments: this.#segments.length,
      extents: this.#extents.length,
      blocks: this.#blocks.length,
    };
  }

  /** Segments that lie in volumes to be given up are no longer found: marks them, by a bitmap over their numbers. */
  avoid(bitmap: Uint8Array): void {
    this.#avoided = bitmap;
  }

  isAvoided(segment: number): boolean {
    const bits = this.#avoided?.[segment >> 3] ?? 0;
    return (bits & (1 << (segment & 7))) !== 0;
  }

  /** The segment with this SHA-256 (hex), or -1. */
  find(sha256: string): number {
    const digest = Buffer.from(sha256, 'hex');
    return this.#digests().find(
      digest,
      (segment) => !this.isAvoided(segment) && this.#read(segment).compare(digest, 0, 32, 0, 32) === 0,
    );
  }

  /** Records a segment that is one whole chunk. Returns its number. */
  addChunk(sha256: string, extent: Extent, blocks?: BlockList): number {
    const record = this.#begin(sha256, extent.length, KIND_CHUNK, blocks);
    record.writeUInt32LE(extent.seq, 36);
    record.writeUInt32LE(extent.volume, 40);
    record.writeUInt32LE(extent.position, 44);
    return this.#end(sha256);
  }

  /** Records a segment made of stretches of several chunks. Returns its number. */
  addExtents(sha256: string, length: number, extents: readonly SegmentExtent[], blocks?: BlockList): number {
    const list = Buffer.allocUnsafe(LIST_HEADER + extents.length * EXTENT);
    list.writeUInt32LE(extents.length, 0);
    let at = LIST_HEADER;
    for (const e of extents) {
      list.writeUInt32LE(e.seq, at);
      list.writeUInt32LE(e.volume, at + 4);
      list.writeUInt32LE(e.position, at + 8);
      list.writeUInt32LE(e.offset, at + 12);
      list.writeUInt32LE((e.patch ? e.length | PATCH_BIT : e.length) >>> 0, at + 16);
      at += EXTENT;
    }
    list.writeUInt32LE(listCrc(list, list.subarray(LIST_HEADER)), 4);
    const where = this.#extents.append(list);
    const record = this.#begin(sha256, length, KIND_EXTENTS, blocks);
    record.writeUIntLE(where, 36, 6);
    return this.#end(sha256);
  }

  /** Records a segment of nothing but zeros. Returns its number. */
  addHole(sha256: string, length: number, blocks?: BlockList): number {
    this.#begin(sha256, length, KIND_HOLE, blocks);
    return this.#end(sha256);
  }

  /** SHA-256 of a segment, hex. */
  sha256(segment: number): string {
    return this.#read(segment).toString('hex', 0, 32);
  }

  /** Where the bytes of a segment lie. */
  segment(segment: number): Segment {
    const record = this.#read(segment);
    const length = record.readUInt32LE(32);
    switch (record[KIND_AT]) {
      case KIND_CHUNK: {
        const seq = record.readUInt32LE(36);
        const volume = record.readUInt32LE(40);
        const position = record.readUInt32LE(44);
        return { length, extents: [{ seq, volume, position, offset: 0, length, patch: false }] };
      }
      case KIND_HOLE:
        return { length, extents: [{ seq: 0, volume: 0, position: 0, offset: 0, length, patch: false }] };
      default:
        return { length, extents: this.#extentList(record.readUIntLE(36, 6)) };
    }
  }

  /** Tells of each stretch of each of some segments, in their order, where it lies. */
  stretches(
    isWanted: (segment: number) => boolean,
    tell: (seq: number, volume: number, length: number) => void,
  ): void {
    for (let number = 0; number < this.count; number++) {
      if (!isWanted(number)) continue;
      const record = this.#read(number);
      // Nearly all are of this kind: they take no object.
      if (record[KIND_AT] === KIND_CHUNK)
        tell(record.readUInt32LE(36), record.readUInt32LE(40), record.readUInt32LE(32));
      else for (const { seq, volume, length } of this.segment(number).extents) tell(seq, volume, length);
    }
  }

  /** The blocks of a segment; undefined where none were recorded. */
  blocks(segment: number): BlockList | undefined {
    const where = this.#read(segment).readUIntLE(48, 6);
    if (where === 0) return undefined;
    return readList(this.#blocks, where - 1, BLOCK_RECORD);
  }

  /** Makes everything durable. */
  sync(): void {
    this.#extents.sync();
    this.#blocks.sync();
    this.#segments.sync();
  }

  close(): void {
    this.#segments.close();
    this.#extents.close();
    this.#blocks.close();
  }

  #begin(sha256: string, length: number, kind: number, blocks: BlockList | undefined): Buffer {
    const record = this.#record.fill(0);
    record.write(sha256, 0, 32, 'hex');
    record.writeUInt32LE(length, 32);
    if (blocks !== undefined) {
      const header = Buffer.allocUnsafe(LIST_HEADER);
      header.writeUInt32LE(blocks.length / BLOCK_RECORD, 0);
      header.writeUInt32LE(listCrc(header, blocks), 4);
      record.writeUIntLE(this.#blocks.append(header) + 1, 48, 6);
      this.#blocks.append(blocks);
    }
    record[KIND_AT] = kind;
    return record;
  }

  #end(sha256: string): number {
    const number = this.count;
    const table = this.#digests();
    this.#record.writeUInt32LE(crc32(this.#record.subarray(0, 60)), 60);
    this.#segments.append(this.#record);
    table.add(Buffer.from(sha256.slice(0, 16), 'hex'), number);
    return number;
  }

  #read(segment: number): Buffer {
    const record = this.#segments.read(segment * RECORD, RECORD);
    if (crc32(record.subarray(0, 60)) !== record.readUInt32LE(60)) throw corrupt(this.#segments.file);
    return record;
  }

  #extentList(where: number): SegmentExtent[] {
    const list = readList(this.#extents, where, EXTENT);
    const extents: SegmentExtent[] = [];
    for (let at = 0; at < list.length; at += EXTENT) {
      const length = list.readUInt32LE(at + 16);
      extents.push({
        seq: list.readUInt32LE(at),
        volume: list.readUInt32LE(at + 4),
        position: list.readUInt32LE(at + 8),
        offset: list.readUInt32LE(at + 12),
        length: length & ~PATCH_BIT,
        patch: (length & PATCH_BIT) !== 0,
      });
    }
    return extents;
  }

  /** The table is filled when it is first asked: a run that finds nothing changed never needs it. */
  #digests(): DigestTable {
    if (this.#table === undefined) {
      const table = new DigestTable(this.count);
      for (let segment = 0; segment < this.count; segment++)
        table.add(this.#read(segment).subarray(0, 8), segment);
      this.#table = table;
    }
    return this.#table;
  }
}

/** Reads a list of items of `size` bytes, whose header is at `position`. The result is valid until the log's next use. */
function readList(log: AppendLog, position: number, size: number): Buffer {
  const header = Buffer.from(log.read(position, LIST_HEADER));
  const list = log.read(position + LIST_HEADER, header.readUInt32LE(0) * size);
  if (listCrc(header, list) !== header.readUInt32LE(4)) throw corrupt(log.file);
  return list;
}

/** CRC over a list's count and its items: so that zeros, where a file lost its content, are no empty list. */
function listCrc(header: Buffer, items: Buffer): number {
  return crc32(items, crc32(header.subarray(0, 4)));
}

function corrupt(file: string): HoldfastError {
  return new HoldfastError('broken-index', `${file} is corrupt`, { path: file });
}
