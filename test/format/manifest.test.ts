/** Manifest lines and contents lists: vectors to the byte, and that what is encoded is parsed to the same. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes, fromJson } from '../../src/format/bytes.ts';
import {
  EXTENTS_PER_LINE,
  encodeContents,
  encodeEntry,
  encodeGone,
  encodeHead,
  encodeSource,
  LINE_LIMIT,
} from '../../src/format/manifest.ts';
import { type ManifestLine, parseContents, parseLine } from '../../src/format/manifest-parser.ts';
import { encodeXattrs } from '../../src/format/xattrs.ts';
import type { Entry, Extent, Gone } from '../../src/model.ts';
import { answers, outcome, readVectors, type Vector } from './vectors.ts';

interface LineVector extends Vector {
  canonical?: boolean;
  source?: string;
  lines: string[];
  means: {
    source?: string;
    path?: string;
    path64?: string;
    type?: string;
    target?: string;
    target64?: string;
    size?: number;
    extents?: number;
    xattrs?: number;
  };
}

/** The entry that some lines make, with all its extents. */
function join(lines: readonly ManifestLine[]): Entry | Gone | undefined {
  const [head, ...rest] = lines;
  if (head?.kind !== 'entry') return undefined;
  if (head.entry.type === 'gone') return head.entry;
  expect(lines.map((l) => l.kind !== 'source' && l.continues)).toEqual(
    lines.map((_, i) => i < lines.length - 1),
  );
  const more = rest.flatMap((l) => (l.kind === 'more' ? l.extents : []));
  const xattrs = [
    ...(head.entry.xattrs ?? []),
    ...rest.flatMap((l) => (l.kind === 'more' ? (l.xattrs ?? []) : [])),
  ];
  return {
    ...head.entry,
    extents: [...head.entry.extents, ...more],
    ...(xattrs.length > 0 ? { xattrs } : {}),
  };
}

function encode(lines: readonly ManifestLine[]): string {
  const [first] = lines;
  if (first?.kind === 'source') return encodeSource(first.source);
  const entry = join(lines);
  if (entry === undefined) return '';
  if (entry.type === 'gone') return encodeGone(entry.path, entry.since);
  return [
    ...encodeEntry(
      entry.path,
      entry.since,
      encodeHead(entry),
      encodeXattrs(entry.xattrs ?? []),
      entry.extents,
    ),
  ].join('');
}

describe('vectors of lines', () => {
  const vectors = readVectors<LineVector>('manifest-lines.jsonl');

  test.each(vectors.filter((v) => v.expect === 'ok'))('$what', ({ lines, source, means, canonical }) => {
    const parsed = lines.map((line) => parseLine(line, source));
    const entry = join(parsed);
    if (entry === undefined) {
      expect(parsed).toEqual([{ kind: 'source', source: means.source }]);
    } else {
      expect(entry).toMatchObject({ source: means.source ?? source, type: means.type });
      expect(entry.path).toBe(fromJson(means.path, means.path64));
    }
    if (entry !== undefined && entry.type !== 'gone') {
      expect([entry.size, entry.extents.length]).toEqual([means.size, means.extents]);
      expect(entry.extents.reduce((sum, e) => sum + e.length, 0)).toBe(entry.size);
      expect(entry.target).toBe(fromJson(means.target, means.target64));
      expect(entry.xattrs?.length).toBe(means.xattrs);
    }
    const again = encode(parsed);
    if (canonical) expect(again).toBe(lines.map((line) => `${line}\n`).join(''));
    // What another program wrote in other words is written in these, and means the same.
    else
      expect(
        join(
          again
            .trimEnd()
            .split('\n')
            .map((line) => parseLine(line, source)),
        ),
      ).toEqual(entry);
  });

  test.each(vectors.filter((v) => v.expect !== 'ok'))(
    'refused: $what',
    ({ lines, source, expect: expected }) => {
      const found = outcome(() => lines.map((line) => parseLine(line, source)));
      expect(answers(found, expected), found).toBe(true);
      expect(found).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    },
  );
});

describe('vectors of contents lists', () => {
  const vectors = readVectors<Vector & { text: string; canonical?: boolean }>('contents.json');

  test.each(vectors)('$what: $expect', ({ text, canonical, expect: expected }) => {
    const found = outcome(() => parseContents(Buffer.from(text)));
    expect(answers(found, expected), found).toBe(true);
    if (canonical) expect(encodeContents(parseContents(Buffer.from(text))).toString('utf8')).toBe(text);
  });

  test('one that is not UTF-8 is refused', () => {
    const text = vectors[0]?.text.replace('/etc/nginx', '/etc/\xff') ?? '';
    expect(outcome(() => parseContents(Buffer.from(text, 'latin1')))).toMatch(/^damage: .* UTF-8/);
  });
});

const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const component = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((b) => fromBytes(b.map((c) => (c === 0 || c === 0x2f ? 0x5f : c))))
  .filter((c) => c !== '.' && c !== '..');
const path = fc.array(component, { maxLength: 4 }).map((c) => `/${c.join('/')}`);
const extent: fc.Arbitrary<Extent> = fc.oneof(
  fc.record({
    seq: number,
    volume: number,
    position: fc.nat(),
    offset: fc.oneof(fc.constant(0), number),
    length: number,
  }),
  number.map((length) => ({ seq: 0, volume: 0, position: 0, offset: 0, length })),
);
const xattrs = fc
  .uniqueArray(
    fc.record({
      name: fc.uint8Array({ minLength: 1, maxLength: 20 }).map((b) => fromBytes(b.map((c) => c || 1))),
      value: fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b)),
    }),
    { minLength: 1, maxLength: 5, selector: ({ name }) => name },
  )
  .map((list) => list.sort((a, b) => (a.name < b.name ? -1 : 1)));
const metadata = fc.record(
  {
    source: fc.constant('www'),
    path,
    since: number,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 0xffffffff }),
    gid: fc.integer({ min: 0, max: 0xffffffff }),
    mtimeNs: fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n }),
    size: fc.constant(0),
    extents: fc.constant<Extent[]>([]),
    user: fc.string({ maxLength: 20 }),
    group: fc.string({ maxLength: 20 }),
    link: fc.string({ maxLength: 20 }),
    carried: fc.constant(true as const),
    torn: fc.constant(true as const),
    partial: fc.constant(true as const),
    xattrs,
  },
  { requiredKeys: ['source', 'path', 'since', 'mode', 'uid', 'gid', 'mtimeNs', 'size', 'extents'] },
);
const target = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((b) => fromBytes(b.map((c) => c || 1)));
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex'));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc
    .tuple(metadata, fc.array(extent, { maxLength: 20 }), digest, fc.nat())
    .map(([m, extents, sha256, size]) => ({ ...m, type: 'file' as const, extents, sha256, size })),
  fc
    .tuple(metadata, fc.constantFrom('dir' as const, 'fifo' as const, 'socket' as const))
    .map(([m, type]) => ({ ...m, type })),
  fc.tuple(metadata, target).map(([m, target]) => ({ ...m, type: 'symlink' as const, target })),
  fc
    .tuple(metadata, fc.constantFrom('char' as const, 'block' as const), fc.tuple(fc.nat(), fc.nat()))
    .map(([m, type, rdev]) => ({ ...m, type, rdev })),
);

function linesOf({ path, since, extents, xattrs, ...rest }: Entry): string[] {
  return [...encodeEntry(path, since, encodeHead(rest), encodeXattrs(xattrs ?? []), extents)];
}

/** How many lines there are besides those with extents. */
function parsedXattrLines(lines: readonly string[]): number {
  return lines.filter((line) => !line.includes('"extents":[')).length;
}

function parsed(lines: readonly string[]): Entry | Gone | undefined {
  return join(lines.map((line) => parseLine(line.slice(0, -1), 'www')));
}

describe('any entry', () => {
  test('is parsed to what was encoded', () => {
    fc.assert(
      fc.property(entry, (entry) => {
        const lines = linesOf(entry);
        expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
        expect(parsed(lines)).toEqual(entry);
      }),
      { numRuns: 1000 },
    );
  });

  test('is readable also where the host has owners with names that no line takes', () => {
    const entry: Entry = { ...BARE, user: 'u'.repeat(257), group: 'g'.repeat(256) };
    const { user: _, ...without } = entry;
    expect(parsed(linesOf(entry))).toEqual(without);
  });

  test('is recorded as gone', () => {
    fc.assert(
      fc.property(path, number, (path, since) => {
        expect(parsed([encodeGone(path, since)])).toEqual({ source: 'www', path, since, type: 'gone' });
      }),
    );
  });

  test('may have any number of extents, and none of its lines is too long', () => {
    const sizes = [1, 999, 1000, 1001, 2000, 2001, 12_345];
    fc.assert(
      fc.property(
        entry,
        fc.constantFrom(...sizes),
        fc.array(extent, { minLength: 1, maxLength: 7 }),
        (entry, n, few) => {
          const extents = Array.from({ length: n }, (_, i) => few[i % few.length] as Extent);
          const file = { ...entry, type: 'file' as const, size: 1, sha256: '0'.repeat(64), extents };
          delete file.target;
          delete file.rdev;
          const lines = linesOf(file);
          const more = file.xattrs === undefined ? 0 : parsedXattrLines(lines);
          expect(lines).toHaveLength(Math.ceil(n / EXTENTS_PER_LINE) + more);
          expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(LINE_LIMIT);
          expect(parsed(lines)).toEqual(file);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('may have any number of extended attributes, in lines none of which is too long', () => {
    const value = Buffer.alloc(65_536, 7);
    const many = Array.from({ length: 400 }, (_, i) => ({ name: `user.${1000 + i}`, value }));
    const few: Extent[] = [{ seq: 1, volume: 1, position: 0, offset: 0, length: 5 }];
    const file = {
      ...BARE,
      type: 'file' as const,
      size: 5,
      sha256: '0'.repeat(64),
      extents: few,
      xattrs: many,
    };
    for (const entry of [file, { ...BARE, xattrs: many }]) {
      const lines = linesOf(entry);
      expect(lines.length).toBeGreaterThan(100);
      expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(LINE_LIMIT);
      expect(parsed(lines)).toEqual(entry);
    }
  });

  test('with the longest path and target that Linux has fits into a line', () => {
    const path = `${`/${'\x01'.repeat(255)}`.repeat(15)}/x`;
    const target = '\x02'.repeat(4095);
    const link: Entry = { ...BARE, path, type: 'symlink', target };
    const lines = linesOf(link);
    expect(Buffer.byteLength(lines.join(''))).toBeLessThanOrEqual(LINE_LIMIT);
    expect(parsed(lines)).toEqual(link);
  });

  test('whose extents are drawn one by one is encoded without holding them all', () => {
    let drawn = 0;
    function* endless(): Generator<Extent> {
      for (;;) {
        drawn++;
        yield { seq: 1, volume: 1, position: drawn, offset: 0, length: 1 };
      }
    }
    const lines = encodeEntry(
      '/a',
      1,
      encodeHead({ ...BARE, type: 'file', sha256: '0'.repeat(64) }),
      [],
      endless(),
    );
    for (let i = 1; i <= 5; i++) {
      lines.next();
      expect(drawn).toBeLessThanOrEqual(i * EXTENTS_PER_LINE + 1);
    }
  });
});

const BARE: Entry = {
  source: 'www',
  path: '/a',
  since: 1,
  type: 'dir',
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  size: 0,
  extents: [],
};

describe('any contents list', () => {
  test('is parsed to what was encoded', () => {
    const contents = fc.record({
      strategy: fc.constant('townhall-web'),
      seq: number,
      id: fc.constant('0123456789abcdef0123456789abcdef'),
      sources: fc.array(fc.record({ name: fc.string(), paths: fc.array(path) }), { maxLength: 3 }),
      parts: fc.array(fc.record({ source: fc.string(), path, lines: number }), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(
        contents,
        (contents) => void expect(parseContents(encodeContents(contents))).toEqual(contents),
      ),
    );
  });
});

test('no text whatever does more to a reader of lines than be refused', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.jsonValue().map((v) => JSON.stringify({ type: 'file', path: '/a', extents: v })),
  );
  fc.assert(
    fc.property(texts, (text) => {
      expect(outcome(() => parseLine(text, 'www'))).toMatch(/^(ok|damage: )/);
    }),
    { numRuns: 1000 },
  );
});
