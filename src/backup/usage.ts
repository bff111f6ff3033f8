/** Which volumes a point needs, and how much of each: counted from the segments that its entries have. */
import { decodeSegments } from '../index/entries-file.ts';
import type { SegmentLog } from '../index/segment-log.ts';

/** Bytes used, by set and volume (from 1). */
export type Usage = Map<number, Map<number, number>>;

/** A set of segment numbers, one bit each. */
export class SegmentSet {
  #bits = new Uint8Array(1024);

  add(segment: number): void {
    const byte = segment >> 3;
    if (byte >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(byte + 1, Math.ceil(this.#bits.length * 1.5)));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[byte] = (this.#bits[byte] as number) | (1 << (segment & 7));
  }

  /** Adds all of an index entry's segments (ranges as the index keeps them). */
  addRanges(ranges: string): void {
    if (ranges === '') return;
    const single = Number(ranges);
    if (Number.isNaN(single)) for (const segment of decodeSegments(ranges)) this.add(segment);
    else this.add(single);
  }

  has(segment: number): boolean {
    return ((this.#bits[segment >> 3] ?? 0) & (1 << (segment & 7))) !== 0;
  }

  /** Whether any of an index entry's segments is in the set. */
  hasAnyOf(ranges: string): boolean {
    for (const segment of decodeSegments(ranges)) if (this.has(segment)) return true;
    return false;
  }

  get bitmap(): Uint8Array {
    return this.#bits;
  }
}

/** Counts what the given segments use of each volume. One pass over the log. */
export function usageOf(log: SegmentLog, live: SegmentSet): Usage {
  const usage: Usage = new Map();
  // Neighbours lie in the same volume mostly: their bytes are summed up before they are noted.
  let last = { seq: 0, volume: 0, bytes: 0 };
  const note = () => {
    const { seq, volume, bytes } = last;
    if (seq === 0) return;
    let volumes = usage.get(seq);
    if (volumes === undefined) {
      volumes = new Map();
      usage.set(seq, volumes);
    }
    volumes.set(volume, (volumes.get(volume) ?? 0) + bytes);
  };
  log.stretches(
    (segment) => live.has(segment),
    (seq, volume, length) => {
      if (seq !== last.seq || volume !== last.volume) {
        note();
        last = { seq, volume, bytes: 0 };
      }
      last.bytes += length;
    },
  );
  note();
  return usage;
}

/** The segments that lie, wholly or in part, in volumes that are to be given up. */
export function segmentsIn(log: SegmentLog, isGivenUp: (seq: number, volume: number) => boolean): SegmentSet {
  const found = new SegmentSet();
  for (let number = 0; number < log.count; number++) {
    if (log.segment(number).extents.some((e) => e.seq !== 0 && isGivenUp(e.seq, e.volume))) found.add(number);
  }
  return found;
}
