/** Folders on which other file systems were mounted, as the index marks them, and what stands there now. */
import { lstatSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { hasNoNames } from '../source/folder.ts';
import { EntriesReader, type IndexEntry } from './entries-file.ts';

/** The flag of a folder on which another file system was mounted, and was entered: beside any of the others but `g`. */
export const MOUNT_FLAG = 'm';

/** Whether an entry is such a folder. */
export function isMountEntry({ flags }: IndexEntry): boolean {
  return flags.includes(MOUNT_FLAG);
}

/** Folders of a point that were mount points, by source. */
export function mountsIn(entriesFile: string | undefined): Map<string, Set<ByteString>> {
  const mounts = new Map<string, Set<ByteString>>();
  if (entriesFile === undefined) return mounts;
  const reader = new EntriesReader(entriesFile);
  try {
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      if (!isMountEntry(entry)) continue;
      const known = mounts.get(reader.source);
      if (known === undefined) mounts.set(reader.source, new Set([entry.path]));
      else known.add(entry.path);
    }
    return mounts;
  } finally {
    reader.close();
  }
}

/** What cannot be listed is not empty: the walk says so. */
export function isEmptyFolder(path: ByteString): boolean {
  try {
    return hasNoNames(path);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

/** Whether a folder stands at a path, on which nothing is mounted. */
export function isUnmountedFolder(path: ByteString): boolean {
  try {
    const above = path.slice(0, path.lastIndexOf('/')) || '/';
    const stat = lstatSync(toFsPath(path));
    return stat.isDirectory() && stat.dev === lstatSync(toFsPath(above)).dev;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}
