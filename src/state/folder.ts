/** The folder where a host keeps what it knows of one strategy, and the way files are replaced in it. */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { chmod, link, lstat, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isNoSpace, syncFolder, writeAll } from '../durable.ts';
import { HoldfastError, systemCode } from '../errors.ts';
import { makeFolders } from '../make-folders.ts';

const TEMPORARY = /^\..+\.tmp-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Makes the folder `<state>/<strategy>` (0700) where it is not there, and returns its path. `uid` is the user that
 * runs this (the effective one). Rejects with `state` when another user owns it or others may write in it, or in
 * `state`: what lies there is believed, and becomes part of the next point.
 */
export async function openStateFolder(state: string, strategy: string, uid: number): Promise<string> {
  if (!/^[^/\0]+$/.test(strategy) || strategy === '.' || strategy === '..') {
    throw new Error(`BUG: ${JSON.stringify(strategy)} cannot be the name of a folder; please report this`);
  }
  const folder = join(state, strategy);
  try {
    const made = makeFolders(state, 0o700);
    if (made !== undefined) await syncFolder(dirname(made));
    checkOuter(state, await stat(state), uid);
    if (await makeFolder(folder)) await syncFolder(state);
    const found = await lstat(folder);
    checkOwn(folder, found, uid);
    if ((found.mode & 0o077) !== 0) await chmod(folder, 0o700);
  } catch (error) {
    throw failure(error, folder, `the state folder ${folder} cannot be used`);
  }
  return folder;
}

/**
 * Replaces `file` by one that holds `bytes`, with permission bits `mode`: whatever happens, the name stands for the
 * old content or the new one, and for the new one once this has resolved. Rejects with `no-space` or `state`; the
 * old content is still there then.
 */
export async function writeDurably(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.tmp-${randomUUID()}`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.chmod(mode);
      await writeAll(handle, bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(folder);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw failure(error, file, `${file} cannot be written`);
  }
}

/**
 * Makes `file`, which must not exist, with `bytes` and permission bits `mode`: it is there whole and durably, or not
 * at all. Rejects with `no-space` or `state`.
 */
export async function writeNew(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.tmp-${randomUUID()}`);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await writeAll(handle, bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, file);
    await unlink(temporary);
    await syncFolder(folder);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw failure(error, file, `${file} cannot be written`);
  }
}

/**
 * Removes what writeDurably left behind in `folder` when its process was killed. To be called by the holder of the
 * folder's lock only: it would take away the files of a run under way. Rejects with `state`.
 */
export async function removeTemporary(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder)) {
      if (TEMPORARY.test(name)) await unlink(join(folder, name));
    }
  } catch (error) {
    throw failure(error, folder, `the state folder ${folder} cannot be cleaned up`);
  }
}

async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, 0o700);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function checkOwn(folder: string, found: Stats, uid: number): void {
  if (!found.isDirectory()) throw refused(folder, 'is not a folder; move it away');
  if (found.uid !== uid) {
    throw refused(
      folder,
      `belongs to user ${found.uid}, not to user ${uid}; run as that user, or choose another folder`,
    );
  }
  if ((found.mode & 0o022) !== 0) {
    throw refused(
      folder,
      'can be written by other users; see that nothing was changed in it, then: chmod 700',
    );
  }
}

/** Who may rename the folder that is around it can put another in its place. The sticky bit forbids that. */
function checkOuter(state: string, found: Stats, uid: number): void {
  if (!found.isDirectory()) throw refused(state, 'is not a folder; choose another one');
  if (found.uid !== uid && found.uid !== 0) {
    throw refused(
      state,
      `belongs to user ${found.uid}, not to user ${uid}; run as that user, or choose another folder`,
    );
  }
  if ((found.mode & 0o1002) === 0o002) {
    throw refused(state, 'can be written by all users; choose another one, or: chmod o-w');
  }
}

function refused(path: string, why: string): HoldfastError {
  return new HoldfastError('state', `the state folder ${path} ${why}`, { path });
}

function failure(error: unknown, path: string, message: string): unknown {
  const code = systemCode(error);
  if (error instanceof HoldfastError || code === undefined) return error;
  const context = { path, cause: error };
  if (isNoSpace(error)) {
    return new HoldfastError('no-space', `${message}: no room left; free some and try again`, context);
  }
  return new HoldfastError('state', `${message}: ${advice(code)}`, context);
}

function advice(code: string): string {
  if (code === 'EROFS') return 'it is mounted read-only; choose another folder with --state-dir';
  if (code === 'EACCES' || code === 'EPERM') {
    return 'permission denied; run as its owner, or choose another folder with --state-dir';
  }
  return `${code}; check the disk, or choose another folder with --state-dir`;
}
