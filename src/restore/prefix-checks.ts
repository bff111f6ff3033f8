/**
 * Reads large files that several volumes bring back from their beginning, as far as they are there, while the rest of them is still on its way:
 * what was just written is in memory still, and at the end there is little left to be read.
 */
import { closeSync, read } from 'node:fs';
import { RunningDigest } from '../chunk/digest.ts';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { setAttributes } from '../target/attributes.ts';
import { reopenFile } from '../target/folder.ts';
import { OpenFolders } from '../target/open-folders.ts';
import { attributesOf, checkJob, digestOf, type JobResult } from './jobs.ts';
import type { Plan } from './plan.ts';

/** Files below this size, in bytes, are read back in one go when they are complete. */
const LARGE = 8 * 1024 * 1024;
/** Files that are read at once; more of them are left to the end. */
const MOST = 4;
const PIECE = 512 * 1024;

export interface PrefixCheckOptions {
  plan: Plan;
  /** The target, by its path and by its number, as for OpenFolders. */
  root: ByteString;
  rootFd: number | undefined;
  owner: boolean;
  /** Rank of each volume: the order in which they are written. */
  ranks: Int32Array;
}

/** How much of a file is there when all volumes up to some rank are written. */
type Prefix = { rank: number; end: number }[];

export class PrefixChecks {
  readonly #options: PrefixCheckOptions;
  readonly #folders: OpenFolders;
  /** Files that are not looked at yet, by the rank of the first volume that they need. */
  readonly #due = new Map<number, { entry: number; prefix: Prefix }[]>();
  readonly #running = new Map<number, PrefixCheck>();

  constructor(options: PrefixCheckOptions) {
    this.#options = options;
    this.#folders = new OpenFolders(options.root, options.rootFd);
  }

  /** Considers a file in parts, if it is large, and comes in the order of its bytes. */
  consider(entry: number): void {
    const { plan, ranks } = this.#options;
    if (plan.tree.entries.size(entry) < LARGE) return;
    const prefix = prefixOf(plan, entry, ranks);
    const first = prefix?.[0];
    if (prefix === undefined || first === undefined || prefix.length < 2) return;
    const due = this.#due.get(first.rank);
    if (due === undefined) this.#due.set(first.rank, [{ entry, prefix }]);
    else due.push({ entry, prefix });
  }

  /** All volumes up to this rank, and no later one before it, are written. */
  advance(rank: number): void {
    for (const { entry, prefix } of this.#due.get(rank) ?? []) {
      if (this.#running.size < MOST) this.#begin(entry, prefix);
    }
    this.#due.delete(rank);
    for (const check of this.#running.values()) check.advance(rank);
  }

  /**
   * To be asked for a file that is complete: what came of its check, its attributes set; undefined where it must be checked as others are,
   * whatever the reason.
   */
  async finish(entry: number): Promise<JobResult | undefined> {
    const check = this.#running.get(entry);
    if (check === undefined) return undefined;
    try {
      return await check.finish();
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined;
    } finally {
      this.#running.delete(entry);
      check.close();
    }
  }

  /** Whether a file is being read. */
  has(entry: number): boolean {
    return this.#running.has(entry);
  }

  close(): void {
    for (const check of this.#running.values()) check.close();
    this.#running.clear();
    this.#due.clear();
    this.#folders.close();
  }

  #begin(entry: number, prefix: Prefix): void {
    const { plan, root, owner } = this.#options;
    const { files } = checkJob(plan, root, [entry]);
    const path = files.paths.slice(0, -1);
    try {
      const fd = this.#folders.at(path, (place) => reopenFile(toFsPath(place), 'read'));
      const complete = (digest: string): JobResult | undefined => {
        if (digest !== digestOf(files, 0)) return undefined;
        const failed = setAttributes(fd, attributesOf(files, 0), owner);
        const notSet: JobResult['notSet'] = failed === 0 ? [] : [[entry, failed]];
        return { done: 1, troubles: [], checked: [], notSet };
      };
      this.#running.set(entry, new PrefixCheck(fd, files.sizes[0] as number, prefix, complete));
    } catch {
      // Whoever checks it in the end says why.
    }
  }
}

/** One file that is read. */
class PrefixCheck {
  readonly #fd: number;
  readonly #size: number;
  readonly #prefix: Prefix;
  readonly #complete: (digest: string) => JobResult | undefined;
  readonly #digest = new RunningDigest();
  /** While what lies in the one is digested, the other is read into. */
  readonly #buffers = [Buffer.allocUnsafeSlow(PIECE), Buffer.allocUnsafeSlow(PIECE)] as const;
  #turn: 0 | 1 = 0;
  #at = 0;
  #ready = 0;
  /** Of `prefix`, what counts next. */
  #next = 0;
  /** Reading, until it has caught up: the latest. */
  #reading: Promise<void> = Promise.resolve();
  #isIdle = true;
  #isFailed = false;
  #isClosed = false;

  constructor(fd: number, size: number, prefix: Prefix, complete: (digest: string) => JobResult | undefined) {
    this.#fd = fd;
    this.#size = size;
    this.#prefix = prefix;
    this.#complete = complete;
  }

  advance(rank: number): void {
    for (let next = this.#prefix[this.#next]; next !== undefined && next.rank <= rank; ) {
      this.#ready = next.end;
      next = this.#prefix[++this.#next];
    }
    // What is being read goes on to what is ready now.
    if (this.#isIdle) this.#reading = this.#read();
  }

  async finish(): Promise<JobResult | undefined> {
    this.#ready = this.#size;
    if (this.#isIdle) this.#reading = this.#read();
    await this.#reading;
    return this.#isFailed || this.#isClosed ? undefined : this.#complete(this.#digest.hex());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Not under a read that is under way.
    this.#reading.then(() => closeSync(this.#fd));
  }

  async #read(): Promise<void> {
    this.#isIdle = false;
    for (let piece = this.#nextPiece(); piece !== undefined; ) {
      const bytes = await piece;
      this.#isFailed = bytes.length === 0;
      this.#at += bytes.length;
      const following = this.#nextPiece();
      this.#digest.update(bytes);
      piece = following ?? this.#nextPiece();
    }
    this.#isIdle = true;
  }

  /** Reads on, as far as there is anything; undefined where there is nothing. Empty where that fails. */
  #nextPiece(): Promise<Uint8Array> | undefined {
    const length = Math.min(PIECE, this.#ready - this.#at);
    if (length <= 0 || this.#isFailed || this.#isClosed) return undefined;
    this.#turn = this.#turn === 0 ? 1 : 0;
    const buffer = this.#buffers[this.#turn];
    return readAt(this.#fd, buffer, length, this.#at).then((bytesRead) => buffer.subarray(0, bytesRead));
  }
}

/** How many bytes could be read; 0 also where that fails. */
function readAt(fd: number, into: Buffer, length: number, at: number): Promise<number> {
  return new Promise((resolve) => {
    read(fd, into, 0, length, at, (error, bytesRead) => resolve(error === null ? bytesRead : 0));
  });
}

/** Undefined for a file whose volumes are not written in the order of its bytes. */
function prefixOf({ content, tree }: Plan, entry: number, ranks: Int32Array): Prefix | undefined {
  const prefix: Prefix = [];
  const first = tree.entries.detail(entry);
  for (let extent = first; extent < first + content.count(entry); extent++) {
    const rank = ranks[content.volume(extent)] as number;
    const { at, length } = content.stretch(extent);
    const last = prefix.at(-1);
    if (last !== undefined && rank < last.rank) return undefined;
    if (last?.rank === rank) last.end = at + length;
    else prefix.push({ rank, end: at + length });
  }
  return prefix;
}
