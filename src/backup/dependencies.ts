/** What the next set will depend on, and whether the store still has it. */

import { baseOf, type CommitObject } from '../format/commit.ts';
import { manifestName, type SetName, type StrategyNames, setFolder, volumeName } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { IndexSet } from '../index/header.ts';
import type { Store } from '../store/store.ts';
import type { StoreState } from './standing.ts';

/** What the check found. */
export interface Dependencies {
  /** Full name of the first object found that is needed and lacks, or has another size. */
  lost: string | undefined;
  /** Volumes that no entry uses at present and that are gone: nothing may come to depend on them again. */
  gone: { seq: number; volumes: number[] }[];
}

interface Wanted {
  seq: number;
  /** Undefined where the index does not know it: of commits, and of signatures. */
  size?: number;
  /** Volume number, when nothing uses it at present. */
  unused?: number;
}

/** The objects of a set that is about to be committed. */
export interface StoredSet {
  set: SetName;
  objects: readonly CommitObject[];
}

/**
 * Checks all that a set after `sets` (a chain, by ordinal) will depend on: the commits of the chain with their signatures, volumes in use, the
 * manifests with which its point is read; and `made`, what was stored of the set itself. Ends at the first object that is lost.
 *
 * Without `made` the set is yet to be made, and may come to depend on a volume that nothing uses: such volumes are looked for too. With it
 * nothing is added any more, and they are not.
 *
 * Where a listing is true, one of it and `state` (the listing of the commits) answer for whatever they show with its size, and only the rest is asked
 * for: a directory reads every byte for an answer. Where it may lie, in either direction, it is not made at all: each object is asked for, several at
 * once. That costs some milliseconds for each, twice a run, and both times are needed: before the set it spares a run for nothing, and makes a full of what would
 * otherwise fail for ever; before the commit it is the last word on whether the point can be restored.
 */
export async function checkDependencies(
  store: Store,
  names: StrategyNames,
  sets: readonly IndexSet[],
  state: Pick<StoreState, 'names' | 'signed'>,
  made?: StoredSet,
): Promise<Dependencies> {
  const wanted = wantedOf(names, sets, made);
  if (!store.listingsMayLie) {
    for (const set of sets) {
      if (state.names.has(setFolder(set))) wanted.delete(names.commit(set));
      if (state.signed.has(setFolder(set))) wanted.delete(names.signature(set));
    }
    for await (const { name, size } of store.list(names.sets)) {
      if (wanted.get(name)?.size === size) wanted.delete(name);
    }
  }
  const gone = new Map<number, number[]>();
  const ask = ([name]: [string, Wanted]) => store.stat(name);
  // Twice as many as uploads: an answer has no body, and there is more waiting in it than work.
  for await (const [[name, { seq, size, unused }], found] of inOrder(wanted, 2 * store.uploads, ask)) {
    if (found !== undefined && (size === undefined || found.size === size)) continue;
    if (unused === undefined) return { lost: name, gone: [] };
    gone.set(seq, [...(gone.get(seq) ?? []), unused]);
  }
  return { lost: undefined, gone: [...gone].map(([seq, volumes]) => ({ seq, volumes })) };
}

/** By full names; commits first, since without them nothing else is of use. */
function wantedOf(
  names: StrategyNames,
  sets: readonly IndexSet[],
  made: StoredSet | undefined,
): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const set of sets) {
    const { seq } = set;
    wanted.set(names.commit(set), { seq }).set(names.signature(set), { seq });
  }
  for (const set of sets) {
    for (const [i, [size, , used]] of set.volumes.entries()) {
      const volume = i + 1;
      const name = names.object(set, volumeName(volume));
      if (used > 0) wanted.set(name, { seq: set.seq, size });
      else if (made === undefined) wanted.set(name, { seq: set.seq, size, unused: volume });
    }
  }
  for (let ordinal = baseOf(sets.length); ordinal !== null; ordinal = baseOf(ordinal)) {
    const set = sets[ordinal] as IndexSet;
    for (const [part, size] of set.manifests.entries()) {
      wanted.set(names.object(set, manifestName(part)), { seq: set.seq, size });
    }
  }
  if (made !== undefined) {
    const { set, objects } = made;
    for (const { name, size } of objects) wanted.set(names.object(set, name), { seq: set.seq, size });
  }
  return wanted;
}
