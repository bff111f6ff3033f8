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

/*
 * Where a listing is true, it answers for whatever it shows with its size, and only the rest is asked for: a directory reads every byte for an answer. Where it may
 * lie, in either direction, it is not made at all: each object is asked for, several at once. That costs some milliseconds for each, twice a run, and both times are
 * needed: before the set it spares a run for nothing, and makes a full of what would otherwise fail for ever; before the commit it is the last word on whether
 * the point can be restored.
 */

/**
 * Checks what a set that is yet to be made after `sets` (a chain, by ordinal) may come to depend on, but for their commits and signatures, which are read besides: the manifests with
 * which its point is read, and all volumes, also those that nothing uses at present. Ends at the first object that is lost.
 */
export async function checkContents(
  store: Store,
  names: StrategyNames,
  sets: readonly IndexSet[],
): Promise<Dependencies> {
  const wanted = new Map<string, Wanted>();
  add(wanted, volumesOf(names, sets, true));
  add(wanted, manifestsOf(names, sets));
  return look(store, names, wanted);
}

/**
 * Checks all that a set which is about to be committed after `sets` depends on: their commits with the signatures, volumes in use, manifests, and `made`, what was stored of the set
 * itself. The full name of the first object found that is lost. `commits`: a listing of them, which counts where listings are true.
 */
export async function checkDependencies(
  store: Store,
  names: StrategyNames,
  sets: readonly IndexSet[],
  commits: PromiseLike<Pick<StoreState, 'names' | 'signed'>>,
  made: StoredSet,
): Promise<string | undefined> {
  const wanted = new Map<string, Wanted>();
  // Commits first, since without them nothing else is of use.
  for (const set of sets) {
    const { seq } = set;
    wanted.set(names.commit(set), { seq }).set(names.signature(set), { seq });
  }
  add(wanted, volumesOf(names, sets, false));
  add(wanted, manifestsOf(names, sets));
  for (const { name, size } of made.objects)
    wanted.set(names.object(made.set, name), { seq: made.set.seq, size });
  if (!store.listingsMayLie) {
    const shown = await commits;
    for (const set of sets) {
      if (shown.names.has(setFolder(set))) wanted.delete(names.commit(set));
      if (shown.signed.has(setFolder(set))) wanted.delete(names.signature(set));
    }
  }
  const { lost } = await look(store, names, wanted);
  return lost;
}

async function look(store: Store, names: StrategyNames, wanted: Map<string, Wanted>): Promise<Dependencies> {
  if (!store.listingsMayLie) {
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

function add(wanted: Map<string, Wanted>, more: Iterable<[string, Wanted]>): void {
  for (const [name, one] of more) wanted.set(name, one);
}

/** By full names. */
function* volumesOf(
  names: StrategyNames,
  sets: readonly IndexSet[],
  unused: boolean,
): Generator<[string, Wanted], void> {
  for (const set of sets) {
    const { seq } = set;
    for (const [i, [size, , used]] of set.volumes.entries()) {
      const volume = i + 1;
      const name = names.object(set, volumeName(volume));
      if (used > 0) yield [name, { seq, size }];
      else if (unused) yield [name, { seq, size, unused: volume }];
    }
  }
}

/** Those of the sets on which the next one's manifest builds, by full names. */
function* manifestsOf(names: StrategyNames, sets: readonly IndexSet[]): Generator<[string, Wanted], void> {
  for (let ordinal = baseOf(sets.length); ordinal !== null; ordinal = baseOf(ordinal)) {
    const set = sets[ordinal] as IndexSet;
    for (const [part, size] of set.manifests.entries()) {
      yield [names.object(set, manifestName(part)), { seq: set.seq, size }];
    }
  }
}
