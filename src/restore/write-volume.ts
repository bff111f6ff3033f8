/** Writes what one volume brings into the files of a target. Runs in a worker: file calls are synchronous, several times cheaper there. */
import { closeSync, writeSync } from 'node:fs';
import { RunningDigest, sha256 } from '../chunk/digest.ts';
import { HoldfastError, systemCode } from '../errors.ts';
import { show, toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { setAttributes } from '../target/attributes.ts';
import { endsRestore, writeFailed } from '../target/failure.ts';
import { clear, createFile, type FsPath, reopenFile } from '../target/folder.ts';
import type { OpenFolders } from '../target/open-folders.ts';
import { type ChunkTaker, unpackChunks } from '../volume/chunks.ts';
import type { VolumeMemory } from '../volume/memory.ts';
import type { Locks } from '../worker/locks.ts';
import {
  attributesOf,
  digestOf,
  type FileTrouble,
  type JobResult,
  type VolumeJob,
  type VolumeRows,
} from './jobs.ts';

/** How files are written. */
export interface WriteOptions {
  /** Leads to places in the target. */
  folders: OpenFolders;
  /** Whether owners are set. */
  owner: boolean;
  /** Whether what stands in the way of a file is replaced. */
  replace: boolean;
  /**
   * Held for writing into a file in parts, each file by its entry: the kernel lets one thread write into a file at a time, and the other spins meanwhile, on a processor that has
   * better to do.
   */
  locks: Locks;
  /** Hears now and then how much was done since it heard last. */
  onProgress: (files: number, bytes: number) => void;
  /** For taking volumes apart. */
  memory: VolumeMemory;
  /** Called between chunks and between pieces of a file; throws where the worker was told to stop. */
  checkpoint: () => void;
}

/** Files in parts that are kept open: changes of a database lie scattered over one or a few. */
const OPEN_FILES = 16;

/**
 * Does one volume's job; `more` gives what it brings, batch by batch. Files whose chunks are damaged, or that cannot be written, are in the
 * result, and do not keep the others from being written. Errors: those that end the whole restore: `no-space` and `io`.
 */
export async function writeVolume(
  job: VolumeJob,
  more: () => Promise<VolumeRows>,
  options: WriteOptions,
): Promise<JobResult> {
  const writer = new VolumeWriter(job, await more(), more, options);
  let damage: HoldfastError | undefined;
  try {
    await unpackChunks(job.ciphertext, job.sessionKey, job, writer, options.memory);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'damage') throw error;
    damage = error;
  } finally {
    writer.closeFiles();
  }
  return writer.result(damage);
}

class VolumeWriter implements ChunkTaker {
  readonly #object: string;
  readonly #closely: boolean;
  readonly #more: () => Promise<VolumeRows>;
  readonly #options: WriteOptions;
  #rows: VolumeRows;
  #paths: ByteString[];
  /** The stretch that is due next. */
  #next = 0;
  /** Files of which nothing more is written. */
  readonly #given = new Map<number, FileTrouble>();
  /** Files of which a stretch has not come, and whether they are made in one go. */
  readonly #missed = new Map<number, boolean>();
  readonly #notSet: [number, number][] = [];
  /** Files in parts that came whole, and in order. */
  readonly #checked: number[] = [];
  #done = 0;
  /** Open files in parts by entry, the one used longest ago first. */
  readonly #open = new Map<number, OpenFile>();

  constructor(
    { object, closely }: VolumeJob,
    first: VolumeRows,
    more: () => Promise<VolumeRows>,
    options: WriteOptions,
  ) {
    this.#object = object;
    this.#closely = closely;
    this.#rows = first;
    this.#paths = first.files.paths.split('\0');
    this.#more = more;
    this.#options = options;
  }

  /** Whether a chunk may be needed. To be asked for each, in ascending order. */
  wants(position: number): boolean {
    this.#missUpTo(position);
    const { stretches, last } = this.#rows;
    return this.#next < stretches.file.length ? stretches.position[this.#next] === position : !last;
  }

  /** Of a volume that others need more of than this restore does, the rest is not unpacked. */
  isDone(): boolean {
    const { stretches, last } = this.#rows;
    return last && this.#next === stretches.file.length;
  }

  /** A chunk of which only files in parts are made is covered by their own digests: each of them is checked when it is complete. */
  checks(position: number): boolean {
    if (this.#closely) return false;
    const { stretches, whole, last } = this.#rows;
    let i = this.#next;
    for (; stretches.position[i] === position; i++) {
      if (whole[stretches.file[i] as number] === 1) return false;
    }
    // The next batch may have further ones.
    return i < stretches.position.length || last;
  }

  take(position: number, digest: string, bytes: Uint8Array): void | Promise<void> {
    this.#options.checkpoint();
    this.#missUpTo(position);
    const { stretches, last } = this.#rows;
    let files = 0;
    let length = 0;
    for (; stretches.position[this.#next] === position; this.#next++) {
      const before = this.#done;
      this.#place(this.#next, digest, bytes);
      files += this.#done - before;
      length += stretches.length[this.#next] as number;
    }
    this.#options.onProgress(files, length);
    // The next batch may begin with further stretches of the same chunk.
    if (this.#next === stretches.file.length && !last)
      return this.#turn().then(() => this.take(position, digest, bytes));
  }

  closeFiles(): void {
    for (const file of [...this.#open.values()]) this.#close(file);
  }

  /** What came of it; what has not come is given up. */
  async result(damage: HoldfastError | undefined): Promise<JobResult> {
    for (;;) {
      this.#missUpTo(Number.POSITIVE_INFINITY);
      if (this.#rows.last) break;
      await this.#turn();
    }
    const problem =
      damage === undefined
        ? `needs a chunk that ${this.#object} does not hold`
        : `is lost with ${this.#object}, which is damaged`;
    for (const [entry, whole] of this.#missed) {
      if (!this.#given.has(entry)) this.#given.set(entry, { entry, kind: 'damage', problem, begun: !whole });
    }
    const result: JobResult = {
      done: this.#done,
      troubles: [...this.#given.values()],
      checked: this.#checked,
      notSet: this.#notSet,
    };
    if (damage !== undefined) result.damage = damage.message;
    return result;
  }

  async #turn(): Promise<void> {
    this.#rows = await this.#more();
    this.#paths = this.#rows.files.paths.split('\0');
    this.#next = 0;
  }

  /** Notes the stretches of chunks before `position`, which have not come. */
  #missUpTo(position: number): void {
    const { stretches, files, whole } = this.#rows;
    for (; (stretches.position[this.#next] ?? position) < position; this.#next++) {
      const row = stretches.file[this.#next] as number;
      this.#missed.set(files.entries[row] as number, whole[row] === 1);
    }
  }

  #place(i: number, digest: string, bytes: Uint8Array): void {
    const { stretches, whole, files } = this.#rows;
    const row = stretches.file[i] as number;
    const file: File = {
      entry: files.entries[row] as number,
      path: this.#paths[row] as ByteString,
      whole: whole[row] === 1,
    };
    if (this.#given.has(file.entry)) return;
    const offset = stretches.offset[i] as number;
    const length = stretches.length[i] as number;
    if (offset + length > bytes.length) {
      this.#giveUp(file, 'damage', `needs more of a chunk of ${this.#object} than there is`);
      return;
    }
    const stretch = bytes.subarray(offset, offset + length);
    this.#attempt(file, () => {
      if (file.whole) this.#makeWhole(file, row, stretch, length === bytes.length ? digest : sha256(stretch));
      else this.#writePart(file, row, stretch, stretches.at[i] as number);
    });
  }

  #makeWhole(file: File, row: number, bytes: Uint8Array, digest: string): void {
    const { files } = this.#rows;
    if (digest !== digestOf(files, row)) {
      this.#giveUp(file, 'damage', 'does not match its digest');
      return;
    }
    this.#options.folders.at(file.path, (place) => this.#makeFile(file, row, bytes, toFsPath(place)));
    this.#done++;
  }

  #makeFile(file: File, row: number, bytes: Uint8Array, path: FsPath): void {
    const { files } = this.#rows;
    const fd = createFile(path, this.#options.replace);
    let failed: number;
    try {
      writeAll(fd, bytes, 0);
      failed = setAttributes(fd, attributesOf(files, row), this.#options.owner);
    } catch (error) {
      closeSync(fd);
      // Half a file must not pass for a whole one.
      clear(path);
      throw error;
    }
    closeSync(fd);
    if (failed !== 0) this.#notSet.push([file.entry, failed]);
  }

  /** What comes in order, from the beginning of a file to its end, is digested on its way: such a file need not be read back. */
  #writePart(file: File, row: number, bytes: Uint8Array, at: number): void {
    const { files } = this.#rows;
    const opened = this.#opened(file);
    this.#options.locks.hold(file.entry, () => writeAll(opened.fd, bytes, at));
    if (at === 0) opened.inOrder ??= { digest: new RunningDigest(), length: 0 };
    const { inOrder } = opened;
    if (inOrder === undefined) return;
    if (at !== inOrder.length) {
      opened.inOrder = undefined;
      return;
    }
    inOrder.digest.update(bytes);
    inOrder.length += bytes.length;
    if (inOrder.length < (files.sizes[row] as number)) return;
    opened.inOrder = undefined;
    // One that is wrong is found to be so when it is read back.
    if (inOrder.digest.hex() !== digestOf(files, row)) return;
    const failed = setAttributes(opened.fd, attributesOf(files, row), this.#options.owner);
    this.#close(opened);
    if (this.#given.has(file.entry)) return;
    if (failed !== 0) this.#notSet.push([file.entry, failed]);
    this.#checked.push(file.entry);
    this.#done++;
  }

  #opened(file: File): OpenFile {
    const known = this.#open.get(file.entry);
    if (known !== undefined) {
      this.#open.delete(file.entry);
      this.#open.set(file.entry, known);
      return known;
    }
    const [oldest] = this.#open.values();
    if (this.#open.size >= OPEN_FILES && oldest !== undefined) this.#close(oldest);
    const fd = this.#options.folders.at(file.path, (place) => reopenFile(toFsPath(place), 'write'));
    const opened: OpenFile = { ...file, fd, inOrder: undefined };
    this.#open.set(file.entry, opened);
    return opened;
  }

  #close(file: OpenFile): void {
    this.#open.delete(file.entry);
    // Network file systems say only now what they could not write.
    this.#attempt(file, () => closeSync(file.fd));
  }

  #attempt(file: File, action: () => void): void {
    try {
      action();
    } catch (error) {
      const path = show(file.path);
      if (endsRestore(error)) throw writeFailed(path, error);
      if (systemCode(error) === undefined) throw error;
      const reason =
        systemCode(error) === 'ENOTEMPTY'
          ? 'a folder that is not empty is in its way: move it away'
          : systemCode(error);
      this.#giveUp(file, 'io', `cannot be written (${reason})`);
    }
  }

  #giveUp({ entry, whole }: File, kind: FileTrouble['kind'], problem: string): void {
    // A file that is made in one go is not there at all, or is removed at once.
    this.#given.set(entry, { entry, kind, problem, begun: !whole });
  }
}

/** One file that a volume brings something to. */
interface File {
  /** Index in the plan. */
  entry: number;
  path: ByteString;
  /** Whether it is made in one go. */
  whole: boolean;
}

/** A file in parts. */
interface OpenFile extends File {
  fd: number;
  /** Digest and number of the bytes so far, if all of them came in order from the beginning. */
  inOrder: { digest: RunningDigest; length: number } | undefined;
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
}
