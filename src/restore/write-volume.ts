/** Writes what one volume brings into the files of a target. Runs in a worker: file calls are synchronous, several times cheaper there. */
import { closeSync, writeSync } from 'node:fs';
import { sha256 } from '../chunk/digest.ts';
import type { ParsedSecretKey } from '../crypto/open.ts';
import { HoldfastError, systemCode } from '../errors.ts';
import { show, toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { setAttributes } from '../target/attributes.ts';
import { endsRestore, writeFailed } from '../target/failure.ts';
import { clear, createFile, type FsPath, reopenFile } from '../target/folder.ts';
import type { OpenFolders } from '../target/open-folders.ts';
import { unpackVolume } from '../volume/unpack.ts';
import { attributesOf, digestOf, type FileTrouble, type JobResult, type VolumeJob } from './jobs.ts';

/** How files are written. */
export interface WriteOptions {
  /** Leads to places in the target. */
  folders: OpenFolders;
  /** Whether owners are set. */
  owner: boolean;
  /** Whether what stands in the way of a file is replaced. */
  replace: boolean;
  /** Hears now and then how much was done since it heard last. */
  onProgress: (files: number, bytes: number) => void;
  /** Called between chunks and between pieces of a file; throws where the worker was told to stop. */
  checkpoint: () => void;
}

/** Files in parts that are kept open: changes of a database lie scattered over one or a few. */
const OPEN_FILES = 16;

/**
 * Does one volume's job. Files whose chunks are damaged, or that cannot be written, are in the result, and do not keep the others
 * from being written. Errors: those that end the whole restore: `no-space`, `io`, and `key`.
 */
export async function writeVolume(
  job: VolumeJob,
  key: ParsedSecretKey,
  options: WriteOptions,
): Promise<JobResult> {
  const writer = new VolumeWriter(job, options);
  let damage: HoldfastError | undefined;
  try {
    await unpackVolume(
      job.ciphertext,
      key,
      job,
      (position, digest, bytes) => writer.take(position, digest, bytes),
      (position) => writer.wants(position),
    );
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'damage') throw error;
    damage = error;
  } finally {
    writer.closeFiles();
  }
  return writer.result(damage);
}

class VolumeWriter {
  readonly #job: VolumeJob;
  readonly #options: WriteOptions;
  readonly #paths: ByteString[];
  /** The stretch that is due next, and which of them were written. */
  #next = 0;
  readonly #written: Uint8Array;
  /** Rows of files of which nothing more is written. */
  readonly #given = new Map<number, FileTrouble>();
  readonly #notSet: [number, number][] = [];
  #done = 0;
  /** Open files in parts by row, the one used longest ago first. */
  readonly #open = new Map<number, number>();

  constructor(job: VolumeJob, options: WriteOptions) {
    this.#job = job;
    this.#options = options;
    this.#paths = job.files.paths.split('\0');
    this.#written = new Uint8Array(job.stretches.file.length);
  }

  /** Whether a chunk is needed. To be asked for each, in ascending order. */
  wants(position: number): boolean {
    const { stretches } = this.#job;
    while (this.#next < stretches.file.length && (stretches.position[this.#next] as number) < position)
      this.#next++;
    return stretches.position[this.#next] === position;
  }

  take(position: number, digest: string, bytes: Uint8Array): void {
    this.#options.checkpoint();
    const { stretches } = this.#job;
    let files = 0;
    let length = 0;
    for (; stretches.position[this.#next] === position; this.#next++) {
      const before = this.#done;
      this.#place(this.#next, digest, bytes);
      files += this.#done - before;
      length += stretches.length[this.#next] as number;
    }
    this.#options.onProgress(files, length);
  }

  closeFiles(): void {
    for (const row of [...this.#open.keys()]) this.#close(row);
  }

  result(damage: HoldfastError | undefined): JobResult {
    const { stretches, object } = this.#job;
    for (const [i, row] of stretches.file.entries()) {
      if (this.#written[i] === 1 || this.#given.has(row)) continue;
      const problem =
        damage === undefined
          ? `needs a chunk that ${object} does not hold`
          : `is lost with ${object}, which is damaged`;
      this.#giveUp(row, 'damage', problem);
    }
    const result: JobResult = { done: this.#done, troubles: [...this.#given.values()], notSet: this.#notSet };
    if (damage !== undefined) result.damage = damage.message;
    return result;
  }

  #place(i: number, digest: string, bytes: Uint8Array): void {
    const { stretches, whole, object } = this.#job;
    const row = stretches.file[i] as number;
    if (this.#given.has(row)) return;
    const offset = stretches.offset[i] as number;
    const length = stretches.length[i] as number;
    if (offset + length > bytes.length) {
      this.#giveUp(row, 'damage', `needs more of a chunk of ${object} than there is`);
      return;
    }
    const stretch = bytes.subarray(offset, offset + length);
    this.#attempt(row, () => {
      if (whole[row] === 1) this.#makeWhole(row, stretch, length === bytes.length ? digest : sha256(stretch));
      else writeAll(this.#file(row), stretch, stretches.at[i] as number);
      this.#written[i] = 1;
    });
  }

  #makeWhole(row: number, bytes: Uint8Array, digest: string): void {
    const { files } = this.#job;
    if (digest !== digestOf(files, row)) {
      this.#giveUp(row, 'damage', 'does not match its digest');
      return;
    }
    this.#options.folders.at(this.#paths[row] as string, (place) =>
      this.#makeFile(row, bytes, toFsPath(place)),
    );
    this.#done++;
  }

  #makeFile(row: number, bytes: Uint8Array, path: FsPath): void {
    const { files } = this.#job;
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
    if (failed !== 0) this.#notSet.push([files.entries[row] as number, failed]);
  }

  #file(row: number): number {
    const known = this.#open.get(row);
    if (known !== undefined) {
      this.#open.delete(row);
      this.#open.set(row, known);
      return known;
    }
    const [oldest] = this.#open.keys();
    if (this.#open.size >= OPEN_FILES && oldest !== undefined) this.#close(oldest);
    const fd = this.#options.folders.at(this.#paths[row] as string, (place) =>
      reopenFile(toFsPath(place), 'write'),
    );
    this.#open.set(row, fd);
    return fd;
  }

  #close(row: number): void {
    const fd = this.#open.get(row);
    this.#open.delete(row);
    // Network file systems say only now what they could not write.
    if (fd !== undefined) this.#attempt(row, () => closeSync(fd));
  }

  #attempt(row: number, action: () => void): void {
    try {
      action();
    } catch (error) {
      const path = show(this.#paths[row] as string);
      if (endsRestore(error)) throw writeFailed(path, error);
      if (systemCode(error) === undefined) throw error;
      this.#giveUp(row, 'io', `cannot be written (${systemCode(error)})`);
    }
  }

  #giveUp(row: number, kind: FileTrouble['kind'], problem: string): void {
    const { files, whole } = this.#job;
    // A file that is made in one go is not there at all, or is removed at once.
    this.#given.set(row, { entry: files.entries[row] as number, kind, problem, begun: whole[row] !== 1 });
  }
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
}
