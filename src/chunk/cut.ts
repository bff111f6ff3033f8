/**
 * Content-defined cutting: one pass of a Gear hash finds both grains, fine blocks and coarse segments, every
 * segment boundary being a block boundary. Where the cuts fall depends on content alone, so that an insertion
 * moves them with the data.
 *
 * Gear: Xia et al., "Ddelta: A deduplication-inspired fast delta compression approach", 2014; skipping the minimum: Xia et al.,
 * "FastCDC", USENIX ATC 2016. The table is that of every Holdfast host: it is no secret and must not change,
 * or all incrementals would find everything changed. CUTTER_VERSION stands for it and for the numbers below.
 *
 * This is the plain form of what cutter.wat does in WebAssembly.
 */
import { createHash } from 'node:crypto';

/** Changes whenever the cuts would fall elsewhere: an index made with another one is not used. */
export const CUTTER_VERSION = 1;

/** Files shorter than this, in bytes, are one segment and are not cut. */
export const LARGE_FILE = 256 * 1024;

const BLOCK_MIN = 256;
/** A block is at most this long, in bytes. */
export const BLOCK_MAX = 8 * 1024;
const SEGMENT_MIN = 128 * 1024;
/** A segment is at most this long, in bytes. */
export const SEGMENT_MAX = 2 * 1024 * 1024;

/** A segment has at most so many blocks: its last one may be cut short by the segment's own limit. */
export const SEGMENT_BLOCKS = SEGMENT_MAX / BLOCK_MIN + 1;

/** The hash looks back this far: older bytes have been shifted out of its 32 bits. */
const WINDOW = 32;
/** A block ends, past its minimum, with a chance of 1 in 768 at each byte: 1 KiB on average. */
const BLOCK_THRESHOLD = Math.floor(2 ** 32 / 768);
/** A segment ends, past its minimum, with a chance of 1 in 256 Ki at each byte: about 450 KiB on average. */
const SEGMENT_THRESHOLD = Math.floor(2 ** 32 / (256 * 1024));

/** What the hash adds for each byte. */
export const GEAR = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  GEAR[i] = createHash('sha256').update(`holdfast gear ${i}`).digest().readUInt32LE(0);
}

/** The numbers that cutter.wat has from here. */
export const NUMBERS = {
  WINDOW,
  BLOCK_MIN,
  BLOCK_MAX,
  BLOCK_THRESHOLD,
  SEGMENT_MIN,
  SEGMENT_MAX,
  SEGMENT_THRESHOLD,
};

/** Cuts of one segment. */
export interface SegmentCuts {
  /** Length of the segment in bytes. */
  length: number;
  /** How many of `ends` are in use. */
  blocks: number;
  /** Where each block ends, in bytes from the start of the segment; the last is `length`. */
  ends: Uint32Array;
}

/** A place for the cuts of one segment, to be used again and again. */
export function newCuts(): SegmentCuts {
  return { length: 0, blocks: 0, ends: new Uint32Array(SEGMENT_BLOCKS) };
}

/**
 * Finds the end of the segment that begins at `start` of `data`, and the ends of its blocks. The data end at `end`, and so does the
 * last segment; unless they are the last of the file, at least SEGMENT_MAX bytes must follow `start`.
 */
export function cutSegment(data: Uint8Array, start: number, end: number, cuts: SegmentCuts): void {
  const limit = Math.min(end, start + SEGMENT_MAX);
  const mayEnd = start + SEGMENT_MIN;
  const { ends } = cuts;
  let blocks = 0;
  let block = start;
  while (block < limit) {
    const blockLimit = Math.min(limit, block + BLOCK_MAX);
    let i = Math.min(block + BLOCK_MIN - WINDOW, blockLimit);
    const warm = Math.min(block + BLOCK_MIN, blockLimit);
    let h = 0;
    for (; i < warm; i++) h = ((h << 1) + (GEAR[data[i] as number] as number)) | 0;
    let cut = blockLimit;
    for (; i < blockLimit; i++) {
      h = ((h << 1) + (GEAR[data[i] as number] as number)) | 0;
      if (h >>> 0 < BLOCK_THRESHOLD) {
        cut = i + 1;
        break;
      }
    }
    block = cut;
    ends[blocks++] = block - start;
    if (i < blockLimit && h >>> 0 < SEGMENT_THRESHOLD && block >= mayEnd) break;
  }
  cuts.blocks = blocks;
  cuts.length = block - start;
}
