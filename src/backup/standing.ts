/** Where a host stands with its store: whether its index is of the newest point, and if not, who wrote since. */
import { ahead } from '../ahead.ts';
import { alteredObject, loadCommit, type StoredCommit } from '../chain/commits.ts';
import { FETCHES } from '../chain/judgement.ts';
import { loadVerifiers } from '../chain/verifiers.ts';
import type { Verifier } from '../crypto/check.ts';
import { HoldfastError } from '../errors.ts';
import { type SetName, type StrategyNames, setFolder } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { FoundIndex } from '../index/files.ts';
import { type IndexHeader, type IndexSet, newestSet } from '../index/header.ts';
import type { Store } from '../store/store.ts';

/** What was found in the store, newest first. */
export interface StoreState {
  /** Good commits by trusted signers, from the newest down to that of the index (at least the newest one). */
  newest: StoredCommit[];
  /** The highest seq that any good commit has; 0 when there is none. */
  seq: number;
  /** All names of commits, good or not. */
  names: ReadonlySet<string>;
  /** Those of them beside which a signature lies. */
  signed: ReadonlySet<string>;
  /** Commits that were met and count for nothing, with what is wrong. */
  rejected: HoldfastError[];
  /** The keys of those signers whose commits are believed. */
  believed: readonly Verifier[];
}

/**
 * Reads the newest commits: no further down than needed. `own` is the set of the index, which is asked for by its name where a
 * listing lags behind. Keys that are not in the store are passed over: a signer that was adopted may have none there.
 */
export async function readStoreState(
  store: Store,
  names: StrategyNames,
  signer: Verifier,
  adopted: readonly string[],
  own: SetName | undefined,
): Promise<StoreState> {
  const upTo = own?.seq ?? 0;
  const loading = ahead(loadVerifiers(store, names, 'keys-in-store'));
  const { names: all, signed, sets: found } = await listCommits(store, names);
  if (own !== undefined && !all.has(setFolder(own)) && (await store.stat(names.commit(own))) !== undefined) {
    found.push(own);
    all.add(setFolder(own));
  }
  found.sort((a, b) => b.seq - a.seq || (a.id < b.id ? 1 : -1));
  const { verifiers } = await loading;
  // Its own key the host has at hand, whatever became of the copy in the store.
  const believed = [signer, ...verifiers.filter(({ fingerprint }) => adopted.includes(fingerprint))];
  const state: StoreState = { newest: [], seq: 0, names: all, signed, rejected: [], believed };
  for (const set of found) {
    if (state.newest.length > 0 && set.seq < Math.max(upTo, 1)) break;
    if (state.newest.length > 0 && upTo === 0 && set.seq < state.seq) break;
    try {
      const commit = await loadCommit(store, names, set, believed);
      if (commit === undefined) continue;
      state.newest.push(commit);
      state.seq = Math.max(state.seq, set.seq);
    } catch (error) {
      if (!isJudgement(error)) throw error;
      state.rejected.push(error);
    }
  }
  return state;
}

/** Whether an error says of a commit that it is no point, also because another key signed it; not that the store failed. */
function isJudgement(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code !== 'store' && error.code !== 'store-absent';
}

/**
 * The first object by which a set of a chain (by ordinal) is not what this host has signed, by its full name: a commit, or a signature.
 * Fetches and checks all of them; they are small.
 */
export async function alteredCommit(
  store: Store,
  names: StrategyNames,
  sets: readonly IndexSet[],
  believed: readonly Verifier[],
): Promise<string | undefined> {
  const look = (set: IndexSet) => alteredObject(store, names, set, believed);
  for await (const [, altered] of inOrder(sets, FETCHES, look)) if (altered !== undefined) return altered;
  return undefined;
}

/** Ending of a signature's name, after that of its commit. */
export const SIGNATURE = '.asc';

/** Lists the commits, good or not: their sets, the names of these, and which of them have a signature. */
export async function listCommits(
  store: Store,
  names: StrategyNames,
): Promise<{ sets: SetName[]; names: Set<string>; signed: Set<string> }> {
  const sets: SetName[] = [];
  const commits = new Set<string>();
  const signed = new Set<string>();
  for await (const { name } of store.list(names.commits, { namesOnly: true })) {
    const isSignature = name.endsWith(SIGNATURE);
    const set = names.parseCommit(isSignature ? name.slice(0, -SIGNATURE.length) : name);
    if (set === undefined) continue;
    if (isSignature) {
      signed.add(setFolder(set));
    } else {
      sets.push(set);
      commits.add(setFolder(set));
    }
  }
  return { sets, names: commits, signed };
}

/** What follows for the next set. */
export type Standing =
  /** The index is of the newest point. */
  | { kind: 'current'; index: IndexHeader }
  /** There is no index to build upon, and that is nobody else's doing. */
  | { kind: 'none'; reason: string; newWriter: boolean; warning?: string }
  /** Somebody else wrote: a new chain under a new writer, and people must hear of it. */
  | { kind: 'overtaken'; reason: string; warning: string };

/**
 * Compares the index with the store. Throws `two-writers` when another host has taken this one's place before: then two hosts write here,
 * and going on would make them take turns.
 */
export function compareWithStore(index: FoundIndex, state: StoreState): Standing {
  if (index === 'absent') return { kind: 'none', reason: noIndex(state.seq), newWriter: true };
  if ('unusable' in index) {
    const warning = `the index is discarded: ${index.unusable}`;
    return { kind: 'none', reason: `there is no usable index: ${index.unusable}`, newWriter: true, warning };
  }
  const mine = newestSet(index);
  const own = state.newest.find(({ commit }) => commit.seq === mine.seq && commit.id === mine.id);
  const later = state.newest.filter(({ commit }) => commit.seq > mine.seq);
  const successor = later.find(({ commit }) => commit.succeeds === index.writer);
  if (successor !== undefined) throw twoWriters(successor);
  if (own !== undefined && own.commitSha256 !== mine.commitSha256) {
    const reason = `the commit of point ${mine.seq} in the store is not the one that this host made`;
    return { kind: 'overtaken', reason, warning: `${reason}: a new chain is begun` };
  }
  if (later.length > 0) {
    const seq = state.seq;
    const reason = `the store already holds point ${seq}, the index of this host ends at ${mine.seq}`;
    return {
      kind: 'overtaken',
      reason,
      warning: `${reason}: this machine was set back to an earlier state, or another one writes here; a new chain is begun, and if another machine writes too, it must be stopped`,
    };
  }
  if (own === undefined) {
    const reason = `the store no longer holds point ${mine.seq}, on which the index builds`;
    return {
      kind: 'none',
      reason,
      newWriter: false,
      warning: `${reason}: if nobody has removed it on purpose, find out who did`,
    };
  }
  const twin = state.newest.find(({ commit }) => commit.seq === mine.seq && commit.id !== mine.id);
  if (twin !== undefined) {
    const reason = `there are two points ${mine.seq} in the store, ${mine.id} and ${twin.commit.id}`;
    return { kind: 'overtaken', reason, warning: `${reason}: two hosts write here; a new chain is begun` };
  }
  return { kind: 'current', index };
}

function noIndex(seq: number): string {
  return seq === 0 ? 'this is the first backup' : 'this host has no index of the points in the store';
}

function twoWriters(successor: StoredCommit): HoldfastError {
  const { signer } = successor;
  const { seq, time } = successor.commit;
  return new HoldfastError(
    'two-writers',
    `two hosts write here: another one, or this one with another state folder (a run by hand, or as another user), took over at point ${seq} (${time}); stop backups on one of them, or with one of the folders, and if this one is to go on, run "holdfast init --adopt ${signer}"`,
    { object: successor.name },
  );
}
