import { hash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../src/errors.ts';
import { fromBytes, fromText } from '../../src/format/bytes.ts';
import { digestFile } from '../../src/index/digest-file.ts';
import {
  decodeSegments,
  EntriesReader,
  EntriesWriter,
  encodeIndexLine,
  encodeSegments,
  type IndexEntry,
} from '../../src/index/entries-file.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

/** Bytes of which those that mean something in the file come often. */
const byte = fc.oneof(
  fc.constantFrom(0x09, 0x0a, 0x0d, 0x25, 0x3d, 0x30, 0x61, 0x2f, 0x00, 0xff, 0xc3, 0xa4),
  fc.integer({ min: 0, max: 255 }),
);
const path = fc.array(byte, { maxLength: 12 }).map((bytes) => `/${fromBytes(Buffer.from(bytes))}`);
const escaped = fc.constantFrom(
  '/%',
  '/%0a',
  '/%09',
  '/%25',
  '/%250a',
  '/%%',
  '/=x',
  '/\t',
  '/\n',
  '/\n=b\n',
);

const entry: fc.Arbitrary<IndexEntry> = fc.record({
  path: fc.oneof(path, escaped),
  signature: fc.constantFrom('', '8.1.2.3.4', '4.4096.-5.6.7'),
  flags: fc.constantFrom('', 'g', 'r', 'c'),
  changed: fc.nat(1000),
  segments: fc.constantFrom('', '0', '3-7', '3-7,12'),
  head: fc.oneof(
    fc.constant(''),
    fc.string({ unit: 'binary', maxLength: 40 }).map((text) => fromText(JSON.stringify(text))),
    fc.constant('"a":"\t"'),
  ),
});

interface Sourced {
  source: string;
  entry: IndexEntry;
}

function write(file: string, entries: readonly Sourced[]): string {
  const writer = new EntriesWriter(file);
  for (const { source, entry } of entries) writer.line(source, encodeIndexLine(entry));
  return writer.finish();
}

function read(file: string): (Sourced & { line: string })[] {
  const reader = new EntriesReader(file);
  try {
    const found: (Sourced & { line: string })[] = [];
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      found.push({ source: reader.source, entry, line: reader.line });
    }
    return found;
  } finally {
    reader.close();
  }
}

function simple(n: number, length = 20): IndexEntry {
  return {
    path: `/f${n}`,
    signature: `8.${n}.1.2.3`,
    flags: '',
    changed: n,
    segments: `${n}`,
    head: fromText(`"type":"file","note":"${hash('sha256', `${n}`).repeat(length).slice(0, length)}"`),
  };
}

/** Code of the error with which something fails. */
function codeOf(work: () => void): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof HoldfastError ? error.code : String(error);
  }
}

describe('the entries of the index', () => {
  test('come back as they were written, whatever bytes are in their paths', async () => {
    const file = join(await temporaryFolder(), 'entries');
    fc.assert(
      fc.property(
        fc.array(fc.record({ source: fc.constantFrom('a', 'b'), entry }), { maxLength: 30 }),
        (entries) => {
          const digest = write(file, entries);
          const found = read(file);
          expect(found.map(({ source, entry }) => ({ source, entry }))).toEqual(entries);
          expect(found.map(({ line }) => line)).toEqual(entries.map((e) => encodeIndexLine(e.entry)));
          expect(digestFile(file)).toBe(digest);
          expect(hash('sha256', readFileSync(file))).toBe(digest);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('come back over many frames, the source in force across them', async () => {
    const file = join(await temporaryFolder(), 'entries');
    const entries = Array.from({ length: 40_000 }, (_, n) => ({
      source: n < 15_000 ? 'one' : 'two',
      entry: simple(n, 100),
    }));
    write(file, entries);
    const found = read(file);
    expect(found.length).toBe(entries.length);
    for (const [n, { source, entry }] of found.entries()) {
      if (source !== entries[n]?.source || entry.path !== `/f${n}`)
        expect({ source, entry }).toEqual(entries[n]);
    }
  });

  test('come back where one file has more segments than fit into a frame by far', async () => {
    const file = join(await temporaryFolder(), 'entries');
    // Some terabytes of a sparse file: every other segment is one and the same hole.
    const segments = '1000000,7,'.repeat(1_800_000).slice(0, -1);
    const large = { source: 'a', entry: { ...simple(1), segments } };
    write(file, [large, { source: 'a', entry: simple(2) }]);
    const found = read(file);
    expect(found[0]?.entry.segments.length).toBe(segments.length);
    expect(found[0]?.entry.segments === segments).toBe(true);
    expect(found[1]?.entry).toEqual(simple(2));
  });

  test('can be none', async () => {
    const file = join(await temporaryFolder(), 'entries');
    expect(digestFile(file)).toBeUndefined();
    write(file, []);
    expect(read(file)).toEqual([]);
  });

  test('with a flipped bit have another digest, and reading them ends well or as a broken index', async () => {
    const file = join(await temporaryFolder(), 'entries');
    const digest = write(
      file,
      Array.from({ length: 30 }, (_, n) => ({ source: 'a', entry: simple(n) })),
    );
    const good = readFileSync(file);
    for (let bit = 0; bit < good.length * 8; bit += 11) {
      const bad = Buffer.from(good);
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(file, bad);
      expect(digestFile(file)).not.toBe(digest);
      expect(['none', 'broken-index'], `bit ${bit}`).toContain(codeOf(() => read(file)));
    }
  });

  test('cut short are an error, unless the cut lies between two frames, where the digest tells', async () => {
    const file = join(await temporaryFolder(), 'entries');
    const digest = write(
      file,
      Array.from({ length: 30_000 }, (_, n) => ({ source: 'a', entry: simple(n, 60) })),
    );
    const good = readFileSync(file);
    const frames: number[] = [0];
    while ((frames.at(-1) as number) < good.length) {
      const start = frames.at(-1) as number;
      frames.push(start + 8 + good.readUInt32LE(start));
    }
    expect(frames.length).toBeGreaterThan(2);
    for (const length of [1, 7, 8, 100, good.length >> 1, good.length - 1, ...frames.slice(0, -1)]) {
      writeFileSync(file, good);
      truncateSync(file, length);
      expect(digestFile(file)).not.toBe(digest);
      expect(
        codeOf(() => read(file)),
        `cut at ${length}`,
      ).toBe(frames.includes(length) ? 'none' : 'broken-index');
    }
  });

  test('are refused where a frame says that it is larger than any frame', async () => {
    const file = join(await temporaryFolder(), 'entries');
    write(file, [{ source: 'a', entry: simple(1) }]);
    const good = readFileSync(file);
    for (const at of [0, 4]) {
      const bad = Buffer.from(good);
      bad.writeUInt32LE(0xffffffff, at);
      writeFileSync(file, bad);
      expect(codeOf(() => read(file))).toBe('broken-index');
    }
  });

  test('are not read through a link, nor written through one', async () => {
    const folder = await temporaryFolder();
    const { symlinkSync } = await import('node:fs');
    writeFileSync(join(folder, 'other'), 'kept');
    symlinkSync('other', join(folder, 'entries'));
    expect(codeOf(() => new EntriesWriter(join(folder, 'entries')))).toBe('state');
    expect(codeOf(() => new EntriesReader(join(folder, 'entries')))).toBe('state');
    expect(digestFile(join(folder, 'entries'))).toBeUndefined();
    expect(readFileSync(join(folder, 'other'), 'utf8')).toBe('kept');
  });
});

describe('ranges of segments', () => {
  test('come back as they were', () => {
    const runs = fc
      .array(fc.tuple(fc.nat(1e9), fc.integer({ min: 1, max: 5 })), { maxLength: 20 })
      .map((list) => list.flatMap(([from, n]) => Array.from({ length: n }, (_, i) => from + i)));
    fc.assert(
      fc.property(fc.oneof(runs, fc.array(fc.nat(5))), (numbers) => {
        expect([...decodeSegments(encodeSegments(numbers))]).toEqual(numbers);
      }),
    );
  });

  test('are short where numbers follow one another', () => {
    expect(encodeSegments([])).toBe('');
    expect(encodeSegments([3])).toBe('3');
    expect(encodeSegments([3, 4])).toBe('3-4');
    expect(encodeSegments([3, 4, 5, 12, 12, 11, 0, 1])).toBe('3-5,12,12,11,0-1');
  });
});
