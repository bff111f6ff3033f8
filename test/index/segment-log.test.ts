import { hash } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BLOCK_RECORD } from '../../src/chunk/block-digest.ts';
import { HoldfastError } from '../../src/errors.ts';
import { type SegmentExtent, SegmentLog, type SegmentLogLengths } from '../../src/index/segment-log.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const EMPTY: SegmentLogLengths = { segments: 0, extents: 0, blocks: 0 };
const FILES = ['segments', 'extents', 'blocks'] as const;

function digest(n: number | string): string {
  return hash('sha256', `segment ${n}`);
}

async function newBase(): Promise<string> {
  return join(await temporaryFolder(), 'chain-1');
}

function extent(n: number, patch = false): SegmentExtent {
  return { seq: n + 1, volume: n + 2, position: n, offset: 10 * n, length: 100 + n, patch };
}

function blocksOf(n: number, count: number): Buffer {
  const list = Buffer.alloc(count * BLOCK_RECORD, n);
  for (let i = 0; i < count; i++) list.writeUInt16LE(100 + i, i * BLOCK_RECORD + 16);
  return list;
}

/** Fills a log with segments of all kinds; the number of each is its place. */
function fill(log: SegmentLog, count: number): void {
  for (let n = 0; n < count; n++) {
    if (n % 3 === 0) {
      const chunk = { seq: 1, volume: 1 + (n >> 3), position: n, offset: 0, length: 1000 + n };
      log.addChunk(digest(n), chunk, n % 2 === 0 ? blocksOf(n, 1 + (n % 7)) : undefined);
    } else if (n % 3 === 1) {
      const extents = Array.from({ length: 1 + (n % 5) }, (_, i) => extent(i, i % 2 === 1));
      log.addExtents(digest(n), sum(extents), extents, blocksOf(n, 2));
    } else {
      log.addHole(digest(n), 5000 + n, blocksOf(n, 1));
    }
  }
}

function sum(extents: readonly SegmentExtent[]): number {
  return extents.reduce((total, { length }) => total + length, 0);
}

function check(log: SegmentLog, count: number): void {
  expect(log.count).toBe(count);
  for (let n = 0; n < count; n++) {
    expect(log.find(digest(n))).toBe(n);
    expect(log.sha256(n)).toBe(digest(n));
    const { length, extents } = log.segment(n);
    expect(sum(extents)).toBe(length);
    if (n % 3 === 0) {
      expect(extents).toEqual([
        { seq: 1, volume: 1 + (n >> 3), position: n, offset: 0, length: 1000 + n, patch: false },
      ]);
      expect(log.blocks(n)).toEqual(n % 2 === 0 ? blocksOf(n, 1 + (n % 7)) : undefined);
    } else if (n % 3 === 1) {
      expect(extents).toEqual(Array.from({ length: 1 + (n % 5) }, (_, i) => extent(i, i % 2 === 1)));
      expect(log.blocks(n)).toEqual(blocksOf(n, 2));
    } else {
      expect(extents).toEqual([{ seq: 0, volume: 0, position: 0, offset: 0, length, patch: false }]);
    }
  }
  expect(log.find(digest('of none'))).toBe(-1);
}

/** Reads everything that a log knows. */
function readAll(base: string, lengths: SegmentLogLengths): void {
  const log = new SegmentLog(base, lengths);
  try {
    for (let number = 0; number < log.count; number++) {
      log.segment(number);
      log.find(log.sha256(number));
      log.blocks(number);
    }
  } finally {
    log.close();
  }
}

/** Code and path of the error with which something fails. */
function faultOf(work: () => void): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof HoldfastError ? `${error.code} ${error.path}` : String(error);
  }
}

describe('the log of segments', () => {
  test('gives back what was recorded: while it grows, and after it was opened again', async () => {
    const base = await newBase();
    const log = new SegmentLog(base, EMPTY);
    fill(log, 3000);
    check(log, 3000);
    log.sync();
    const { lengths } = log;
    log.close();
    const again = new SegmentLog(base, lengths);
    check(again, 3000);
    const number = again.addHole(digest('later'), 77);
    expect(number).toBe(3000);
    expect(again.find(digest('later'))).toBe(3000);
    again.close();
  });

  test('of many segments finds them all again', async () => {
    const base = await newBase();
    const log = new SegmentLog(base, EMPTY);
    const count = 200_000;
    for (let n = 0; n < count; n++) {
      log.addChunk(digest(n), { seq: 1, volume: 1, position: n, offset: 0, length: 1 + n });
    }
    log.sync();
    const { lengths } = log;
    log.close();
    const again = new SegmentLog(base, lengths);
    expect(again.count).toBe(count);
    for (let n = 0; n < count; n += 97) {
      const found = again.find(digest(n));
      if (found !== n) expect(found).toBe(n);
      const [e] = again.segment(n).extents;
      if (e?.position !== n || e.length !== n + 1) expect(e).toEqual(n);
    }
    expect(again.find(digest(count))).toBe(-1);
    again.close();
  });

  test('finds the newest of several segments with one digest', async () => {
    const log = new SegmentLog(await newBase(), EMPTY);
    for (let n = 0; n < 4; n++) log.addHole(digest('same'), 10);
    expect(log.find(digest('same'))).toBe(3);
    log.close();
  });

  test('passes over segments that are to be avoided, and still tells what they are', async () => {
    const log = new SegmentLog(await newBase(), EMPTY);
    fill(log, 40);
    log.addHole(digest(7), sum([extent(0)]));
    const avoided = Uint8Array.of(0b1000_0000, 0, 0b1);
    log.avoid(avoided);
    expect(log.find(digest(7))).toBe(40);
    expect(log.find(digest(16))).toBe(-1);
    expect(log.find(digest(6))).toBe(6);
    expect(log.find(digest(39))).toBe(39);
    expect([6, 7, 8, 16, 39, 40].filter((n) => log.isAvoided(n))).toEqual([7, 16]);
    expect(log.segment(16).length).toBeGreaterThan(0);
    log.avoid(Uint8Array.of(0, 0, 0, 0, 0, 0xff));
    expect(log.find(digest(7))).toBe(7);
    log.close();
  });

  test('forgets what lies beyond the lengths it is opened with, and writes over it', async () => {
    const base = await newBase();
    const log = new SegmentLog(base, EMPTY);
    fill(log, 100);
    log.sync();
    const { lengths } = log;
    for (let n = 0; n < 500; n++) log.addExtents(digest(`lost ${n}`), 100, [extent(0)], blocksOf(n, 50));
    log.sync();
    log.close();
    expect(statSync(`${base}.blocks`).size).toBeGreaterThan(lengths.blocks);

    const again = new SegmentLog(base, lengths);
    check(again, 100);
    expect(again.find(digest('lost 0'))).toBe(-1);
    const found = [extent(3), extent(4, true)];
    again.addExtents(digest('found'), sum(found), found, blocksOf(1, 3));
    again.sync();
    const later = again.lengths;
    again.close();

    const last = new SegmentLog(base, later);
    expect(last.segment(last.find(digest('found'))).extents).toEqual(found);
    expect(last.find(digest('lost 1'))).toBe(-1);
    last.close();
  });

  test('keeps offsets and lengths that need all their bits', async () => {
    const log = new SegmentLog(await newBase(), EMPTY);
    const large = 2 ** 31 - 1;
    const extents = [
      {
        seq: 2 ** 32 - 1,
        volume: 2 ** 32 - 1,
        position: 2 ** 32 - 1,
        offset: 2 ** 32 - 1,
        length: large,
        patch: true,
      },
      { seq: 1, volume: 1, position: 0, offset: 0, length: large, patch: false },
    ];
    log.addExtents(digest(0), sum(extents), extents);
    expect(log.segment(0)).toEqual({ length: sum(extents), extents });
    log.close();
  });

  test.each(FILES)('notices a flipped bit anywhere in .%s', async (ending) => {
    const base = await newBase();
    const log = new SegmentLog(base, EMPTY);
    fill(log, 9);
    log.sync();
    const { lengths } = log;
    log.close();
    readAll(base, lengths);
    const file = `${base}.${ending}`;
    const good = readFileSync(file);
    expect(good.length).toBeGreaterThan(100);
    const unnoticed: number[] = [];
    for (let bit = 0; bit < good.length * 8; bit += 7) {
      const bad = Buffer.from(good);
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(file, bad);
      if (faultOf(() => readAll(base, lengths)) !== `broken-index ${file}`) unnoticed.push(bit);
    }
    expect(unnoticed).toEqual([]);
    writeFileSync(file, good);
    readAll(base, lengths);
  });

  test.each(FILES)('notices where .%s was cut short, or holds zeros', async (ending) => {
    const base = await newBase();
    const log = new SegmentLog(base, EMPTY);
    fill(log, 30);
    log.sync();
    const { lengths } = log;
    log.close();
    const file = `${base}.${ending}`;
    const good = readFileSync(file);
    const broken = expect.objectContaining({ code: 'broken-index' });
    writeFileSync(file, Buffer.alloc(good.length));
    expect(() => readAll(base, lengths)).toThrow(broken);
    for (const length of [0, 1, good.length >> 1, good.length - 2]) {
      writeFileSync(file, good);
      truncateSync(file, length);
      expect(() => readAll(base, lengths), `cut at ${length}`).toThrow(broken);
    }
  });
});
