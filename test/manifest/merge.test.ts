import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { StoredCommit } from '../../src/chain/commits.ts';
import { type Point, toPoints } from '../../src/chain/points.ts';
import { baseOf } from '../../src/format/commit.ts';
import { type PointItem, readPoint } from '../../src/manifest/merge.ts';
import type { ManifestReader } from '../../src/manifest/read.ts';
import { Selection } from '../../src/manifest/select.ts';
import type { Entry, Extent, Gone } from '../../src/model.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { file, folder, gone, makeKeys, type QuickKeys, QuickStore } from '../helpers/quick-store.ts';

let keys: QuickKeys;

beforeAll(async () => {
  keys = await makeKeys();
});

/** A strategy whose points are made one after the other, and what exists at each by the plainest of models. */
class History {
  readonly store = new MemoryStore();
  readonly quick = new QuickStore(this.store, keys);
  readonly reader: ManifestReader = { store: this.store, names: this.quick.names, key: keys.secret };
  readonly sets: StoredCommit[] = [];
  readonly states: Map<string, Entry>[] = [];
  /** For each path that ever existed: what it is now, and the ordinal at which it became so. */
  readonly #changed = new Map<string, { entry: Entry | Gone; ordinal: number }>();

  get seq(): number {
    return this.sets.length + 1;
  }

  /** Makes the next point, with these changes. */
  async next(changes: readonly (Entry | Gone)[], linesPerPart: number): Promise<void> {
    const ordinal = this.sets.length;
    const state = new Map(this.states.at(-1));
    for (const entry of changes) {
      const key = `${entry.source}\0${entry.path}`;
      if (entry.type === 'gone' && !state.has(key)) continue;
      this.#changed.set(key, { entry, ordinal });
      if (entry.type === 'gone') state.delete(key);
      else state.set(key, entry);
    }
    const base = baseOf(ordinal) ?? -1;
    const entries = [...this.#changed.values()]
      .filter((change) => change.ordinal > base && (ordinal > 0 || change.entry.type !== 'gone'))
      .map(({ entry }) => entry);
    const parent = this.sets.at(-1);
    this.sets.push(
      await this.quick.add({
        seq: this.seq,
        entries,
        linesPerPart,
        volumes: [[Buffer.alloc(100)]],
        ...(parent && { parent }),
      }),
    );
    this.states.push(state);
  }

  points(): Point[] {
    return toPoints(this.sets, []);
  }

  async read(point: Point, selection?: Selection): Promise<PointItem[]> {
    const items: PointItem[] = [];
    for await (const batch of readPoint(this.reader, point, selection)) items.push(...batch);
    return items;
  }
}

/** Entries with all their extents, by source and path. */
function whole(items: readonly PointItem[]): Map<string, Entry> {
  const found = new Map<string, Entry>();
  let last: Entry | undefined;
  for (const item of items) {
    if (item.kind === 'entry') {
      last = { ...item.entry, extents: [...item.entry.extents] };
      expect(found.has(`${last.source}\0${last.path}`)).toBe(false);
      found.set(`${last.source}\0${last.path}`, last);
    } else {
      last?.extents.push(...item.extents);
    }
  }
  return found;
}

const PATHS = ['/a', '/a/x', '/a/x/1', '/a/y', '/a-b', '/a-b/c', '/b', '/b/\xff', '/b/ä', '/b!', '/c'];

/** What becomes of a path: nothing, a file of so many extents, a folder, or its end. */
const change = fc.record({
  path: fc.constantFrom(...PATHS),
  source: fc.constantFrom('etc', 'www'),
  to: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1001, max: 2200 }) },
    { weight: 2, arbitrary: fc.constant('folder' as const) },
    { weight: 3, arbitrary: fc.constant('gone' as const) },
  ),
});

function toEntry({ path, source, to }: { path: string; source: string; to: number | string }, seq: number) {
  if (to === 'gone') return gone(path, seq, source);
  if (to === 'folder') return folder(path, seq, { source });
  const extents: Extent[] = Array.from({ length: Number(to) }, (_, i) => ({
    seq,
    volume: 1,
    position: 0,
    offset: i % 90,
    length: 1 + (i % 7),
  }));
  return file(path, seq, extents, { source });
}

describe('the entries of a point', () => {
  test('are those of a plain model, at every point of any history of up to 40 incrementals', async () => {
    const step = fc.array(change, { maxLength: 8 });
    const histories = fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 41 }),
      linesPerPart: fc.integer({ min: 2, max: 12 }),
      pattern: fc.constantFrom('/a', '/a/x', '/b', '/*/x', '/a*', '/c', '/**/c'),
    });
    const property = fc.asyncProperty(histories, async ({ steps, linesPerPart, pattern }) => {
      const history = new History();
      for (const changes of steps) {
        const { seq } = history;
        await history.next(
          changes.map((c) => toEntry(c, seq)),
          linesPerPart,
        );
      }
      for (const [n, point] of history.points().entries()) {
        const state = history.states[n] as Map<string, Entry>;
        expect(whole(await history.read(point))).toEqual(state);
        const selection = new Selection([pattern]);
        const selected = new Map([...state].filter(([, { path }]) => selection.matches(path)));
        expect(whole(await history.read(point, selection))).toEqual(selected);
        expect(selection.unmatched).toEqual(selected.size === 0 ? [pattern] : []);
      }
    });
    await fc.assert(property, { numRuns: 15, endOnFailure: true });
  });

  test('of a selection are found behind another source in the last part', async () => {
    const history = new History();
    await history.next([folder('/a-b', 1, { source: 'etc' }), file('/a/y', 1), file('/b', 1)], 100);
    const items = await history.read(history.points()[0] as Point, new Selection(['/a']));
    expect([...whole(items).keys()]).toEqual(['www\0/a/y']);
  });

  test('come in order of source and path', async () => {
    const history = new History();
    await history.next(
      [file('/b', 1), file('/a', 1, [], { source: 'etc' }), file('/z', 1, [], { source: 'etc' })],
      2,
    );
    await history.next(
      [file('/a', 2), folder('/a-b', 2), file('/a/x', 2), file('/c', 2, [], { source: 'etc' })],
      2,
    );
    const items = await history.read(history.points()[1] as Point);
    expect(items.map((i) => i.kind === 'entry' && `${i.entry.source} ${i.entry.path}`)).toEqual([
      'etc /a',
      'etc /c',
      'etc /z',
      'www /a',
      'www /a/x',
      'www /a-b',
      'www /b',
    ]);
  });

  test('are read from at most nine manifests after 200 incrementals', async () => {
    const history = new History();
    for (let i = 0; i <= 200; i++) await history.next([file(`/f${i % 7}`, i + 1)], 1000);
    for (const n of [127, 191, 200]) {
      history.store.fetched.length = 0;
      expect(whole(await history.read(history.points()[n] as Point))).toEqual(history.states[n]);
      const sets = new Set(history.store.fetched.map((name) => name.split('/')[2]));
      expect(sets.size).toBeLessThanOrEqual(9);
    }
  });

  test('end with an error when a manifest is lost that they are read with, and need no other', async () => {
    const history = new History();
    for (let i = 0; i < 6; i++) await history.next([file(`/f${i}`, i + 1)], 1000);
    const points = history.points();
    const lost = history.sets[4] as StoredCommit;
    for (const { name } of lost.commit.objects)
      history.store.objects.delete(history.quick.names.object(lost.commit, name));
    await expect(history.read(points[5] as Point)).rejects.toMatchObject({ code: 'damage' });
    expect(whole(await history.read(points[3] as Point))).toEqual(history.states[3]);
  });

  test('can be left unread half way', async () => {
    const history = new History();
    const entries = Array.from({ length: 3000 }, (_, i) => file(`/f${String(i).padStart(5, '0')}`, 1));
    await history.next(entries, 500);
    for await (const batch of readPoint(history.reader, history.points()[0] as Point)) {
      expect(batch.length).toBeGreaterThan(0);
      break;
    }
    expect(history.store.fetched.filter((n) => n.includes('manifest-')).length).toBeLessThan(7);
  });
});
