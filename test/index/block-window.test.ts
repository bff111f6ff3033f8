import { hash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BLOCK_RECORD, LENGTH_AT } from '../../src/chunk/block-digest.ts';
import { type BlockMatch, BlockWindow } from '../../src/index/block-window.ts';
import { SegmentLog } from '../../src/index/segment-log.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';

/** Blocks of a segment here. */
const BLOCKS = 512;
const LENGTH = 1000;
const ZERO = hash('sha256', 'zero', 'binary').slice(0, 16);

const scratch = Buffer.alloc(16, 7);

/** Digest of the n-th block of the old version: made of its number, so that millions are made quickly. */
function digestOf(n: number): string {
  scratch.writeUInt32LE(Math.imul(n + 1, 0x9e3779b1) >>> 0, 0);
  scratch.writeUInt32LE(n >>> 0, 4);
  return scratch.toString('latin1');
}

interface OldVersion {
  log: SegmentLog;
  numbers: Uint32Array;
}

/** A log in `folder` with one old version of `segments` segments, with these digests of blocks. */
function makeOldVersion(folder: string, segments: number, digest = digestOf): OldVersion {
  const log = new SegmentLog(join(folder, 'chain'), { segments: 0, extents: 0, blocks: 0 });
  const numbers = new Uint32Array(segments);
  for (let s = 0; s < segments; s++) {
    const list = Buffer.alloc(BLOCKS * BLOCK_RECORD);
    for (let i = 0; i < BLOCKS; i++) {
      list.write(digest(s * BLOCKS + i), i * BLOCK_RECORD, 16, 'latin1');
      list.writeUInt16LE(LENGTH, i * BLOCK_RECORD + LENGTH_AT);
    }
    const chunk = { seq: 1, volume: 1, position: s, offset: 0, length: BLOCKS * LENGTH };
    numbers[s] = log.addChunk(hash('sha256', `${s}`), chunk, list);
  }
  return { log, numbers };
}

async function oldVersion(segments: number, digest = digestOf): Promise<OldVersion> {
  return makeOldVersion(await temporaryFolder(), segments, digest);
}

function place(n: number): { segment: number; offset: number; length: number } {
  return { segment: Math.floor(n / BLOCKS), offset: (n % BLOCKS) * LENGTH, length: LENGTH };
}

const record = Buffer.alloc(BLOCK_RECORD);

/** Looks for a block with this digest and length. */
function find(window: BlockWindow, digest: string, length: number): BlockMatch | undefined {
  record.write(digest, 'latin1');
  record.writeUInt16LE(length, LENGTH_AT);
  return window.find(record, 0);
}

describe('the window over the blocks of an old version', () => {
  test('finds each block where it lies, in order and out of order', async () => {
    const { log, numbers } = await oldVersion(20);
    const window = new BlockWindow(log, numbers);
    for (let n = 0; n < 20 * BLOCKS; n++) {
      const found = find(window, digestOf(n), LENGTH);
      if (found?.segment !== place(n).segment || found.offset !== place(n).offset)
        expect(found).toEqual(place(n));
    }
    for (const n of [7000, 12, 9999, 0, 5000]) expect(find(window, digestOf(n), LENGTH)).toEqual(place(n));
    log.close();
  });

  test('takes memory as the old version is large: many small files do not cost many large windows', async () => {
    const { log, numbers } = await oldVersion(1);
    const before = process.memoryUsage().arrayBuffers;
    const windows = Array.from({ length: 5 }, () => new BlockWindow(log, numbers));
    const taken = process.memoryUsage().arrayBuffers - before;
    expect(windows.map((w) => find(w, digestOf(7), LENGTH)?.offset)).toEqual(Array(5).fill(7 * LENGTH));
    expect(taken / 5).toBeLessThan(2 ** 20);
    log.close();
  });

  test('finds nothing that was not there, and nothing of another length', async () => {
    const { log, numbers } = await oldVersion(4);
    const window = new BlockWindow(log, numbers);
    expect(find(window, digestOf(4 * BLOCKS), LENGTH)).toBeUndefined();
    expect(find(window, digestOf(5), LENGTH - 1)).toBeUndefined();
    expect(find(window, digestOf(5), LENGTH)).toEqual(place(5));
    log.close();
  });

  test('passes over segments that are to be avoided, and those without blocks', async () => {
    const { log, numbers } = await oldVersion(3);
    const none = log.addChunk(hash('sha256', 'none'), {
      seq: 1,
      volume: 1,
      position: 9,
      offset: 0,
      length: 5,
    });
    log.avoid(Uint8Array.of(0b010));
    const window = new BlockWindow(log, Uint32Array.of(none, ...numbers));
    expect(find(window, digestOf(BLOCKS), LENGTH)).toBeUndefined();
    expect(find(window, digestOf(BLOCKS - 1), LENGTH)).toEqual(place(BLOCKS - 1));
    expect(find(window, digestOf(2 * BLOCKS), LENGTH)).toEqual(place(2 * BLOCKS));
    log.close();
  });
});

describe('the window over an old version that is larger than it', () => {
  const SEGMENTS = 3500;
  let folder: string;
  let large: OldVersion;

  beforeAll(async () => {
    folder = await makeFolder();
    large = makeOldVersion(folder, SEGMENTS);
  });

  afterAll(async () => {
    large.log.close();
    await rm(folder, { recursive: true });
  });

  test('follows the matches from end to end', () => {
    const { log, numbers } = large;
    const window = new BlockWindow(log, numbers);
    let missed = 0;
    // Every 50th block has changed.
    for (let n = 0; n < SEGMENTS * BLOCKS; n++) {
      if (n % 50 === 7) {
        if (find(window, digestOf(-2 - n), LENGTH) !== undefined) missed++;
      } else if (find(window, digestOf(n), LENGTH)?.offset !== place(n).offset) missed++;
    }
    expect(missed).toBe(0);
  });

  test('follows over stretches that are whole segments as before', () => {
    const { log, numbers } = large;
    const window = new BlockWindow(log, numbers);
    let missed = 0;
    for (let s = 0; s < SEGMENTS; s++) {
      if (s % 1000 !== 900) {
        window.continueAfter(numbers[s] as number);
        continue;
      }
      for (let n = s * BLOCKS + 1; n < (s + 1) * BLOCKS; n++) {
        if (find(window, digestOf(n), LENGTH)?.offset !== place(n).offset) missed++;
      }
    }
    expect(missed).toBe(0);
  });

  test('stays where the changes are though one block turns up everywhere, such as one of zeros', async () => {
    const isZero = (n: number) => n % 40 === 11;
    const { log, numbers } = await oldVersion(SEGMENTS, (n) => (isZero(n) ? ZERO : digestOf(n)));
    const window = new BlockWindow(log, numbers);
    let missed = 0;
    for (let n = 0; n < SEGMENTS * BLOCKS; n++) {
      // The block before each that is all zeros has changed: no run of matches leads to it.
      if (n % 40 === 10) find(window, digestOf(-2 - n), LENGTH);
      else if (isZero(n)) {
        if (find(window, ZERO, LENGTH) === undefined) missed++;
      } else if (find(window, digestOf(n), LENGTH)?.segment !== place(n).segment) missed++;
    }
    expect(missed / (SEGMENTS * BLOCKS)).toBeLessThan(0.001);
    log.close();
  });

  test('stays where the changes are though one segment turns up everywhere, such as a hole', () => {
    const { log, numbers: unique } = large;
    const list = Buffer.alloc(BLOCK_RECORD);
    list.writeUInt16LE(LENGTH, LENGTH_AT);
    const hole = log.addHole(hash('sha256', 'hole'), LENGTH, list);
    const isHole = (s: number) => s % 10 === 3;
    const numbers = unique.map((number, s) => (isHole(s) ? hole : number));
    const window = new BlockWindow(log, numbers);
    let missed = 0;
    let asked = 0;
    for (let s = 0; s < SEGMENTS; s++) {
      if (isHole(s)) window.continueAfter(hole);
      else if (s % 7 !== 0) window.continueAfter(numbers[s] as number);
      else {
        // One block of the segment has changed.
        for (let n = s * BLOCKS + 1; n < (s + 1) * BLOCKS; n++) {
          asked++;
          if (find(window, digestOf(n), LENGTH)?.segment !== s) missed++;
        }
      }
    }
    expect(missed / asked).toBeLessThan(0.001);
  });
});
