/** What lstat alone says of an entry. */
import { unpackDevice } from '../linux/device-number.ts';
import type { EntryType, Metadata } from '../model.ts';
import type { Stat } from './stat.ts';

/** Type, mode, owner and time, and the numbers of a device. */
export function statEntry(stat: Stat): Metadata {
  const metadata: Metadata = {
    type: typeOf(stat),
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs,
  };
  if (metadata.type === 'char' || metadata.type === 'block') metadata.rdev = unpackDevice(stat.rdev);
  return metadata;
}

/** The kind of an entry. */
export function typeOf(stat: Stat): EntryType {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'dir';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isSocket()) return 'socket';
  return stat.isCharacterDevice() ? 'char' : 'block';
}
