/** Sets as such: their order, how messages name them, where their manifests begin in what a commit lists. */
import type { CommitObject } from '../format/commit.ts';
import type { SetName } from '../format/names.ts';

/** The order of sets: by seq, those of one seq (two hosts wrote) by id. */
export function compareSets(a: SetName, b: SetName): number {
  return a.seq - b.seq || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** A set as messages name it: `set 17 (id 0123abcd)`. */
export function describeSet(set: SetName): string {
  return `set ${set.seq} (id ${set.id.slice(0, 8)})`;
}

/** How many of a set's objects are volumes: they stand first, the manifest objects after them. */
export function volumeCount(objects: readonly CommitObject[]): number {
  return search(objects, objects.length, ({ name }) => name.startsWith('vol-'));
}

/** How many of the first `end` items are `before` something; those that are must stand first. */
export function search<T>(items: readonly T[], end: number, before: (item: T) => boolean): number {
  let low = 0;
  let high = Math.min(end, items.length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
