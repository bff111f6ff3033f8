/** Tells whether what has gone below a root was deleted, or went with its root: a file system that was unmounted, say. */
import { lstatSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import type { Stat } from './stat.ts';

/** A root as the walk has met it. */
export class SeenRoot {
  readonly #path: ByteString;
  #stat: Stat | undefined;

  constructor(path: ByteString) {
    this.#path = path;
  }

  /** Notes what it is. */
  is(stat: Stat): void {
    this.#stat = stat;
  }

  /** Whether it is still there, the same one: then what has gone below it was deleted. */
  isThere(): boolean {
    const now = lstatSync(toFsPath(this.#path), { bigint: true, throwIfNoEntry: false });
    return now !== undefined && now.dev === this.#stat?.dev && now.ino === this.#stat.ino;
  }
}
