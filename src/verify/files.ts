/** Checks the digests of the files that are new at one point, from the chunks of its volumes as they come. */
import type { Point } from '../chain/points.ts';
import { volumeCount } from '../chain/sets.ts';
import { EMPTY_SHA256, sha256 } from '../chunk/digest.ts';
import type { PointItem } from '../manifest/merge.ts';
import type { Extent } from '../model.ts';
import { Column } from '../restore/columns.ts';
import { ContentTable } from '../restore/content.ts';
import { NeededVolumes } from '../restore/needed.ts';
import type { Pages } from '../restore/pages.ts';
import { Assembly, digestOfHole } from './assembly.ts';
import type { ChunkTable } from './chunk-table.ts';
import type { Scratch } from './scratch.ts';

/** A file that is not what the manifest says: its ordinal among the new files of the point, and what is wrong. */
export interface BadFile {
  file: number;
  problem: string;
}

/** What is known of a file. */
const OPEN = 0;
const SETTLED = 1;
/** Cannot be checked: something that it needs is damaged, and that is told elsewhere. */
const LOST = 2;

/** The new files of one point: first their entries are taken in, then the chunks of volume after volume. */
export class NewFiles {
  /** The volumes to give, those of the point's own set among them whether a file needs them or not. */
  readonly volumes: NeededVolumes;
  /** What is wrong, in no order. */
  readonly bad: BadFile[] = [];
  readonly #chunks: ChunkTable;
  readonly #scratch: Scratch;
  readonly #content: ContentTable;
  readonly #size: Column;
  readonly #first: Column;
  readonly #state: Column;
  /** Where the extents of the last file that was taken in end in the file. */
  #at = 0;
  #arrived = new Uint8Array(0);
  #assembly: Assembly | undefined;
  /** The extents that lie in the volume that is being given, by position, and how many of them have been passed. */
  #due: Uint32Array = new Uint32Array(0);
  #passed = 0;

  /** `chunks`: those of the older sets of the chain. `pages`: the memory of the tables. */
  constructor(point: Point, chunks: ChunkTable, scratch: Scratch, pages: Pages) {
    this.#content = new ContentTable(pages);
    this.#size = new Column(Float64Array, pages);
    this.#first = new Column(Uint32Array, pages);
    this.#state = new Column(Uint8Array, pages);
    this.volumes = new NeededVolumes(point);
    this.#chunks = chunks;
    this.#scratch = scratch;
    const own = volumeCount(point.commit.commit.objects);
    for (let volume = 1; volume <= own; volume++) this.volumes.index(point.seq, volume);
  }

  /** How many files were taken in. */
  get count(): number {
    return this.#size.length;
  }

  /** Takes in a file, or further extents of the last one. */
  add(item: PointItem): void {
    const file = item.kind === 'entry' ? this.#begin(item) : this.count - 1;
    for (const extent of item.kind === 'entry' ? item.entry.extents : item.extents) {
      if (this.#state.get(file) === OPEN) this.#addExtent(file, extent);
      this.#at += extent.length;
    }
    const nothingStored = this.#content.count(file) === 0;
    if (item.continues || this.#state.get(file) !== OPEN || !nothingStored) return;
    const size = this.#size.get(file);
    this.#settle(file, size === 0 ? EMPTY_SHA256 : digestOfHole(size));
  }

  /** To be called once all files were taken in. */
  begin(): void {
    this.#content.arrange(this.volumes.length);
    this.#arrived = new Uint8Array(this.#content.length);
    this.#assembly = new Assembly(this.#content, this.#scratch);
  }

  /** Begins with a volume, by its index in `volumes`. */
  beginVolume(index: number): void {
    this.#due = this.#content.ofVolume(index);
    this.#passed = 0;
  }

  /** Whether a file needs this chunk; to be asked in order of positions. */
  needs(position: number): boolean {
    while (this.#passed < this.#due.length && this.#position(this.#passed) < position) this.#passed++;
    return this.#passed < this.#due.length && this.#position(this.#passed) === position;
  }

  /** Takes in a chunk that has the SHA-256 `digest` (hex). Positions ascend. */
  chunk(position: number, digest: string, bytes: Uint8Array): void {
    for (; this.needs(position); this.#passed++)
      this.#takePiece(this.#due[this.#passed] as number, digest, bytes);
  }

  /** Ends with a volume. What it did not bring is a fault of the files if it is good, and else of the volume. */
  endVolume(good: boolean): void {
    for (const extent of this.#due) {
      if (this.#arrived[extent] === 1) continue;
      const { entry } = this.#content.stretch(extent);
      if (good) this.#fail(entry, 'needs a chunk that its volume does not have');
      else this.#lose(entry);
    }
    this.#due = new Uint32Array(0);
  }

  #begin({ entry }: Extract<PointItem, { kind: 'entry' }>): number {
    this.#size.push(entry.size);
    this.#first.push(this.#content.length);
    const file = this.#state.push(OPEN);
    this.#content.addEntry(entry.sha256 ?? EMPTY_SHA256);
    this.#at = 0;
    return file;
  }

  #addExtent(file: number, extent: Extent): void {
    const { seq, volume, position, offset, length } = extent;
    if (seq === 0) return;
    // A file that is one chunk of an older set, as after a rename, needs no second look at its volume.
    if (offset === 0 && length === this.#size.get(file)) {
      const known = this.#chunks.lengthOf(seq, volume, position);
      if (known === length) {
        const right = this.#chunks.is(seq, volume, position, this.#content.sha256(file));
        if (right) this.#state.set(file, SETTLED);
        else this.#fail(file, 'does not match its digest');
        return;
      }
    }
    const index = this.volumes.index(seq, volume);
    if (index === undefined) {
      this.#fail(file, `needs volume ${volume} of set ${seq}, on which its point does not depend`);
    } else {
      this.#content.addExtent(file, index, extent, this.#at);
    }
  }

  #takePiece(extent: number, digest: string, bytes: Uint8Array): void {
    this.#arrived[extent] = 1;
    const stretch = this.#content.stretch(extent);
    const { entry, offset, length } = stretch;
    if (this.#state.get(entry) !== OPEN) return;
    if (offset + length > bytes.length) {
      this.#fail(entry, 'needs more of a chunk than there is');
      return;
    }
    const piece = bytes.subarray(offset, offset + length);
    const size = this.#size.get(entry);
    if (length === size) {
      this.#settle(entry, length === bytes.length ? digest : sha256(piece));
      return;
    }
    const whole = this.#assembly?.add(extent, stretch, this.#first.get(entry), size, piece);
    if (whole !== undefined) this.#settle(entry, whole);
  }

  #settle(file: number, digest: string): void {
    if (digest === this.#content.sha256(file)) this.#state.set(file, SETTLED);
    else this.#fail(file, 'does not match its digest');
  }

  #fail(file: number, problem: string): void {
    if (this.#state.get(file) !== OPEN) return;
    this.bad.push({ file, problem });
    this.#lose(file);
  }

  #lose(file: number): void {
    if (this.#state.get(file) === SETTLED) return;
    this.#state.set(file, LOST);
    this.#assembly?.drop(file);
  }

  #position(due: number): number {
    return this.#content.stretch(this.#due[due] as number).position;
  }
}
