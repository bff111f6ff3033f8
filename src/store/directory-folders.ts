/** The folders of a directory store: its root, and those below it, made and removed as objects come and go. */
import { randomUUID } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { access, lstat, mkdir, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../durable.ts';
import { systemCode } from '../errors.ts';
import type { DirectoryFaults } from './directory-faults.ts';
import { TEMPORARY } from './object-name.ts';

/** What temporaryName makes, and hardly anything else: who knows what other files lie in this folder. */
const TEMPORARY_NAME = /^\.tmp-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** No put takes a day: what is older was left behind by a run that died. */
const STALE_MS = 24 * 3600 * 1000;
/** For how long, in milliseconds, a folder that was looked at need not be looked at again before something in it is read. */
const RECENT_MS = 1000;

/** A name for a file that is still being written; listings leave it out. */
export function temporaryName(): string {
  return TEMPORARY + randomUUID();
}

/** Paths are given as their components below the root. All methods reject with HoldfastError, except where said. */
export class DirectoryFolders {
  readonly #root: string;
  readonly #faults: DirectoryFaults;
  /** Device and inode of the root: an unmounted disk leaves another, empty folder in its place. */
  #identity: string | undefined;
  /** Folders known to be there durably, by path; the promise while that is being found out. */
  readonly #known = new Map<string, Promise<void>>();
  /** When the root, or a folder below it, was last found to be one, by its path. */
  readonly #looked = new Map<string, number>();

  constructor(root: string, faults: DirectoryFaults) {
    this.#root = root;
    this.#faults = faults;
  }

  path(parts: readonly string[]): string {
    return join(this.#root, ...parts);
  }

  /** Refuses to go on when the root is not there, is no folder, or is another one than at first. */
  async checkRoot(): Promise<void> {
    let found: BigIntStats;
    try {
      found = await stat(this.#root, { bigint: true });
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') throw this.#faults.absent(error);
      throw this.#faults.failure(error, 'the folder cannot be reached');
    }
    if (!found.isDirectory()) throw this.#faults.absent();
    const identity = `${found.dev}:${found.ino}`;
    this.#identity ??= identity;
    if (this.#identity !== identity) {
      const message = 'the folder is no longer the one that it was at first; mount it again';
      throw this.#faults.error('store-absent', message);
    }
  }

  /** Checks that the root can be listed and entered. */
  async checkReadable(): Promise<void> {
    await this.checkRoot();
    try {
      await access(this.#root, constants.R_OK | constants.X_OK);
    } catch (error) {
      throw this.#faults.failure(error, 'the folder cannot be read');
    }
  }

  /** Whether there is such a folder. A link on the way to `object` is refused: it could lead anywhere. */
  async has(parts: readonly string[], object?: string): Promise<boolean> {
    for (let depth = 1; depth <= parts.length; depth++) {
      if (!(await this.#isFolder(this.path(parts.slice(0, depth)), object))) return false;
    }
    return true;
  }

  /**
   * Whether there is such a folder of the right root: as checkRoot and has find out, or, where looking at it a second ago will do, as they found out then. That saves most
   * of what reading a small object costs; it is for reading alone: who swaps folders within a second could as well have changed what is in them.
   */
  async lead(parts: readonly string[], object: string, looked: 'now' | 'recently'): Promise<boolean> {
    const path = this.path(parts);
    const now = performance.now();
    const isKnown = (way: string) => now - (this.#looked.get(way) ?? Number.NEGATIVE_INFINITY) < RECENT_MS;
    if (looked === 'recently') {
      if (isKnown(path)) return true;
      // What is above is the way to many folders.
      const isNear = parts.length > 0 && isKnown(this.path(parts.slice(0, -1)));
      if (isNear && (await this.#isFolder(path, object))) {
        this.#looked.set(path, now);
        return true;
      }
    }
    this.#looked.clear();
    await this.checkRoot();
    if (!(await this.has(parts, object))) return false;
    for (let depth = 0; depth <= parts.length; depth++)
      this.#looked.set(this.path(parts.slice(0, depth)), now);
    return true;
  }

  async #isFolder(path: string, object: string | undefined): Promise<boolean> {
    try {
      const found = await lstat(path);
      if (found.isSymbolicLink()) throw this.#faults.link(path, object);
      return found.isDirectory();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw this.#faults.failure(error, `${path} cannot be read`, object);
    }
  }

  /** Makes a folder and those above it, durably. Rejects with Node's errors too. */
  async ensure(parts: readonly string[]): Promise<void> {
    if (parts.length === 0) return;
    const path = this.path(parts);
    let known = this.#known.get(path);
    if (known === undefined) {
      known = this.#make(parts, path);
      this.#known.set(path, known);
      known.catch(() => this.#known.delete(path));
    }
    await known;
  }

  /** Forgets what is known to be there: someone has removed a folder. */
  forget(): void {
    this.#known.clear();
  }

  /** Removes folders that have become empty, from `parts` upwards, but none of `keep` components or fewer. */
  async removeEmpty(parts: readonly string[], keep: number): Promise<void> {
    for (let depth = parts.length; depth > keep; depth--) {
      const path = this.path(parts.slice(0, depth));
      try {
        await rmdir(path);
        this.#known.delete(path);
      } catch {
        // Not empty, or not ours to remove: an empty folder does no harm.
        return;
      }
    }
  }

  /**
   * Removes the temporary files of runs that died, in all folders below `parts`. Their age is told by the file
   * system's own clock: `now` is the modification time, in milliseconds, of a file written just now. Never
   * rejects: what cannot be removed is not listed either.
   */
  async sweep(parts: readonly string[], now: number): Promise<void> {
    const entries = await readdir(this.path(parts), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const inner = [...parts, entry.name];
      if (entry.isDirectory()) await this.sweep(inner, now);
      if (!entry.isFile() || !TEMPORARY_NAME.test(entry.name)) continue;
      const path = this.path(inner);
      const found = await lstat(path).catch(() => undefined);
      if (found !== undefined && now - found.mtimeMs > STALE_MS) await unlink(path).catch(() => undefined);
    }
  }

  async #make(parts: readonly string[], path: string): Promise<void> {
    const above = parts.slice(0, -1);
    await this.ensure(above);
    try {
      await mkdir(path, 0o700);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      const found = await lstat(path);
      if (found.isSymbolicLink()) throw this.#faults.link(path);
      if (!found.isDirectory()) {
        throw this.#faults.error('store', `${path} stands where a folder must be; move it away`);
      }
    }
    // Also for a folder that was there: whoever made it may have died before this.
    await syncFolder(this.path(above));
  }
}
