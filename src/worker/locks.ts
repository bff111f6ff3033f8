/**
 * Locks in memory that threads share, for work that blocks its thread anyway, and that the kernel keeps apart too: they spare its way of waiting, and nothing hangs on them. So nobody waits for long for a lock
 * that a thread may have taken with it when it died.
 */

/** Values of a lock's word (U. Drepper, Futexes Are Tricky, 2011, section 6: with the third, who lets go knows whether to wake anybody). */
const FREE = 0;
const HELD = 1;
const AWAITED = 2;

/** Numbers that are the same modulo this share a lock. */
const LOCKS = 64;

/** Milliseconds after which a thread goes on without. */
const PATIENCE_MS = 1000;

export class Locks {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** New ones, or those whose memory is given. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LOCKS * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /**
   * Does `action` while no other thread does anything under the same number, which is a whole one from 0; after PATIENCE_MS, whatever the others do. Who waits sleeps, without turning its event
   * loop.
   */
  hold(number: number, action: () => void): void {
    const at = number % LOCKS;
    const isHeld = this.#take(at);
    try {
      action();
    } finally {
      if (isHeld && Atomics.exchange(this.#words, at, FREE) === AWAITED) Atomics.notify(this.#words, at, 1);
    }
  }

  #take(at: number): boolean {
    if (Atomics.compareExchange(this.#words, at, FREE, HELD) === FREE) return true;
    while (Atomics.exchange(this.#words, at, AWAITED) !== FREE) {
      if (Atomics.wait(this.#words, at, AWAITED, PATIENCE_MS) === 'timed-out') return false;
    }
    return true;
  }
}
