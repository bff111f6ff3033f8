import { createHash, hash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import zlib from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadCommits, type StoredCommit } from '../../src/chain/commits.ts';
import { toPoints } from '../../src/chain/points.ts';
import { type SecretKey, unlockSecretKey } from '../../src/crypto/secret-key.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { CommitObject } from '../../src/format/commit.ts';
import { manifestName, volumeName } from '../../src/format/names.ts';
import type { Entry, Extent } from '../../src/model.ts';
import { type Finding, type VerifyRequest, type VerifyResult, verify } from '../../src/verify.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { file, folder, gone, makeKeys, type QuickKeys, QuickStore } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

let keys: QuickKeys;
let secret: SecretKey;
let store: MemoryStore;
let quick: QuickStore;
let scratch: string;
let notes: string[];

beforeAll(async () => {
  keys = await makeKeys();
  secret = await unlockSecretKey(Buffer.from(keys.secretArmored), 'secret', async () => undefined);
});

beforeEach(async () => {
  store = new MemoryStore();
  quick = new QuickStore(store, keys);
  scratch = await temporaryFolder();
  notes = [];
});

type Depth = Partial<Pick<VerifyRequest, 'full' | 'secret'>>;
const STAT: Depth = {};
const FULL: Depth = { full: true };

async function check(depth: Depth): Promise<{ findings: Finding[]; result: VerifyResult }> {
  const loaded = await loadCommits(store, quick.names, 'keys-in-store');
  const points = toPoints(loaded.commits, loaded.rejected);
  const findings: Finding[] = [];
  const observer = {
    onFinding: (finding: Finding) => findings.push(finding),
    onNote: (text: string) => notes.push(text),
    onBegin: () => {},
    onObject: () => {},
  };
  const request = {
    ...loaded,
    points,
    store,
    names: quick.names,
    full: false,
    secret: undefined,
    scratch,
    ...depth,
  };
  const result = await verify(request, observer);
  expect(result.findings).toBe(findings.length);
  for (const { problem } of findings) expect(problem).not.toContain('\n');
  return { findings, result };
}

/** The objects named and the points harmed. */
async function found(depth: Depth): Promise<[string, number[]][]> {
  const { findings } = await check(depth);
  return findings.map(({ object, points }) => [object, points]);
}

function nameOf(set: StoredCommit, object: string): string {
  return quick.names.object(set.commit, object);
}

function flip(name: string, at: number): void {
  const bytes = Buffer.from(store.objects.get(name) as Buffer);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  store.objects.set(name, bytes);
}

/** A file made of stretches of chunks: [seq, volume, position, chunk, offset, length], or a hole. */
type Part = [number, number, number, Buffer, number?, number?] | number;

function fileOf(path: string, since: number, parts: Part[]): Entry {
  const digest = createHash('sha256');
  const extents = parts.map((part): Extent => {
    if (typeof part === 'number') {
      digest.update(Buffer.alloc(part));
      return { seq: 0, volume: 0, position: 0, offset: 0, length: part };
    }
    const [seq, volume, position, chunk, offset = 0, length = chunk.length - offset] = part;
    digest.update(chunk.subarray(offset, offset + length));
    return { seq, volume, position, offset, length };
  });
  return file(path, since, extents, { sha256: digest.digest('hex') });
}

const A = randomBytes(3000);
const B = randomBytes(5000);
const C = Buffer.from('small');
const D = randomBytes(70_000);
const E = randomBytes(900);

/** A full and three incrementals that build on it, and a later full. */
async function makeHistory(): Promise<Record<'full' | 'patch' | 'rename' | 'other' | 'later', StoredCommit>> {
  const full = await quick.add({
    seq: 1,
    volumes: [
      [A, B],
      [C, D],
    ],
    entries: [
      folder('/srv', 1),
      file('/srv/empty', 1),
      fileOf('/srv/one', 1, [[1, 1, 0, A]]),
      fileOf('/srv/ordered', 1, [[1, 1, 0, A], [1, 1, 1, B], 4096, [1, 2, 1, D], 100]),
      fileOf('/srv/reversed', 1, [10, [1, 2, 1, D], [1, 2, 0, C], [1, 1, 1, B, 7, 100], [1, 1, 1, B]]),
      fileOf('/srv/part', 1, [[1, 2, 1, D, 100, 2000]]),
      fileOf('/srv/hole', 1, [3_000_000]),
    ],
  });
  const patch = await quick.add({
    seq: 2,
    parent: full,
    volumes: [[E]],
    entries: [
      fileOf('/srv/ordered', 2, [
        [1, 1, 0, A, 0, 1000],
        [2, 1, 0, E, 5, 500],
        [1, 2, 1, D, 10],
      ]),
      gone('/srv/hole', 2),
    ],
    depends: [{ seq: 1, id: full.commit.id, volumes: [[1, 2]] }],
  });
  const rename = await quick.add({
    seq: 3,
    parent: patch,
    entries: [
      fileOf('/srv/renamed', 3, [[1, 1, 0, A]]),
      gone('/srv/one', 3),
      ...[fileOf('/srv/ordered', 2, [[2, 1, 0, E]])],
    ],
    depends: [
      { seq: 1, id: full.commit.id, volumes: [[1, 1]] },
      { seq: 2, id: patch.commit.id, volumes: [[1, 1]] },
    ],
  });
  const other = await quick.add({
    seq: 4,
    parent: rename,
    depends: [{ seq: 1, id: full.commit.id, volumes: [[2, 2]] }],
  });
  const later = await quick.add({ seq: 5, volumes: [[C]], entries: [fileOf('/srv/c', 5, [[5, 1, 0, C]])] });
  return { full, patch, rename, other, later };
}

describe('where nothing is wrong', () => {
  test.each(['stat', 'full', 'secret'])(
    'nothing is found (%s), and every object was looked at once',
    async (depth) => {
      await makeHistory();
      const { findings, result } = await check(
        depth === 'secret' ? { secret } : depth === 'full' ? FULL : STAT,
      );
      expect(findings).toEqual([]);
      expect(result.points).toBe(5);
      expect(result.whole).toHaveLength(5);
      const objects = [...store.objects.keys()].filter((name) => name.includes('/sets/'));
      expect(result.objects).toBe(objects.length);
      expect(result.bytes).toBe(objects.reduce((n, name) => n + (store.objects.get(name)?.length ?? 0), 0));
      expect(result.files).toBe(depth === 'secret' ? 9 : 0);
      expect(notes).toEqual([]);
      expect(readdirSync(scratch)).toEqual([]);
    },
  );

  test('without a key nothing is fetched but keys and commits', async () => {
    await makeHistory();
    await check(STAT);
    expect(store.fetched.filter((name) => name.includes('/sets/'))).toEqual([]);
  });

  test('with a key an older volume is fetched again only for files that are made of several pieces', async () => {
    const { full } = await makeHistory();
    await check({ secret });
    const times = (volume: number) =>
      store.fetched.filter((name) => name === nameOf(full, volumeName(volume))).length;
    // Once for the full, once for the file that set 2 patched; the rename in set 3 needs no second look.
    expect([times(1), times(2)]).toEqual([2, 2]);
  });
});

describe('an object', () => {
  test.each(['stat', 'full', 'secret'])(
    'that is missing is found (%s), with the points that need it',
    async (depth) => {
      const { full, patch } = await makeHistory();
      const level = depth === 'secret' ? { secret } : depth === 'full' ? FULL : STAT;
      store.objects.delete(nameOf(full, volumeName(2)));
      store.objects.delete(nameOf(patch, manifestName(1)));
      const all = await found(level);
      expect(all).toHaveLength(2);
      expect(all).toContainEqual([nameOf(full, volumeName(2)), [1, 2, 4]]);
      // Point 3 has ordinal 2 and is not read with the manifest of set 2, nor is point 4, which has ordinal 3 and base 2.
      expect(all).toContainEqual([nameOf(patch, manifestName(1)), [2]]);
    },
  );

  test('that has one other bit is found at every depth, wherever the bit is', async () => {
    await makeHistory();
    const names = [...store.objects.keys()].filter((name) => name.includes('/sets/'));
    for (const name of names) {
      const good = store.objects.get(name) as Buffer;
      for (const at of [3, good.length >> 1, good.length - 1]) {
        flip(name, at);
        for (const depth of [STAT, FULL, { secret }]) {
          expect((await found(depth)).map(([object]) => object)).toEqual([name]);
        }
        store.objects.set(name, good);
      }
    }
  });

  test('that is cut or has more is found by its size', async () => {
    const { later } = await makeHistory();
    const name = nameOf(later, volumeName(1));
    const bytes = store.objects.get(name) as Buffer;
    for (const other of [bytes.subarray(1), Buffer.concat([bytes, Buffer.from('x')])]) {
      store.objects.set(name, other);
      for (const depth of [STAT, FULL, { secret }]) expect(await found(depth)).toEqual([[name, [5]]]);
    }
  });

  test('with an equal MD5 and another SHA-256 is found when everything is read', async () => {
    const { later } = await makeHistory();
    const name = nameOf(later, volumeName(1));
    // As if an MD5 collision had been found: the stat agrees with the commit.
    store.stat = async (asked) => {
      const { size, md5 } = later.commit.objects[0] as CommitObject;
      return asked === name ? { size, md5 } : MemoryStore.prototype.stat.call(store, asked);
    };
    flip(name, 50);
    expect(await found(STAT)).toEqual([]);
    expect(await found(FULL)).toEqual([[name, [5]]]);
  });

  test('does not hide others: every damaged object is found in one run', async () => {
    const sets = await makeHistory();
    const damaged = [
      nameOf(sets.full, volumeName(1)),
      nameOf(sets.full, manifestName(0)),
      nameOf(sets.full, manifestName(1)),
      nameOf(sets.patch, volumeName(1)),
      nameOf(sets.rename, manifestName(1)),
      nameOf(sets.later, volumeName(1)),
    ];
    for (const name of damaged) flip(name, 80);
    for (const depth of [STAT, FULL, { secret }]) {
      const { findings, result } = await check(depth);
      expect(findings.map(({ object }) => object).sort()).toEqual([...damaged].sort());
      expect(result.whole).toEqual([]);
    }
  });
});

describe('what only a key shows', () => {
  async function only(depth: Depth = { secret }): Promise<Finding> {
    expect(await found(FULL)).toEqual([]);
    const { findings } = await check(depth);
    expect(findings).toHaveLength(1);
    return findings[0] as Finding;
  }

  test.each([
    ['one chunk', [[1, 1, 0, A]] as Part[]],
    ['a part of a chunk', [[1, 1, 1, B, 7, 8]] as Part[]],
    [
      'pieces in order',
      [
        [1, 1, 0, A],
        [1, 1, 1, B],
      ] as Part[],
    ],
    ['pieces in disorder', [[1, 1, 1, B], 5, [1, 1, 0, A], 6] as Part[]],
    ['holes alone', [77] as Part[]],
    ['nothing', [] as Part[]],
  ])('a file of %s whose digest is another is named', async (_what, parts) => {
    const wrong = { ...fileOf('/srv/wrong', 1, parts), sha256: hash('sha256', 'other', 'hex') };
    const right = [fileOf('/srv/a', 1, parts), fileOf('/srv/z', 1, parts)];
    const set = await quick.add({ seq: 1, volumes: [[A, B]], entries: [...right, wrong] });
    expect(await only()).toMatchObject({ object: set.name, path: '/srv/wrong', points: [1] });
  });

  test('a file whose pieces are in the wrong order is named', async () => {
    const good = fileOf('/srv/f', 1, [
      [1, 1, 0, A],
      [1, 1, 1, B],
      [1, 1, 0, A],
    ]);
    const extents = [good.extents[1], good.extents[0], good.extents[2]] as Extent[];
    await quick.add({ seq: 1, volumes: [[A, B]], entries: [{ ...good, extents }] });
    expect(await only()).toMatchObject({ path: '/srv/f' });
  });

  test('a renamed file that is another chunk of an older set is named', async () => {
    const full = await quick.add({ seq: 1, volumes: [[A, B]], entries: [fileOf('/a', 1, [[1, 1, 0, A]])] });
    await quick.add({
      seq: 2,
      parent: full,
      entries: [{ ...fileOf('/b', 2, [[1, 1, 0, A]]), sha256: hash('sha256', B, 'hex') }],
      depends: [{ seq: 1, id: full.commit.id, volumes: [[1, 1]] }],
    });
    expect(await only()).toMatchObject({ path: '/b', points: [2] });
  });

  test('a file that needs a chunk which is not there, or more of one than there is, is named', async () => {
    const extent = { seq: 1, volume: 1, offset: 0 };
    await quick.add({
      seq: 1,
      volumes: [[A, B]],
      entries: [
        fileOf('/good', 1, [
          [1, 1, 1, B],
          [1, 1, 0, A],
        ]),
        file('/none', 1, [{ ...extent, position: 5, length: 10 }]),
        file('/more', 1, [{ ...extent, position: 0, length: 4000 }]),
      ],
    });
    const { findings } = await check({ secret });
    expect(findings.map(({ path }) => path).sort()).toEqual(['/more', '/none']);
  });

  test('a file in a volume on which its point does not say that it depends is named', async () => {
    const full = await quick.add({ seq: 1, volumes: [[A]], entries: [] });
    await quick.add({ seq: 2, parent: full, entries: [fileOf('/f', 2, [[1, 1, 0, A, 0, 5]])] });
    expect(await only()).toMatchObject({ path: '/f', points: [2] });
  });

  test('a chunk that does not match its name is found, and the other files of its volume are checked', async () => {
    const spoil = (name: string, frame: Buffer) => {
      if (name !== volumeName(1)) return frame;
      const archive = Buffer.from(zlib.zstdDecompressSync(frame));
      archive[512 + 10] = (archive[512 + 10] as number) ^ 1;
      return zlib.zstdCompressSync(archive);
    };
    const wrong = { ...fileOf('/wrong', 1, [[1, 1, 1, B]]), sha256: hash('sha256', 'other', 'hex') };
    const set = await quick.add({
      seq: 1,
      volumes: [[A, B]],
      entries: [fileOf('/a', 1, [[1, 1, 0, A]]), wrong],
      frame: spoil,
    });
    const { findings } = await check({ secret });
    expect(findings.map(({ object, path }) => path ?? object).sort()).toEqual([
      '/wrong',
      nameOf(set, volumeName(1)),
    ]);
  });

  test.each([
    ['a volume', volumeName(1)],
    ['a manifest part', manifestName(1)],
    ['a contents list', manifestName(0)],
  ])('%s that is no sealed object is found', async (_what, object) => {
    const set = await quick.add({
      seq: 1,
      volumes: [[A]],
      entries: [fileOf('/a', 1, [[1, 1, 0, A]])],
      frame: (name, frame) => (name === object ? Buffer.from('not zstd') : frame),
    });
    expect(await only()).toMatchObject({ object: nameOf(set, object), points: [1] });
  });

  test('a manifest that lists less than its commit says is found', async () => {
    const change = (commit: StoredCommit['commit']) => {
      commit.counts.listed = 3;
    };
    const set = await quick.add({ seq: 1, entries: [folder('/a', 1)], change });
    expect(await only()).toMatchObject({ object: set.name, points: [1] });
  });
});

describe('commits', () => {
  test('that are refused are found, with the points that build on them', async () => {
    const { patch } = await makeHistory();
    flip(patch.name, 200);
    const all = await found(STAT);
    expect(all[0]).toEqual([patch.name, []]);
    expect(all[1]?.[1]).toEqual([3, 4]);
    expect(all).toHaveLength(2);
  });

  test('that are missing are found by those that build on them, whose own objects are looked at all the same', async () => {
    const { patch, rename } = await makeHistory();
    store.objects.delete(patch.name);
    store.objects.delete(nameOf(rename, manifestName(1)));
    for (const depth of [STAT, FULL, { secret }]) {
      const all = await found(depth);
      expect(all.map(([, points]) => points)).toEqual([[3, 4], [3]]);
      expect(all[1]?.[0]).toBe(nameOf(rename, manifestName(1)));
    }
  });

  test('with odd dates are noted and no damage', async () => {
    const early = '2020-01-01T00:00:00.000Z';
    const full = await quick.add({ seq: 1 });
    await quick.add({ seq: 2, parent: full, time: early });
    expect(await found(STAT)).toEqual([]);
    expect(notes).toHaveLength(2);
  });
});

test('points that the key does not open are told, and their objects are read whole', async () => {
  const { later } = await makeHistory();
  const other = new QuickStore(store, await makeKeys());
  const foreign = await other.add({ seq: 9, volumes: [[A]], signer: keys.signer });
  const { findings, result } = await check({ secret });
  expect(findings).toEqual([]);
  expect(result.unopened.map(({ seq }) => seq)).toEqual([9]);
  expect(store.fetched).toContain(nameOf(foreign, volumeName(1)));
  flip(nameOf(foreign, volumeName(1)), 9);
  flip(nameOf(later, volumeName(1)), 9);
  expect(await found({ secret })).toEqual([
    [nameOf(later, volumeName(1)), [5]],
    [nameOf(foreign, volumeName(1)), [9]],
  ]);
});

test('one object that the store cannot read is a finding; a store that is away ends it', async () => {
  const { full } = await makeHistory();
  const bad = nameOf(full, volumeName(1));
  let away = false;
  const get = store.get.bind(store);
  store.get = async (name, limit) => {
    if (name === bad || (away && name.includes('/sets/')))
      throw new HoldfastError('store', `${name} cannot be read`, { object: name });
    return get(name, limit);
  };
  for (const depth of [FULL, { secret }]) expect(await found(depth)).toEqual([[bad, [1, 2, 3]]]);
  away = true;
  for (const depth of [FULL, { secret }]) await expect(check(depth)).rejects.toMatchObject({ code: 'store' });
});

test('a file of many pieces in any order over many volumes is put together', async () => {
  const chunks = Array.from({ length: 60 }, (_, i) => randomBytes(500 + i * 37));
  const volumes = Array.from({ length: 6 }, (_, v) => chunks.slice(v * 10, v * 10 + 10));
  const order = chunks.map((_, i) => (i * 23) % 60);
  const part = (i: number): Part => [1, 1 + Math.floor(i / 10), i % 10, chunks[i] as Buffer];
  const parts = order.flatMap((i) => [part(i), i % 5, part((i * 7) % 60)]).filter((p) => p !== 0);
  const entries = [
    fileOf('/a', 1, parts),
    fileOf('/b', 1, parts.toReversed()),
    fileOf('/c', 1, order.map(part)),
  ];
  await quick.add({ seq: 1, volumes, entries });
  const { findings, result } = await check({ secret });
  expect(findings).toEqual([]);
  expect(result.files).toBe(3);
  expect(readdirSync(scratch)).toEqual([]);
});
