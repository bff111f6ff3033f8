/** A clock of a test's own, by which no time is spent. */
import type { Clock } from '../../src/store/throttle.ts';

/** A clock on which those who sleep wake in their order, as soon as nothing else is to do. */
export class SlowClock implements Clock {
  #now = 0;
  readonly #sleepers: { until: number; wake: () => void }[] = [];

  now = (): number => this.#now;

  sleep = (milliseconds: number): Promise<void> => {
    const until = this.#now + milliseconds;
    return new Promise((resolve) => {
      this.#sleepers.push({ until, wake: resolve });
      this.#sleepers.sort((a, b) => a.until - b.until);
      setImmediate(() => this.#wakeOne());
    });
  };

  #wakeOne(): void {
    const next = this.#sleepers.shift();
    if (next === undefined) return;
    this.#now = Math.max(this.#now, next.until);
    next.wake();
  }
}
