/** Makes everything that content goes into: folders, and the files that come in parts, empty and of their full size. */
import { closeSync, ftruncateSync, lstatSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { systemCode } from '../errors.ts';
import { show, toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { setAttributes } from '../target/attributes.ts';
import { endsRestore, writeFailed } from '../target/failure.ts';
import { createFile, makeFolder, openForWork } from '../target/folder.ts';
import type { OpenFolders } from '../target/open-folders.ts';
import { type FileTrouble, targetPath } from './jobs.ts';
import type { Plan } from './plan.ts';
import { isWhole, volumesOf } from './ranks.ts';
import { Kind, ROOT } from './tree.ts';

/** What preparing takes. */
export interface PrepareOptions {
  plan: Plan;
  /** The target's absolute path. */
  root: ByteString;
  /** Leads to places in it. */
  folders: OpenFolders;
  owner: boolean;
  /** Whether what stands in the way is replaced. */
  replace: boolean;
  /**
   * Mode for folders that are no entries, where the target holds other things: no later run could tell which of them it made.
   * Undefined where all that is in the target is the restore's own.
   */
  openMode: number | undefined;
  /** Whether an earlier run has made all files that come in parts: those that are there may hold content by now. */
  prepared: boolean;
  /** Whether an earlier run has written what volume `index` of the plan brings. */
  isClaimed: (index: number) => boolean;
  /** Throws when the restore was told to end. */
  stop: () => void;
}

/** What came of it. */
export interface Prepared {
  /** For each folder, one of FolderState. */
  folders: Uint8Array;
  /** Entries that cannot be made, by index. */
  troubles: Map<number, FileTrouble>;
  /** How many empty files were made; they are complete with that. */
  empty: number;
  /** Those of them of which not everything could be set, with a sum of NotSet. */
  notSet: Map<number, number>;
}

export const FolderState = { there: 0, made: 1, impossible: 2 } as const;

/** How many entries are worked on between two looks at signals and timers. */
const TURN = 500;

/** Makes folders and files. Errors: those that end a restore (`no-space`, `io`). */
export async function prepareTarget(options: PrepareOptions): Promise<Prepared> {
  const { plan } = options;
  const prepared: Prepared = {
    folders: new Uint8Array(plan.tree.folders.length),
    troubles: new Map(),
    empty: 0,
    notSet: new Map(),
  };
  await makeFolders(options, prepared);
  const { entries } = plan.tree;
  for (let entry = 0; entry < entries.length; entry++) {
    if (entry % TURN === 0) await turn(options);
    if (entries.kind(entry) === Kind.none) continue;
    if (prepared.folders[entries.folder(entry)] === FolderState.impossible) {
      const problem = 'cannot be made, since its folder cannot';
      prepared.troubles.set(entry, { entry, kind: 'io', problem, begun: false });
    } else if (entries.kind(entry) === Kind.file) {
      prepareFile(options, prepared, entry);
    }
  }
  return prepared;
}

async function makeFolders(options: PrepareOptions, { folders }: Prepared): Promise<void> {
  const { plan, root, replace, openMode } = options;
  const table = plan.tree.folders;
  for (let folder = ROOT + 1; folder < table.length; folder++) {
    if (folder % TURN === 0) await turn(options);
    if (folders[table.parent(folder)] === FolderState.impossible) {
      folders[folder] = FolderState.impossible;
      continue;
    }
    const path = targetPath(root, table.path(folder));
    try {
      const isListed = table.isListed(folder);
      const made = options.folders.at(path, (place) => {
        const isNew = makeFolder(toFsPath(place), replace, isListed ? undefined : openMode);
        if (!isNew && isListed) openForWork(place);
        return isNew;
      });
      folders[folder] = made || openMode === undefined ? FolderState.made : FolderState.there;
    } catch (error) {
      refuse(path, error);
      folders[folder] = FolderState.impossible;
    }
  }
}

/** Lets signals and timers have their turn. */
async function turn({ stop }: PrepareOptions): Promise<void> {
  await setImmediate();
  stop();
}

function prepareFile(options: PrepareOptions, result: Prepared, entry: number): void {
  const { plan, root } = options;
  const size = plan.tree.entries.size(entry);
  if (size > 0 && isWhole(plan, entry)) return;
  const path = targetPath(root, plan.tree.path(entry));
  try {
    options.folders.at(path, (place) => {
      if (size === 0) {
        const failed = makeEmpty(options, entry, place);
        if (failed !== 0) result.notSet.set(entry, failed);
        result.empty++;
      }
      if (size > 0 && !(holdsContent(options, entry) && isThere(place, size)))
        makeSized(place, size, options.replace);
    });
  } catch (error) {
    const problem = `cannot be made (${refuse(path, error)})`;
    result.troubles.set(entry, { entry, kind: 'io', problem, begun: false });
  }
}

/** Makes an empty file with all that belongs to it; returns what could not be set. */
export function makeEmpty(
  { plan, owner, replace }: Pick<PrepareOptions, 'plan' | 'owner' | 'replace'>,
  entry: number,
  place: ByteString,
): number {
  const fd = createFile(toFsPath(place), replace);
  try {
    return setAttributes(fd, plan.tree.entries.attributes(entry), owner);
  } finally {
    closeSync(fd);
  }
}

/** Makes a file of that size without content: a hole, which takes no room. */
export function makeSized(place: ByteString, size: number, replace: boolean): void {
  const fd = createFile(toFsPath(place), replace);
  try {
    ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
}

/** Makes a file in parts anew, empty: it holds something wrong. Returns why that cannot be done. Errors: those that end a restore. */
export function remakeFile(
  { tree }: Plan,
  root: ByteString,
  folders: OpenFolders,
  entry: number,
): FileTrouble | undefined {
  const path = targetPath(root, tree.path(entry));
  try {
    folders.at(path, (place) => makeSized(place, tree.entries.size(entry), true));
    return undefined;
  } catch (error) {
    return { entry, kind: 'io', problem: `cannot be made (${refuse(path, error)})`, begun: true };
  }
}

/**
 * Whether a file may hold content of an earlier run that counts. One of which nothing is noted is made anew: it may be complete all the same, and
 * have a mode by now in which it cannot be written.
 */
function holdsContent({ plan, prepared, isClaimed }: PrepareOptions, entry: number): boolean {
  return prepared && volumesOf(plan, entry).some(isClaimed);
}

function isThere(place: ByteString, size: number): boolean {
  const status = lstatSync(toFsPath(place), { throwIfNoEntry: false });
  return status?.isFile() === true && status.size === size;
}

/** The code of a failure that concerns one entry; throws for those that end the restore. */
function refuse(path: ByteString, error: unknown): string {
  if (endsRestore(error)) throw writeFailed(show(path), error);
  const code = systemCode(error);
  if (code === undefined) throw error;
  return code;
}
