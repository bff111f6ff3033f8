/**
 * Memory through which one thread, which walks the sources, hands on what it finds to another: in batches, of which a bounded number may be ready.
 */
import { FoundBytes, type FoundRecord } from '../source/found-bytes.ts';
import { CHANGES_WORDS, Changes } from '../worker/changes.ts';
import type { StopFlag } from '../worker/stop.ts';

/** Bytes of a batch: some 300 entries. A path and what stands before it takes a seventh of that at most. */
const BATCH = 48 * 1024;
/** How many may be ready, with some 75,000 entries: the walk begins while a run still gets ready. Memory that is never used is none. */
const BATCHES = 256;
/** Words of the control memory: a count of changes, batches that were handed on and that were taken, and the bytes in each. */
const HANDED = CHANGES_WORDS;
const TAKEN = HANDED + 1;
const LENGTHS = TAKEN + 1;

/** What both threads are given. */
export interface WalkMemory {
  bytes: SharedArrayBuffer;
  control: SharedArrayBuffer;
}

/** New memory, in which nothing is ready. */
export function newWalkMemory(): WalkMemory {
  return {
    bytes: new SharedArrayBuffer(BATCHES * BATCH),
    control: new SharedArrayBuffer((LENGTHS + BATCHES) * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** The memory as either side sees it. */
class Batches {
  readonly control: Int32Array;
  readonly changes: Changes;
  readonly #batches: FoundBytes[];

  constructor({ bytes, control }: WalkMemory) {
    this.control = new Int32Array(control);
    this.changes = new Changes(this.control, 0);
    this.#batches = Array.from({ length: BATCHES }, (_, i) => new FoundBytes(bytes, i * BATCH, BATCH));
  }

  batch(number: number): FoundBytes {
    return this.#batches[number % BATCHES] as FoundBytes;
  }
}

/** Lets whoever waits look again: to be called when the stop flag was set. */
export function wakeWalk(memory: WalkMemory): void {
  new Batches(memory).changes.tell();
}

/** The end of the thread that walks. */
export class WalkWriter {
  readonly #shared: Batches;
  readonly #stop: StopFlag;
  /** Of the batch that fills. */
  #number = 0;
  #at = 0;

  constructor(memory: WalkMemory, stop: StopFlag) {
    this.#shared = new Batches(memory);
    this.#stop = stop;
  }

  /** Appends a record; waits while all batches are full. Throws Stopped. */
  write(record: FoundRecord): void {
    let next = this.#shared.batch(this.#number).write(this.#at, record);
    if (next === undefined) {
      this.#hand();
      this.#await();
      next = this.#shared.batch(this.#number).write(0, record);
      if (next === undefined) throw new Error(`a record of a walk is longer than ${BATCH} bytes`);
    }
    this.#at = next;
  }

  /** Hands on the rest of what was written. Nothing must be written after it. */
  end(): void {
    this.#hand();
  }

  #hand(): void {
    const { control, changes } = this.#shared;
    control[LENGTHS + (this.#number % BATCHES)] = this.#at;
    Atomics.store(control, HANDED, ++this.#number);
    changes.tell();
    this.#at = 0;
  }

  /** Waits until the batch that is next has been taken. */
  #await(): void {
    const { control, changes } = this.#shared;
    changes.await(this.#stop, () =>
      this.#number - Atomics.load(control, TAKEN) < BATCHES ? true : undefined,
    );
  }
}

/** The end of the thread that uses what was found. */
export class WalkReader {
  readonly #shared: Batches;
  readonly #stop: StopFlag;
  /** Of the batch that is read; nothing has come of it yet where the length is zero. */
  #number = 0;
  #at = 0;
  #length = 0;

  constructor(memory: WalkMemory, stop: StopFlag) {
    this.#shared = new Batches(memory);
    this.#stop = stop;
  }

  /** The next record; waits for it. Throws Stopped. */
  next(): FoundRecord {
    const { control, changes } = this.#shared;
    if (this.#at === this.#length) {
      if (this.#length > 0) {
        Atomics.store(control, TAKEN, ++this.#number);
        changes.tell();
      }
      changes.await(this.#stop, () => (Atomics.load(control, HANDED) > this.#number ? true : undefined));
      this.#at = 0;
      this.#length = control[LENGTHS + (this.#number % BATCHES)] as number;
    }
    const { record, next } = this.#shared.batch(this.#number).read(this.#at);
    this.#at = next;
    return record;
  }
}
