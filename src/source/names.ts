/** The names in a folder, in order: of a small folder as they come, of a large one so that they take little memory. */
import type { ByteString } from '../model.ts';

/** The names of a folder in the order of their bytes, each once. */
export interface Names {
  /** The next one; undefined after the last. */
  next(): ByteString | undefined;
}

/** What a folder holds. */
export interface Listing {
  names: Names;
  /** Those that were looked for and are among them. */
  found: ByteString[];
}

/**
 * A folder whose size (as stat says) is larger may have very many names: some thousands on ext4, XFS and Btrfs, which keep names in it, a quarter of
 * a million on ZFS, which counts them.
 */
const LARGE = 256 * 1024;
/** Calls what it is given for each name. */
export type Give = (each: (name: ByteString) => void) => void;

/** Names that are sorted at once. */
const RUN = 16 * 1024;

/**
 * The names of a folder of so many bytes, which `give` gives one by one, in whatever order, some of them twice; `sought` are names to be looked for.
 * Throws what `give` throws.
 */
export function listNames(size: bigint, sought: ReadonlySet<ByteString>, give: Give): Listing {
  return size > LARGE ? listLarge(sought, give) : listSmall(sought, give);
}

function listSmall(sought: ReadonlySet<ByteString>, give: Give): Listing {
  // Strings of Latin-1 keep every byte, and cost a sixth of the memory of Buffers.
  const names: ByteString[] = [];
  give((name) => names.push(name));
  names.sort();
  let at = 0;
  return {
    names: {
      next() {
        const name = names[at++];
        while (name !== undefined && names[at] === name) at++;
        return name;
      },
    },
    found: sought.size === 0 ? [] : names.filter((name) => sought.has(name)),
  };
}

function listLarge(sought: ReadonlySet<ByteString>, give: Give): Listing {
  const names = new SortedNames(RUN);
  const found = new Set<ByteString>();
  give((name) => {
    names.add(name);
    if (sought.has(name)) found.add(name);
  });
  names.sort();
  return { names, found: [...found] };
}

/**
 * Many names: sorted in runs, of which each name takes what it does not share with the one before it, and merged as they are asked for. While a
 * folder changes, some file systems give a name twice: it comes once.
 */
export class SortedNames implements Names {
  readonly #run: number;
  #gathered: ByteString[] = [];
  /** Heads of the runs, as a heap: the least first. */
  readonly #heap: Run[] = [];
  #last: ByteString | undefined;

  /** `run`: how many names are sorted at once. */
  constructor(run: number) {
    this.#run = run;
  }

  /** Bytes of memory that sorted names take. */
  get bytes(): number {
    return this.#heap.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Adds a name: any bytes, at most 65,535 of them. */
  add(name: ByteString): void {
    if (this.#gathered.push(name) === this.#run) this.#endRun();
  }

  /** To be called when all names were added, before next(). */
  sort(): void {
    this.#endRun();
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  next(): ByteString | undefined {
    for (let least = this.#heap[0]; least !== undefined; least = this.#heap[0]) {
      const name = least.head;
      if (!least.advance()) {
        const end = this.#heap.pop() as Run;
        if (this.#heap.length > 0) this.#heap[0] = end;
      }
      this.#sink(0);
      if (name === this.#last) continue;
      this.#last = name;
      return name;
    }
    return undefined;
  }

  #endRun(): void {
    if (this.#gathered.length > 0) this.#heap.push(new Run(this.#gathered.sort()));
    this.#gathered = [];
  }

  /** Puts a run whose head may be too large for its place where it belongs. */
  #sink(from: number): void {
    const heap = this.#heap;
    const run = heap[from];
    if (run === undefined) return;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && right.head < left.head) child++;
      const least = heap[child] as Run;
      if (run.head <= least.head) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = run;
  }
}

/** Bytes before a name in a run: how much it shares with the one before it, and how much it has besides. */
const LENGTHS = 4;

/** Sorted names. */
class Run {
  readonly #bytes: Buffer;
  #at = 0;
  /** The head's bytes, and what longer names before it had behind them. */
  readonly #name: Buffer;
  head: ByteString = '';

  /** Takes at least one name. */
  constructor(sorted: readonly ByteString[]) {
    let longest = 0;
    let size = 0;
    for (const { length } of sorted) {
      size += LENGTHS + length;
      longest = Math.max(longest, length);
    }
    const bytes = Buffer.allocUnsafeSlow(size);
    let at = 0;
    let last = '';
    for (const name of sorted) {
      const shared = sharedBeginning(last, name);
      bytes.writeUInt16LE(shared, at);
      bytes.writeUInt16LE(name.length - shared, at + 2);
      at += LENGTHS + bytes.write(name.slice(shared), at + LENGTHS, 'latin1');
      last = name;
    }
    this.#bytes = Buffer.from(bytes.subarray(0, at));
    this.#name = Buffer.allocUnsafeSlow(longest);
    this.advance();
  }

  get bytes(): number {
    return this.#bytes.length + this.#name.length;
  }

  /** Goes on to the next name; false after the last. */
  advance(): boolean {
    if (this.#at === this.#bytes.length) return false;
    const shared = this.#bytes.readUInt16LE(this.#at);
    const own = this.#bytes.readUInt16LE(this.#at + 2);
    const begin = this.#at + LENGTHS;
    this.#at = begin + own;
    this.#bytes.copy(this.#name, shared, begin, this.#at);
    this.head = this.#name.toString('latin1', 0, shared + own);
    return true;
  }
}

function sharedBeginning(a: ByteString, b: ByteString): number {
  const most = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < most && a.charCodeAt(shared) === b.charCodeAt(shared)) shared++;
  return shared;
}
