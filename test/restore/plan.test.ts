import { hash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { toPoints } from '../../src/chain/points.ts';
import { StrategyNames } from '../../src/format/names.ts';
import type { Entry } from '../../src/model.ts';
import { Column, DigestColumn, NamePool } from '../../src/restore/columns.ts';
import { type PlanItem, planRestore } from '../../src/restore/plan.ts';
import { Kind } from '../../src/restore/tree.ts';
import { file, folder, makeCommit, stored } from '../helpers/quick-store.ts';
import { at, fileOf, hole } from './rig.ts';

const names = new StrategyNames('town');
const object = { size: 1, plainSize: 1, md5: '0'.repeat(32), sha256: '0'.repeat(64) };
const objects = [
  { ...object, name: 'vol-000001.tar.zst.pgp' },
  { ...object, name: 'vol-000002.tar.zst.pgp' },
  { ...object, name: 'manifest-0000.json.zst.pgp' },
];
const POINT = toPoints([stored(makeCommit({ seq: 1, id: 'a'.repeat(32), objects }), names)], [])[0] as never;

async function* batches(items: Iterable<PlanItem>, size = 500): AsyncGenerator<PlanItem[]> {
  let batch: PlanItem[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  yield batch;
}

function entry(entry: Entry, continues = false): PlanItem {
  return { kind: 'entry', entry, continues };
}

const BYTES = Buffer.alloc(100, 'x');

test('extents of one file in many lines are put together, wherever the batches end', async () => {
  const first = fileOf('/f', BYTES, [at(2, 5, 10), hole(20)]);
  const items: PlanItem[] = [
    entry(first, true),
    { kind: 'more', extents: [at(1, 9, 30)], continues: true },
    { kind: 'more', extents: [at(2, 1, 40, 3)], continues: false },
    entry(fileOf('/g', BYTES, [at(1, 2, 100)])),
  ];
  for (const size of [1, 2, 3, 500]) {
    const plan = await planRestore(POINT, batches(items, size));
    expect(plan.totals).toMatchObject({ entries: 2, files: 2, bytes: 200 });
    const stretches = (volume: number) =>
      [...plan.content.ofVolume(plan.volumes.index(1, volume) ?? -1)].map((e) => plan.content.stretch(e));
    expect(stretches(1)).toEqual([
      { entry: 1, position: 2, offset: 0, length: 100, at: 0 },
      { entry: 0, position: 9, offset: 0, length: 30, at: 30 },
    ]);
    expect(stretches(2)).toEqual([
      { entry: 0, position: 1, offset: 3, length: 40, at: 60 },
      { entry: 0, position: 5, offset: 0, length: 10, at: 0 },
    ]);
  }
});

test('files whose extents are too many, too few or elsewhere are left out, and their neighbours are not', async () => {
  const items = [
    entry(fileOf('/a', BYTES, [at(1, 0, 100)])),
    entry(fileOf('/b', BYTES, [at(1, 0, 99)])),
    entry(fileOf('/c', BYTES, [at(1, 0, 60), at(1, 1, 60)])),
    entry(fileOf('/d', BYTES, [at(1, 0, 50), at(3, 0, 50)])),
    entry(fileOf('/e', BYTES, [at(1, 0, 50), at(1, 0, 50, 0, 2)])),
    entry(file('/f', 1, [], { sha256: hash('sha256', 'x', 'hex') })),
    entry(fileOf('/g', BYTES, [at(2, 0, 100)])),
  ];
  const plan = await planRestore(POINT, batches(items));
  expect(plan.damaged.map(({ path }) => path)).toEqual(['/b', '/c', '/d', '/e', '/f']);
  expect(plan.totals).toMatchObject({ entries: 2, files: 2, bytes: 200 });
  expect(plan.content.length).toBe(2);
  expect(Array.from({ length: 7 }, (_, i) => plan.tree.entries.kind(i) === Kind.file)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
    true,
  ]);
});

test('space is counted in blocks, without holes, and once for all names of a file', async () => {
  const items = [
    entry(folder('/d', 1)),
    entry(fileOf('/d/a', BYTES, [at(1, 0, 100)], { link: 'x' })),
    entry(fileOf('/d/b', BYTES, [at(1, 0, 100)], { link: 'x' })),
    entry(fileOf('/d/c', Buffer.alloc(100_000), [hole(95_000), at(1, 1, 5000)])),
  ];
  const { totals } = await planRestore(POINT, batches(items));
  expect(totals).toEqual({ entries: 4, files: 2, bytes: 100_100, space: 4096 + 8192 });
});

/** A tree like those of real hosts: 12 files in a folder, names of about 20 bytes. */
function* manyFiles(count: number): Generator<PlanItem> {
  const digest = Buffer.alloc(32);
  for (let i = 0; i < count; i++) {
    const place = `/srv/www/site-${String(Math.floor(i / 1200)).padStart(6, '0')}/folder-${String(Math.floor(i / 12)).padStart(8, '0')}`;
    if (i % 12 === 0) yield entry(folder(place, 1));
    digest.writeUInt32BE(i);
    const path = `${place}/some-file-${String(i % 12).padStart(2, '0')}-${i}.html`;
    yield entry(file(path, 1, [at(1, i, 4000)], { sha256: digest.toString('hex') }));
  }
}

test('a million files would take less than 200 MB: 300,000 take less than 60', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const used = () => {
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const plan = await planRestore(POINT, batches(manyFiles(300_000)));
  const after = used();
  expect(plan.totals.files).toBe(300_000);
  expect((after - before) / 1e6).toBeLessThan(60);
  expect(plan.tree.path(299_999)).toContain('/some-file-11-299999.html');
  expect(plan.content.sha256(299_999)).toMatch(/^000493df/);
});

test('columns and pools give back what was put in, over the edges of their blocks', () => {
  const column = new Column(Uint16Array);
  const digests = new DigestColumn();
  const pool = new NamePool();
  const offsets: number[] = [];
  for (let i = 0; i < 40_000; i++) {
    expect(column.push(i)).toBe(i);
    digests.push(hash('sha256', String(i), 'hex'));
    offsets.push(pool.add(`name \xe9 ${i}`.repeat((i % 5) + 1)));
  }
  for (let i = 0; i < 40_000; i += 7) {
    expect(column.get(i)).toBe(i);
    expect(digests.get(i)).toBe(hash('sha256', String(i), 'hex'));
    const name = `name \xe9 ${i}`.repeat((i % 5) + 1);
    expect(pool.get(offsets[i] as number, name.length)).toBe(name);
  }
  column.truncate(10);
  expect(() => column.get(10)).toThrow(RangeError);
  expect(column.push(7)).toBe(10);
  expect(column.get(10)).toBe(7);
  expect(() => pool.add('x'.repeat(1024 * 1024 + 1))).toThrow(RangeError);
});
