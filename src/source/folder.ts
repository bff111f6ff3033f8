/** A folder that is walked: its names, and what lstat says of each of them. */
import { lstatSync, opendirSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import { AT_CWD, type FolderCalls, folderCalls, PATH_MAX } from '../linux/folders.ts';
import type { ByteString } from '../model.ts';
import { type Listing, listNames } from './names.ts';
import { type Stat, statOf } from './stat.ts';

/** A folder whose names have been listed. Errors of its functions are like those of node:fs. */
export interface Folder extends Listing {
  /** What lstat says of a name in it, of which `path` is the whole path. */
  lstat(name: ByteString, path: ByteString): Stat;
  /** Opens a folder in it: of so many bytes, `sought` being names to be looked for. */
  open(name: ByteString, path: ByteString, size: bigint, sought: ReadonlySet<ByteString>): Folder;
  /** Gives back its descriptor, if it has one: what is asked for after that is found by its whole path. Once more does no harm. */
  close(): void;
}

/** How folders are looked at. */
export interface FolderReader {
  /** What was opened stays what it was, wherever it is moved to: that it has been can be seen by paths alone. */
  readonly holds: boolean;
  lstat(path: ByteString): Stat;
  open(path: ByteString, size: bigint, sought: ReadonlySet<ByteString>): Folder;
}

/** By open descriptors where they can be had, by paths elsewhere. */
export function folderReader(): FolderReader {
  const calls = folderCalls();
  return calls === undefined ? BY_PATH : byDescriptor(calls);
}

function byDescriptor(calls: FolderCalls): FolderReader {
  const open = (at: number, name: ByteString, size: bigint, sought: ReadonlySet<ByteString>): Folder => {
    let fd = calls.open(at, name);
    const close = () => {
      if (fd !== AT_CWD) calls.close(fd);
      fd = AT_CWD;
    };
    // Of a path that is too long nothing can be read: it is refused as it is elsewhere.
    const isNear = (path: ByteString) => fd !== AT_CWD && path.length < PATH_MAX;
    /** Does what is asked for in this folder, or by the whole path. */
    const find = <T>(name: ByteString, path: ByteString, look: (at: number, name: ByteString) => T): T => {
      if (!isNear(path)) return look(AT_CWD, path);
      try {
        return look(fd, name);
      } catch (error) {
        if (systemCode(error) !== 'ESTALE') throw error;
        // Another client of a network file system has taken the folder away: the way from the root says what is there now.
        close();
        return look(AT_CWD, path);
      }
    };
    try {
      return {
        ...listNames(size, sought, (each) => calls.names(fd, each)),
        lstat: (name, path) => find(name, path, (at, name) => statOf(calls.lstat(at, name))),
        open: (name, path, size, sought) => find(name, path, (at, name) => open(at, name, size, sought)),
        close,
      };
    } catch (error) {
      close();
      throw error;
    }
  };
  return {
    holds: true,
    lstat: (path) => statOf(calls.lstat(AT_CWD, path)),
    open: (path, size, sought) => open(AT_CWD, path, size, sought),
  };
}

/** Names that are asked for at once. */
const BATCH = 1024;

/** Exported for tests: what is done where nothing but node:fs can be had. */
export const BY_PATH: FolderReader = {
  holds: false,
  lstat: (path) => lstatSync(toFsPath(path), { bigint: true }),
  open(path, size, sought) {
    return {
      ...listNames(size, sought, (each) => giveNames(path, each)),
      lstat: (_, path) => BY_PATH.lstat(path),
      open: (_, path, size, sought) => BY_PATH.open(path, size, sought),
      close() {},
    };
  },
};

function giveNames(path: ByteString, each: (name: ByteString) => void): void {
  const dir = opendirSync(toFsPath(path), { encoding: 'latin1', bufferSize: BATCH });
  try {
    for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) each(entry.name);
  } finally {
    dir.closeSync();
  }
}

/** Whether there is no name in a folder. Errors are those of node:fs. */
export function hasNoNames(folder: ByteString): boolean {
  const dir = opendirSync(toFsPath(folder), { bufferSize: 1 });
  try {
    return dir.readSync() === null;
  } finally {
    dir.closeSync();
  }
}
