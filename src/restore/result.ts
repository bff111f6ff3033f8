/** What came of a restore, for reports: every entry that did not come back as it was, in order, with what is the matter. */
import type { HoldfastError } from '../errors.ts';
import type { ByteString } from '../model.ts';
import { describeNotSet } from '../target/attributes.ts';
import type { FinishOptions } from './finish.ts';
import type { Plan } from './plan.ts';
import { FolderState } from './prepare.ts';
import { Kind } from './tree.ts';
import type { Trouble } from './trouble.ts';

/** What came of it. */
export interface RestoreResult {
  /** Entries that are there now, of those that the point holds or that were asked for. */
  restored: number;
  /** Entries for which something was in the way that stays. */
  kept: number;
  /** Bytes of content of the files among them. */
  bytes: number;
  /** Entries that the store does not hold as they were: left out. */
  damaged: Trouble[];
  /** Entries that could not be made, or not as they were. */
  incomplete: Trouble[];
  /** Entries that are back, but were no true state of their time even in the backup. */
  doubtful: Trouble[];
  /** Objects of the store that are damaged or missing. */
  lost: HoldfastError[];
}

/** Sums up what all steps have noted. */
export function sumUp(plan: Plan, finish: FinishOptions, lost: HoldfastError[]): Omit<RestoreResult, 'kept'> {
  const { tree, totals } = plan;
  const damaged = [...plan.damaged];
  const incomplete: Trouble[] = [];
  let { entries: restored, bytes } = totals;
  const add = (path: ByteString, problem: string) => incomplete.push({ path, problem });

  for (const [folder, state] of finish.folders.entries()) {
    if (state !== FolderState.impossible || !tree.folders.isListed(folder)) continue;
    add(tree.folders.path(folder), 'cannot be made');
    restored--;
  }
  for (const entry of [...finish.troubles.keys()].sort((a, b) => a - b)) {
    const { kind, problem } = finish.troubles.get(entry) as { kind: string; problem: string };
    (kind === 'damage' ? damaged : incomplete).push({ path: tree.path(entry), problem });
    restored--;
    if (tree.entries.kind(entry) === Kind.file) bytes -= tree.entries.size(entry);
  }
  for (const [folder, what] of finish.foldersNotSet) add(tree.folders.path(folder), describeNotSet(what));
  for (const [entry, what] of finish.notSet) {
    if (!finish.troubles.has(entry)) add(tree.path(entry), describeNotSet(what));
  }
  for (const [entry, code] of finish.copied)
    add(tree.path(entry), `is a copy: it could not be linked (${code})`);
  return { restored, bytes, damaged, incomplete, doubtful: plan.doubtful, lost };
}
