/** The parser of lines takes what a schema takes, and refuses what it refuses. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromJson } from '../../src/format/bytes.ts';
import { isSafePath } from '../../src/format/manifest.ts';
import { parseLine } from '../../src/format/manifest-parser.ts';
import { lineSchema } from './line-schema.ts';
import { outcome, readVectors, type Vector } from './vectors.ts';

const LINES = readVectors<Vector & { lines: string[] }>('manifest-lines.jsonl').flatMap(({ lines }) => lines);

/** Whether the parser finds a line of the wrong form; what it says of paths, targets and names is another matter. */
function isMalformed(text: string): boolean {
  return outcome(() => parseLine(text, 'www')).includes('a line is malformed');
}

/** Whether the schema does; undefined where extended attributes are in it, of which the parser asks more. */
function isMalformedBySchema(text: string): boolean | undefined {
  const value: unknown = JSON.parse(text);
  if (!lineSchema.safeParse(value).success) return true;
  return text.includes('"xattrs"') ? undefined : false;
}

/** What a line that is sound says, from what the schema has read; undefined for attributes, and for what the parser refuses for another reason. */
function meant(text: string): unknown {
  const { data } = lineSchema.safeParse(JSON.parse(text));
  if (data === undefined || text.includes('"xattrs"')) return undefined;
  const extentsOf = (list: number[][] = []) =>
    list.map(([seq = 0, volume = 0, position = 0, length = 0, offset = 0]) =>
      volume === 0
        ? { seq: 0, volume: 0, position: 0, offset: 0, length: seq }
        : { seq, volume, position, offset, length },
    );
  const read = data as Record<string, unknown> &
    Partial<Record<'path' | 'path64' | 'target' | 'target64', string>>;
  const extents = extentsOf(read.extents as number[][] | undefined);
  const continues = read.continues === true;
  if (read.source !== undefined && read.type === undefined) return { kind: 'source', source: read.source };
  if (read.type === undefined) return { kind: 'more', extents, continues };
  const path = fromJson(read.path, read.path64);
  const entry: Record<string, unknown> = { source: 'www', path, since: read.since, type: read.type };
  if (read.type === 'gone') return { kind: 'entry', entry, continues: false };
  Object.assign(entry, { size: 0, extents: [], mtimeNs: BigInt(read.mtime as string) });
  for (const key of ['mode', 'uid', 'gid', 'user', 'group', 'link', 'carried', 'torn', 'partial'])
    if (read[key] !== undefined) entry[key] = read[key];
  if (read.type === 'file') Object.assign(entry, { size: read.size, sha256: read.sha256, extents });
  if (read.type === 'symlink') entry.target = fromJson(read.target, read.target64);
  if (read.type === 'char' || read.type === 'block') entry.rdev = read.rdev;
  return { kind: 'entry', entry, continues };
}

/** Compares what the parser has read, if it has not refused the line for its path or target. */
function expectMeant(text: string): void {
  const expected = meant(text);
  let found: unknown;
  try {
    found = parseLine(text, 'www');
  } catch {
    return;
  }
  if (expected !== undefined) expect(found, text).toEqual(expected);
}

/** Further keys and values to put in the place of those that are right. */
const KEYS = [
  ...new Set(LINES.flatMap((line) => keysOf(line))),
  'source',
  'rdev',
  'size',
  'mtime',
  'more',
  '__proto__',
  'constructor',
];
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 0.5, 2 ** 53, 2 ** 53 - 1, 2 ** 32, 2 ** 32 - 1, 0o7777, 0o10000, 1e300),
  fc.constantFrom(null, true, false, '', '0', '-0', '01', '-5', '1\n', 'file', 'dir', 'gone', 'x'.repeat(65)),
  fc.constantFrom('a'.repeat(64), 'A'.repeat(64), `${'a'.repeat(64)}\n`, 'u'.repeat(256), 'u'.repeat(257)),
  fc.constantFrom([], {}, [1], [0], [1, 2], [1, 2, 3], [[1]], [[1, 1, 0, 1]], [[1, 1, 0, 1, 0]], [[1, 1]]),
  fc.constantFrom([[1, 1, 0, 1, 1, 1]], [[1], 5], [{ name: 'user.a', value64: '' }], [{ name: 'user.a' }]),
  fc.constantFrom(
    Array.from({ length: 1000 }, () => [1]),
    Array.from({ length: 1001 }, () => [1]),
  ),
  fc.jsonValue(),
);

function keysOf(line: string): string[] {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? Object.keys(parsed) : [];
  } catch {
    return [];
  }
}

/** The text of a line in which keys have other values, or none; made by hand, so that `__proto__` is a key like others. */
function changed(line: string, changes: readonly { key: string; value: unknown; remove: boolean }[]): string {
  const pairs = new Map<string, string>();
  const parsed = JSON.parse(line) as Record<string, unknown>;
  for (const key of Object.keys(parsed)) pairs.set(key, JSON.stringify(parsed[key]));
  for (const { key, value, remove } of changes) {
    if (remove) pairs.delete(key);
    else pairs.set(key, Object.is(value, -0) ? '-0' : JSON.stringify(value));
  }
  return `{${[...pairs].map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;
}

describe('a line is malformed by the parser where it is by the schema', () => {
  const objects = LINES.filter((line) => keysOf(line).length > 0);

  test('in the lines of the vectors', () => {
    expect(objects.length).toBeGreaterThan(50);
    for (const line of objects) {
      const expected = isMalformedBySchema(line);
      if (expected !== undefined) expect(isMalformed(line), line).toBe(expected);
      expectMeant(line);
    }
  });

  test('in lines that were changed', () => {
    const found = { malformed: 0, sound: 0 };
    const change = fc.record({ key: fc.constantFrom(...KEYS), value, remove: fc.boolean() });
    fc.assert(
      fc.property(
        fc.constantFrom(...objects),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (line, changes) => {
          const text = changed(line, changes);
          const expected = isMalformedBySchema(text);
          if (expected === undefined) return;
          expect(isMalformed(text), text).toBe(expected);
          found[expected ? 'malformed' : 'sound']++;
          expectMeant(text);
        },
      ),
      { numRuns: 20_000 },
    );
    expect(Math.min(found.malformed, found.sound)).toBeGreaterThan(1000);
  });

  test('in values that are no objects', () => {
    for (const text of ['null', '5', '"file"', '[]', '[{"source":"www"}]', 'true', '{}'])
      expect(isMalformed(text), text).toBe(true);
  });
});

test('a path is safe where each of its components is', () => {
  const piece = fc.constantFrom(
    '/',
    '/',
    '.',
    '..',
    'a',
    '\0',
    '\n',
    '\xff',
    'b'.repeat(255),
    'c'.repeat(254),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = pieces.join('');
      const [before, ...components] = path.split('/');
      const plain = (c: string) =>
        c !== '' && c !== '.' && c !== '..' && c.length <= 255 && !c.includes('\0');
      expect(isSafePath(path)).toBe(
        path === '/' || (before === '' && components.length > 0 && components.every(plain)),
      );
    }),
    { numRuns: 5000 },
  );
});
