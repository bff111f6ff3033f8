import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ByteSource, ContentStorer, type StoredContent } from '../../src/backup/content.ts';
import { blockKey } from '../../src/chunk/block-digest.ts';
import { LARGE_FILE, SEGMENT_MAX } from '../../src/chunk/cut.ts';
import { PlainCutter } from '../../src/chunk/cutter.ts';
import { EMPTY_SHA256, sha256 } from '../../src/chunk/digest.ts';
import { SegmentLog } from '../../src/index/segment-log.ts';
import { noise } from '../chunk/noise.ts';
import { makeFolder } from '../helpers/temporary.ts';
import { extentsOf, MemoryChunks, sourceOf } from './memory-chunks.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK_SECRET = 'b5'.repeat(32);

/** A chain that is kept in memory and in one log; each set is made by a storer of its own, on the log opened anew. */
class Chain {
  readonly chunks = new MemoryChunks();
  readonly #base: string;
  log: SegmentLog;
  #storer: ContentStorer;
  #seq = 0;

  constructor(folder: string) {
    this.#base = join(folder, 'chain');
    this.log = new SegmentLog(this.#base, { segments: 0, extents: 0, blocks: 0 });
    this.#storer = this.#begin();
  }

  #begin(): ContentStorer {
    this.#seq++;
    this.chunks.begin(this.#seq);
    return new ContentStorer(this.log, this.chunks, this.#seq, BLOCK_SECRET, () => {});
  }

  /** Begins the next set, with the log as a new run finds it. */
  next(): void {
    this.log.sync();
    const { lengths } = this.log;
    this.log.close();
    this.log = new SegmentLog(this.#base, lengths);
    this.#storer = this.#begin();
  }

  store(source: ByteSource, size: number, older?: readonly number[]): StoredContent {
    return this.#storer.store(source, size, older && (() => older));
  }

  /** Stores a content, checks that it can be rebuilt, and says how many bytes it cost. */
  put(content: Buffer, older?: readonly number[]): StoredContent & { cost: number } {
    const before = this.chunks.stored;
    const stored = this.store(sourceOf(content), content.length, older);
    expect(stored.length).toBe(content.length);
    expect(stored.sha256).toBe(sha256(content));
    expect(this.chunks.isWaiting).toBe(false);
    if (!this.chunks.rebuild(this.log, stored.segments).equals(content))
      expect('rebuilt').toBe('the content');
    return { ...stored, cost: this.chunks.stored - before };
  }
}

async function newChain(): Promise<Chain> {
  const folder = await makeFolder();
  const chain = new Chain(folder);
  onTestFinished(async () => {
    chain.log.close();
    await rm(folder, { recursive: true });
  });
  return chain;
}

interface Edit {
  /** Where, as a part of the length. */
  at: number;
  removed: number;
  inserted: number;
}

/** The content with these edits, which are done from its end to its front. */
function edited(content: Buffer, edits: readonly Edit[], seed: string): Buffer {
  const pieces: Buffer[] = [];
  let end = content.length;
  for (const [i, { at, removed, inserted }] of [...edits].sort((a, b) => b.at - a.at).entries()) {
    const from = Math.floor(at * content.length);
    pieces.unshift(noise(inserted, `${seed} ${i}`), content.subarray(Math.min(end, from + removed), end));
    end = Math.min(end, from);
  }
  return Buffer.concat([content.subarray(0, end), ...pieces]);
}

/** Bytes that an edit may cost: its own, and the blocks that it cuts through. */
const AROUND = 12 * KIB;

function allowance(edits: readonly Edit[]): number {
  return edits.reduce((sum, { inserted }) => sum + inserted + AROUND, 0);
}

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.oneof(fc.constant(0), fc.nat(3000)),
  inserted: fc.oneof(fc.constant(0), fc.nat(3000)),
});

describe('content that is stored', () => {
  test('comes back whole at every size around the limits of files, segments and buffers', async () => {
    const chain = await newChain();
    const data = noise(10 * MIB + 10, 'sizes');
    const around = [LARGE_FILE, SEGMENT_MAX, 2 * SEGMENT_MAX, 8 * MIB, 8 * MIB + SEGMENT_MAX];
    const sizes = [0, 1, 255, 256, 511, 512, ...around.flatMap((n) => [n - 1, n, n + 1])];
    for (const [i, size] of sizes.entries()) chain.put(data.subarray(i, i + size));
    chain.chunks.checkAll(chain.log);
  });

  test('comes back whole at any size, of data of any kind', async () => {
    const chain = await newChain();
    const data = {
      noise: noise(11 * MIB, 'any'),
      zeros: Buffer.alloc(11 * MIB),
      repeated: Buffer.alloc(11 * MIB, noise(5000, 'r')),
    };
    const kind = fc.constantFrom('noise' as const, 'zeros' as const, 'repeated' as const);
    const size = fc.oneof(fc.nat(LARGE_FILE + 10), fc.nat(10 * MIB));
    await fc.assert(
      fc.asyncProperty(kind, fc.nat(MIB), size, async (kind, from, size) => {
        chain.put(data[kind].subarray(from, from + size));
      }),
      { numRuns: 15 },
    );
  });

  test('that ends before its size is what was read', async () => {
    const chain = await newChain();
    const data = noise(9 * MIB, 'early');
    for (const [size, length] of [
      [1000, 500],
      [1000, 0],
      [LARGE_FILE, 100],
      [LARGE_FILE, 0],
      [9 * MIB, 8 * MIB],
      [9 * MIB, 8 * MIB + 1],
      [20 * MIB, 9 * MIB],
    ] as const) {
      const content = data.subarray(0, length);
      const stored = await chain.store(sourceOf(content), size);
      expect(stored.length).toBe(length);
      expect(stored.sha256).toBe(sha256(content));
      expect(chain.chunks.rebuild(chain.log, stored.segments).equals(content)).toBe(true);
    }
  });

  test('that goes on beyond its size is cut there', async () => {
    const chain = await newChain();
    const data = noise(9 * MIB, 'beyond');
    for (const size of [0, 1000, LARGE_FILE, 8 * MIB]) {
      const stored = await chain.store(sourceOf(data), size);
      expect(stored.sha256).toBe(sha256(data.subarray(0, size)));
      expect(stored.length).toBe(size);
    }
  });

  test('that is empty has no segments', async () => {
    const chain = await newChain();
    expect(chain.put(Buffer.alloc(0))).toMatchObject({ segments: [], sha256: EMPTY_SHA256, cost: 0 });
  });

  test('a second time costs nothing, small or large, in the same set or a later one', async () => {
    const chain = await newChain();
    for (const size of [10, 100_000, 3 * MIB]) {
      const data = noise(size, `twice ${size}`);
      expect(chain.put(data).cost).toBe(size);
      expect(chain.put(data).cost).toBe(0);
      chain.next();
      expect(chain.put(data).cost).toBe(0);
    }
  });

  const island = (zeros: number) =>
    Buffer.concat([noise(3 * MIB, 'a'), Buffer.alloc(zeros), noise(3 * MIB, 'b')]);
  const holesOf = (chain: Chain, segments: readonly number[]) =>
    extentsOf(chain.log, segments).filter(({ seq }) => seq === 0);

  test('of zeros that take room costs one chunk, and stays content', async () => {
    const chain = await newChain();
    const { segments, cost } = chain.put(island(20 * MIB));
    expect(cost).toBeLessThan(6 * MIB + 3 * SEGMENT_MAX);
    expect(holesOf(chain, segments)).toEqual([]);
  });

  test('of zeros in a sparse file is taken for a hole where nobody can tell', async () => {
    const chain = await newChain();
    const data = island(20 * MIB);
    const sparse = { nextData: () => ({ from: 0, to: data.length }), skip: () => {}, guess: true };
    const { segments, sha256: digest } = await chain.store({ ...sourceOf(data), sparse }, data.length);
    expect(digest).toBe(sha256(data));
    expect(chain.chunks.rebuild(chain.log, segments).equals(data)).toBe(true);
    const holes = holesOf(chain, segments).reduce((sum, { length }) => sum + length, 0);
    expect(holes).toBeGreaterThan(20 * MIB - 2 * SEGMENT_MAX);
  });

  test('with holes has them where they are, to the byte, and they are not read', async () => {
    const chain = await newChain();
    const piece = fc.record({ hole: fc.boolean(), length: fc.oneof(fc.nat(5000), fc.nat(2 * MIB)) });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        const parts = pieces.filter(({ length }) => length > 0);
        const data = Buffer.concat(
          parts.map(({ hole, length }, i) => (hole ? Buffer.alloc(length) : noise(length, `p${i % 3}`))),
        );
        const stretches: { from: number; to: number }[] = [];
        let end = 0;
        for (const { hole, length } of parts) {
          if (!hole) stretches.push({ from: end, to: end + length });
          end += length;
        }
        let at = 0;
        let read = 0;
        const source: ByteSource = {
          read(into) {
            const n = data.copy(into, 0, at, at + into.length);
            at += n;
            read += n;
            return n;
          },
          sparse: {
            nextData: () => stretches.find(({ from }) => from >= at),
            skip: (length) => {
              at += length;
            },
            guess: false,
          },
        };
        const { segments, sha256: digest, length } = await chain.store(source, data.length);
        expect([digest, length]).toEqual([sha256(data), data.length]);
        expect(chain.chunks.rebuild(chain.log, segments).equals(data)).toBe(true);
        const stored = extentsOf(chain.log, segments).reduce(
          (sum, e) => sum + (e.seq === 0 ? 0 : e.length),
          0,
        );
        expect(stored).toBe(stretches.reduce((sum, { from, to }) => sum + to - from, 0));
        expect(read).toBe(stored);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a large file that changed', () => {
  test.each([
    ['bytes overwritten', { at: 0.4, removed: 100, inserted: 100 }],
    ['bytes inserted at the front', { at: 0, removed: 0, inserted: 100_000 }],
    ['bytes inserted in the middle', { at: 0.5, removed: 0, inserted: 1 }],
    ['bytes deleted at the front', { at: 0, removed: 70_000, inserted: 0 }],
    ['bytes deleted in the middle', { at: 0.3, removed: 1, inserted: 0 }],
    ['bytes appended', { at: 1, removed: 0, inserted: 5000 }],
  ])('costs the blocks that changed: %s', async (_what, e) => {
    const chain = await newChain();
    const data = noise(12 * MIB, 'changes');
    const { segments } = chain.put(data);
    chain.next();
    const { cost } = chain.put(edited(data, [e], 'one'), segments);
    // Where more than half of the first segment is new, it is stored as a whole.
    expect(cost).toBeLessThanOrEqual(allowance([e]) + e.inserted);
    if (e.inserted > 0) expect(cost).toBeGreaterThanOrEqual(e.inserted);
  });

  test('in many places costs the blocks that changed', async () => {
    const chain = await newChain();
    const data = noise(16 * MIB, 'rows');
    const { segments } = chain.put(data);
    chain.next();
    const edits = Array.from({ length: 300 }, (_, i) => ({ at: (i * 0.618) % 1, removed: 60, inserted: 60 }));
    const { cost } = chain.put(edited(data, edits, 'rows'), segments);
    expect(cost).toBeLessThanOrEqual(300 * 3 * KIB);
  });

  test('comes back exactly through many generations of random edits, at a cost that is bounded by what changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(edit, { minLength: 1, maxLength: 20 }), { minLength: 12, maxLength: 15 }),
        fc.nat(1000),
        async (generations, seed) => {
          const folder = await makeFolder();
          const chain = new Chain(folder);
          try {
            let content = noise(3 * MIB, `generations ${seed}`);
            let { segments } = chain.put(content);
            let cost = 0;
            let allowed = 0;
            for (const [i, edits] of generations.entries()) {
              chain.next();
              content = edited(content, edits, `${seed} ${i}`);
              const stored = chain.put(content, segments);
              segments = stored.segments;
              cost += stored.cost;
              allowed += allowance(edits);
              // A segment is stored anew when more than half of it came by patches: that triples their cost at most.
              expect(cost).toBeLessThanOrEqual(3 * allowed);
            }
            chain.chunks.checkAll(chain.log);
          } finally {
            chain.log.close();
            await rm(folder, { recursive: true });
          }
        },
      ),
      { numRuns: 4 },
    );
  });

  test('costs nothing when it is renamed or copied afterwards, also where it was stored by blocks', async () => {
    const chain = await newChain();
    const data = noise(6 * MIB, 'rename');
    let { segments } = chain.put(data);
    let content = data;
    for (let i = 0; i < 4; i++) {
      chain.next();
      content = edited(content, [{ at: 0.1 + i / 5, removed: 10, inserted: 500 }], `${i}`);
      ({ segments } = chain.put(content, segments));
    }
    expect(extentsOf(chain.log, segments).some(({ patch }) => patch)).toBe(true);
    chain.next();
    expect(chain.put(content).cost).toBe(0);
    expect(chain.put(content, segments).cost).toBe(0);
  });

  test('of which an older version comes back costs nothing', async () => {
    const chain = await newChain();
    const data = noise(6 * MIB, 'back');
    const first = chain.put(data);
    chain.next();
    const changed = edited(data, [{ at: 0.5, removed: 0, inserted: 50_000 }], 'x');
    const second = chain.put(changed, first.segments);
    chain.next();
    expect(chain.put(data, second.segments).cost).toBe(0);
  });

  test('is stored anew in a segment of which more than half is foreign: patches never pile up', async () => {
    const chain = await newChain();
    let content = noise(4 * MIB, 'foreign');
    let { segments } = chain.put(content);
    let renewed = 0;
    for (let i = 0; i < 25; i++) {
      chain.next();
      content = Buffer.from(content);
      const at = (k: number) => Math.floor(((k + i / 25) / 60) * 4 * MIB);
      for (let k = 0; k < 60; k++) noise(2000, `${i} ${k}`).copy(content, at(k));
      const stored = chain.put(content, segments);
      segments = stored.segments;
      for (const number of segments) {
        const { length, extents } = chain.log.segment(number);
        const foreign = extents.reduce((sum, e) => sum + (e.patch ? e.length : 0), 0);
        expect(foreign).toBeLessThanOrEqual(length / 2);
        if (extents.length === 1 && extents[0]?.patch === false && extents[0].seq === i + 2) renewed++;
      }
    }
    expect(renewed).toBeGreaterThan(3);
  });

  test('costs only what changed where most of it is a hole', async () => {
    const chain = await newChain();
    const data = Buffer.concat([noise(MIB, 'a'), Buffer.alloc(12 * MIB), noise(MIB, 'b')]);
    const first = chain.put(data);
    chain.next();
    const filled = Buffer.from(data);
    noise(10_000, 'filled').copy(filled, 7 * MIB);
    const second = chain.put(filled, first.segments);
    expect(second.cost).toBeLessThanOrEqual(10_000 + 2 * AROUND);
    chain.next();
    const emptied = chain.put(data, second.segments);
    expect(emptied.cost).toBe(0);
    chain.next();
    const all = chain.put(Buffer.alloc(14 * MIB), emptied.segments);
    expect(all.cost).toBe(0);
  });

  test('does not build on segments that are to be avoided', async () => {
    const chain = await newChain();
    const data = noise(4 * MIB, 'avoid');
    const { segments } = chain.put(data);
    chain.next();
    const avoided = new Uint8Array(100);
    for (const n of segments) avoided[n >> 3] = (avoided[n >> 3] as number) | (1 << (n & 7));
    chain.log.avoid(avoided);
    const again = chain.put(edited(data, [{ at: 0.5, removed: 1, inserted: 1 }], 'x'), segments);
    expect(again.cost).toBe(data.length);
    expect(again.segments.filter((n) => segments.includes(n))).toEqual([]);
  });

  test('is recorded with the digests of its blocks, under the secret of the chain', async () => {
    const chain = await newChain();
    const data = noise(MIB, 'recorded');
    const { segments } = chain.put(data);
    const cutter = new PlainCutter(blockKey(BLOCK_SECRET));
    data.copy(cutter.data);
    let from = 0;
    for (const segment of segments) {
      from += cutter.cut(from, data.length);
      expect(chain.log.blocks(segment)?.equals(cutter.blocks())).toBe(true);
    }
    expect(from).toBe(data.length);
  });

  test('asks for its older version only when something is new', async () => {
    const chain = await newChain();
    const data = noise(2 * MIB, 'asks');
    chain.put(data);
    const storer = new ContentStorer(chain.log, chain.chunks, 1, BLOCK_SECRET, () => {});
    let asked = 0;
    const older = () => {
      asked++;
      return undefined;
    };
    storer.store(sourceOf(data), data.length, older);
    expect(asked).toBe(0);
    storer.store(sourceOf(noise(2 * MIB, 'other')), data.length, older);
    expect(asked).toBeGreaterThan(0);
  });
});

describe('an attempt that fails', () => {
  test.each([8 * MIB, 14 * MIB])(
    'after %d bytes leaves records that are true of what was read',
    async (failAt) => {
      const chain = await newChain();
      const data = noise(16 * MIB, 'fails');
      const { segments } = chain.put(data);
      chain.next();
      const edits = Array.from({ length: 20 }, (_, i) => ({ at: i / 20, removed: 50, inserted: 50 }));
      const changed = edited(data, edits, 'fails');
      const source = sourceOf(changed, (length) => {
        if (length >= failAt) throw new Error('the disk is bad');
      });
      expect(() => chain.store(source, changed.length, segments)).toThrow('the disk is bad');
      // Nothing else may come in this set: its last volume ends here.
      expect(chain.chunks.isWaiting).toBe(false);
      chain.chunks.checkAll(chain.log);
      chain.next();
      chain.put(changed, segments);
      chain.chunks.checkAll(chain.log);
    },
  );

  test('and is followed by another file does no harm to that', async () => {
    const chain = await newChain();
    const data = noise(10 * MIB, 'fails');
    const { segments } = chain.put(data);
    chain.next();
    const source = sourceOf(edited(data, [{ at: 0.01, removed: 5, inserted: 5 }], 'x'), (length) => {
      if (length > 0) throw new Error('the disk is bad');
    });
    expect(() => chain.store(source, data.length, segments)).toThrow('the disk is bad');
    chain.put(noise(1000, 'small'));
    chain.put(noise(3 * MIB, 'large'));
    chain.chunks.checkAll(chain.log);
  });
});
