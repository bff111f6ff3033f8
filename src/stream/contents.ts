/**
 * Gives the content of files in their own order, piece after piece, each volume fetched once: what a volume brings before its time waits in
 * memory, and beyond a bound in the scratch. Nothing is handed out whose digest was not checked.
 */
import { setImmediate } from 'node:timers/promises';
import type { Point } from '../chain/points.ts';
import { EMPTY_SHA256, RunningDigest } from '../chunk/digest.ts';
import type { ParsedSecretKey } from '../crypto/open.ts';
import { HoldfastError } from '../errors.ts';
import { inOrder } from '../in-order.ts';
import type { Entry, Extent } from '../model.ts';
import { Column } from '../restore/columns.ts';
import { ContentTable } from '../restore/content.ts';
import { type NeededVolume, NeededVolumes } from '../restore/needed.ts';
import { fetchObject } from '../store/fetch-object.ts';
import type { Store } from '../store/store.ts';
import { unpackVolume } from '../volume/unpack.ts';
import { type Place, WaitingPieces } from './waiting.ts';

/** What reading contents takes. */
export interface ContentsOptions {
  point: Point;
  store: Store;
  key: ParsedSecretKey;
  /** Folder for what has to wait and does not fit into memory. */
  scratch: string;
  /** Bytes that may wait in memory; a good measure, where it is undefined. */
  memory?: number;
}

/** The content of a file cannot be had, or is not what the manifest says: the end of a sentence that begins with the path. */
export class ContentDamage extends Error {
  /** The volume that is at fault, where one is. */
  readonly lost: HoldfastError | undefined;

  constructor(message: string, lost?: HoldfastError) {
    super(message);
    this.lost = lost;
  }
}

/** Volumes fetched at once: the next one is on its way while one is unpacked. */
const FETCHES = 2;
const ZEROS = Buffer.alloc(256 * 1024);

/** Files of one point: first all of them are taken in, then they are read in the same order. */
export class Contents {
  /** The volumes that the files need. */
  readonly volumes: NeededVolumes;
  readonly #options: ContentsOptions;
  readonly #content = new ContentTable();
  readonly #size = new Column(Float64Array);
  readonly #first = new Column(Uint32Array);
  readonly #problems = new Map<number, string>();
  readonly #waiting: WaitingPieces;
  /** For each extent, where its piece waits. */
  readonly #places = new Map<number, Place>();
  readonly #loaded = new Set<number>();
  readonly #lost = new Map<number, HoldfastError>();
  #at = 0;
  /** All extents before this one have been read or passed by. */
  #passed = 0;
  #arriving: AsyncGenerator<[number, Uint8Array | HoldfastError], void> | undefined;

  constructor(options: ContentsOptions) {
    this.#options = options;
    this.volumes = new NeededVolumes(options.point);
    this.#waiting = new WaitingPieces(options.scratch, options.memory);
  }

  /** How many files were taken in. */
  get count(): number {
    return this.#size.length;
  }

  /** Takes in a file; returns its number, from 0. */
  add(entry: Entry): number {
    this.#content.addEntry(entry.sha256 ?? EMPTY_SHA256);
    this.#first.push(this.#content.length);
    const file = this.#size.push(entry.size);
    this.#at = 0;
    this.more(entry.extents);
    return file;
  }

  /** Takes in further extents of the last file. */
  more(extents: readonly Extent[]): void {
    const file = this.count - 1;
    for (const extent of extents) {
      const { seq, volume, position, offset, length } = extent;
      if (seq !== 0) {
        const index = this.volumes.index(seq, volume);
        if (index === undefined) {
          this.#problems.set(file, `needs volume ${volume} of set ${seq}, which is not part of the point`);
        } else if (position > 0xffffffff || offset + length > 0xffffffff) {
          this.#problems.set(file, 'has an extent outside of any chunk');
        } else {
          this.#content.addExtent(file, index, extent, this.#at);
        }
      }
      this.#at += length;
    }
  }

  /** To be called when all files were taken in. */
  begin(): void {
    this.#content.arrange(this.volumes.length);
    const order = new Set<number>();
    for (let extent = 0; extent < this.#content.length; extent++) order.add(this.#content.volume(extent));
    const { store } = this.#options;
    const fetch = (index: number) => {
      const { name, object } = this.volumes.get(index);
      return fetchObject(store, name, object).catch((error: unknown) => onlyDamage(error));
    };
    this.#arriving = inOrder(order, FETCHES, fetch);
  }

  /**
   * Fetches all that a file needs, so that it is known whether it can be read before anything of it is given out. For files whose content
   * may wait. Throws ContentDamage; errors of the store and of the scratch pass through.
   */
  async prepare(file: number): Promise<void> {
    this.#refuse(file);
    const [first, end] = this.#extents(file);
    this.#pass(first);
    for (let extent = first; extent < end; extent++) await this.#arrive(extent);
  }

  /** The content of a file, piece after piece; it is whole when this ends without an error. Errors: as prepare(). */
  async *read(file: number): AsyncGenerator<Uint8Array, void> {
    this.#refuse(file);
    const [first, end] = this.#extents(file);
    this.#pass(first);
    const digest = new RunningDigest();
    const size = this.#size.get(file);
    let at = 0;
    for (let extent = first; extent < end; extent++) {
      const stretch = this.#content.stretch(extent);
      for (const zeros of hole(stretch.at - at)) {
        digest.update(zeros);
        yield zeros;
      }
      await this.#arrive(extent);
      const piece = this.#take(extent);
      this.#passed = extent + 1;
      digest.update(piece);
      yield piece;
      at = stretch.at + stretch.length;
    }
    for (const zeros of hole(size - at)) {
      digest.update(zeros);
      yield zeros;
      // So long a stretch of nothing must not keep signals from having their turn.
      await setImmediate();
    }
    if (digest.hex() !== this.#content.sha256(file)) throw new ContentDamage('does not match its digest');
  }

  /** Ends the fetching, and gives back what was used. */
  async close(): Promise<void> {
    await this.#arriving?.return();
    this.#waiting.close();
  }

  #extents(file: number): [first: number, end: number] {
    const first = this.#first.get(file);
    return [first, first + this.#content.count(file)];
  }

  #refuse(file: number): void {
    const problem = this.#problems.get(file);
    if (problem !== undefined) throw new ContentDamage(problem);
  }

  /** Forgets what waits for files that were not read. */
  #pass(first: number): void {
    for (; this.#passed < first; this.#passed++) {
      if (this.#places.has(this.#passed)) this.#take(this.#passed);
    }
  }

  async #arrive(extent: number): Promise<void> {
    const index = this.#content.volume(extent);
    while (!this.#loaded.has(index)) {
      const next = await this.#arriving?.next();
      if (next === undefined || next.done) throw new Error('a volume was not among those to fetch');
      const [arrived, got] = next.value;
      this.#loaded.add(arrived);
      if (got instanceof HoldfastError) this.#lost.set(arrived, got);
      else await this.#unpack(arrived, this.volumes.get(arrived), got);
    }
    if (this.#places.has(extent)) return;
    const lost = this.#lost.get(index);
    if (lost !== undefined) throw new ContentDamage(`is lost: ${lost.message}`, lost);
    throw new ContentDamage('needs a chunk that its volume does not have');
  }

  async #unpack(index: number, { name, object }: NeededVolume, bytes: Uint8Array): Promise<void> {
    this.#waiting.makeRoom();
    const due = this.#content.ofVolume(index).filter((extent) => extent >= this.#passed);
    let next = 0;
    const needs = (position: number) => {
      while (next < due.length && this.#content.stretch(due[next] as number).position < position) next++;
      return next < due.length && this.#content.stretch(due[next] as number).position === position;
    };
    const take = (position: number, _digest: string, chunk: Uint8Array) => {
      for (; needs(position); next++) {
        const extent = due[next] as number;
        const { offset, length } = this.#content.stretch(extent);
        if (offset + length > chunk.length) continue;
        this.#places.set(extent, this.#waiting.put(chunk.subarray(offset, offset + length)));
      }
    };
    try {
      const expected = { object: name, plainSize: object.plainSize };
      const isDone = () => next === due.length;
      await unpackVolume(bytes, this.#options.key, expected, { take, wants: needs, isDone });
    } catch (error) {
      // What was unpacked before the damage has been checked by its digests, and is of use.
      this.#lost.set(index, onlyDamage(error));
    }
  }

  #take(extent: number): Uint8Array {
    const place = this.#places.get(extent) as Place;
    this.#places.delete(extent);
    return this.#waiting.take(place);
  }
}

function* hole(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

function onlyDamage(error: unknown): HoldfastError {
  if (error instanceof HoldfastError && error.code === 'damage') return error;
  throw error;
}
