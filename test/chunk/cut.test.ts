import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BLOCK_MAX, cutSegment, newCuts, SEGMENT_MAX } from '../../src/chunk/cut.ts';
import { sha256 } from '../../src/chunk/digest.ts';
import { noise } from './noise.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK_MIN = 256;
const SEGMENT_MIN = 128 * KIB;

/** Where all segments and all blocks of some data end. */
function cut(data: Uint8Array): { segments: number[]; blocks: number[] } {
  const cuts = newCuts();
  const segments: number[] = [];
  const blocks: number[] = [];
  for (let from = 0; from < data.length; from += cuts.length) {
    cutSegment(data, from, data.length, cuts);
    for (const end of cuts.ends.subarray(0, cuts.blocks)) blocks.push(from + end);
    segments.push(from + cuts.length);
  }
  return { segments, blocks };
}

function lengths(ends: readonly number[]): number[] {
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

function digests(data: Uint8Array, ends: readonly number[]): Set<string> {
  return new Set(ends.map((end, i) => sha256(data.subarray(ends[i - 1] ?? 0, end))));
}

function mean(ends: readonly number[]): number {
  return (ends.at(-1) ?? 0) / ends.length;
}

/** How many of the digests of `b` are not among those of `a`. */
function newOnes(a: Set<string>, b: Set<string>): number {
  return [...b].filter((digest) => !a.has(digest)).length;
}

const random = noise(12 * MIB, 'cut');
const text = Buffer.concat(
  Array.from({ length: 40 }, (_, i) =>
    Buffer.from(
      readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8').replaceAll('set', `set${i}`),
    ),
  ),
);
const rows = Buffer.from(
  Array.from({ length: 60_000 }, (_, i) => `${i}\t${sha256(Buffer.from(`${i}`)).slice(0, 24)}\tname\n`).join(
    '',
  ),
);

describe('cuts', () => {
  test.each([
    ['random', random],
    ['text', text],
    ['rows', rows],
  ])('of %s data keep to their bounds, with blocks of at most 2 KiB on average', (_name, data) => {
    const { segments, blocks } = cut(data);
    expect(segments.at(-1)).toBe(data.length);
    expect(blocks.at(-1)).toBe(data.length);
    for (const length of lengths(segments).slice(0, -1)) {
      expect(length).toBeGreaterThanOrEqual(SEGMENT_MIN);
      expect(length).toBeLessThanOrEqual(SEGMENT_MAX);
    }
    // The last block of a segment may be cut short by the segment's own limit, or by the end of the data.
    const ends = new Set(segments);
    for (const [i, length] of lengths(blocks).entries()) {
      if (!ends.has(blocks[i] as number)) expect(length).toBeGreaterThanOrEqual(BLOCK_MIN);
      expect(length).toBeLessThanOrEqual(BLOCK_MAX);
    }
    expect(mean(blocks)).toBeLessThanOrEqual(2 * KIB);
    expect(mean(blocks)).toBeGreaterThanOrEqual(600);
  });

  test('of random data make segments of about half a mebibyte', () => {
    const { segments } = cut(random);
    expect(mean(segments)).toBeGreaterThan(250 * KIB);
    expect(mean(segments)).toBeLessThan(900 * KIB);
  });

  test('of one and the same byte come at the upper limits: there is nothing to find a cut by', () => {
    for (const byte of [0, 1, 0x20, 0xff]) {
      const { segments, blocks } = cut(Buffer.alloc(4 * MIB, byte));
      expect(new Set(lengths(blocks))).toEqual(new Set([BLOCK_MAX]));
      expect(new Set(lengths(segments))).toEqual(new Set([SEGMENT_MAX]));
    }
  });

  test('of segments are cuts of blocks', () => {
    for (const data of [random, text, rows, Buffer.alloc(3 * MIB)]) {
      const { segments, blocks } = cut(data);
      const fine = new Set(blocks);
      expect(segments.filter((end) => !fine.has(end))).toEqual([]);
    }
  });

  test('do not depend on where in a buffer the data lie, nor on what lies around them', () => {
    const data = random.subarray(0, 3 * MIB);
    const expected = cut(data);
    for (const shift of [1, 31, 32, 33, 4096, 777_777]) {
      const buffer = Buffer.concat([randomBytes(shift), data, randomBytes(100)]);
      const cuts = newCuts();
      const segments: number[] = [];
      for (let from = shift; from < shift + data.length; from += cuts.length) {
        cutSegment(buffer, from, shift + data.length, cuts);
        segments.push(from + cuts.length - shift);
      }
      expect(segments).toEqual(expected.segments);
    }
  });

  test('move with the data: after an insertion in front nearly all later blocks and segments are the same', () => {
    const before = cut(random);
    for (const length of [1, 100, 255, 5_000, 100_000]) {
      const data = Buffer.concat([noise(length, `front ${length}`), random]);
      const after = cut(data);
      const blocks = newOnes(digests(random, before.blocks), digests(data, after.blocks));
      const segments = newOnes(digests(random, before.segments), digests(data, after.segments));
      expect(blocks).toBeLessThanOrEqual(length / 500 + 40);
      expect(segments).toBeLessThanOrEqual(4);
    }
  });

  test('move with the data: an insertion, a deletion, a change costs the blocks around it', () => {
    const before = digests(random, cut(random).blocks);
    fc.assert(
      fc.property(
        fc.nat(8 * MIB),
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 0, max: 3000 }),
        (at, removed, inserted) => {
          const data = Buffer.concat([
            random.subarray(0, at),
            noise(inserted, 'inserted'),
            random.subarray(at + removed),
          ]);
          expect(newOnes(before, digests(data, cut(data).blocks))).toBeLessThanOrEqual(80);
        },
      ),
      { numRuns: 8 },
    );
  });

  test('are a fixed part of every index: these data are cut here for ever', () => {
    const { segments, blocks } = cut(random.subarray(0, 2 * MIB));
    expect(blocks.slice(0, 5)).toEqual([432, 1474, 2769, 4174, 5581]);
    expect(segments).toEqual([579957, 798935, 969600, 1336793, 1641589, 1829015, 2063631, 2097152]);
  });
});
