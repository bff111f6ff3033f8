/** Entries that are copied from one file into the next: what stays as it is costs no compression, and frames stay few. */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  EntriesReader,
  EntriesWriter,
  encodeIndexLine,
  type IndexEntry,
} from '../../src/index/entries-file.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

interface Sourced {
  source: string;
  entry: IndexEntry;
}

let folder: string;
let step = 0;

beforeEach(async () => {
  folder = await temporaryFolder();
});

function entryOf(n: number, version = 0, length = 200): IndexEntry {
  const note = hash('sha256', `${n} ${version}`)
    .repeat(Math.ceil(length / 64))
    .slice(0, length);
  const signature = `8.${n}.${version}.2.3`;
  return {
    path: `/f${String(n).padStart(9, '0')}`,
    signature,
    flags: '',
    changed: 0,
    segments: '',
    head: note,
  };
}

function newFile(): string {
  return join(folder, `entries-${++step}`);
}

function write(entries: readonly Sourced[]): string {
  const file = newFile();
  const writer = new EntriesWriter(file);
  for (const { source, entry } of entries) writer.line(source, encodeIndexLine(entry));
  writer.finish();
  return file;
}

/** The next file: `change` says of each entry what takes its place, itself where it stays. */
function next(
  file: string,
  change: (entry: Sourced) => Sourced[],
  more: Sourced[] = [],
): { file: string; entries: Sourced[] } {
  const reader = new EntriesReader(file);
  const result = newFile();
  const writer = new EntriesWriter(result);
  const entries: Sourced[] = [];
  for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
    const old = { source: reader.source, entry };
    for (const one of change(old)) {
      entries.push(one);
      if (one === old) writer.copy(old.source, reader.lines);
      else writer.line(one.source, encodeIndexLine(one.entry));
    }
  }
  for (const one of more) {
    entries.push(one);
    writer.line(one.source, encodeIndexLine(one.entry));
  }
  writer.finish();
  reader.close();
  return { file: result, entries };
}

function read(file: string): Sourced[] {
  const reader = new EntriesReader(file);
  const found: Sourced[] = [];
  for (let entry = reader.next(); entry !== undefined; entry = reader.next())
    found.push({ source: reader.source, entry });
  reader.close();
  return found;
}

/** Plain lengths of the frames of a file. */
function frames(file: string): number[] {
  const bytes = readFileSync(file);
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32LE(at))
    lengths.push(bytes.readUInt32LE(at + 4));
  return lengths;
}

function many(count: number, length?: number): Sourced[] {
  return Array.from({ length: count }, (_, n) => ({
    source: n < count / 3 ? 'a' : 'b',
    entry: entryOf(n * 10, 0, length),
  }));
}

describe('entries that are copied', () => {
  test('make the same file where all of them stay', () => {
    const first = write(many(20_000));
    expect(frames(first).length).toBeGreaterThan(3);
    const second = next(first, (old) => [old]);
    expect(hash('sha256', readFileSync(second.file))).toBe(hash('sha256', readFileSync(first)));
  });

  test('leave frames as they are in which nothing has changed', () => {
    const first = write(many(40_000));
    const second = next(first, (old) =>
      old.entry.path === entryOf(200_000).path ? [{ ...old, entry: entryOf(200_000, 1) }] : [old],
    );
    const before = readFileSync(first);
    const after = readFileSync(second.file);
    const kept = (bytes: Buffer) => {
      const digests = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + 8 + bytes.readUInt32LE(at);
        digests.push(hash('sha256', bytes.subarray(at, end)));
        at = end;
      }
      return digests;
    };
    const old = new Set(kept(before));
    const fresh = kept(after).filter((digest) => !old.has(digest));
    expect(old.size).toBeGreaterThan(8);
    expect(fresh.length).toBeLessThanOrEqual(2);
    expect(read(second.file)).toEqual(second.entries);
  });

  test('come back in their order with their sources, whatever else is changed, added and dropped among them', () => {
    // Of various lengths, so that frames end anywhere.
    const base = write(many(400, 9_000));
    expect(frames(base).length).toBeGreaterThan(2);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(399), fc.constantFrom('drop', 'change', 'add', 'drop all up to it')), {
          maxLength: 8,
        }),
        fc.constantFrom(100, 20_000),
        fc.boolean(),
        (steps, length, append) => {
          let file = base;
          for (const round of [0, 1, 2]) {
            const done = steps.filter((_, i) => i % 3 === round);
            const { file: made, entries } = next(
              file,
              (old) => {
                const n = Number(old.entry.path.slice(2)) / 10;
                if (done.some(([at, what]) => what === 'drop all up to it' && n <= at && n > at - 120))
                  return [];
                const what = done.find(([at]) => at === n)?.[1];
                if (what === 'drop') return [];
                if (what === 'change') return [{ ...old, entry: entryOf(n * 10, round + 1, length) }];
                if (what === 'add')
                  return [old, { source: old.source, entry: entryOf(n * 10 + 1 + round, 0, length) }];
                return [old];
              },
              append ? [{ source: `z${round}`, entry: entryOf(round) }] : [],
            );
            expect(read(made)).toEqual(entries);
            file = made;
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('lie in no more frames after hundreds of changes at the same and at other places', () => {
    let { file } = next(write(many(9_000)), (old) => [old]);
    for (let round = 1; round <= 300; round++) {
      const hot = entryOf(30_000).path;
      const other = entryOf(((round * 7919) % 9_000) * 10).path;
      ({ file } = next(file, (old) => {
        const { path } = old.entry;
        // One place grows by an entry each time, another one changes.
        if (path === hot) return [old, { ...old, entry: entryOf(30_000 + round, 0, 3_000) }].reverse();
        if (path === other) return [{ ...old, entry: entryOf(Number(path.slice(2)), round) }];
        return [old];
      }));
    }
    const lengths = frames(file);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    expect(lengths.length).toBeLessThanOrEqual(2 * Math.ceil(total / (1024 * 1024)) + 1);
  });
});
