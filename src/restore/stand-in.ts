/**
 * When the first name of a file cannot be made, another one stands in for it: the content goes there, and further names become links to that. Chooses
 * stand-ins and makes them, empty; brings no content.
 */
import { lstatSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { show, toFsPath } from '../format/bytes.ts';
import { endsRestore, writeFailed } from '../target/failure.ts';
import { clear } from '../target/folder.ts';
import type { OpenFolders } from '../target/open-folders.ts';
import { type FileTrouble, targetPath } from './jobs.ts';
import { FolderState, makeEmpty, makeSized, type PrepareOptions } from './prepare.ts';
import { isWhole } from './ranks.ts';
import { Kind, type Tree } from './tree.ts';

/** What choosing takes. */
export interface StandInOptions extends Pick<PrepareOptions, 'plan' | 'root' | 'owner' | 'replace'> {
  open: OpenFolders;
  /** For each folder, one of FolderState. */
  folders: Uint8Array;
  /** What failed so far, by entry; names that cannot be made either are added. */
  troubles: Map<number, FileTrouble>;
  /** Empty files of which not everything could be set; more is added. */
  notSet: Map<number, number>;
}

/** The name that a further name of a file is to be linked to: the first one, or what stands in for it. */
export function firstName({ entries }: Tree, entry: number): number {
  let first = entries.detail(entry);
  while (entries.kind(first) === Kind.link) first = entries.detail(first);
  return first;
}

/**
 * Makes a further name of each file whose first name the target refused; returns those that wait for content. What the store has lost is lost under
 * every name. To be called again until nothing is returned: also a stand-in may fail. Errors: those that end a restore.
 */
export function makeStandIns(options: StandInOptions): Set<number> {
  const { plan, troubles, folders } = options;
  const { entries } = plan.tree;
  const waiting = new Set<number>();
  const isRefused = (entry: number) =>
    entries.kind(entry) === Kind.file && troubles.get(entry)?.kind === 'io';
  if (![...troubles.keys()].some(isRefused)) return waiting;
  for (let entry = 0; entry < entries.length; entry++) {
    if (entries.kind(entry) !== Kind.link || troubles.has(entry)) continue;
    if (folders[entries.folder(entry)] === FolderState.impossible) continue;
    const first = firstName(plan.tree, entry);
    if (!isRefused(first) || !isMade(options, entry, first)) continue;
    entries.standIn(entry, first);
    plan.content.move(first, entry, entries.detail(entry));
    if (entries.size(entry) > 0) waiting.add(entry);
  }
  return waiting;
}

/** Makes a name as prepareTarget() makes files: one that is written in one go is only tried. */
function isMade(options: StandInOptions, entry: number, first: number): boolean {
  const { plan, root, replace, troubles, notSet } = options;
  const path = targetPath(root, plan.tree.path(entry));
  const size = plan.tree.entries.size(entry);
  try {
    options.open.at(path, (place) => {
      if (size === 0) {
        const failed = makeEmpty(options, entry, place);
        if (failed !== 0) notSet.set(entry, failed);
        return;
      }
      const whole = isWhole(plan, first);
      // What is there gives way to content only.
      if (whole && lstatSync(toFsPath(place), { throwIfNoEntry: false }) !== undefined) return;
      makeSized(place, size, replace);
      if (whole) clear(toFsPath(place));
    });
    return true;
  } catch (error) {
    if (endsRestore(error)) throw writeFailed(show(path), error);
    const code = systemCode(error);
    if (code === undefined) throw error;
    troubles.set(entry, { entry, kind: 'io', problem: `cannot be made (${code})`, begun: false });
    return false;
  }
}
