/**
 * The content of one file into segments: what is known already is referred to, what is new goes to the packer, whole or, in a large
 * file of which an earlier version is known, only the blocks that changed.
 */
import { BLOCK_RECORD, type BlockList, LENGTH_AT } from '../chunk/block-digest.ts';
import { BLOCK_MAX, LARGE_FILE, SEGMENT_MAX } from '../chunk/cut.ts';
import { CUTTER_DATA, type Cutter, newCutter } from '../chunk/cutter.ts';
import { RunningDigest, sha256 } from '../chunk/digest.ts';
import { BlockWindow } from '../index/block-window.ts';
import type { SegmentExtent, SegmentLog } from '../index/segment-log.ts';
import type { ChunkPlace } from '../volume/pack.ts';

/** The packer, as far as content needs it. */
export interface ChunkSink {
  space(length: number): Buffer;
  keep(sha256: string, length: number): ChunkPlace;
  reserve(): ChunkPlace;
  add(sha256: string, bytes: Uint8Array): void;
}

/** Content of a file, read in order. */
export interface ByteSource {
  /** Fills `into` from its start as far as it can; returns how many bytes were read, fewer than asked only at the end. */
  read(into: Uint8Array): number;
  /** Where its holes are, in a file that has some: see source/read.ts. */
  sparse?: {
    nextData(): { from: number; to: number } | undefined;
    skip(length: number): void;
    guess: boolean;
  };
}

/** Finds the segments of an earlier version of a file; asked only when some of the new one is not known as it is. */
export type OlderVersion = () => Iterable<number> | undefined;

/** What became of a file's content. */
export interface StoredContent {
  segments: number[];
  sha256: string;
  /** Bytes read: less than asked for where the file ended early. */
  length: number;
}

/** A patch chunk is closed at this size, in bytes. */
const PATCH_SIZE = 1024 * 1024;
const ZEROS = Buffer.alloc(SEGMENT_MAX);
/** A hole is cut into segments of this length, in bytes: all the same but the last. */
const HOLE_MAX = 1024 * 1024 * 1024;

/** Stores contents of files, one after the other. */
export class ContentStorer {
  readonly #log: SegmentLog;
  readonly #chunks: ChunkSink;
  readonly #seq: number;
  readonly #blockSecret: string;
  /** Made for the first large file. */
  #cutter: Cutter | undefined;
  readonly #checkpoint: () => void;
  readonly #patch: PatchChunk;

  /**
   * `seq` is the number of the set that is being made, `blockSecret` that of the chain's digests of blocks (hex); `checkpoint` is called now
   * and then in a large file, and may throw.
   */
  constructor(log: SegmentLog, chunks: ChunkSink, seq: number, blockSecret: string, checkpoint: () => void) {
    this.#log = log;
    this.#chunks = chunks;
    this.#seq = seq;
    this.#blockSecret = blockSecret;
    this.#checkpoint = checkpoint;
    this.#patch = new PatchChunk(chunks);
  }

  /**
   * Stores the first `size` bytes of a file. `older` finds an earlier version of it.
   * Everything that it records is true of the bytes that were read, also when the caller rejects the attempt.
   */
  store(source: ByteSource, size: number, older: OlderVersion | undefined): StoredContent {
    if (source.sparse === undefined && size < LARGE_FILE) return this.#storeSmall(source, size);
    const file: LargeFile = {
      source,
      size,
      older,
      window: undefined,
      digest: new RunningDigest(),
      segments: [],
      length: 0,
    };
    try {
      this.#storeLarge(file);
      return { segments: file.segments, sha256: file.digest.hex(), length: file.length };
    } finally {
      // Also when a read has failed: segments that are recorded already name the place that the patch chunk was promised.
      this.#patch.flush();
    }
  }

  /** Read to where it will lie, if it is new: most small files are. */
  #storeSmall(source: ByteSource, size: number): StoredContent {
    const space = this.#chunks.space(size);
    const length = source.read(space);
    const content = space.subarray(0, length);
    const digest = sha256(content);
    if (length === 0) return { segments: [], sha256: digest, length };
    const known = this.#log.find(digest);
    if (known >= 0) return { segments: [known], sha256: digest, length };
    const place = this.#chunks.keep(digest, length);
    return { segments: [this.#record(digest, place, length, undefined)], sha256: digest, length };
  }

  #storeLarge(file: LargeFile): void {
    const { sparse } = file.source;
    if (sparse === undefined) {
      this.#storeData(file, file.size);
      return;
    }
    while (file.length < file.size) {
      const data = sparse.nextData();
      const hole = (data?.from ?? file.size) - file.length;
      if (hole > 0) this.#storeHole(file, hole);
      sparse.skip(hole);
      if (data === undefined) return;
      // Cut short meanwhile: what was read is rejected.
      if (!this.#storeData(file, data.to - data.from)) return;
    }
  }

  #storeHole(file: LargeFile, length: number): void {
    for (let left = length; left > 0; left -= HOLE_MAX) {
      const part = Math.min(left, HOLE_MAX);
      // Not the digest of so many zeros: those that take room are no hole.
      const digest = sha256(Buffer.from(`hole ${part}`));
      const known = this.#log.find(digest);
      file.segments.push(known >= 0 ? known : this.#log.addHole(digest, part));
      for (let rest = part; rest > 0; rest -= ZEROS.length) {
        this.#checkpoint();
        file.digest.update(rest < ZEROS.length ? ZEROS.subarray(0, rest) : ZEROS);
      }
    }
    file.length += length;
  }

  /** Stores the next `size` bytes, cut where their content says; false when there were fewer. */
  #storeData(file: LargeFile, size: number): boolean {
    this.#cutter ??= newCutter(this.#blockSecret);
    const cutter = this.#cutter;
    const { data } = cutter;
    let from = 0;
    let to = 0;
    let length = 0;
    let atEnd = false;
    for (;;) {
      if (!atEnd && to - from < SEGMENT_MAX) {
        data.copyWithin(0, from, to);
        to -= from;
        from = 0;
        this.#checkpoint();
        const room = Math.min(CUTTER_DATA - to, size - length);
        const n = file.source.read(data.subarray(to, to + room));
        to += n;
        length += n;
        atEnd = n < room || length === size;
      }
      if (from === to) break;
      const segment = data.subarray(from, from + cutter.cut(from, to));
      from += segment.length;
      file.digest.update(segment);
      // The first segment is all that there is of the file so far.
      const isFirst = file.segments.length === 0;
      const digest = isFirst ? file.digest.hexSoFar() : sha256(segment);
      let number = this.#log.find(digest);
      if (number >= 0) {
        file.window?.continueAfter(number);
      } else {
        if (file.window === undefined && file.older !== undefined) file.window = this.#openWindow(file.older);
        number = this.#storeSegment(digest, segment, cutter.blocks(), file);
      }
      file.segments.push(number);
    }
    file.length += length;
    return length === size;
  }

  #openWindow(older: OlderVersion): BlockWindow | undefined {
    const numbers = older();
    return numbers === undefined ? undefined : new BlockWindow(this.#log, Uint32Array.from(numbers));
  }

  #storeSegment(digest: string, segment: Buffer, blocks: BlockList, { source, window }: LargeFile): number {
    if (source.sparse?.guess && segment.equals(ZEROS.subarray(0, segment.length)))
      return this.#log.addHole(digest, segment.length, blocks);
    if (window !== undefined) {
      const extents = this.#compose(segment, blocks, window);
      if (extents !== undefined) return this.#log.addExtents(digest, segment.length, extents, blocks);
    }
    return this.#storeChunk(digest, segment, blocks);
  }

  #storeChunk(digest: string, bytes: Uint8Array, blocks: BlockList | undefined): number {
    this.#patch.flush();
    const place = this.#chunks.reserve();
    this.#chunks.add(digest, bytes);
    return this.#record(digest, place, bytes.length, blocks);
  }

  #record(digest: string, place: ChunkPlace, length: number, blocks: BlockList | undefined): number {
    return this.#log.addChunk(digest, { seq: this.#seq, ...place, offset: 0, length }, blocks);
  }

  /**
   * The segment as stretches of what is stored, new blocks going to the patch chunk; undefined when it had better be stored anew: when
   * more than half of it would lie in patch chunks, new ones and old ones together. That bounds fragmentation.
   */
  #compose(segment: Buffer, blocks: BlockList, window: BlockWindow): SegmentExtent[] | undefined {
    const pieces: Piece[] = [];
    let foreign = 0;
    let offset = 0;
    for (let at = 0; at < blocks.length; at += BLOCK_RECORD) {
      const length = blocks.readUInt16LE(at + LENGTH_AT);
      const match = window.find(blocks, at);
      if (match === undefined) {
        foreign += length;
        append(pieces, { segment: -1, offset, length });
      } else {
        append(pieces, match);
      }
      offset += length;
    }
    const limit = segment.length / 2;
    if (foreign > limit) return undefined;
    const resolved: (SegmentExtent[] | undefined)[] = pieces.map((piece) =>
      piece.segment < 0 ? undefined : this.#resolve(piece),
    );
    for (const extents of resolved) {
      for (const e of extents ?? []) if (e.patch) foreign += e.length;
    }
    if (foreign > limit) return undefined;
    const out: SegmentExtent[] = [];
    for (const [i, piece] of pieces.entries()) {
      const extents = resolved[i];
      if (extents !== undefined) {
        for (const e of extents) join(out, e);
      } else {
        const place = this.#patch.add(segment.subarray(piece.offset, piece.offset + piece.length));
        join(out, { seq: this.#seq, ...place, length: piece.length, patch: true });
      }
    }
    return out;
  }

  /** Where a stretch of a known segment lies. */
  #resolve(piece: Piece): SegmentExtent[] {
    const out: SegmentExtent[] = [];
    let skip = piece.offset;
    let left = piece.length;
    for (const e of this.#log.segment(piece.segment).extents) {
      if (left === 0) break;
      if (skip >= e.length) {
        skip -= e.length;
        continue;
      }
      const length = Math.min(left, e.length - skip);
      out.push({ ...e, offset: e.seq === 0 ? 0 : e.offset + skip, length });
      left -= length;
      skip = 0;
    }
    if (left > 0) throw new Error(`segment ${piece.segment} is shorter than its blocks`);
    return out;
  }
}

/** A large or sparse file on its way into segments. */
interface LargeFile {
  source: ByteSource;
  size: number;
  older: OlderVersion | undefined;
  /** The blocks of its earlier version, from the first segment on that is not known as it is. */
  window: BlockWindow | undefined;
  /** Of everything so far. */
  digest: RunningDigest;
  segments: number[];
  /** Bytes so far, holes included. */
  length: number;
}

/** A stretch of an old segment, or (segment −1) of the new one itself. */
interface Piece {
  segment: number;
  offset: number;
  length: number;
}

function append(pieces: Piece[], piece: Piece): void {
  const last = pieces[pieces.length - 1];
  if (last !== undefined && last.segment === piece.segment && last.offset + last.length === piece.offset) {
    last.length += piece.length;
  } else {
    pieces.push({ ...piece });
  }
}

function join(extents: SegmentExtent[], next: SegmentExtent): void {
  const last = extents[extents.length - 1];
  if (
    last !== undefined &&
    last.seq === next.seq &&
    last.volume === next.volume &&
    last.position === next.position &&
    (next.seq === 0 || last.offset + last.length === next.offset)
  ) {
    last.length += next.length;
  } else {
    extents.push({ ...next });
  }
}

/** Gathers scattered new blocks into chunks. Its place in a volume is reserved with the first block, so that extents can name it at once. */
class PatchChunk {
  readonly #chunks: ChunkSink;
  readonly #bytes = Buffer.allocUnsafe(PATCH_SIZE + SEGMENT_MAX + BLOCK_MAX);
  #length = 0;
  #place: ChunkPlace | undefined;

  constructor(chunks: ChunkSink) {
    this.#chunks = chunks;
  }

  /** Takes some bytes; returns where they will lie. */
  add(bytes: Uint8Array): ChunkPlace & { offset: number } {
    if (this.#length >= PATCH_SIZE) this.flush();
    this.#place ??= this.#chunks.reserve();
    const offset = this.#length;
    this.#bytes.set(bytes, offset);
    this.#length += bytes.length;
    return { ...this.#place, offset };
  }

  /** Hands the chunk on. Must be called before anything else is added to the packer. */
  flush(): void {
    if (this.#place === undefined) return;
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    this.#place = undefined;
    this.#chunks.add(sha256(bytes), bytes);
  }
}
