/** Files that come in several stretches, in any order: all are compared with their digests, on their way or when they are read back. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Entry, Extent } from '../../src/model.ts';
import { noise } from '../chunk/noise.ts';
import {
  at,
  fileOf,
  hole,
  makeRestoreKeys,
  memoryRig,
  newTarget,
  type RestoreKeys,
  restoreNewest,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const chunk = (text: string) => Buffer.from(text.repeat(1000));
const [A, B, C, D] = ['a', 'bb', 'ccc', 'dddd'].map(chunk) as [Buffer, Buffer, Buffer, Buffer];
const VOLUMES = [
  [A, B, C],
  [D, C],
];
const one = (position: number, { length }: Buffer) => at(1, position, length);
const two = (position: number, { length }: Buffer) => at(2, position, length);

const FILES: [name: string, content: Buffer[], extents: Extent[]][] = [
  ['in order', [A, B, C], [one(0, A), one(1, B), one(2, C)]],
  ['with gaps between its chunks', [A, C], [one(0, A), one(2, C)]],
  ['backwards', [C, B, A], [one(2, C), one(1, B), one(0, A)]],
  ['of one chunk again and again', [A, A, A], [one(0, A), one(0, A), one(0, A)]],
  ['of parts of chunks', [B.subarray(10), C.subarray(0, 7)], [at(1, 1, B.length - 10, 10), at(1, 2, 7)]],
  ['of two volumes', [A, D], [one(0, A), two(0, D)]],
  ['of two volumes, the later one first', [D, A], [two(0, D), one(0, A)]],
  ['with a hole between', [A, Buffer.alloc(5000), B], [one(0, A), hole(5000), one(1, B)]],
  ['with a hole first', [Buffer.alloc(5000), A, B], [hole(5000), one(0, A), one(1, B)]],
  ['with a hole last', [A, B, Buffer.alloc(5000)], [one(0, A), one(1, B), hole(5000)]],
];

function entry(name: string, content: Buffer, extents: Extent[], more: Partial<Entry> = {}): Entry {
  return fileOf(`/${name}`, content, extents, { mode: 0o640, mtimeNs: 1_700_000_000_123_456_789n, ...more });
}

test.each(FILES)(
  'a file %s comes back, and one that is not what its digest says is named',
  async (name, parts, extents) => {
    const { quick } = memoryRig(keys);
    const content = Buffer.concat(parts);
    const wrong = entry('wrong', content, extents, { sha256: '0'.repeat(64) });
    await quick.add({ seq: 1, volumes: VOLUMES, entries: [entry(name, content, extents), wrong] });
    const target = await newTarget();
    const result = await restoreNewest(quick, keys, { target });
    expect(result.damaged.map(({ path }) => path)).toEqual(['/wrong']);
    expect(result.restored).toBe(1);
    const back = join(target, name);
    expect(readFileSync(back).equals(content)).toBe(true);
    const status = statSync(back, { bigint: true });
    expect([status.mode & 0o7777n, status.mtimeNs]).toEqual([0o640n, 1_700_000_000_123_456_789n]);
  },
);

test('more files that take turns than are kept open come back', async () => {
  const { quick } = memoryRig(keys);
  const names = Array.from({ length: 40 }, (_, i) => `file ${String(i).padStart(2, '0')}`);
  const part = (name: string, i: number) => Buffer.from(`${name}, part ${i} `.repeat(100 + i));
  const chunks = [0, 1, 2].flatMap((i) => names.map((name) => part(name, i)));
  const entries = names.map((name, k) => {
    const parts = [0, 1, 2].map((i) => part(name, i));
    return entry(
      name,
      Buffer.concat(parts),
      parts.map((bytes, i) => one(i * names.length + k, bytes)),
    );
  });
  await quick.add({ seq: 1, volumes: [chunks], entries });
  const target = await newTarget();
  const result = await restoreNewest(quick, keys, { target });
  expect([result.restored, result.damaged]).toEqual([40, []]);
  for (const name of names) {
    const content = Buffer.concat([0, 1, 2].map((i) => part(name, i)));
    expect(readFileSync(join(target, name)).equals(content)).toBe(true);
    expect(statSync(join(target, name)).mode & 0o777).toBe(0o640);
  }
});

describe('a large file of several volumes, which is read back while it comes', () => {
  const MIB = 1024 * 1024;
  const chunks = Array.from({ length: 10 }, (_, i) => noise(MIB, `large ${i}`));
  /** Four chunks a volume. */
  const volumes = [chunks.slice(0, 4), chunks.slice(4, 8), chunks.slice(8)];
  const place = (i: number) => at(1 + (i >> 2), i & 3, MIB);
  const inOrder = chunks.map((_, i) => i);
  const gap = Buffer.alloc(3 * MIB);

  const cases: [name: string, content: Buffer[], extents: Extent[]][] = [
    ['in order', chunks, inOrder.map(place)],
    ['backwards', [...chunks].reverse(), [...inOrder].reverse().map(place)],
    ['with a hole first', [gap, ...chunks], [hole(gap.length), ...inOrder.map(place)]],
    [
      'with a hole between volumes',
      [...chunks.slice(0, 4), gap, ...chunks.slice(4)],
      [...inOrder.slice(0, 4).map(place), hole(gap.length), ...inOrder.slice(4).map(place)],
    ],
    ['with a hole last', [...chunks, gap], [...inOrder.map(place), hole(gap.length)]],
    [
      'that begins in the second volume',
      [...chunks.slice(4), gap],
      [...inOrder.slice(4).map(place), hole(gap.length)],
    ],
  ];

  async function back(
    entries: Entry[],
    spoil: (objects: Map<string, Buffer>, name: (volume: number) => string) => void,
  ) {
    const { quick, memory } = memoryRig(keys);
    const set = await quick.add({ seq: 1, volumes, entries });
    spoil(memory.objects, (volume) => quick.names.volume(set.commit, volume));
    const target = await newTarget();
    const result = await restoreNewest(quick, keys, { target });
    return { target, result };
  }

  test.each(cases)(
    '%s: comes back, and is named when it is not what its digest says',
    async (name, parts, extents) => {
      const content = Buffer.concat(parts);
      const wrong = entry('wrong', content, extents, { sha256: '0'.repeat(64) });
      const { target, result } = await back([entry(name, content, extents), wrong], () => {});
      expect(result.damaged.map(({ path }) => path)).toEqual(['/wrong']);
      expect(result.restored).toBe(1);
      const status = statSync(join(target, name), { bigint: true });
      expect([status.mode & 0o7777n, status.mtimeNs]).toEqual([0o640n, 1_700_000_000_123_456_789n]);
      expect(readFileSync(join(target, name)).equals(content)).toBe(true);
    },
  );

  test.each([1, 2, 3])('is lost with volume %i, and nothing else is', async (volume) => {
    const content = Buffer.concat(chunks);
    const other = volume === 1 ? 2 : 1;
    const small = entry('small', chunks[other === 1 ? 0 : 4] as Buffer, [at(other, 0, MIB)]);
    const entries = [entry('large', content, inOrder.map(place)), small];
    const { result } = await back(entries, (objects, name) => objects.delete(name(volume)));
    expect([result.restored, result.damaged.map(({ path }) => path)]).toEqual([1, ['/large']]);
  });

  test('more of them than are read at once come back', async () => {
    const content = Buffer.concat(chunks);
    const names = Array.from({ length: 7 }, (_, i) => `large ${i}`);
    const entries = names.map((name) => entry(name, content, inOrder.map(place)));
    const { target, result } = await back(entries, () => {});
    expect([result.restored, result.damaged]).toEqual([7, []]);
    for (const name of names) expect(readFileSync(join(target, name)).equals(content)).toBe(true);
  });
});
