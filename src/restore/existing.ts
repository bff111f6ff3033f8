/** What of a target that holds other things already stays as it is: decided before anything is written, entry by entry. */
import { type BigIntStats, lstatSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import { isWithin } from '../format/order.ts';
import type { ByteString, Entry } from '../model.ts';
import type { OpenFolders } from '../target/open-folders.ts';
import { targetPath } from './jobs.ts';
import type { PlanItem } from './plan.ts';
import type { Trouble } from './trouble.ts';

/** What becomes of what is in the way. */
export type Overwrite =
  /** It is replaced. */
  | 'always'
  /** It is replaced by what was modified later. */
  | 'if-newer'
  /** It stays. */
  | 'never';

/** What a restore does about one entry. */
export type Action = 'new' | 'replace' | 'keep';

/** No restore has more entries; a marker that says otherwise is not believed. */
const BITS_LIMIT = 64 * 1024 * 1024;

/** Whether each entry was kept, in the order in which they came. */
export class Decisions {
  #bytes: Buffer;
  #length = 0;

  constructor(bytes: Buffer = Buffer.alloc(1024)) {
    this.#bytes = bytes;
  }

  /** What toText() gave; undefined for anything else. */
  static parse(text: string): Decisions | undefined {
    try {
      return new Decisions(inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: BITS_LIMIT }));
    } catch {
      return undefined;
    }
  }

  toText(): string {
    return deflateRawSync(this.#bytes.subarray(0, Math.ceil(this.#length / 8))).toString('base64');
  }

  add(kept: boolean): void {
    const at = this.#length++;
    if (at >>> 3 >= this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    }
    if (kept) this.#bytes[at >>> 3]! |= 1 << (at & 7);
  }

  isKept(index: number): boolean {
    return ((this.#bytes[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }
}

/** What keeping what exists takes. */
export interface KeepOptions {
  /** The target's absolute path. */
  root: ByteString;
  /** Leads to places in it; closed at the end. */
  folders: OpenFolders;
  overwrite: Overwrite;
  /** What an interrupted run of the same restore decided: what that run made is no longer to be told from what was there. */
  decided: Decisions | undefined;
  /** Hears of each entry. */
  onEntry?: (entry: Entry, action: Action) => void;
}

/** Lets pass what is to be made, and keeps the rest out. */
export class Existing {
  /** What was decided, for a later run. */
  readonly decisions = new Decisions();
  /** How many entries stay as they are. */
  kept = 0;
  /** Entries that stay as they are, since nobody knows what that is. */
  readonly unseen: Trouble[] = [];
  readonly #options: KeepOptions;
  #index = 0;
  /** What is no folder, stays, and has entries below it that cannot come therefore. */
  #barrier: ByteString | undefined;
  /** A folder that is not there, or takes the place of something else: nothing is below it yet. */
  #empty: ByteString | undefined;
  #folder: ByteString | undefined;
  #isBlocked = false;

  constructor(options: KeepOptions) {
    this.#options = options;
  }

  async *pass(batches: AsyncIterable<readonly PlanItem[]>): AsyncGenerator<readonly PlanItem[], void> {
    let wanted = true;
    try {
      for await (const batch of batches) {
        const out: PlanItem[] = [];
        for (const item of batch) {
          if (item.kind === 'entry') wanted = this.#take(item.entry);
          if (wanted) out.push(item);
        }
        if (out.length > 0) yield out;
      }
    } finally {
      this.#options.folders.close();
    }
  }

  #take(entry: Entry): boolean {
    const { decided, onEntry } = this.#options;
    const action = decided === undefined ? this.#decide(entry) : this.#decided(entry, decided);
    this.#index++;
    this.decisions.add(action === 'keep');
    if (action === 'keep') this.kept++;
    onEntry?.(entry, action);
    return action !== 'keep';
  }

  /** What an earlier run decided. What it could not look at is named again. */
  #decided(entry: Entry, decided: Decisions): Action {
    if (!decided.isKept(this.#index)) return 'new';
    try {
      this.#stat(entry.path);
    } catch (error) {
      this.#noteUnseen(entry, error);
    }
    return 'keep';
  }

  #decide(entry: Entry): Action {
    try {
      return this.#compare(entry);
    } catch (error) {
      if (this.#options.overwrite === 'always') return 'replace';
      this.#noteUnseen(entry, error);
      return 'keep';
    }
  }

  #noteUnseen({ path }: Entry, error: unknown): void {
    const code = systemCode(error);
    if (code === undefined) throw error;
    this.unseen.push({ path, problem: `stays as it is: what is there cannot be looked at (${code})` });
  }

  /** Errors: Node's own, where something cannot be looked at. */
  #compare(entry: Entry): Action {
    const { overwrite } = this.#options;
    const { path, type } = entry;
    if (this.#barrier !== undefined && isWithin(path, this.#barrier)) return 'keep';
    if (this.#empty !== undefined && isWithin(path, this.#empty)) return 'new';
    if (overwrite !== 'always' && this.#folderIsBlocked(path)) return 'keep';
    const there = this.#stat(path);
    if (there === undefined) {
      if (type === 'dir') this.#empty = path;
      return 'new';
    }
    const keep = overwrite === 'never' || (overwrite === 'if-newer' && !isNewer(entry, there));
    if (type === 'dir' && !there.isDirectory()) {
      if (keep) this.#barrier = path;
      else this.#empty = path;
    }
    return keep ? 'keep' : 'replace';
  }

  /** Whether a folder on the way to a path is something else there, or a link: it would have to give way. */
  #folderIsBlocked(path: ByteString): boolean {
    const folder = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
    if (folder === this.#folder) return this.#isBlocked;
    this.#folder = undefined;
    this.#isBlocked = false;
    for (let end = folder.indexOf('/', 1); ; end = folder.indexOf('/', end + 1)) {
      const there = folder === '' ? undefined : this.#stat(end < 0 ? folder : folder.slice(0, end));
      if (there === undefined) break;
      this.#isBlocked = !there.isDirectory();
      if (this.#isBlocked || end < 0) break;
    }
    this.#folder = folder;
    return this.#isBlocked;
  }

  /** What is there; undefined for nothing. Errors: Node's own, where that cannot be said. */
  #stat(path: ByteString): BigIntStats | undefined {
    const { root, folders } = this.#options;
    try {
      return folders.at(targetPath(root, path), (place) =>
        lstatSync(toFsPath(place), { bigint: true, throwIfNoEntry: false }),
      );
    } catch (error) {
      const code = systemCode(error);
      // No folder, or a link, on the way: nothing of the target's is behind it.
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  }
}

/** Times come back to the microsecond: what is later by less is not newer. */
function isNewer({ mtimeNs }: Entry, there: BigIntStats): boolean {
  return mtimeNs / 1000n > there.mtimeNs / 1000n;
}
