/** Records what a folder holds, and says in what two such records differ. Reads files by itself: it shares no code with the program. */
import { createHash } from 'node:crypto';
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** One entry, as far as a backup has to bring it back. */
export interface Recorded {
  type: 'file' | 'dir' | 'symlink' | 'other';
  /** Permission bits; 0 for symlinks, which have none of their own. */
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  /** Files: length and SHA-256. */
  size: number;
  sha256?: string;
  /** Symlinks: where they point to, one byte a character. */
  target?: string;
  /** Files with several names in the folder: the first of these. */
  link?: string;
}

/** Entries by their path below the folder, one byte a character; the folder itself is ''. */
export type Snapshot = Map<string, Recorded>;

/** A path of which every character stands for one byte, as node:fs takes it. */
export function raw(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** A path or name as text, with one character for each of its bytes. */
export function byBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** A path for people: whatever could disturb a terminal is written as an escape. */
export function shown(path: string): string {
  const text = raw(path).toString('utf8');
  const visible = raw(text).equals(raw(path)) || byBytes(text) === path ? text : path;
  return visible.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Records a folder, in the order of its paths. */
export function record(folder: string): Snapshot {
  const root = byBytes(folder);
  const snapshot: Snapshot = new Map();
  const names = new Map<string, string[]>();
  const visit = (path: string) => {
    const place = raw(root + path);
    const stat = lstatSync(place, { bigint: true });
    const entry: Recorded = {
      type: stat.isFile() ? 'file' : stat.isDirectory() ? 'dir' : stat.isSymbolicLink() ? 'symlink' : 'other',
      mode: stat.isSymbolicLink() ? 0 : Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtimeNs: stat.mtimeNs,
      size: stat.isFile() ? Number(stat.size) : 0,
    };
    snapshot.set(path, entry);
    if (entry.type === 'symlink') entry.target = readlinkSync(place, { encoding: 'latin1' });
    if (entry.type === 'file') {
      entry.sha256 = digest(place);
      if (stat.nlink > 1n) names.set(String(stat.ino), [...(names.get(String(stat.ino)) ?? []), path]);
    }
    if (entry.type !== 'dir') return;
    for (const name of readdirSync(place, { encoding: 'latin1' }).sort()) visit(`${path}/${name}`);
  };
  visit('');
  for (const paths of names.values()) {
    if (paths.length < 2) continue;
    for (const path of paths) (snapshot.get(path) as Recorded).link = paths[0] as string;
  }
  return snapshot;
}

/**
 * What is otherwise in `found` than in `expected`, one difference a line; nothing when every entry is as it was. Times count to the
 * microsecond: Node sets them no finer.
 */
export function differences(expected: Snapshot, found: Snapshot): string[] {
  const lines: string[] = [];
  for (const [path, want] of expected) {
    const have = found.get(path);
    if (have === undefined) {
      lines.push(`${shown(path)}: is missing`);
      continue;
    }
    for (const what of ['type', 'mode', 'uid', 'gid', 'size', 'sha256', 'target', 'link'] as const) {
      if (have[what] !== want[what])
        lines.push(`${shown(path)}: ${what} is ${have[what]}, was ${want[what]}`);
    }
    if (microseconds(have.mtimeNs) !== microseconds(want.mtimeNs)) {
      lines.push(`${shown(path)}: mtime is ${have.mtimeNs}, was ${want.mtimeNs}`);
    }
  }
  for (const path of found.keys()) if (!expected.has(path)) lines.push(`${shown(path)}: was not there`);
  return lines;
}

function microseconds(ns: bigint): bigint {
  return ns >= 0n ? ns / 1000n : -((-ns + 999n) / 1000n);
}

const buffer = Buffer.allocUnsafe(1 << 20);

function digest(file: Buffer): string {
  const hash = createHash('sha256');
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) hash.update(buffer.subarray(0, n));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}
