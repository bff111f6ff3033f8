/** Changes a folder as the work of a week might: edits, deletions, renames, other types, other rights. */

import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { byBytes, raw, type Snapshot, shown } from './snapshot.ts';

/** What was done, in words. */
export interface Changes {
  said: string[];
  /** Bytes in the files whose content was touched, as long as these are now: what a copy of them would cost. */
  bytes: number;
}

/** Makes the changes. `before` is the folder as it is; `leave` are paths that are none of its business. */
export function makeChanges(folder: string, before: Snapshot, leave: readonly string[]): Changes {
  const root = byBytes(folder);
  const at = (path: string) => raw(root + path);
  const pick = new Picker(before, leave);
  const said: string[] = [];
  let bytes = 0;
  const sizeOf = (path: string) => before.get(path)?.size ?? 0;

  const [edited, grown, moved] = pick.largest(3);
  if (edited !== undefined) {
    const fd = openSync(at(edited), 'r+');
    writeSync(fd, randomBytes(4096), 0, 4096, Math.floor(sizeOf(edited) / 2));
    closeSync(fd);
    bytes += Math.max(sizeOf(edited), 4096);
    said.push(`4 KiB overwritten in the middle of ${shown(edited)} (${mib(sizeOf(edited))})`);
  }
  if (grown !== undefined) {
    writeFileSync(at(grown), Buffer.concat([randomBytes(100), readFileSync(at(grown))]));
    bytes += sizeOf(grown) + 100;
    said.push(`100 bytes inserted at the front of ${shown(grown)} (${mib(sizeOf(grown))})`);
  }
  if (moved !== undefined) {
    renameSync(at(moved), at(`${moved}.1`));
    said.push(`${shown(moved)} (${mib(sizeOf(moved))}) renamed`);
  }

  const logs = pick.files(100);
  for (const path of logs) {
    appendFileSync(at(path), 'one line more\n');
    bytes += sizeOf(path) + 14;
  }
  said.push(`a line appended to ${logs.length} files`);

  const deleted = pick.files(50);
  for (const path of deleted) unlinkSync(at(path));
  const swept = pick.folder(5, 200);
  if (swept !== undefined) rmSync(at(swept.path), { recursive: true });
  said.push(`${deleted.length} files deleted, and a folder with ${swept?.entries ?? 0} entries`);

  const [toFolder, toLink] = pick.files(2);
  const toPlainLink = pick.folder(1, 20);
  const toFile = pick.symlink();
  if (toFolder !== undefined) {
    unlinkSync(at(toFolder));
    mkdirSync(at(toFolder));
    writeFileSync(at(`${toFolder}/inside`), 'a file in what was a file\n');
  }
  if (toLink !== undefined) {
    unlinkSync(at(toLink));
    symlinkSync('odd/two names', at(toLink));
  }
  if (toPlainLink !== undefined) {
    rmSync(at(toPlainLink.path), { recursive: true });
    symlinkSync('elsewhere', at(toPlainLink.path));
  }
  if (toFile !== undefined) {
    unlinkSync(at(toFile));
    writeFileSync(at(toFile), 'no link any more\n');
  }
  said.push('a file made a folder, a file and a folder made symlinks, a symlink made a file');

  const rights = pick.files(20);
  for (const path of rights) chmodSync(at(path), 0o640);
  said.push(`the mode of ${rights.length} files changed`);
  if (process.getuid?.() === 0) {
    const owners = pick.files(20);
    for (const path of owners) chownSync(at(path), 1000, 33);
    said.push(`the owner of ${owners.length} files changed`);
  }

  const [linked] = pick.files(1);
  if (linked !== undefined) linkSync(at(linked), at(`${linked}.second`));
  writeFileSync(at('/new file'), randomBytes(1 << 20));
  bytes += 1 << 20;
  said.push('a second name (hard link) given to a file, and a file of 1 MiB made');

  // Last, so that all paths above are still where they were.
  const renamed = pick.fullest();
  if (renamed !== undefined) {
    renameSync(at(renamed.path), at(`${renamed.path} renamed`));
    said.push(`the folder ${shown(renamed.path)} with ${renamed.entries} entries renamed`);
  }
  return { said, bytes };
}

/** Chooses entries, none of them twice. */
class Picker {
  readonly #before: Snapshot;
  readonly #free: Set<string>;
  readonly #folders = new Map<string, number>();

  constructor(before: Snapshot, leave: readonly string[]) {
    this.#before = before;
    this.#free = new Set(
      [...before.keys()].filter((path) => path !== '' && !leave.some((p) => isWithin(path, p))),
    );
    for (const path of this.#free) {
      for (let folder = parent(path); folder !== ''; folder = parent(folder)) {
        this.#folders.set(folder, (this.#folders.get(folder) ?? 0) + 1);
      }
    }
  }

  /** The largest files. */
  largest(count: number): string[] {
    const files = this.#freeFiles().sort((a, b) => this.#size(b) - this.#size(a));
    return this.#take(files.slice(0, count));
  }

  /** Files from everywhere, at most a tenth of those that are left. */
  files(count: number): string[] {
    const files = this.#freeFiles();
    const wanted = Math.min(count, Math.ceil(files.length / 10));
    const step = files.length / Math.max(wanted, 1);
    return this.#take(
      Array.from({ length: wanted }, (_, i) => files[Math.floor((i + 0.5) * step)] as string),
    );
  }

  symlink(): string | undefined {
    const link = [...this.#free].find((path) => this.#before.get(path)?.type === 'symlink');
    return this.#take(link === undefined ? [] : [link])[0];
  }

  /** A folder in which there are so many entries, of which none has been chosen; with it they are. */
  folder(least: number, most: number): { path: string; entries: number } | undefined {
    for (const [path, entries] of this.#folders) {
      if (entries < least || entries > most || !this.#free.has(path)) continue;
      const inside = [...this.#before.keys()].filter((other) => isWithin(other, path));
      if (!inside.every((other) => this.#free.has(other))) continue;
      this.#take(inside);
      return { path, entries };
    }
    return undefined;
  }

  /** Of the folders that hold at most a third of all entries, the one with the most. */
  fullest(): { path: string; entries: number } | undefined {
    const small = [...this.#folders].filter(
      ([path, n]) => n <= this.#before.size / 3 && this.#free.has(path),
    );
    const [best] = small.sort(([, a], [, b]) => b - a);
    return best && { path: best[0], entries: best[1] };
  }

  #freeFiles(): string[] {
    return [...this.#free].filter((path) => this.#before.get(path)?.type === 'file');
  }

  #size(path: string): number {
    return this.#before.get(path)?.size ?? 0;
  }

  #take(paths: string[]): string[] {
    for (const path of paths) this.#free.delete(path);
    return paths;
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function mib(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
