/**
 * Finds blocks of a file's new version among those of its old version. Only a stretch of the old version is held in memory; it follows the
 * matches, so that a file of any size needs the same memory. What was inserted or deleted shifts the matches, no more.
 */
import { BLOCK_RECORD, type BlockList, LENGTH_AT } from '../chunk/block-digest.ts';
import { SEGMENT_BLOCKS } from '../chunk/cut.ts';
import type { SegmentLog } from './segment-log.ts';

/** Blocks held at most: about 1 GiB of a file at 1 KiB a block. A power of two. */
const CAPACITY = 2 ** 20;
/** How many candidates with one hash are looked at: repeating content must not make the search slow. */
const TRIES = 8;

/** A block of the old version: where it lies in its segment, in bytes. */
export interface BlockMatch {
  segment: number;
  offset: number;
  length: number;
}

export class BlockWindow {
  readonly #log: SegmentLog;
  /** Segment numbers of the old version, in order. */
  readonly #old: Uint32Array;
  /** Blocks held at most here: a small file needs little memory. A power of two. */
  readonly #capacity: number;
  /** What gives a block's place from its running number, and a slot from its digest. */
  readonly #mask: number;
  /** Blocks: digest words, place. */
  readonly #digests: Uint32Array;
  readonly #places: Uint32Array;
  readonly #next: Int32Array;
  /** 1 for a block whose content is in the window elsewhere too: where it is found says nothing of where the new version stands. */
  readonly #repeats: Uint8Array;
  readonly #heads: Int32Array;
  /** Running numbers: of the first block that is still held, and of the next to be loaded. */
  #first = 0;
  #end = 0;
  /** Indices into #old: of the segment with which loading last began, and of the next to be loaded. */
  #firstSegment = 0;
  #nextSegment = 0;
  /** Running number of the block that comes next if the new version goes on like the old one. */
  #expected = -1;

  constructor(log: SegmentLog, oldSegments: Uint32Array) {
    this.#log = log;
    this.#old = oldSegments;
    this.#capacity = Math.min(
      CAPACITY,
      2 ** Math.ceil(Math.log2(Math.max(1, oldSegments.length) * SEGMENT_BLOCKS)),
    );
    this.#mask = this.#capacity - 1;
    this.#digests = new Uint32Array(4 * this.#capacity);
    this.#places = new Uint32Array(3 * this.#capacity);
    this.#next = new Int32Array(this.#capacity);
    this.#repeats = new Uint8Array(this.#capacity);
    this.#heads = new Int32Array(this.#capacity).fill(-1);
    this.#loadUntil(this.#capacity);
  }

  /**
   * The new version continues at a whole segment of the old one: what follows is most likely what followed there.
   */
  continueAfter(segment: number): void {
    if (this.#old.subarray(this.#firstSegment, this.#nextSegment).includes(segment)) return;
    const ahead = this.#old.indexOf(segment, this.#nextSegment);
    // One that comes several times, such as a hole, does not say where.
    if (ahead < 0 || this.#old.includes(segment, ahead + 1)) return;
    // Beyond what is loaded: begin anew just before it.
    this.#heads.fill(-1);
    this.#first = this.#end;
    this.#expected = -1;
    this.#firstSegment = Math.max(0, ahead - 16);
    this.#nextSegment = this.#firstSegment;
    this.#loadUntil(this.#end + this.#capacity);
  }

  /** The old block with the digest and the length of the one whose record is at `at`, if it is held. */
  find(blocks: BlockList, at: number): BlockMatch | undefined {
    const a = blocks.readUInt32LE(at);
    const b = blocks.readUInt32LE(at + 4);
    const c = blocks.readUInt32LE(at + 8);
    const d = blocks.readUInt32LE(at + 12);
    const length = blocks.readUInt16LE(at + LENGTH_AT);
    if (this.#expected >= this.#first && this.#is(this.#expected, a, b, c, d, length))
      return this.#matched(this.#expected, true);
    const found = this.#search(a, b, c, d, length);
    if (found >= 0) return this.#matched(found, false);
    // Most likely it has taken the place of the block that was expected.
    if (this.#expected >= 0) this.#expected++;
    return undefined;
  }

  /** Running number of the newest block with this digest and length among those that are looked at, or -1. */
  #search(a: number, b: number, c: number, d: number, length: number): number {
    let candidate = this.#heads[a & this.#mask] as number;
    for (let tries = 0; tries < TRIES && candidate >= this.#first; tries++) {
      if (this.#is(candidate, a, b, c, d, length)) return candidate;
      const before = this.#next[candidate & this.#mask] as number;
      if (before >= candidate) break;
      candidate = before;
    }
    return -1;
  }

  #is(n: number, a: number, b: number, c: number, d: number, length: number): boolean {
    if (n >= this.#end) return false;
    const i = n & this.#mask;
    const digests = this.#digests;
    return (
      digests[4 * i] === a &&
      digests[4 * i + 1] === b &&
      digests[4 * i + 2] === c &&
      digests[4 * i + 3] === d &&
      this.#places[3 * i + 2] === length
    );
  }

  /** `inSequence`: the block follows the one before it in the old version too. */
  #matched(n: number, inSequence: boolean): BlockMatch {
    this.#expected = n + 1;
    const i = n & this.#mask;
    const match = {
      segment: this.#places[3 * i] as number,
      offset: this.#places[3 * i + 1] as number,
      length: this.#places[3 * i + 2] as number,
    };
    // Half of the window stays behind the match, half lies ahead. A single block may have strayed there.
    const isPlace = inSequence && this.#repeats[i] === 0;
    if (isPlace && this.#nextSegment < this.#old.length && n > this.#end - this.#capacity / 2) {
      this.#loadUntil(n + this.#capacity / 2);
    }
    return match;
  }

  #loadUntil(end: number): void {
    while (this.#end < end && this.#nextSegment < this.#old.length) {
      const segment = this.#old[this.#nextSegment++] as number;
      if (this.#log.isAvoided(segment)) continue;
      const list = this.#log.blocks(segment);
      if (list === undefined) continue;
      let offset = 0;
      for (let at = 0; at < list.length; at += BLOCK_RECORD) {
        const length = list.readUInt16LE(at + LENGTH_AT);
        this.#add(
          list.readUInt32LE(at),
          list.readUInt32LE(at + 4),
          list.readUInt32LE(at + 8),
          list.readUInt32LE(at + 12),
          segment,
          offset,
          length,
        );
        offset += length;
      }
    }
  }

  #add(a: number, b: number, c: number, d: number, segment: number, offset: number, length: number): void {
    const n = this.#end++;
    if (this.#end - this.#first > this.#capacity) this.#first = this.#end - this.#capacity;
    const i = n & this.#mask;
    this.#digests[4 * i] = a;
    this.#digests[4 * i + 1] = b;
    this.#digests[4 * i + 2] = c;
    this.#digests[4 * i + 3] = d;
    this.#places[3 * i] = segment;
    this.#places[3 * i + 1] = offset;
    this.#places[3 * i + 2] = length;
    const twin = this.#search(a, b, c, d, length);
    this.#repeats[i] = twin < 0 ? 0 : 1;
    if (twin >= 0) {
      this.#repeats[twin & this.#mask] = 1;
      // Found once in a while is enough: long chains of one and the same block would hide all others.
      if (n - twin < this.#capacity / 2) return;
    }
    const slot = a & this.#mask;
    this.#next[i] = this.#heads[slot] as number;
    this.#heads[slot] = n;
  }
}
