/** How much room there is for a restore. */
import { lstatSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { HoldfastError, systemCode } from '../errors.ts';
import type { FsPath } from './folder.ts';

/** Room on a file system. */
export interface Room {
  bytes: number;
  /** Entries that can be made; undefined where the file system sets no limit of its own. */
  entries: number | undefined;
}

/** The room where `path` is, or will be: its nearest folder that exists decides. */
export function roomAt(path: string): Room {
  const { bavail, bsize, files, ffree } = statfsSync(nearest(path));
  return { bytes: bavail * bsize, entries: files > 0 ? ffree : undefined };
}

/** Bytes that come free when a file is replaced; 0 where none is, or where another name of it keeps them. */
export function bytesFreedBy(path: FsPath): number {
  const status = lstatSync(path, { throwIfNoEntry: false });
  return status?.isFile() && status.nlink === 1 ? status.blocks * 512 : 0;
}

/** Errors: `no-space`, when a restore that needs `bytes` and makes `entries` does not fit at `path`. */
export function checkRoom(path: string, room: Room, need: { bytes: number; entries: number }): void {
  if (need.bytes > room.bytes) {
    throw new HoldfastError(
      'no-space',
      `${path} has room for ${room.bytes} bytes, but the restore needs ${need.bytes}: free some, choose another folder with --to, or name fewer paths`,
      { path },
    );
  }
  if (room.entries !== undefined && need.entries > room.entries) {
    throw new HoldfastError(
      'no-space',
      `${path} has room for ${room.entries} more files and folders, but the restore makes ${need.entries}: choose a folder on another file system with --to, or name fewer paths`,
      { path },
    );
  }
}

function nearest(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    try {
      statSync(at);
      return at;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || dirname(at) === at) throw error;
    }
  }
}
