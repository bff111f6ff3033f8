/** The folder that a restore writes into: whether it may be used, and how it is opened and left. */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
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
import type { ByteString } from '../model.ts';
import { writeFailed } from './failure.ts';
import {
  isSameRestore,
  MARKER_NAME,
  Marker,
  type MarkerState,
  type RestoreIdentity,
  readMarker,
} from './marker.ts';
import { O_PATH, openedPath } from './opened.ts';

/** What was decided about a target before anything is written. */
export interface TargetChoice {
  /** Absolute path as it was given. */
  path: string;
  /** The same as a byte string. */
  root: ByteString;
  /** Whether it holds other things, which the restore may replace. */
  overwrite: boolean;
  /** What an interrupted run of the same restore left. */
  resumed: MarkerState | undefined;
  /** Mode of a folder that is there and empty; undefined for one that is to be made or holds other things. */
  mode: number | undefined;
}

/** A target under restore. */
export interface Target {
  /** Absolute path without links, as a byte string. */
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
 * what is no folder; `io`, when it cannot be looked at.
 */
export function chooseTarget(path: string, identity: RestoreIdentity, overwrite: boolean): TargetChoice {
  const status = attempt(path, () => statSync(path, { throwIfNoEntry: false }));
  const choice: TargetChoice = {
    path,
    root: fromText(path),
    overwrite: false,
    resumed: undefined,
    mode: undefined,
  };
  if (status === undefined) return choice;
  if (!status.isDirectory()) {
    throw refused(path, 'is not a folder: choose another one with --to');
  }
  const names = attempt(path, () => readdirSync(path));
  const others = names.filter((name) => name !== MARKER_NAME && !isLostAndFound(path, name));
  const state = names.includes(MARKER_NAME) ? readMarker(path) : undefined;
  if (state !== undefined && isSameRestore(state, identity)) {
    return { ...choice, overwrite: state.overwrite || overwrite, resumed: state };
  }
  if (others.length === 0) return { ...choice, mode: status.mode & 0o7777 };
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
function isLostAndFound(path: string, name: string): boolean {
  if (name !== 'lost+found') return false;
  try {
    return lstatSync(join(path, name)).isDirectory() && readdirSync(join(path, name)).length === 0;
  } catch {
    return true;
  }
}

/**
 * Makes or opens the target. One that holds nothing else is closed to others until the end: their eyes, and links that they could
 * put in the way. `finalMode` is what a new one gets in the end. Errors: `no-space`, `io`; `locked`, when another restore into it is
 * under way.
 */
export async function openTarget(
  choice: TargetChoice,
  identity: RestoreIdentity,
  finalMode: number,
): Promise<Target> {
  const { path, resumed, mode, overwrite } = choice;
  if (resumed !== undefined) {
    const root = attempt(path, () => realpathSync(path));
    return opened(path, root, resumed.mode, overwrite, () => Marker.resume(root, resumed.length));
  }
  let toBe: number | null = null;
  if (!overwrite && mode === undefined) {
    attempt(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      mkdirSync(path, WORKING_MODE);
    });
    toBe = finalMode;
  } else if (!overwrite && mode !== undefined) {
    toBe = close(path) ? mode : null;
  }
  const root = attempt(path, () => realpathSync(path));
  return opened(path, root, toBe, overwrite, () =>
    Marker.create(root, { ...identity, overwrite, mode: toBe }),
  );
}

/** Opens the target's folder, and then its marker. */
async function opened(
  path: string,
  root: string,
  mode: number | null,
  overwrite: boolean,
  openMarker: () => Promise<Marker>,
): Promise<Target> {
  const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const fd = attempt(path, () => openSync(root, flags));
  try {
    const rootFd = attempt(path, () => leadsSomewhere(fd)) ? fd : undefined;
    if (rootFd === undefined && overwrite) {
      throw new HoldfastError(
        'io',
        `${show(fromText(path))} cannot be restored into safely, since /proc is not mounted: mount it, or restore into a new folder`,
        { path },
      );
    }
    if (rootFd === undefined) closeSync(fd);
    return { root: fromText(root), rootFd, marker: await openMarker(), mode };
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
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

/** Lets go of a target, which stays as it is. */
export function closeTarget({ rootFd, marker }: Target): void {
  marker.close();
  if (rootFd !== undefined) closeQuietly(rootFd);
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
function close(path: string): boolean {
  try {
    chmodSync(path, WORKING_MODE);
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

function refused(path: string, problem: string): HoldfastError {
  return new HoldfastError('target-not-empty', `${show(fromText(path))} ${problem}`, { path });
}
