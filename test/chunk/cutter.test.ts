import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { BLOCK_RECORD, blockKey, LENGTH_AT, newBlockSecret } from '../../src/chunk/block-digest.ts';
import { BLOCK_MAX, cutSegment, GEAR, NUMBERS, newCuts, SEGMENT_MAX } from '../../src/chunk/cut.ts';
import { CompiledCutter, CUTTER_DATA, type Cutter, newCutter, PlainCutter } from '../../src/chunk/cutter.ts';
import { assemble, CODE } from './assemble.ts';
import { noise } from './noise.ts';

const SECRET = '5a'.repeat(32);
const compiled = new CompiledCutter(blockKey(SECRET));
const plain = new PlainCutter(blockKey(SECRET));

interface Cut {
  /** Where each segment ends. */
  ends: number[];
  /** Records of all blocks, hex. */
  records: string[];
}

/** Cuts data of at most CUTTER_DATA bytes, which lie at `shift`. */
function cut(cutter: Cutter, bytes: Uint8Array, shift = 0): Cut {
  cutter.data.set(bytes, shift);
  const ends: number[] = [];
  const records: string[] = [];
  for (let from = shift; from < shift + bytes.length; ) {
    from += cutter.cut(from, shift + bytes.length);
    ends.push(from - shift);
    const list = cutter.blocks();
    for (let at = 0; at < list.length; at += BLOCK_RECORD)
      records.push(list.toString('hex', at, at + BLOCK_RECORD));
  }
  return { ends, records };
}

/** The digest as it is defined, by numbers without limits. */
function digestOf(block: Uint8Array, secret: string): Buffer {
  const { key, coefficients } = blockKey(secret);
  const padded = Buffer.concat([block, Buffer.alloc(-block.length & 31)]);
  const digest = Buffer.alloc(16);
  for (let pass = 0; pass < 4; pass++) {
    const number = (i: number) =>
      (BigInt(padded.readUInt32LE(4 * i)) + BigInt(Buffer.from(key).readUInt32LE(4 * i + 32 * pass))) %
      2n ** 32n;
    let sum = 0n;
    for (let i = 0; i < padded.length / 4; i += 8)
      for (let lane = 0; lane < 4; lane++) sum += number(i + lane) * number(i + lane + 4);
    sum %= 2n ** 64n;
    const c = (i: number) => Buffer.from(coefficients).readBigUInt64LE(24 * pass + 8 * i);
    const squeezed = (c(0) + c(1) * (sum % 2n ** 32n) + c(2) * (sum >> 32n)) % 2n ** 64n;
    digest.writeUInt32LE(Number(squeezed >> 32n), 4 * pass);
  }
  return digest;
}

const random = noise(CUTTER_DATA, 'cutter');

/** Bytes after which the hash is this, and at none of which, behind zeros, a block ends before. */
function windowOf(hash: number): Buffer {
  const { WINDOW, BLOCK_THRESHOLD } = NUMBERS;
  for (let seed = 0; ; seed++) {
    const window = noise(WINDOW, `window ${seed}`);
    const last = lastBytes((hash - (roll(0, window.subarray(0, -4)) << 4)) >>> 0);
    if (last === undefined) continue;
    window.set(last, WINDOW - 4);
    let before = roll(0, Buffer.alloc(WINDOW));
    let isQuiet = true;
    for (const byte of window.subarray(0, -1)) {
      before = roll(before, [byte]);
      isQuiet &&= before >= BLOCK_THRESHOLD;
    }
    if (isQuiet) return window;
  }
}

function roll(hash: number, bytes: Iterable<number>): number {
  let h = hash;
  for (const byte of bytes) h = ((h << 1) + (GEAR[byte] as number)) >>> 0;
  return h;
}

/** What two bytes at the end add, and which ones do; made once. */
const PAIRS = new Map<number, [number, number]>();

/** Four bytes that add this to the hash; undefined where there are none. */
function lastBytes(sum: number): number[] | undefined {
  if (PAIRS.size === 0)
    for (let a = 0; a < 256; a++)
      for (let b = 0; b < 256; b++) PAIRS.set((2 * (GEAR[a] as number) + (GEAR[b] as number)) >>> 0, [a, b]);
  for (const [first, bytes] of PAIRS) {
    const last = PAIRS.get((sum - 4 * first) >>> 0);
    if (last !== undefined) return [...bytes, ...last];
  }
  return undefined;
}

/** Data with long stretches of one byte, of repeating bytes, and of noise: what blocks of all lengths are made of. */
const patchwork = fc
  .array(
    fc.tuple(
      fc.constantFrom('same', 'repeat', 'noise'),
      fc.nat(700_000),
      fc.nat(CUTTER_DATA - 700_000),
      fc.nat(255),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) =>
    Buffer.concat(
      parts.map(([kind, length, from, byte]) => {
        if (kind === 'same') return Buffer.alloc(length, byte);
        const bytes = random.subarray(from, from + length);
        return kind === 'noise' ? bytes : Buffer.alloc(length, bytes.subarray(0, 1 + byte * 7));
      }),
    ),
  );

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('what cuts and digests', () => {
  test('is made of cutter.wat as it stands', async () => {
    expect(readFileSync(CODE, 'utf8')).toBe(await assemble());
  });

  test('finds the same segments and blocks in WebAssembly and without it, which are those of cutSegment', () => {
    fc.assert(
      fc.property(patchwork, fc.constantFrom(0, 1, 31, 4096, 65_537), (bytes, shift) => {
        const data = bytes.subarray(0, CUTTER_DATA - shift);
        const found = cut(compiled, data, shift);
        expect(found).toEqual(cut(plain, data, shift));
        const cuts = newCuts();
        const ends: number[] = [];
        const lengths: number[] = [];
        for (let from = 0; from < data.length; from += cuts.length) {
          cutSegment(data, from, data.length, cuts);
          ends.push(from + cuts.length);
          for (let i = 0; i < cuts.blocks; i++)
            lengths.push((cuts.ends[i] as number) - (i === 0 ? 0 : (cuts.ends[i - 1] as number)));
        }
        expect(found.ends).toEqual(ends);
        expect(found.records.map((r) => Buffer.from(r, 'hex').readUInt16LE(LENGTH_AT))).toEqual(lengths);
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    1,
    31,
    32,
    33,
    223,
    224,
    225,
    255,
    256,
    257,
    288,
    BLOCK_MAX - 1,
    BLOCK_MAX,
    BLOCK_MAX + 1,
    BLOCK_MAX + 256,
  ])('takes %d bytes to their end, and what lies behind them for nothing', (length) => {
    for (const bytes of [random.subarray(0, length), Buffer.alloc(length)]) {
      for (const cutter of [compiled, plain]) {
        cutter.data.fill(0xee);
        const { ends, records } = cut(cutter, bytes);
        expect(ends).toEqual([length]);
        const lengths = records.map((r) => Buffer.from(r, 'hex').readUInt16LE(LENGTH_AT));
        expect(lengths.reduce((a, b) => a + b)).toBe(length);
      }
      expect(cut(compiled, bytes)).toEqual(cut(plain, bytes));
    }
  });

  test('keeps to the longest segment, also where its blocks are as short as content can make them', () => {
    // The shortest block that can end by its content; over and over again, it never ends a segment.
    const shortest = Array.from({ length: 20_000 }, (_, i) => noise(257, `short ${i}`)).find((bytes) => {
      const { ends, records } = cut(plain, Buffer.concat([bytes, bytes]));
      return ends.length === 1 && records.every((record) => record.endsWith('0101'));
    });
    if (shortest === undefined) throw new Error('there is none');
    for (const data of [Buffer.alloc(CUTTER_DATA), Buffer.alloc(CUTTER_DATA, shortest)]) {
      const found = cut(compiled, data);
      expect(found.ends).toEqual([SEGMENT_MAX, 2 * SEGMENT_MAX]);
      expect(found).toEqual(cut(plain, data));
    }
    expect(cut(compiled, Buffer.alloc(SEGMENT_MAX, shortest)).records.length).toBe(
      Math.ceil(SEGMENT_MAX / 257),
    );
  });

  test('digests a block by its definition, wherever it lies', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), fc.nat(60_000), fc.nat(100), (length, from, shift) => {
        const block = random.subarray(from, from + length);
        const expected = Buffer.concat([digestOf(block, SECRET), Buffer.of(length, 0)]).toString('hex');
        expect(cut(compiled, block, shift).records).toEqual([expected]);
        expect(cut(plain, block, shift).records).toEqual([expected]);
      }),
    );
    // Bytes that make all products and sums as large as they can be.
    for (const byte of [0, 0xff, 0x80]) {
      const block = Buffer.alloc(BLOCK_MAX, byte);
      const expected = Buffer.concat([digestOf(block, SECRET), Buffer.of(0, BLOCK_MAX >> 8)]).toString('hex');
      expect(cut(compiled, block).records).toEqual([expected]);
      expect(cut(plain, block).records).toEqual([expected]);
    }
  });

  test('is a fixed part of every index: secret and block have these digests for ever', () => {
    const { key, coefficients } = blockKey(SECRET);
    const derived = createHash('shake256', { outputLength: 8192 + 3 * 32 + 4 * 3 * 8 })
      .update('holdfast block digests')
      .update(Buffer.from(SECRET, 'hex'))
      .digest();
    expect(Buffer.concat([key, coefficients]).equals(derived)).toBe(true);
    expect(createHash('sha256').update(derived).digest('hex')).toBe(
      '987cc7431cdf16206434abac701681226559359e9056696d2905872f632c1746',
    );
    expect([1, 33, 256].map((length) => cut(compiled, random.subarray(0, length)).records)).toEqual([
      ['9718b16ef2c0ee458d2b04b9ffd43ef00100'],
      ['51ca75847be988c18c2019546ff5b6922100'],
      ['f342522632c500718d4efbb44abdac280001'],
    ]);
  });

  test.each([
    ['a segment', NUMBERS.SEGMENT_THRESHOLD - 1],
    ['no segment, but a block', NUMBERS.SEGMENT_THRESHOLD],
    ['a block', NUMBERS.BLOCK_THRESHOLD - 1],
    ['no block', NUMBERS.BLOCK_THRESHOLD],
  ])('ends %s where the hash is %d', (_what, hash) => {
    const { SEGMENT_MIN, SEGMENT_THRESHOLD, BLOCK_THRESHOLD } = NUMBERS;
    const window = windowOf(hash);
    // Where a segment may not yet end, may end at the earliest, where the longest block ends too, and may end anyway.
    for (const end of [SEGMENT_MIN - 1, SEGMENT_MIN, SEGMENT_MIN + 300]) {
      const data = Buffer.alloc(SEGMENT_MIN + 1000);
      data.set(window, end - window.length);
      for (const cutter of [compiled, plain]) {
        const { ends, records } = cut(cutter, data);
        let at = 0;
        const blocks = records.map((record) => (at += Buffer.from(record, 'hex').readUInt16LE(LENGTH_AT)));
        expect(blocks.includes(end)).toBe(hash < BLOCK_THRESHOLD || end === SEGMENT_MIN);
        expect(ends.includes(end)).toBe(hash < SEGMENT_THRESHOLD && end >= SEGMENT_MIN);
      }
    }
  });

  test('digests blocks that differ in one bit otherwise, and so it does under another secret', () => {
    const block = random.subarray(100, 355);
    const seen = new Set([cut(compiled, block).records[0]]);
    for (let bit = 0; bit < block.length * 8; bit++) {
      const other = Buffer.from(block);
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      seen.add(cut(compiled, other).records[0]);
    }
    for (let i = 0; i < 50; i++) seen.add(cut(newCutter(newBlockSecret()), block).records[0]);
    expect(seen.size).toBe(1 + block.length * 8 + 50);
  });

  test('tells apart blocks that differ only in the zeros at their end', () => {
    const records = [0, 1, 2].map(
      (zeros) => cut(compiled, Buffer.concat([random.subarray(0, 40), Buffer.alloc(zeros)])).records[0],
    );
    expect(new Set(records).size).toBe(3);
  });
});

describe('a cutter', () => {
  test('is compiled where that can be', () => {
    expect(newCutter(SECRET)).toBeInstanceOf(CompiledCutter);
  });

  test.each([
    ['there is no WebAssembly', undefined],
    [
      'it has no vectors, or there is no room for its memory',
      {
        Module: class {
          constructor() {
            throw new RangeError('WebAssembly.Memory(): could not allocate memory');
          }
        },
      },
    ],
  ])('works without where %s, and finds the same', (_why, stub) => {
    vi.stubGlobal('WebAssembly', stub);
    const cutter = newCutter(SECRET);
    expect(cutter).toBeInstanceOf(PlainCutter);
    const data = random.subarray(0, 300_000);
    expect(cut(cutter, data)).toEqual(cut(compiled, data));
  });
});
