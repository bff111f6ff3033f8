/** Reads files of a target back, compares them with their digests, and sets what belongs to them. Runs in a worker. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { RunningDigest } from '../chunk/digest.ts';
import { systemCode } from '../errors.ts';
import { show, toFsPath } from '../format/bytes.ts';
import { setAttributes } from '../target/attributes.ts';
import { endsRestore, writeFailed } from '../target/failure.ts';
import { reopenFile } from '../target/folder.ts';
import { attributesOf, type CheckJob, digestOf, type FileTrouble, type JobResult } from './jobs.ts';
import type { WriteOptions } from './write-volume.ts';

const PIECE = 1024 * 1024;

/** Does a check. Errors: those that end the whole restore. */
export function checkFiles(job: CheckJob, options: WriteOptions): JobResult {
  const result: JobResult = { done: 0, troubles: [], checked: [], notSet: [] };
  const buffer = Buffer.allocUnsafe(PIECE);
  const paths = job.files.paths.split('\0');
  for (const [row, entry] of job.files.entries.entries()) {
    const path = paths[row] as string;
    const trouble = (kind: FileTrouble['kind'], problem: string) =>
      result.troubles.push({ entry, kind, problem, begun: true });
    try {
      const fd = options.folders.at(path, (place) => reopenFile(toFsPath(place), 'read'));
      try {
        if (!matches(fd, job.files.sizes[row] as number, digestOf(job.files, row), buffer, options)) {
          trouble('damage', 'does not match its digest');
          continue;
        }
        const failed = setAttributes(fd, attributesOf(job.files, row), options.owner);
        if (failed !== 0) result.notSet.push([entry, failed]);
      } finally {
        closeSync(fd);
      }
      result.done++;
      options.onProgress(1, 0);
    } catch (error) {
      if (endsRestore(error)) throw writeFailed(show(path), error);
      if (systemCode(error) === undefined) throw error;
      trouble('io', `cannot be read back (${systemCode(error)})`);
    }
  }
  return result;
}

function matches(
  fd: number,
  size: number,
  digest: string,
  buffer: Buffer,
  { checkpoint }: WriteOptions,
): boolean {
  const status = fstatSync(fd);
  if (!status.isFile() || status.size !== size) return false;
  const running = new RunningDigest();
  for (let at = 0; at < size; ) {
    checkpoint();
    const length = readSync(fd, buffer, 0, Math.min(PIECE, size - at), at);
    if (length === 0) return false;
    running.update(buffer.subarray(0, length));
    at += length;
  }
  return running.hex() === digest;
}
