/** What the next set will depend on, and whether the store still has it. */

import { baseOf, type CommitObject } from '../format/commit.ts';
import { manifestName, type SetName, type StrategyNames, setFolder, volumeName } from '../format/names.ts';
import type { IndexSet } from '../index/header.ts';
import type { Store } from '../store/store.ts';
import type { StoreState } from './standing.ts';

/** What the check found. */
export interface Dependencies {
  /** Full name of an object that is needed and lacks, or has another size. */
  lost: string | undefined;
  /** Volumes that no entry uses at present and that are gone: nothing may come to depend on them again. */
  gone: { seq: number; volumes: number[] }[];
}

interface Wanted {
  seq: number;
  size: number;
  /** Volume number, when nothing uses it at present. */
  unused?: number;
}

/** The objects of a set that is about to be committed. */
export interface StoredSet {
  set: SetName;
  objects: readonly CommitObject[];
}

/**
 * Checks, by one listing and a question where it leaves doubt, all that a set after `sets` (a chain, by ordinal) will depend on: volumes in
 * use, the manifests with which its point is read, and the commits of the chain with their signatures; and `made`, what was stored of the set
 * itself.
 */
export async function checkDependencies(
  store: Store,
  names: StrategyNames,
  sets: readonly IndexSet[],
  state: Pick<StoreState, 'names' | 'signed'>,
  made?: StoredSet,
): Promise<Dependencies> {
  for (const set of sets) {
    const folder = setFolder(set);
    for (const [listed, name] of [
      [state.names, names.commit(set)],
      [state.signed, names.signature(set)],
    ] as const) {
      if (!listed.has(folder) && (await store.stat(name)) === undefined) return { lost: name, gone: [] };
    }
  }
  const wanted = wantedOf(names, sets);
  if (made !== undefined) {
    const { set, objects } = made;
    for (const { name, size } of objects) wanted.set(names.object(set, name), { seq: set.seq, size });
  }
  for await (const { name, size } of store.list(names.sets)) {
    if (wanted.get(name)?.size === size) wanted.delete(name);
  }
  const gone = new Map<number, number[]>();
  for (const [name, { seq, size, unused }] of wanted) {
    if ((await store.stat(name))?.size === size) continue;
    if (unused === undefined) return { lost: name, gone: [] };
    gone.set(seq, [...(gone.get(seq) ?? []), unused]);
  }
  return { lost: undefined, gone: [...gone].map(([seq, volumes]) => ({ seq, volumes })) };
}

function wantedOf(names: StrategyNames, sets: readonly IndexSet[]): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const set of sets) {
    for (const [i, [size, , used]] of set.volumes.entries()) {
      const volume = i + 1;
      const name = names.object(set, volumeName(volume));
      wanted.set(name, used > 0 ? { seq: set.seq, size } : { seq: set.seq, size, unused: volume });
    }
  }
  for (let ordinal = baseOf(sets.length); ordinal !== null; ordinal = baseOf(ordinal)) {
    const set = sets[ordinal] as IndexSet;
    for (const [part, size] of set.manifests.entries()) {
      wanted.set(names.object(set, manifestName(part)), { seq: set.seq, size });
    }
  }
  return wanted;
}
