/** A count of changes in memory that threads share: who waits for one of them blocks without turning its event loop. */
import type { StopFlag } from './stop.ts';

/** Words of the memory that the count takes. */
export const CHANGES_WORDS = 1;

export class Changes {
  readonly #words: Int32Array;
  readonly #at: number;

  /** The count is the word at `at` of `words`, which lie in shared memory. */
  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** Lets whoever waits look again: after each change, and after the stop flag was set. */
  tell(): void {
    Atomics.add(this.#words, this.#at, 1);
    Atomics.notify(this.#words, this.#at);
  }

  /** Blocks until `attempt` gives something, which is tried again after each change. Throws Stopped. */
  await<T>(stop: StopFlag, attempt: () => T | undefined): T {
    for (;;) {
      const seen = Atomics.load(this.#words, this.#at);
      stop.check();
      const result = attempt();
      if (result !== undefined) return result;
      Atomics.wait(this.#words, this.#at, seen);
    }
  }
}
