/** Entries as the commands show them: as text for people, and as JSON that loses nothing. */
import type { ByteString, Entry, EntryType } from '../model.ts';
import { pathKeys } from './path-json.ts';
import { formatTime } from './times.ts';

const LETTERS: Record<EntryType, string> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  char: 'c',
  block: 'b',
};

/** The letter of a type, as `ls -l` of the system has it. */
export function typeLetter(type: EntryType): string {
  return LETTERS[type];
}

/** A modification time; one that no calendar has is shown as its number. */
export function formatMtime(mtimeNs: bigint): string {
  const date = new Date(Number(mtimeNs / 1_000_000n));
  return Number.isNaN(date.getTime()) ? `${mtimeNs}ns` : formatTime(date);
}

/** All of an entry but its place, where its content lies, and extended attributes. */
export function entryJson(entry: Omit<Entry, 'source' | 'path' | 'since' | 'extents' | 'xattrs'>): object {
  const { type, mode, uid, gid, user, group, mtimeNs, target, rdev, link } = entry;
  return {
    type,
    mode,
    uid,
    gid,
    user,
    group,
    mtimeNs: String(mtimeNs),
    ...targetKeys(target),
    rdev,
    link,
    ...(type === 'file' ? { size: entry.size, sha256: entry.sha256 } : {}),
    carried: entry.carried,
    torn: entry.torn,
    partial: entry.partial,
  };
}

function targetKeys(target: ByteString | undefined): { target?: string; targetBase64?: string } {
  if (target === undefined) return {};
  const { path, pathBase64 } = pathKeys(target);
  return { target: path, ...(pathBase64 === undefined ? {} : { targetBase64: pathBase64 }) };
}
