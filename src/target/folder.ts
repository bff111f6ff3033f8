/** Makes folders and names below a target, and clears what stands in their way. No link is ever followed on the last step. */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { setMode } from './opened.ts';

/** A path as node:fs takes it. */
export type FsPath = string | Buffer;

/** Mode of folders that are being filled: nobody else looks into a tree whose modes are not set yet. */
const WORKING_MODE = 0o700;

/**
 * Makes sure that `path` is a folder, and no link to one. With `replace`, something else that stands there gives way. Returns
 * whether it was made. Errors are Node's own: EEXIST where something else stands there and stays.
 */
export function makeFolder(path: FsPath, replace: boolean, mode = WORKING_MODE): boolean {
  try {
    mkdirSync(path, mode);
    return true;
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    if (lstatSync(path).isDirectory()) return false;
    if (!replace) throw error;
    unlinkSync(path);
    mkdirSync(path, mode);
    return true;
  }
}

/**
 * Lets this user make things in a folder of his that is write-protected; its mode is set again in the end. Does nothing for root, and
 * where it cannot help: what is then tried in the folder fails and is named.
 */
export function openForWork(path: ByteString): void {
  try {
    accessSync(toFsPath(path), constants.W_OK | constants.X_OK);
  } catch {
    try {
      if (lstatSync(toFsPath(path)).isDirectory()) setMode(path, WORKING_MODE);
    } catch {}
  }
}

/** Makes room for a name: removes what is there, except for a folder that is not empty (ENOTEMPTY). */
export function clear(path: FsPath): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return;
    // Linux says EISDIR, POSIX EPERM.
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
    rmdirSync(path);
  }
}

/** Runs `make`; where it meets something in its way and `replace` allows it, that is cleared and `make` runs again. */
export function making<T>(path: FsPath, replace: boolean, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (systemCode(error) !== 'EEXIST' || !replace) throw error;
    clear(path);
    return make();
  }
}

/** Makes a new, empty file and opens it for writing; only its owner may read it. */
export function createFile(path: FsPath, replace: boolean): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  return making(path, replace, () => openSync(path, flags, 0o600));
}

/**
 * Opens a file that createFile() made. O_NONBLOCK: a pipe put in its place must not make the restore wait. One that is to be written has no
 * other name yet: another file's, put in its place, would be an error, EEXIST.
 */
export function reopenFile(path: FsPath, how: 'read' | 'write'): number {
  const access = how === 'read' ? constants.O_RDONLY : constants.O_WRONLY;
  const fd = openSync(path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if (how === 'read') return fd;
  const status = fstatSync(fd);
  if (status.isFile() && status.nlink <= 1) return fd;
  closeSync(fd);
  throw Object.assign(new Error('EEXIST: something else is in its place'), { code: 'EEXIST' });
}

/** Opens a folder, to set what belongs to it. */
export function openFolder(path: FsPath): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}
