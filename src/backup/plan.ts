/** Decides what kind of set a run makes, and why: a pure decision over what was found out before. */
import type { IndexHeader, IndexSet } from '../index/header.ts';

export type RequestedType = 'auto' | 'full' | 'incremental';

/** What is known when the decision is due. */
export interface Situation {
  requested: RequestedType;
  /** The index that could be built upon, or why there is none. */
  index: IndexHeader | { none: string };
  /** Fingerprints of the recipients, in any order. */
  recipients: readonly string[];
  signer: string;
  /** Whether the strategy's schedule calls for a full, in words. */
  due: { due: boolean; reason: string };
  /** The first object that the chain needs and the store lacks. */
  lost: string | undefined;
  /** A root that is missing or was emptied: a full would lose its last version from the newest point. */
  absentRoot: string | undefined;
  /** The newest point carries entries over that still cannot be read: a full would lose them, and would be tried in vain every night. */
  carries: boolean;
}

/** The decision. */
export type Plan =
  | {
      type: 'full';
      reason: string;
      /** What to make instead where the full would lose the last version of something that cannot be read. */
      instead?: Incremental;
    }
  | Incremental;

/** An incremental, and the volumes that are given up with it. */
export interface Incremental {
  type: 'incremental';
  reason: string;
  parent: IndexHeader;
  givenUp: { seq: number; volumes: number[] }[];
}

/** Decides. A `refused` says that an incremental was demanded which cannot be made. */
export function plan(s: Situation): Plan | { refused: string } {
  const obstacle = obstacleToIncremental(s);
  if (obstacle !== undefined) {
    if (s.requested === 'incremental') return { refused: obstacle };
    return { type: 'full', reason: obstacle };
  }
  const parent = s.index as IndexHeader;
  if (s.requested === 'full') return { type: 'full', reason: 'asked for' };
  const fragmented = volumesToGiveUp(parent.sets);
  const incremental = { type: 'incremental' as const, parent, givenUp: fragmented };
  const compacting =
    fragmented.length > 0 ? '; scattered remains of old volumes are stored anew, to keep restores small' : '';
  if (s.requested === 'incremental') return { ...incremental, reason: `asked for${compacting}` };
  if (s.due.due) {
    if (s.absentRoot === undefined) {
      const waits = `${s.due.reason}, but it waits until everything can be read whose last version only this chain holds${compacting}`;
      if (s.carries) return { ...incremental, reason: waits };
      return { type: 'full', reason: s.due.reason, instead: { ...incremental, reason: waits } };
    }
    return {
      ...incremental,
      reason: `${s.due.reason}, but it waits until ${s.absentRoot} is back, whose last version only this chain holds${compacting}`,
    };
  }
  return { ...incremental, reason: `${s.due.reason}${compacting}` };
}

function obstacleToIncremental(s: Situation): string | undefined {
  if ('none' in s.index) return s.index.none;
  if (s.index.signer !== s.signer) return 'the signing key of this host has changed';
  const before = [...s.index.recipients].sort().join();
  if (before !== [...s.recipients].sort().join()) {
    return 'the recipients have changed: a new one could not open the older volumes';
  }
  if (s.lost !== undefined)
    return `the chain needs ${s.lost}, and the store has it no more, or not as it was`;
  return undefined;
}

/** Restoring the newest point may fetch this many times what a fresh full would hold before old volumes are given up. */
const FETCH_LIMIT = 1.5;
/** Giving up stops when it is down to this. */
const FETCH_GOAL = 1.2;
/** Below this waste in bytes it is not worth while. */
const WASTE_MINIMUM = 64 * 1024;
/** No point is committed whose restore fetches more than this many times its worth. */
const FETCH_MOST = 2;

/** Whether a restore of the newest of these sets would fetch too much: it is then better made again, with volumes given up. */
export function fetchesTooMuch(sets: readonly IndexSet[]): boolean {
  let fetched = 0;
  let worth = 0;
  for (const { volumes } of sets) {
    for (const [size, atFirst, now] of volumes) {
      if (now === 0) continue;
      fetched += size;
      worth += atFirst === 0 ? size : size * Math.min(1, now / atFirst);
    }
  }
  return fetched > FETCH_MOST * worth && fetched - worth > WASTE_MINIMUM;
}

/**
 * The volumes whose remaining content is better stored anew, the emptiest first, so that a restore never fetches much more than the
 * point itself is worth.
 */
export function volumesToGiveUp(sets: readonly IndexSet[]): { seq: number; volumes: number[] }[] {
  const used: { seq: number; volume: number; size: number; worth: number }[] = [];
  const given = new Map<number, number[]>();
  const giveUp = (seq: number, volume: number) => given.set(seq, [...(given.get(seq) ?? []), volume]);
  let fetched = 0;
  let worth = 0;
  for (const set of sets) {
    for (const [i, [size, atFirst, now]] of set.volumes.entries()) {
      if (now === 0) {
        // What was given up before must not come to life again because a copy of its content is given up now.
        giveUp(set.seq, i + 1);
        continue;
      }
      const part = {
        seq: set.seq,
        volume: i + 1,
        size,
        worth: atFirst === 0 ? size : size * Math.min(1, now / atFirst),
      };
      used.push(part);
      fetched += size;
      worth += part.worth;
    }
  }
  if (fetched <= FETCH_LIMIT * worth || fetched - worth < WASTE_MINIMUM) return [];
  used.sort((a, b) => a.worth / a.size - b.worth / b.size);
  for (const { seq, volume, size, worth: left } of used) {
    if (fetched <= FETCH_GOAL * worth) break;
    fetched += left - size;
    giveUp(seq, volume);
  }
  return [...given]
    .map(([seq, volumes]) => ({ seq, volumes: volumes.sort((a, b) => a - b) }))
    .sort((a, b) => a.seq - b.seq);
}
