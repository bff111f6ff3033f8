/**
 * Leads to places in a target through open folders, one step at a time, no step through a link. What happens at a place then happens
 * inside the target, whatever others do meanwhile to names in folders that they can write: an open folder stays the folder that it was.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { O_PATH, openedPath } from './opened.ts';

/** How many folders are kept open: paths come in order, so that most have the folder of the one before. */
const KEPT = 16;
const FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class OpenFolders {
  readonly #root: ByteString;
  readonly #rootFd: number | undefined;
  /** By path below the root, the one used longest ago first. */
  readonly #open = new Map<ByteString, number>();

  /**
   * `root`: the target's absolute path without links; `rootFd`: the same, open, and staying so. Without it places are plain paths: for a
   * machine without /proc.
   */
  constructor(root: ByteString, rootFd: number | undefined) {
    this.#root = root === '/' ? '' : root;
    this.#rootFd = rootFd;
  }

  /**
   * The place of an absolute path in the target, good until other places have been asked for. Its last step is not taken: it may be
   * anything, or nothing. Errors are Node's own: ENOTDIR where a step is no folder, or a link.
   */
  place(path: ByteString): ByteString {
    const root = this.#rootFd;
    if (root === undefined) return path;
    const below = path.slice(this.#root.length);
    const slash = below.lastIndexOf('/');
    if (slash < 0 || below === '/') return `${openedPath(root)}/.`;
    return `${openedPath(this.#folder(root, below.slice(0, slash)))}/${below.slice(slash + 1)}`;
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #folder(root: number, below: ByteString): number {
    if (below === '') return root;
    const known = this.#open.get(below);
    if (known !== undefined) {
      this.#open.delete(below);
      this.#open.set(below, known);
      return known;
    }
    const slash = below.lastIndexOf('/');
    const above = this.#folder(root, below.slice(0, slash));
    const fd = openSync(toFsPath(`${openedPath(above)}/${below.slice(slash + 1)}`), FLAGS);
    this.#open.set(below, fd);
    if (this.#open.size > KEPT) {
      const [oldest] = this.#open as Iterable<[ByteString, number]>;
      if (oldest !== undefined) {
        this.#open.delete(oldest[0]);
        closeSync(oldest[1]);
      }
    }
    return fd;
  }
}
