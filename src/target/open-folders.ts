/**
 * Leads to places in a target through open folders, one step at a time, no step through a link. What happens at a place then happens
 * inside the target, whatever others do meanwhile to names in folders that they can write: an open folder stays the folder that it was.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { O_PATH, openedPath } from './opened.ts';

/** How many folders are kept open besides those in use: paths come in order, so that most have the folder of the one before. */
const KEPT = 16;
const FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** A folder that is open. */
interface OpenFolder {
  fd: number;
  /** How many places in it are in use: its number must not come to mean another folder meanwhile. */
  uses: number;
}

export class OpenFolders {
  readonly #root: ByteString;
  readonly #rootFd: number | undefined;
  /** By path below the root, the one used longest ago first. */
  readonly #open = new Map<ByteString, OpenFolder>();

  /**
   * `root`: the target's absolute path without links; `rootFd`: the same, open, and staying so. Without it places are plain paths: for a
   * machine without /proc.
   */
  constructor(root: ByteString, rootFd: number | undefined) {
    this.#root = root === '/' ? '' : root;
    this.#rootFd = rootFd;
  }

  /**
   * Does something at the place of an absolute path in the target. The place is good until `work` returns, which must not leave anything for
   * later; other places may be used meanwhile. Its last step is not taken: it may be anything, or nothing. Errors besides those of `work`
   * are Node's own: ENOTDIR where a step is no folder, or a link.
   */
  at<T>(path: ByteString, work: (place: ByteString) => T): T {
    const root = this.#rootFd;
    if (root === undefined) return work(path);
    const below = path.slice(this.#root.length);
    const slash = below.lastIndexOf('/');
    if (slash < 0 || below === '/') return work(`${openedPath(root)}/.`);
    if (slash === 0) return work(`${openedPath(root)}${below}`);
    const folder = this.#folder(root, below.slice(0, slash));
    folder.uses++;
    try {
      return work(`${openedPath(folder.fd)}/${below.slice(slash + 1)}`);
    } finally {
      folder.uses--;
    }
  }

  /** To be called when no place is in use. */
  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #folder(root: number, below: ByteString): OpenFolder {
    const known = this.#open.get(below);
    if (known !== undefined) {
      this.#open.delete(below);
      this.#open.set(below, known);
      return known;
    }
    const slash = below.lastIndexOf('/');
    const above = slash === 0 ? root : this.#folder(root, below.slice(0, slash)).fd;
    const fd = openSync(toFsPath(`${openedPath(above)}/${below.slice(slash + 1)}`), FLAGS);
    this.#closeOthers();
    const folder = { fd, uses: 0 };
    this.#open.set(below, folder);
    return folder;
  }

  /** Makes room for one more. */
  #closeOthers(): void {
    for (const [path, { fd, uses }] of this.#open) {
      if (this.#open.size < KEPT) return;
      if (uses > 0) continue;
      this.#open.delete(path);
      closeSync(fd);
    }
  }
}
