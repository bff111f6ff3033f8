/**
 * The way to a folder in place: from the root of the file system one open folder at a time, so that nobody who can write to one of them
 * leads it elsewhere. Knows nothing of what the folder holds.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { HoldfastError } from '../errors.ts';
import { fromText, show } from '../format/bytes.ts';
import { O_PATH, openedPath } from './opened.ts';

const FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** The kernel follows as many. */
const MOST_LINKS = 40;

/** How the way is gone. */
export interface WayOptions {
  /** Who runs this: besides root the only one whose links are followed. */
  uid: number;
  /** Mode of the folder where it is to be made; those on the way to it get the usual one. Undefined: nothing is made. */
  make?: number;
}

/**
 * Opens the folder of an absolute path (O_PATH); undefined where it is not there and is not to be made. A symlink on the way, such as /bin, is
 * followed only where nobody but root and `uid` can have put it: it is theirs, and so are all folders from the root down to it, in which nobody
 * else can change a name that the way takes. Errors: `usage`, for any other link; else Node's own: ENOTDIR for what is no folder, ENOENT for a link
 * to what is not there, EEXIST for what is to be made and has come into being meanwhile.
 */
export function openInPlace(path: string, options: WayOptions): number | undefined {
  const way = new Way(path, options);
  try {
    while (way.step()) {}
    return way.take();
  } finally {
    way.close();
  }
}

class Way {
  readonly #options: WayOptions;
  readonly #steps: string[];
  /** How many of the steps come of links. */
  #linked = 0;
  #links = 0;
  /** Where the way has led; undefined at its end, and where it ended early. */
  #folder: number | undefined = openSync('/', FLAGS);
  /** The same for people. */
  #shown = '';
  /** Nobody but root and the user can have led the way to here. */
  #isSafe = true;

  constructor(path: string, options: WayOptions) {
    this.#options = options;
    this.#steps = path.split('/').filter(Boolean);
  }

  /** Takes a step; false where there is none. */
  step(): boolean {
    const name = this.#steps.shift();
    const folder = this.#folder;
    if (name === undefined || folder === undefined) return false;
    const isLinked = this.#linked > 0;
    if (isLinked) this.#linked--;
    const at = `${openedPath(folder)}/${name}`;
    const status = lstatSync(at, { throwIfNoEntry: false });
    if (status?.isSymbolicLink()) this.#follow(folder, at, name, status);
    else if (status !== undefined) this.#enter(folder, at, name);
    else if (isLinked) throw Object.assign(new Error(`ENOENT: ${this.#shown}/${name}`), { code: 'ENOENT' });
    else if (this.#options.make === undefined) this.close();
    else {
      mkdirSync(at, this.#steps.length === 0 ? this.#options.make : 0o777);
      this.#enter(folder, at, name);
    }
    return true;
  }

  /** Where the way has led, which is the caller's now. */
  take(): number | undefined {
    const folder = this.#folder;
    this.#folder = undefined;
    return folder;
  }

  close(): void {
    const folder = this.take();
    if (folder !== undefined) closeSync(folder);
  }

  #enter(folder: number, at: string, name: string): void {
    const next = openSync(at, FLAGS);
    this.#isSafe &&= staysItself(fstatSync(folder), fstatSync(next), this.#options.uid);
    closeSync(folder);
    this.#folder = next;
    this.#shown += `/${name}`;
  }

  #follow(folder: number, at: string, name: string, link: Stats): void {
    const { uid } = this.#options;
    const target = readlinkSync(at);
    const isTheirs = this.#isSafe && isOf(link, uid) && isWrittenBy(fstatSync(folder), uid);
    if (!isTheirs || ++this.#links > MOST_LINKS) throw refused(`${this.#shown}/${name}`, target);
    const steps = target.split('/').filter((step) => step !== '' && step !== '.');
    this.#steps.unshift(...steps);
    this.#linked += steps.length;
    if (!target.startsWith('/')) return;
    closeSync(folder);
    this.#folder = undefined;
    this.#folder = openSync('/', FLAGS);
    this.#shown = '';
  }
}

function isOf(status: Stats, uid: number): boolean {
  return status.uid === 0 || status.uid === uid;
}

/** Whether nobody but root and the user changes names in a folder. An ACL that lets others do so shows in the bits of the group. */
function isWrittenBy(folder: Stats, uid: number): boolean {
  return isOf(folder, uid) && (folder.mode & OTHERS_WRITE) === 0;
}

/**
 * Whether nobody but root and the user can have put a folder where it is. In a sticky one such as /tmp others can neither take theirs away nor
 * bring one in from elsewhere, which takes the right to write in it; a link of root's they could bring in.
 */
function staysItself(above: Stats, folder: Stats, uid: number): boolean {
  return (
    isWrittenBy(above, uid) || (isOf(above, uid) && (above.mode & STICKY) !== 0 && isWrittenBy(folder, uid))
  );
}

function refused(path: string, target: string): HoldfastError {
  const shown = show(fromText(path));
  return new HoldfastError(
    'usage',
    `${shown} is a symlink to ${show(fromText(target))}, and others than root or you could have put it there: restore with --to, and move it from there`,
    { path },
  );
}
