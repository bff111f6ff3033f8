/** Locks in memory that threads share, for work that blocks its thread anyway. */

/** Values of a lock's word (U. Drepper, Futexes Are Tricky, 2011, section 6: with the third, who lets go knows whether to wake anybody). */
const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/** Numbers that are the same modulo this share a lock. */
const LOCKS = 64;

export class Locks {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** New ones, or those whose memory is given. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LOCKS * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /**
   * Does `action` while no other thread does anything under the same number, which is a whole one from 0. Who waits sleeps, without turning its event loop. A thread that asks for a
   * lock within `action` may wait for itself.
   */
  hold(number: number, action: () => void): void {
    const at = number % LOCKS;
    if (Atomics.compareExchange(this.#words, at, FREE, HELD) !== FREE) {
      while (Atomics.exchange(this.#words, at, AWAITED) !== FREE) Atomics.wait(this.#words, at, AWAITED);
    }
    try {
      action();
    } finally {
      if (Atomics.exchange(this.#words, at, FREE) === AWAITED) Atomics.notify(this.#words, at, 1);
    }
  }
}
