import { hash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StoredCommit } from '../../src/chain/commits.ts';
import type { Commit, CommitObject } from '../../src/format/commit.ts';
import { manifestName, setFolder } from '../../src/format/names.ts';
import { type ManifestItem, type ManifestReader, readManifest } from '../../src/manifest/read.ts';
import { Selection } from '../../src/manifest/select.ts';
import type { Entry, Extent, Gone } from '../../src/model.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { file, folder, makeKeys, type QuickKeys, QuickStore, type SetPlan } from '../helpers/quick-store.ts';

let keys: QuickKeys;
let store: MemoryStore;
let quick: QuickStore;
let reader: ManifestReader;
const CHUNK = Buffer.from('0123456789');
const PART = manifestName(1);

beforeAll(async () => {
  keys = await makeKeys();
});

beforeEach(() => {
  store = new MemoryStore();
  quick = new QuickStore(store, keys);
  reader = { store, names: quick.names, key: keys.secret };
});

async function read(set: StoredCommit, selection?: Selection, chain = [set]): Promise<ManifestItem[]> {
  const items: ManifestItem[] = [];
  for await (const batch of readManifest(reader, set, chain, selection)) items.push(...batch);
  return items;
}

function paths(items: readonly ManifestItem[]): string[] {
  return items.flatMap((item) => (item.kind === 'entry' ? [item.entry.path] : []));
}

function stretch(length: number, more: Partial<Extent> = {}): Extent {
  return { seq: 1, volume: 1, position: 0, offset: 0, length, ...more };
}

/** A set whose manifest or commit is changed, and the error with which its manifest is refused. */
async function refused(plan: Partial<SetPlan>, object = PART): Promise<Error> {
  const set = await quick.add({ seq: 1, volumes: [[CHUNK]], entries: [folder('/srv', 1)], ...plan });
  const error = await read(set).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toMatchObject({ code: 'damage', object: quick.names.object(set.commit, object) });
  return error as Error;
}

const lines = (change: (lines: string[]) => string[]) => ({
  text: (name: string, text: string) =>
    name === PART
      ? change(text.trimEnd().split('\n'))
          .map((l) => `${l}\n`)
          .join('')
      : text,
});

describe('a manifest gives back', () => {
  test('entries of every kind, in order, over parts and sources', async () => {
    const entries: (Entry | Gone)[] = [
      folder('/srv', 1),
      file('/srv/empty', 1),
      file('/srv/f', 1, [stretch(10), stretch(3, { offset: 7 }), stretch(500, { seq: 0, volume: 0 })]),
      { ...folder('/srv/l', 1), type: 'symlink', target: '\xff\xfe' },
      folder('/srv/a', 1),
      folder('/srv/a/x', 1),
      folder('/srv/a-b', 1),
      { source: 'www', path: '/srv/\xff', since: 1, type: 'gone' },
      file('/other', 1, [], { source: 'xyz', user: 'root', link: 'l1', carried: true }),
    ];
    const set = await quick.add({ seq: 1, volumes: [[CHUNK]], entries, linesPerPart: 3 });
    const items = await read(set);
    expect(paths(items)).toEqual([
      '/srv',
      '/srv/a',
      '/srv/a/x',
      '/srv/a-b',
      '/srv/empty',
      '/srv/f',
      '/srv/l',
      '/srv/\xff',
      '/other',
    ]);
    const byPath = new Map(entries.map((e) => [e.path, e]));
    for (const item of items) {
      if (item.kind === 'entry') expect(item.entry).toEqual(byPath.get(item.entry.path));
    }
  });

  test('a file of many extents over many lines and parts', async () => {
    const extents = Array.from({ length: 4500 }, (_, i) => stretch(1 + (i % 10)));
    const set = await quick.add({
      seq: 1,
      volumes: [[CHUNK]],
      entries: [file('/f', 1, extents)],
      linesPerPart: 2,
    });
    const items = await read(set);
    expect(items.map(({ kind, continues }) => [kind, continues])).toEqual([
      ['entry', true],
      ['more', true],
      ['more', true],
      ['more', true],
      ['more', false],
    ]);
    const all = items.flatMap((i) => (i.kind === 'more' ? i.extents : (i.entry as Entry).extents));
    expect(all).toEqual(extents);
  });

  test('nothing, when it is empty', async () => {
    expect(await read(await quick.add({ seq: 1 }))).toEqual([]);
  });

  test('hundreds of thousands of entries in small batches', async () => {
    const entries = Array.from({ length: 30_000 }, (_, i) => file(`/srv/${String(i).padStart(6, '0')}`, 1));
    const set = await quick.add({ seq: 1, entries, linesPerPart: 12_000 });
    let count = 0;
    for await (const batch of readManifest(reader, set, [set])) {
      expect(batch.length).toBeLessThanOrEqual(1000);
      count += batch.length;
    }
    expect(count).toBe(30_000);
  });
});

describe('of a selection', () => {
  const entries = Array.from({ length: 1000 }, (_, i) =>
    file(`/srv/d${String(i >> 3).padStart(3, '0')}/f${i & 7}`, 1),
  );

  test('only the parts are fetched that can hold it, and only its entries come', async () => {
    const set = await quick.add({ seq: 1, entries, linesPerPart: 21 });
    store.fetched.length = 0;
    const items = await read(set, new Selection(['/srv/d060']));
    expect(paths(items)).toEqual(entries.slice(480, 488).map(({ path }) => path));
    // Of 50 parts: the list, at most two that can hold it, and the last, in which another source might begin.
    expect(store.fetched.length).toBeLessThanOrEqual(4);
    expect(store.fetched[0]).toContain(manifestName(0));
  });

  test('an entry whose lines begin before a part and go on in it comes whole or not at all', async () => {
    const many = (n: number) => Array.from({ length: n }, () => stretch(1));
    const set = await quick.add({
      seq: 1,
      volumes: [[CHUNK]],
      entries: [file('/a', 1, many(3500)), file('/b', 1, many(3500)), file('/c', 1)],
      linesPerPart: 2,
    });
    for (const [path, length] of [
      ['/a', 4],
      ['/b', 4],
      ['/c', 1],
    ] as const) {
      const items = await read(set, new Selection([path]));
      expect(paths(items)).toEqual([path]);
      expect(items).toHaveLength(length);
    }
  });

  test('every choice gives what filtering everything would', async () => {
    const set = await quick.add({ seq: 1, entries, linesPerPart: 10 });
    const all = paths(await read(set));
    for (const pattern of [
      '/srv',
      '/srv/d000',
      '/srv/d124/f7',
      '/srv/*/f3',
      '/srv/d01?',
      '/none',
      '/srv/d0*/f[0-2]',
    ]) {
      const selection = new Selection([pattern]);
      expect(paths(await read(set, selection))).toEqual(all.filter((p) => selection.matches(p)));
    }
  });
});

test('what comes in several frames is one', async () => {
  const entries = [folder('/a', 1), folder('/b', 1), folder('/c', 1)];
  const inThree = (_name: string, frame: Buffer) => {
    const content = zstdDecompressSync(frame);
    const cuts = [0, 1, content.length - 5, content.length];
    return Buffer.concat(
      cuts.slice(1).map((end, i) => zstdCompressSync(content.subarray(cuts[i] as number, end))),
    );
  };
  const set = await quick.add({ seq: 1, entries, frame: inThree });
  expect(paths(await read(set))).toEqual(['/a', '/b', '/c']);
});

describe('an object is refused', () => {
  async function damaged(change: (object: CommitObject, name: string) => void): Promise<unknown> {
    const set = await quick.add({ seq: 1, entries: [folder('/srv', 1)] });
    const object = set.commit.objects[1] as CommitObject;
    change(object, quick.names.object(set.commit, object.name));
    return read(set).catch((error: unknown) => error);
  }

  test('when it is missing, of another size, or has one other bit', async () => {
    const damage = { code: 'damage', object: expect.stringContaining(PART) };
    expect(await damaged((_, name) => store.objects.delete(name))).toMatchObject(damage);
    expect(
      await damaged((_, name) => store.objects.set(name, (store.objects.get(name) as Buffer).subarray(1))),
    ).toMatchObject(damage);
    const flip = (_: CommitObject, name: string) => {
      const bytes = store.objects.get(name) as Buffer;
      bytes[100] = (bytes[100] as number) ^ 1;
    };
    expect(await damaged(flip)).toMatchObject(damage);
  });

  test('when the commit says another plaintext size, smaller or larger', async () => {
    for (const by of [-1, 1]) {
      const change = (object: CommitObject) => {
        object.plainSize += by;
      };
      expect(await damaged(change)).toMatchObject({ code: 'damage', object: expect.stringContaining(PART) });
    }
  });

  test('before it is fetched, when the commit says that it is larger than a part may be', async () => {
    const change = (object: CommitObject) => {
      object.plainSize = 8 * 1024 * 1024 + 1;
    };
    expect(await damaged(change)).toMatchObject({ code: 'damage' });
    expect(store.fetched.some((name) => name.endsWith(PART))).toBe(false);
  });

  test('when it is a decompression bomb, without unpacking it', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));
    const before = process.memoryUsage().rss;
    const { message } = await refused({ frame: (name, frame) => (name === PART ? bomb : frame) });
    expect(message).toContain('more than');
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
  });

  test('when its zstd window is larger than 8 MiB', async () => {
    const large = (name: string, frame: Buffer) => {
      if (name !== PART) return frame;
      // Magic, no single segment, window descriptor: exponent 14 is 16 MiB.
      return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 14 << 3, 1, 0, 0, 0, 0, 0, 0]);
    };
    expect((await refused({ frame: large })).message).toMatch(/memory|window/i);
  });

  test('when its zstd window is larger than 8 MiB, however small its content is', async () => {
    const large = (name: string, frame: Buffer) => {
      if (name !== PART) return frame;
      const content = zstdDecompressSync(frame);
      const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x80, (13 << 3) | 1, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32LE(content.length, 6);
      head.writeUIntLE((content.length << 3) | 1, 10, 3);
      return Buffer.concat([head, content]);
    };
    expect((await refused({ frame: large })).message).toContain('window');
  });

  test.each([
    ['bytes follow its zstd frame', (frame: Buffer) => Buffer.concat([frame, Buffer.from('x')])],
    [
      'another frame follows, with more than there should be',
      (frame: Buffer) => Buffer.concat([frame, frame]),
    ],
    [
      'a skippable frame follows',
      (f: Buffer) => Buffer.concat([f, Buffer.from('502a4d180100000000', 'hex')]),
    ],
    ['its frame is cut', (frame: Buffer) => frame.subarray(0, -1)],
    ['it is no zstd frame', () => Buffer.from('plain text')],
    [
      'its content checksum is wrong',
      (frame: Buffer) => Buffer.concat([frame.subarray(0, -1), Buffer.from([0])]),
    ],
  ])('when %s', async (_what, change) => {
    await refused({ frame: (name, frame) => (name === PART ? change(frame) : frame) });
  });

  test('when it was sealed for another key: a fault of the key, not damage', async () => {
    const other = await makeKeys();
    const set = await quick.add({ seq: 1 });
    reader.key = other.secret;
    await expect(read(set)).rejects.toMatchObject({ code: 'key' });
  });

  test('when its lines are compressed to a stream that its header does not measure', async () => {
    const text = `${JSON.stringify({ source: 'www' })}\n`;
    const params = { [constants.ZSTD_c_contentSizeFlag]: 0 };
    const bomb = zstdCompressSync(Buffer.from(text.repeat(100_000)), { params });
    await refused({ frame: (name, frame) => (name === PART ? bomb : frame) });
  });
});

describe('a manifest is refused, well signed as it is,', () => {
  const two = { entries: [folder('/a', 1), folder('/b', 1)] };

  test('when entries are out of order or come twice', async () => {
    await refused({ ...two, ...lines(([s = '', a = '', b = '']) => [s, b, a]) });
    await refused({ ...two, ...lines(([s = '', a = '']) => [s, a, a]) });
  });

  test('when entries are out of order from one part to the next, or sources are', async () => {
    const swap = (name: string, text: string) =>
      name === manifestName(2) ? text.replace('"/b"', '"/A"') : text.replace('"/b"', '"/A"');
    await refused({ ...two, linesPerPart: 2, text: swap }, manifestName(2));
    const sources = [folder('/a', 1), folder('/b', 1, { source: 'xyz' })];
    await refused({ entries: sources, ...lines((l) => l.map((line) => line.replace('xyz', 'abc'))) });
  });

  test('when an entry stands before any source line', async () => {
    await refused({
      ...two,
      ...lines(([, ...rest]) => ['{"source":"www"}', ...rest].slice(1).concat('{"source":"x"}')),
    });
  });

  test.each<[string, (text: string) => string | Buffer, RegExp]>([
    ['its last line is not ended', (text) => text.slice(0, -1), /whole line/],
    ['it is not UTF-8', (text) => Buffer.from(text.replace('/srv', '/\xff'), 'latin1'), /UTF-8/],
    ['a line is not JSON', (text) => text.replace('{"path"', '{path'), /JSON/],
    ['an empty line stands in it', (text) => text.replace('\n', '\n\n'), /JSON/],
    ['a path climbs out', (text) => text.replace('/srv', '/srv/../etc'), /path/],
    ['a path is relative', (text) => text.replace('/srv', 'srv'), /path/],
    ['a line is missing', (text) => text.slice(text.indexOf('\n') + 1), /source/],
    ['a line is too long', (text) => text.replace('"dir"', `"dir","x":"${'x'.repeat(2 ** 20)}"`), /longer/],
    ['an entry is newer than its set', (text) => text.replace('"since":1', '"since":2'), /newer/],
  ])('when %s', async (_what, change, message) => {
    const error = await refused({ text: (name, text) => (name === PART ? change(text) : text) });
    expect(error.message).toMatch(message);
  });

  test('when it has attributes that its commit does not announce', async () => {
    const unannounced = (commit: Commit) => {
      commit.features = [];
      delete commit.incomplete.partial;
    };
    const entries = [folder('/f', 1, { xattrs: [{ name: 'user.a', value: Buffer.from('x') }] })];
    const error = await refused({ entries, change: unannounced });
    expect(error.message).toMatch(/does not announce/);
  });

  const MANY = Array.from({ length: 9 }, (_, i) => ({ name: `user.${i}`, value: Buffer.alloc(60_000, i) }));

  test.each<[string, (lines: string[]) => string[], RegExp]>([
    ['come twice', (l) => [l[0], l[1], l[1], ...l.slice(2)] as string[], /out of order/],
    [
      'go on after extents',
      (l) => [l[0], '{"extents":[[4]],"continues":true}', ...l.slice(1)] as string[],
      /none are due/,
    ],
    [
      'end before the extents',
      (l) => [...l.slice(0, -2), (l.at(-2) as string).replace(',"continues":true', ''), l.at(-1)] as string[],
      /do not sum up/,
    ],
    ['break off', (l) => l.slice(0, -1), /lines where|cut short/],
  ])('when the attributes of a file %s', async (_what, change, message) => {
    const entries = [file('/f', 1, [stretch(10, { seq: 0 })], { size: 10, xattrs: MANY })];
    const error = await refused({
      entries,
      ...lines(([source, ...rest]) => [source as string, ...change(rest)]),
    });
    expect(error.message).toMatch(message);
  });

  test.each([
    ['reach beyond its size', [stretch(6), stretch(5)], 10],
    ['do not reach its size', [stretch(9)], 10],
    ['are missing', [], 10],
    ['are holes beyond all bounds', [stretch(2 ** 53 - 1, { seq: 0 }), stretch(2 ** 53 - 1, { seq: 0 })], 10],
  ])('when the extents of a file %s', async (_what, extents, size) => {
    await refused({ entries: [file('/f', 1, extents, { size })] });
  });

  test.each([
    ['a set that is not in the chain', { seq: 9 }],
    ['a newer set', { seq: 2 }],
    ['a volume that there is not', { volume: 2 }],
    ['a position that there is not', { position: 1 }],
    ['bytes beyond the volume', { offset: 1024 }],
  ])('when an extent lies in %s', async (_what, more) => {
    await refused({ entries: [file('/f', 1, [stretch(10, more)])] });
  });

  test('when an extent lies in a set of the chain that is newer than the manifest', async () => {
    const first = await quick.add({
      seq: 1,
      volumes: [[CHUNK]],
      entries: [file('/f', 1, [stretch(10, { seq: 2 })])],
    });
    const second = await quick.add({ seq: 2, parent: first, volumes: [[CHUNK]] });
    await expect(read(first, undefined, [first, second])).rejects.toMatchObject({ code: 'damage' });
    const good = await quick.add({
      seq: 3,
      parent: second,
      entries: [file('/g', 3, [stretch(10), stretch(10, { seq: 2 })])],
    });
    expect(await read(good, undefined, [first, second, good])).toHaveLength(1);
  });

  test.each([
    ['a continuation is missing', (l: string[]) => l.slice(0, -1)],
    ['a continuation comes without an entry', (l: string[]) => [l[0], l[2], l[1], l[3]] as string[]],
    [
      'an entry comes before the end of another',
      (l: string[]) => [...l.slice(0, 2), l[1]?.replace('/f', '/g'), l[2]] as string[],
    ],
    ['more continuations come than are due', (l: string[]) => [...l, '{"extents":[[1,1,0,1]]}']],
  ])('when %s', async (_what, change) => {
    const extents = Array.from({ length: 2500 }, () => stretch(1));
    await refused({ entries: [file('/f', 1, extents)], ...lines(change) });
  });

  test('when its contents list is of another set, or does not fit its parts', async () => {
    const contents = manifestName(0);
    const change = (from: string, to: string) => ({
      ...two,
      text: (name: string, text: string) => (name === contents ? text.replace(from, to) : text),
    });
    await refused(change('"seq":1', '"seq":2'), contents);
    await refused(change('"strategy":"town"', '"strategy":"city"'), contents);
    await refused(change('"lines":3}', '"lines":3},{"source":"www","path":"/b","lines":1}'), contents);
    await refused(change('"version":1', '"version":2'), contents);
    await refused(change('"path":"/a"', '"path":"/b"'));
    await refused(change('"lines":3', '"lines":2'));
  });

  test('and what it quotes cannot command a terminal', async () => {
    const { message } = await refused({
      text: (name, text) => (name === PART ? text.replace('{"path"', '\x1b[31m{') : text),
    });
    expect(message).not.toContain('\x1b');
    const evil = [folder('/a\x1b[31m', 1), folder('/b', 1)];
    const swapped = await refused({
      entries: evil,
      ...lines(([s = '', a = '', b = '']) => [s, b, a]),
      linesPerPart: 9,
    }).catch((e) => e);
    expect((swapped as Error).message).not.toContain('\x1b');
  });
});

test('every object that is fetched is told of', async () => {
  const set = await quick.add({ seq: 1, entries: [folder('/srv', 1)] });
  const told: [string, number][] = [];
  reader.onFetch = (name, size) => told.push([name, size]);
  await read(set);
  const prefix = `town/sets/${setFolder(set.commit)}/`;
  expect(told).toEqual(set.commit.objects.map(({ name, size }) => [prefix + name, size]));
});

test('what is decrypted was found to have its digest before', async () => {
  const set = await quick.add({ seq: 1 });
  const { name, size } = set.commit.objects[0] as CommitObject;
  const other = await quick.seal(Buffer.from('forged'));
  const forged = Buffer.concat([other, Buffer.alloc(size - other.length)]);
  store.objects.set(quick.names.object(set.commit, name), forged);
  expect(hash('sha256', forged, 'hex')).not.toBe(set.commit.objects[0]?.sha256);
  await expect(read(set)).rejects.toThrow(/SHA-256/);
});
