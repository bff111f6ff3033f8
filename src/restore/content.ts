/** Where the content of the files of a restore lies, as compact tables, and which of it each volume brings. */
import type { Extent } from '../model.ts';
import { Column, DigestColumn } from './columns.ts';
import { Pages } from './pages.ts';

/** One stretch of a chunk on its way into a file. */
export interface Stretch {
  /** Index of the file. */
  entry: number;
  /** Position of the chunk in its volume. */
  position: number;
  /** Where the stretch begins in the chunk. */
  offset: number;
  length: number;
  /** Where it goes in the file. */
  at: number;
}

/** Digests of files by entry, and the stored extents (no holes) of all files, those of one file together. */
export class ContentTable {
  readonly #digests: DigestColumn;
  readonly #count: Column;
  readonly #volume: Column;
  readonly #position: Column;
  readonly #offset: Column;
  readonly #length: Column;
  readonly #at: Column;
  readonly #entry: Column;
  /** Extents by volume: those of volume v are order[starts[v]] up to order[starts[v + 1]]. */
  #order = new Uint32Array(0);
  #starts = new Uint32Array(0);

  /** `pages`: its memory; its own, which has no bound, where that is not given. */
  constructor(pages = new Pages()) {
    this.#digests = new DigestColumn(pages);
    this.#count = new Column(Uint32Array, pages);
    this.#volume = new Column(Uint32Array, pages);
    this.#position = new Column(Uint32Array, pages);
    this.#offset = new Column(Uint32Array, pages);
    this.#length = new Column(Uint32Array, pages);
    this.#at = new Column(Float64Array, pages);
    this.#entry = new Column(Uint32Array, pages);
  }

  /** Number of extents. */
  get length(): number {
    return this.#volume.length;
  }

  /** Begins the next entry: to be called for every one, in order. */
  addEntry(sha256: string): void {
    this.#digests.push(sha256);
    this.#count.push(0);
  }

  /** Adds an extent to the entry begun last. `at` is where it goes in the file. */
  addExtent(entry: number, volume: number, extent: Extent, at: number): void {
    this.#count.set(entry, this.#count.get(entry) + 1);
    this.#volume.push(volume);
    this.#position.push(extent.position);
    this.#offset.push(extent.offset);
    this.#length.push(extent.length);
    this.#at.push(at);
    this.#entry.push(entry);
  }

  /** Forgets the extents of the entry begun last, the first of which has the index `first`. */
  dropExtents(entry: number, first: number): void {
    this.#count.set(entry, 0);
    for (const column of [this.#volume, this.#position, this.#offset, this.#length, this.#entry]) {
      column.truncate(first);
    }
    this.#at.truncate(first);
  }

  sha256(entry: number): string {
    return this.#digests.get(entry);
  }

  /** How many stored extents a file has. */
  count(entry: number): number {
    return this.#count.get(entry);
  }

  volume(extent: number): number {
    return this.#volume.get(extent);
  }

  /** Index of the file to which an extent belongs. */
  entry(extent: number): number {
    return this.#entry.get(extent);
  }

  stretch(extent: number): Stretch {
    return {
      entry: this.#entry.get(extent),
      position: this.#position.get(extent),
      offset: this.#offset.get(extent),
      length: this.#length.get(extent),
      at: this.#at.get(extent),
    };
  }

  /** Whether a file is one stretch of one chunk, and nothing else. */
  isWhole(entry: number, first: number, size: number): boolean {
    return this.#count.get(entry) === 1 && this.#length.get(first) === size;
  }

  /** Gives the extents of a file, the first of which has the index `extent`, to another one that has none. */
  move(from: number, to: number, extent: number): void {
    const count = this.#count.get(from);
    for (let e = extent; e < extent + count; e++) this.#entry.set(e, to);
    this.#count.set(to, count);
    this.#count.set(from, 0);
  }

  /** Sorts the extents by volume. To be called once, when all are there. */
  arrange(volumes: number): void {
    const extents = this.length;
    const starts = new Uint32Array(volumes + 1);
    for (let e = 0; e < extents; e++) {
      const next = this.#volume.get(e) + 1;
      starts[next] = (starts[next] as number) + 1;
    }
    for (let v = 0; v < volumes; v++) starts[v + 1] = (starts[v + 1] as number) + (starts[v] as number);
    const order = new Uint32Array(extents);
    const free = starts.slice();
    for (let e = 0; e < extents; e++) {
      const volume = this.#volume.get(e);
      const slot = free[volume] as number;
      free[volume] = slot + 1;
      order[slot] = e;
    }
    for (let v = 0; v < volumes; v++) {
      const own = order.subarray(starts[v], starts[v + 1]);
      if (!this.#ascending(own)) own.sort((a, b) => this.#position.get(a) - this.#position.get(b) || a - b);
    }
    this.#order = order;
    this.#starts = starts;
  }

  /** The extents that lie in a volume, by position. */
  ofVolume(volume: number): Uint32Array {
    return this.#order.subarray(this.#starts[volume], this.#starts[volume + 1]);
  }

  #ascending(extents: Uint32Array): boolean {
    let last = 0;
    for (const extent of extents) {
      const position = this.#position.get(extent);
      if (position < last) return false;
      last = position;
    }
    return true;
  }
}
