/**
 * Tells a worker thread to stop. Threads are told, never terminated: Node aborts the whole process when a thread is torn down while a native
 * module is being loaded in it, or while a key is being made.
 */
import type { Worker } from 'node:worker_threads';

/** What a worker throws to end its work where it was told to stop. Nobody waits for what it was doing. */
export class Stopped extends Error {
  constructor() {
    super('told to stop');
  }
}

/** A mark in memory that threads share: work that never waits for messages looks at it. */
export class StopFlag {
  readonly memory: SharedArrayBuffer;
  readonly #flag: Int32Array;

  /** A new one, or the one whose memory is given. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#flag = new Int32Array(memory);
  }

  set(): void {
    Atomics.store(this.#flag, 0, 1);
  }

  /** Throws Stopped once it is set. */
  check(): void {
    if (Atomics.load(this.#flag, 0) !== 0) throw new Stopped();
  }
}

/** Resolves when a worker is no more, for whatever reason. To be called before anything is awaited after its start. */
export function endOf(worker: Worker): Promise<void> {
  return new Promise((resolve) => worker.once('exit', () => resolve()));
}
