import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { volumeName } from '../../src/format/names.ts';
import { WorkerPool } from '../../src/restore/pool.ts';
import { compressWhole } from '../helpers/compress-whole.ts';
import { faultyStore } from '../helpers/faulty-store.ts';
import { file } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import {
  at,
  fileOf,
  makeRestoreKeys,
  memoryRig,
  newestPoint,
  type RestoreKeys,
  restoreNewest,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const A = Buffer.alloc(3000, 'a');
const B = Buffer.alloc(5000, 'b');
const C = Buffer.alloc(7000, 'c');
const ENTRIES = [
  fileOf('/a', A, [at(1, 0, A.length)]),
  fileOf('/ab', Buffer.concat([A, B]), [at(1, 0, A.length), at(1, 1, B.length)]),
  fileOf('/b', B, [at(1, 1, B.length)]),
  fileOf('/bc', Buffer.concat([B, C]), [at(1, 1, B.length), at(2, 0, C.length)]),
  fileOf('/c', C, [at(2, 0, C.length)]),
  fileOf('/c2', C, [at(2, 0, C.length)], { link: 'c' }),
  fileOf('/c3', C, [at(2, 0, C.length)], { link: 'c' }),
  file('/empty', 1),
];
const VOLUMES = [[A, B], [C]];

async function target(): Promise<string> {
  return join(await temporaryFolder(), 'back');
}

/** Names of what came back, and of what is said to be damaged. */
async function restored(
  root: string,
  result: { damaged: { path: string }[] },
): Promise<[string[], string[]]> {
  return [readdirSync(root).sort(), result.damaged.map(({ path }) => path)];
}

const SECOND_LOST = [
  ['a', 'ab', 'b', 'empty'],
  ['/bc', '/c', '/c2', '/c3'],
];

/** Spoils the chunk that begins at `begin` in the archive of the first volume, and keeps its name. */
function spoilFirst(begin: number, expected: Buffer) {
  return (name: string, compressed: Buffer) => {
    if (name !== volumeName(1)) return compressed;
    const archive = zstdDecompressSync(compressed);
    expect(archive[begin + 100]).toBe(expected[100]);
    archive[begin + 100] = 0;
    return compressWhole(archive, 3);
  };
}

/** Where the second chunk of a volume begins. */
const second = (first: Buffer) => 512 + Math.ceil(first.length / 512) * 512 + 512;

test('a volume that is missing loses the files that need it, and no others', async () => {
  const { quick, memory } = memoryRig(keys);
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES });
  const name = quick.names.volume(set.commit, 2);
  memory.objects.delete(name);
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual(SECOND_LOST);
  expect(result.lost).toEqual([expect.objectContaining({ code: 'damage', object: name })]);
  expect(result.restored).toBe(4);
  expect(existsSync(join(root, '.holdfast-restore'))).toBe(false);
});

test('a volume with one changed byte loses the files that need it, and no others', async () => {
  const { quick, memory } = memoryRig(keys);
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES });
  const name = quick.names.volume(set.commit, 2);
  const bytes = memory.objects.get(name) as Buffer;
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual(SECOND_LOST);
  expect(result.lost).toEqual([
    expect.objectContaining({ object: name, message: expect.stringContaining('SHA-256') }),
  ]);
});

test('a volume that is larger or smaller than its commit says is damaged', async () => {
  for (const change of [(b: Buffer) => Buffer.concat([b, Buffer.alloc(1)]), (b: Buffer) => b.subarray(1)]) {
    const { quick, memory } = memoryRig(keys);
    const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES });
    const name = quick.names.volume(set.commit, 2);
    memory.objects.set(name, change(memory.objects.get(name) as Buffer));
    const root = await target();
    expect(await restored(root, await restoreNewest(quick, keys, { target: root }))).toEqual(SECOND_LOST);
  }
});

test('bytes that were changed only on their way are asked for again', async () => {
  const { quick, memory } = memoryRig(keys);
  await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES });
  const flaky = faultyStore(memory);
  let spoilt = 0;
  const get = flaky.get.bind(flaky);
  flaky.get = async (name, limit) => {
    const bytes = await get(name, limit);
    if (bytes === undefined || !name.includes('vol-000002') || spoilt++ > 0) return bytes;
    const copy = Buffer.from(bytes);
    copy[100] = (copy[100] as number) ^ 1;
    return copy;
  };
  const root = await target();
  const result = await restoreNewest(quick, keys, {
    target: root,
    store: flaky,
    point: await newestPoint(quick),
  });
  expect(result).toMatchObject({ damaged: [], lost: [], restored: ENTRIES.length });
  expect(spoilt).toBe(2);
});

test('a chunk that was stored wrong loses the files that need it, and the rest of its volume comes back', async () => {
  const { quick } = memoryRig(keys);
  const frame = (name: string, compressed: Buffer) => {
    if (name !== volumeName(1)) return compressed;
    const archive = zstdDecompressSync(compressed);
    archive[512 + 1000] = 0;
    return compressWhole(archive, 3);
  };
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES, frame });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual([
    ['b', 'bc', 'c', 'c2', 'c3', 'empty'],
    ['/a', '/ab'],
  ]);
  expect(readFileSync(join(root, 'bc')).equals(Buffer.concat([B, C]))).toBe(true);
  expect(result.lost).toEqual([expect.objectContaining({ object: quick.names.volume(set.commit, 1) })]);
});

test('a wrong chunk of which only files in parts are made is found by their digests, and its volume named', async () => {
  const { quick } = memoryRig(keys);
  const frame = spoilFirst(second(A), B);
  const entries = ENTRIES.filter(({ path }) => path !== '/b');
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries, frame });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual([
    ['a', 'c', 'c2', 'c3', 'empty'],
    ['/ab', '/bc'],
  ]);
  const volume = quick.names.volume(set.commit, 1);
  expect(result.lost).toEqual([expect.objectContaining({ object: volume })]);
  for (const { problem } of result.damaged) expect(problem).toContain(volume);
});

test('a wrong chunk that is a whole file, and a part of others, is none of them', async () => {
  const { quick } = memoryRig(keys);
  const frame = spoilFirst(second(A), B);
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES, frame });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual([
    ['a', 'c', 'c2', 'c3', 'empty'],
    ['/ab', '/b', '/bc'],
  ]);
  expect(result.lost).toEqual([expect.objectContaining({ object: quick.names.volume(set.commit, 1) })]);
});

test('a wrong chunk is found also where one batch of what a volume brings ends with parts, and the next begins with a whole file', async () => {
  const { quick } = memoryRig(keys);
  // 511 stretches of the first chunk; the second is a part twice, then a whole file: the 512th, 513th and 514th.
  const many = Array.from({ length: 511 }, (_, i) =>
    fileOf(`/a${String(i).padStart(3, '0')}`, A, [at(1, 0, A.length)]),
  );
  const entries = [
    ...many,
    fileOf('/parts', Buffer.concat([B, B]), [at(1, 1, B.length), at(1, 1, B.length)]),
    fileOf('/whole', B, [at(1, 1, B.length)]),
  ];
  const good = memoryRig(keys);
  await good.quick.add({ seq: 1, volumes: VOLUMES, entries });
  expect(await restoreNewest(good.quick, keys, { target: await target() })).toMatchObject({
    damaged: [],
    restored: 513,
  });
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries, frame: spoilFirst(second(A), B) });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(readdirSync(root)).toHaveLength(511);
  expect(result.damaged.map(({ path }) => path)).toEqual(['/parts', '/whole']);
  expect(result.lost).toEqual([expect.objectContaining({ object: quick.names.volume(set.commit, 1) })]);
});

test('a wrong chunk is found also when its volume was noted as written, and the restore went on later', async () => {
  const { quick } = memoryRig(keys);
  const entries = [fileOf('/bc', Buffer.concat([B, C]), [at(1, 1, B.length), at(2, 0, C.length)])];
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries, frame: spoilFirst(second(A), B) });
  const root = await target();
  const interrupt = new AbortController();
  const late = faultyStore(quick.store);
  const get = late.get.bind(late);
  late.get = async (name, limit) => {
    if (name.includes('vol-000002')) {
      const marker = join(root, '.holdfast-restore');
      while (!existsSync(marker) || !readFileSync(marker, 'utf8').includes('"volume":[1,1]')) await sleep(5);
      interrupt.abort();
    }
    return get(name, limit);
  };
  const point = await newestPoint(quick);
  const first = restoreNewest(quick, keys, { target: root, store: late, point, signal: interrupt.signal });
  await expect(first).rejects.toMatchObject({ code: 'interrupted' });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual([[], ['/bc']]);
  expect(result.lost).toEqual([expect.objectContaining({ object: quick.names.volume(set.commit, 1) })]);
});

test('a file that cannot be made anew is named, and ends nothing', async () => {
  const { quick } = memoryRig(keys);
  const folder = { ...file('/d', 1), type: 'dir' as const };
  const wrong = fileOf('/d/wrong', Buffer.concat([A, B]), [
    at(1, 0, A.length),
    at(1, 0, A.length),
    at(1, 1, 2000),
  ]);
  await quick.add({ seq: 1, volumes: VOLUMES, entries: [...ENTRIES.slice(0, 5), folder, wrong] });
  const root = await target();
  class MeddlingPool extends WorkerPool {
    override async run(...args: Parameters<WorkerPool['run']>) {
      const result = await super.run(...args);
      if (result.troubles.length > 0) rmSync(join(root, 'd'), { recursive: true });
      return result;
    }
  }
  const result = await restoreNewest(quick, keys, { target: root, pool: new MeddlingPool() });
  const named = [...result.damaged, ...result.incomplete].map(({ path }) => path);
  expect(named).toContain('/d/wrong');
  expect(readFileSync(join(root, 'b')).equals(B)).toBe(true);
});

test('a volume that unpacks to more than it should is stopped, and loses what came after that', async () => {
  const { quick } = memoryRig(keys);
  const bomb = compressWhole(Buffer.alloc(200 * 1024 * 1024), 1);
  const frame = (name: string, compressed: Buffer) => (name === volumeName(2) ? bomb : compressed);
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES, frame });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(await restored(root, result)).toEqual(SECOND_LOST);
  expect(result.lost).toEqual([expect.objectContaining({ object: quick.names.volume(set.commit, 2) })]);
});

test('a file whose parts are right and whose digest is not is left out', async () => {
  const { quick } = memoryRig(keys);
  const wrong = fileOf('/swapped', Buffer.concat([A, B]), [
    at(1, 0, A.length),
    at(1, 0, A.length),
    at(1, 1, 2000),
  ]);
  await quick.add({ seq: 1, volumes: VOLUMES, entries: [...ENTRIES, wrong] });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged).toEqual([{ path: '/swapped', problem: 'does not match its digest' }]);
  expect(existsSync(join(root, 'swapped'))).toBe(false);
});

test('a damaged manifest is damage that names the object, before anything is written', async () => {
  const { quick, memory } = memoryRig(keys);
  const set = await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES });
  const name = quick.names.manifest(set.commit, 1);
  memory.objects.set(name, Buffer.from('nothing'));
  const root = await target();
  const attempt = restoreNewest(quick, keys, { target: root });
  await expect(attempt).rejects.toMatchObject({ code: 'damage', object: name });
  expect(existsSync(root)).toBe(false);
});

test('what stands behind the last chunk of a volume that is needed is not looked at', async () => {
  const { quick } = memoryRig(keys);
  const frame = (name: string, compressed: Buffer) => {
    if (name !== volumeName(1)) return compressed;
    const archive = zstdDecompressSync(compressed);
    // No archive goes on like this.
    archive.fill(0xff, 512 + 3072);
    return compressWhole(archive, 3);
  };
  await quick.add({ seq: 1, volumes: VOLUMES, entries: ENTRIES.slice(0, 1), frame });
  const root = await target();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result).toMatchObject({ damaged: [], lost: [], restored: 1 });
  expect(readFileSync(join(root, 'a')).equals(A)).toBe(true);
});
