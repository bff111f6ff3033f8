/** What the next set will depend on, and whether the store still has it. */

import { baseOf } from '../format/commit.ts';
import { manifestName, type StrategyNames, setFolder, volumeName } from '../format/names.ts';
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
  set: IndexSet;
  size: number;
  /** Volume number, when nothing uses it at present. */
  unused?: number;
}

/**
 * Checks, by one listing and a question where it leaves doubt, all that a set after `sets` (a chain, by ordinal) will depend on: volumes in
 * use, the manifests with which its point is read, and the commits of the chain.
 */
export async function checkDependencies(
  store: Store,
  names: StrategyNames,
  sets: readonly IndexSet[],
  state: Pick<StoreState, 'names'>,
): Promise<Dependencies> {
  for (const set of sets) {
    if (!state.names.has(setFolder(set)) && (await store.stat(names.commit(set))) === undefined) {
      return { lost: names.commit(set), gone: [] };
    }
  }
  const wanted = wantedOf(names, sets);
  for await (const { name, size } of store.list(names.sets)) {
    if (wanted.get(name)?.size === size) wanted.delete(name);
  }
  const gone = new Map<number, number[]>();
  for (const [name, { set, size, unused }] of wanted) {
    if ((await store.stat(name))?.size === size) continue;
    if (unused === undefined) return { lost: name, gone: [] };
    gone.set(set.seq, [...(gone.get(set.seq) ?? []), unused]);
  }
  return { lost: undefined, gone: [...gone].map(([seq, volumes]) => ({ seq, volumes })) };
}

function wantedOf(names: StrategyNames, sets: readonly IndexSet[]): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const set of sets) {
    for (const [i, [size, , used]] of set.volumes.entries()) {
      const volume = i + 1;
      const name = names.object(set, volumeName(volume));
      wanted.set(name, used > 0 ? { set, size } : { set, size, unused: volume });
    }
  }
  for (let ordinal = baseOf(sets.length); ordinal !== null; ordinal = baseOf(ordinal)) {
    const set = sets[ordinal] as IndexSet;
    for (const [part, size] of set.manifests.entries()) {
      wanted.set(names.object(set, manifestName(part)), { set, size });
    }
  }
  return wanted;
}
