import { beforeEach, expect, test } from 'vitest';
import type { StoredCommit } from '../../src/chain/commits.ts';
import { type Point, toPoints } from '../../src/chain/points.ts';
import { checkPresence } from '../../src/chain/presence.ts';
import { manifestName, StrategyNames, volumeName } from '../../src/format/names.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeCommit, stored } from '../helpers/quick-store.ts';

const NAMES = new StrategyNames('town');
let store: MemoryStore;
let sets: StoredCommit[];
let points: Point[];

function make(seq: number, parent: StoredCommit | undefined, depends: [number, number][]): StoredCommit {
  const object = { size: seq, plainSize: 1, md5: '0'.repeat(32), sha256: '0'.repeat(64) };
  const names = [volumeName(1), volumeName(2), manifestName(0), manifestName(1)];
  const objects = names.map((name) => ({ name, ...object }));
  const on = parent && depends.length > 0 ? [{ seq: 1, id: sets[0]?.commit.id ?? '', volumes: depends }] : [];
  const id = seq.toString(16).padStart(32, '0');
  return stored(makeCommit({ seq, id, objects, depends: on, ...(parent && { parent }) }), NAMES);
}

beforeEach(() => {
  store = new MemoryStore();
  sets = [];
  sets.push(make(1, undefined, []));
  sets.push(make(2, sets[0], [[1, 2]]));
  sets.push(make(3, sets[1], [[2, 2]]));
  points = toPoints(sets, []);
  for (const { commit } of sets) {
    for (const { name, size } of commit.objects)
      store.objects.set(NAMES.object(commit, name), Buffer.alloc(size));
  }
});

/** What is missing, by the seq of the point. */
async function missing(of: Point[] = points): Promise<Record<number, string[]>> {
  const found = await checkPresence(store, NAMES, of);
  return Object.fromEntries([...found].map(([p, list]) => [p.seq, list.map(({ name }) => name).sort()]));
}

function nameOf(seq: number, object: string): string {
  return NAMES.object(sets[seq - 1]?.commit as never, object);
}

test('a store that has everything is asked for nothing beyond its listing', async () => {
  expect(await missing()).toEqual({ 1: [], 2: [], 3: [] });
  expect(store.asked).toEqual([]);
  expect(store.fetched).toEqual([]);
});

test('a lost volume is missing from the points that need it, and from no others', async () => {
  store.objects.delete(nameOf(1, volumeName(1)));
  const lost = [nameOf(1, volumeName(1))];
  expect(await missing()).toEqual({ 1: lost, 2: lost, 3: [] });
  store.objects.delete(nameOf(2, volumeName(2)));
  expect((await missing())[3]).toEqual([]);
});

test('a lost manifest is missing from the points that are read with it', async () => {
  store.objects.delete(nameOf(1, manifestName(1)));
  store.objects.delete(nameOf(2, manifestName(1)));
  const [first, second] = [nameOf(1, manifestName(1)), nameOf(2, manifestName(1))];
  // Point 3 has ordinal 2, whose base is 0: it is not read with the manifest of set 2.
  expect(await missing()).toEqual({ 1: [first], 2: [first, second], 3: [first] });
});

test('an object of another size is missing, with the size that it has', async () => {
  store.objects.set(nameOf(3, volumeName(1)), Buffer.alloc(99));
  const found = await checkPresence(store, NAMES, points);
  expect(found.get(points[2] as Point)).toMatchObject([
    { name: nameOf(3, volumeName(1)), found: 99, object: { size: 3 } },
  ]);
});

test('what a listing leaves out is asked for, and believed to be there', async () => {
  const hidden = nameOf(1, volumeName(2));
  const lagging = Object.create(store) as MemoryStore;
  lagging.list = async function* (prefix) {
    for await (const object of store.list(prefix)) if (object.name !== hidden) yield object;
  };
  const found = await checkPresence(lagging, NAMES, points);
  expect([...found.values()].flat()).toEqual([]);
  expect(store.asked).toEqual([hidden]);
});

test('remains of runs that did not finish are no hindrance', async () => {
  store.objects.set(
    'town/sets/0000000009-00000000000000000000000000000000/vol-000001.tar.zst.pgp',
    Buffer.alloc(1),
  );
  store.objects.set(nameOf(1, 'vol-000099.tar.zst.pgp'), Buffer.alloc(1));
  store.objects.set(`${NAMES.sets}stray`, Buffer.alloc(1));
  expect(await missing()).toEqual({ 1: [], 2: [], 3: [] });
});

test('a point whose line of parents is broken is answered for with its own set', async () => {
  store.objects.delete(nameOf(1, volumeName(1)));
  store.objects.delete(nameOf(3, volumeName(1)));
  const broken = toPoints([sets[0] as StoredCommit, sets[2] as StoredCommit], []);
  expect(await missing(broken)).toEqual({ 1: [nameOf(1, volumeName(1))], 3: [nameOf(3, volumeName(1))] });
});
