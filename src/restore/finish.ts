/** What comes after the content: files that failed are removed, links are made, and folders get what belongs to them, the deepest first. */
import { closeSync, fchmodSync, linkSync, readSync, symlinkSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { systemCode } from '../errors.ts';
import { show, toBytes, toFsPath } from '../format/bytes.ts';
import { makeNode } from '../linux/nodes.ts';
import type { ByteString } from '../model.ts';
import { NotSet, setAttributes, setLinkAttributes, setNodeAttributes } from '../target/attributes.ts';
import { endsRestore, writeFailed } from '../target/failure.ts';
import { clear, createFile, type FsPath, making, openFolder, reopenFile } from '../target/folder.ts';
import type { OpenFolders } from '../target/open-folders.ts';
import { type FileTrouble, targetPath } from './jobs.ts';
import type { Plan } from './plan.ts';
import { FolderState } from './prepare.ts';
import { firstName } from './stand-in.ts';
import { Kind, ROOT } from './tree.ts';

/** What finishing takes. */
export interface FinishOptions {
  plan: Plan;
  /** The target's absolute path. */
  root: ByteString;
  /** Leads to places in it. */
  open: OpenFolders;
  owner: boolean;
  /** Whether what stands in the way of links is replaced. */
  replace: boolean;
  /** Whether an earlier run may have left a part of anything. */
  resumed: boolean;
  /** For each folder, one of FolderState. */
  folders: Uint8Array;
  /** Mode of folders that are no entries and only lie on the way to one. */
  impliedMode: number;
  /** What failed so far, by entry; more is added. */
  troubles: Map<number, FileTrouble>;
  /** Entries of which not everything could be set; more is added. */
  notSet: Map<number, number>;
  /** The same of folders, by folder. */
  foldersNotSet: Map<number, number>;
  /** Further names that became files of their own, with the reason. */
  copied: Map<number, string>;
  /** Throws when the restore was told to end. */
  stop: () => void;
}

const TURN = 500;

/** Removes what is left of files that failed, makes special files and links. Errors: those that end a restore. */
export async function makeLinks(options: FinishOptions): Promise<void> {
  const { plan, root, troubles } = options;
  const { entries } = plan.tree;
  for (let entry = 0; entry < entries.length; entry++) {
    if (entry % TURN === 0) await turn(options);
    const kind = entries.kind(entry);
    if (kind === Kind.none || options.folders[entries.folder(entry)] === FolderState.impossible) continue;
    const trouble = troubles.get(entry);
    if (trouble === undefined ? kind === Kind.file : !(trouble.begun || options.resumed)) continue;
    const path = targetPath(root, plan.tree.path(entry));
    try {
      options.open.at(path, (place) => {
        if (trouble !== undefined) clear(toFsPath(place));
        else if (kind === Kind.symlink) makeSymlink(options, entry, place);
        else if (kind === Kind.node) makeSpecial(options, entry, place);
        else makeHardLink(options, entry, place);
      });
    } catch (error) {
      if (endsRestore(error)) throw writeFailed(show(path), error);
      if (systemCode(error) === undefined) throw error;
      if (trouble !== undefined) continue;
      const problem = `cannot be made (${systemCode(error)})`;
      troubles.set(entry, { entry, kind: 'io', problem, begun: false });
    }
  }
}

/** Lets signals and timers have their turn. */
async function turn({ stop }: FinishOptions): Promise<void> {
  await setImmediate();
  stop();
}

function makeSymlink(
  { plan, owner, replace, notSet }: FinishOptions,
  entry: number,
  place: ByteString,
): void {
  const { entries } = plan.tree;
  const path = toFsPath(place);
  const target = toBytes(plan.tree.target(entries.detail(entry)));
  making(path, replace, () => symlinkSync(target, path));
  const failed = setLinkAttributes(place, entries.attributes(entry), owner);
  if (failed !== 0) notSet.set(entry, failed);
}

function makeSpecial(
  { plan, owner, replace, notSet }: FinishOptions,
  entry: number,
  place: ByteString,
): void {
  const { entries } = plan.tree;
  const { type, rdev } = plan.tree.node(entries.detail(entry));
  making(toFsPath(place), replace, () => makeNode(place, type, rdev));
  const failed = setNodeAttributes(place, entries.attributes(entry), owner);
  if (failed !== 0) notSet.set(entry, failed);
}

function makeHardLink(options: FinishOptions, entry: number, at: ByteString): void {
  const { plan, root, troubles } = options;
  const { entries } = plan.tree;
  const first = firstName(plan.tree, entry);
  const kind = entries.kind(first);
  const trouble = troubles.get(first);
  if (trouble?.kind === 'io' && (kind === Kind.symlink || kind === Kind.node)) {
    entries.standIn(entry, first);
    if (kind === Kind.symlink) makeSymlink(options, entry, at);
    else makeSpecial(options, entry, at);
    return;
  }
  if (trouble !== undefined || kind === Kind.none) {
    const problem = `is another name of ${show(plan.tree.path(first))}, which did not come back`;
    troubles.set(entry, { entry, kind: trouble?.kind ?? 'damage', problem, begun: false });
    return;
  }
  options.open.at(targetPath(root, plan.tree.path(first)), (there) =>
    linkOrCopy(options, entry, first, there, at),
  );
}

/** Gives what was restored at `there` a further name at a place; where that cannot be, something that is the same. */
function linkOrCopy(
  options: FinishOptions,
  entry: number,
  first: number,
  there: ByteString,
  at: ByteString,
): void {
  const { plan, owner, replace, notSet } = options;
  const { entries } = plan.tree;
  const existing = toFsPath(there);
  const path = toFsPath(at);
  try {
    making(path, replace, () => linkSync(existing, path));
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (!CANNOT_LINK.has(code)) throw error;
    options.copied.set(entry, code);
    if (entries.kind(first) === Kind.symlink) {
      making(path, replace, () => symlinkSync(toBytes(plan.tree.target(entries.detail(first))), path));
      const failed = setLinkAttributes(at, entries.attributes(entry), owner);
      if (failed !== 0) notSet.set(entry, failed);
      return;
    }
    if (entries.kind(first) === Kind.node) {
      const { type, rdev } = plan.tree.node(entries.detail(first));
      making(path, replace, () => makeNode(at, type, rdev));
      const failed = setNodeAttributes(at, entries.attributes(entry), owner);
      if (failed !== 0) notSet.set(entry, failed);
      return;
    }
    const fd = copyFile(existing, path);
    try {
      const failed = setAttributes(fd, entries.attributes(entry), owner);
      if (failed !== 0) notSet.set(entry, failed);
    } finally {
      closeSync(fd);
    }
  }
}

const PIECE = 1024 * 1024;

/** Copies a file that was restored; returns the copy, open. Neither of the two is reached through a link. */
function copyFile(from: FsPath, to: FsPath): number {
  const source = reopenFile(from, 'read');
  try {
    const copy = createFile(to, false);
    try {
      const buffer = Buffer.allocUnsafe(PIECE);
      for (let at = 0; ; ) {
        const length = readSync(source, buffer, 0, PIECE, at);
        if (length === 0) return copy;
        for (let done = 0; done < length; ) done += writeSync(copy, buffer, done, length - done, at + done);
        at += length;
      }
    } catch (error) {
      closeSync(copy);
      clear(to);
      throw error;
    }
  } finally {
    closeSync(source);
  }
}

/** The file system has no hard links, or not so many of one file. */
const CANNOT_LINK: ReadonlySet<string> = new Set([
  'EMLINK',
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
]);

/** Sets what belongs to all folders but the target itself. To be called when nothing more is made in them. */
export async function finishFolders(options: FinishOptions): Promise<void> {
  for (let folder = options.plan.tree.folders.length - 1; folder > ROOT; folder--) {
    if (folder % TURN === 0) await turn(options);
    finishFolder(options, folder);
  }
}

/** Sets what belongs to one folder. */
export function finishFolder(options: FinishOptions, folder: number): void {
  const { plan, root, owner, foldersNotSet, impliedMode } = options;
  const table = plan.tree.folders;
  const state = options.folders[folder];
  if (state === FolderState.impossible) return;
  const listed = table.isListed(folder);
  if (!listed && state !== FolderState.made) return;
  const path = targetPath(root, table.path(folder));
  try {
    const fd = options.open.at(path, (place) => openFolder(toFsPath(place)));
    try {
      const failed = listed ? setAttributes(fd, table.attributes(folder), owner) : 0;
      if (failed !== 0) foldersNotSet.set(folder, failed);
      if (!listed) fchmodSync(fd, impliedMode);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    const { xattrs } = table.attributes(folder);
    const failed = NotSet.mode | NotSet.time | (xattrs.length > 0 ? NotSet.xattrs : 0);
    foldersNotSet.set(folder, failed | (owner ? NotSet.owner : 0));
  }
}
