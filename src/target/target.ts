/** The folder that a restore writes into: whether it may be used, and how it is opened and left. */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isNoSpace } from '../durable.ts';
import { HoldfastError, systemCode } from '../errors.ts';
import { fromText, show, toFsPath } from '../format/bytes.ts';
import { makeFolders } from '../make-folders.ts';
import type { ByteString } from '../model.ts';
import { writeFailed } from './failure.ts';
import { openInPlace } from './in-place.ts';
import {
  isSameRestore,
  MARKER_NAME,
  Marker,
  type MarkerState,
  type RestoreIdentity,
  readMarker,
} from './marker.ts';
import { O_PATH, openedPath } from './opened.ts';

/** What was decided about a target before anything is written. To be closed with closeTarget(). */
export interface TargetChoice {
  /** Absolute path as it was given. */
  path: string;
  /** The same as a byte string. */
  root: ByteString;
  /** The folder, open; undefined while there is none, and on a machine without /proc, where that would lead nowhere. */
  fd: number | undefined;
  /** Who restores to where it was; undefined for a target that was chosen by its path. */
  inPlace: InPlace | undefined;
  /** Whether it holds other things, which the restore may replace. */
  overwrite: boolean;
  /** What an interrupted run of the same restore left. */
  resumed: MarkerState | undefined;
  /** Mode of a folder that is there and empty; undefined for one that is to be made or holds other things. */
  mode: number | undefined;
}

/** A target that is where the entries came from: no way leads there through a link that others may have put there. */
export interface InPlace {
  /** Who runs this. */
  uid: number;
}

/** A target under restore. */
export interface Target {
  /** Absolute path as a byte string, without links, unless in place. */
  root: ByteString;
  /** The same, open; undefined on a machine without /proc, where that would lead nowhere. */
  rootFd: number | undefined;
  marker: Marker;
  /** Mode that it gets in the end, unless it is an entry itself; null where it keeps what it has. */
  mode: number | null;
}

const WORKING_MODE = 0o700;

/**
 * Looks at a target, and changes nothing. Errors: `target-not-empty`, for a folder with other things in it unless `overwrite`, and for
 * what is no folder; `io`, when it cannot be looked at; `usage`, where the way to one in place leads through a link of others.
 */
export function chooseTarget(
  path: string,
  identity: RestoreIdentity,
  overwrite: boolean,
  inPlace?: InPlace,
): TargetChoice {
  const root = fromText(path);
  const choice: TargetChoice = {
    path,
    root,
    fd: undefined,
    inPlace,
    overwrite: false,
    resumed: undefined,
    mode: undefined,
  };
  const fd = attempt(path, () => (inPlace === undefined ? openNamed(path) : openInPlace(path, inPlace)));
  if (fd === undefined) return choice;
  try {
    const status = fstatSync(fd);
    if (!status.isDirectory()) throw refused(path, 'is not a folder: choose another one with --to');
    const leads = attempt(path, () => leadsSomewhere(fd));
    if (!leads && (overwrite || inPlace !== undefined)) throw withoutProc(path);
    const looked = lookInto(choice, status.mode, leads ? openedPath(fd) : path, identity, overwrite);
    if (leads) return { ...looked, fd };
    closeSync(fd);
    return looked;
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

/** Opens what a path leads to, through links too: the person has named it. Undefined where there is nothing. */
function openNamed(path: string): number | undefined {
  try {
    return openSync(path, O_PATH);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** `at` is the folder itself, `mode` its mode. */
function lookInto(
  choice: TargetChoice,
  mode: number,
  at: string,
  identity: RestoreIdentity,
  overwrite: boolean,
): TargetChoice {
  const { path } = choice;
  const names = attempt(path, () => readdirSync(at));
  const others = names.filter((name) => name !== MARKER_NAME && !isLostAndFound(at, name));
  const state = names.includes(MARKER_NAME) ? readMarker(at) : undefined;
  if (state !== undefined && isSameRestore(state, identity)) {
    return { ...choice, overwrite: state.overwrite || overwrite, resumed: state };
  }
  if (others.length === 0) return { ...choice, mode: mode & 0o7777 };
  if (overwrite) return { ...choice, overwrite };
  if (state === undefined) {
    throw refused(
      path,
      'is not empty: choose another folder, or have what is in it replaced with --overwrite',
    );
  }
  const paths = state.paths.length === 0 ? '' : ` ${state.paths.map((p) => show(fromText(p))).join(' ')}`;
  throw refused(
    path,
    `holds the interrupted restore of point ${state.seq} of ${show(fromText(state.strategy))}: go on with it (--at ${state.seq}${paths}), choose another folder, or have what is in it replaced with --overwrite`,
  );
}

/** A new file system has this folder, and nobody put anything there. */
function isLostAndFound(at: string, name: string): boolean {
  if (name !== 'lost+found') return false;
  try {
    return lstatSync(join(at, name)).isDirectory() && readdirSync(join(at, name)).length === 0;
  } catch {
    return true;
  }
}

/**
 * Makes or opens the target. One that holds nothing else is closed to others until the end: their eyes, and links that they could
 * put in the way. `finalMode` is what a new one gets in the end; the choice has what is open from now on. Errors: `no-space`, `io`; `usage` as
 * chooseTarget(); `locked`, when another restore into it is under way.
 */
export async function openTarget(
  choice: TargetChoice,
  identity: RestoreIdentity,
  finalMode: number,
): Promise<Target> {
  const { path, resumed, mode, overwrite, inPlace } = choice;
  const isThere = resumed !== undefined || mode !== undefined || overwrite;
  if (!isThere) attempt(path, () => makeTarget(choice));
  const root = inPlace === undefined ? attempt(path, () => realpathSync(path)) : path;
  const { fd } = choice;
  const at = fd === undefined ? root : openedPath(fd);
  const target = { root: fromText(root), rootFd: fd };
  if (resumed !== undefined)
    return { ...target, marker: await Marker.resume(root, resumed.length, at), mode: resumed.mode };
  let toBe: number | null = null;
  if (!isThere) toBe = finalMode;
  else if (!overwrite && mode !== undefined) toBe = close(at) ? mode : null;
  const marker = await Marker.create(root, { ...identity, overwrite, mode: toBe }, at);
  return { ...target, marker, mode: toBe };
}

/** Makes the folder of a target that is not there, and opens it. */
function makeTarget(choice: TargetChoice): void {
  const { path, inPlace } = choice;
  let fd: number | undefined;
  if (inPlace === undefined) {
    makeFolders(dirname(path));
    mkdirSync(path, WORKING_MODE);
    fd = openSync(realpathSync(path), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } else {
    fd = openInPlace(path, { ...inPlace, make: WORKING_MODE });
  }
  if (fd !== undefined && !leadsSomewhere(fd)) {
    closeSync(fd);
    if (inPlace !== undefined) throw withoutProc(path);
    fd = undefined;
  }
  choice.fd = fd;
}

/** Whether /proc leads to what is open. */
function leadsSomewhere(fd: number): boolean {
  return statSync(openedPath(fd), { throwIfNoEntry: false })?.isDirectory() === true;
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {}
}

/** Lets go of what was chosen, which stays as it is. Nothing is open any more after that. */
export function closeTarget(choice: TargetChoice): void {
  if (choice.fd !== undefined) closeQuietly(choice.fd);
  choice.fd = undefined;
}

/** Gives the target the mode that it is to have in the end. */
export function setFinalMode({ root, rootFd, mode }: Target): void {
  if (mode === null) return;
  const path = rootFd === undefined ? toFsPath(root) : `${openedPath(rootFd)}/.`;
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}

/** Whether the folder could be closed: one of another owner may be writable and yet not ours to change. */
function close(at: string): boolean {
  try {
    chmodSync(at, WORKING_MODE);
    return true;
  } catch {
    return false;
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    if (isNoSpace(error)) throw writeFailed(path, error);
    throw new HoldfastError(
      'io',
      `${show(fromText(path))} cannot be restored into (${systemCode(error) ?? 'error'}): choose another folder with --to, or run this as a user who may write there`,
      { path, cause: error },
    );
  }
}

function withoutProc(path: string): HoldfastError {
  return new HoldfastError(
    'io',
    `${show(fromText(path))} cannot be restored into safely, since /proc is not mounted: mount it, or restore into a new folder`,
    { path },
  );
}

function refused(path: string, problem: string): HoldfastError {
  return new HoldfastError('target-not-empty', `${show(fromText(path))} ${problem}`, { path });
}
