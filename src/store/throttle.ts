/** Keeps what is sent to a store below a rate, however many transfers are under way. */
import { setTimeout } from 'node:timers/promises';

/** The most that is let through at once, and at least this many times a second: a burst stays small beside the rate. */
const MOST = 256 * 1024;
const STEPS = 20;

/** A clock that only goes forward, in milliseconds. */
export interface Clock {
  now: () => number;
  sleep: (milliseconds: number) => Promise<unknown>;
}

const MACHINES: Clock = { now: () => performance.now(), sleep: setTimeout };

/** For how long one transfer was held back so far: time that is nobody's slowness. Grows when a turn has come. */
export interface Held {
  milliseconds: number;
}

export class Throttle {
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes that are worth asking for at a time. */
  readonly step: number;
  readonly #clock: Clock;
  /** When the rate has room for the next byte. */
  #free = 0;

  /** `rate`: bytes a second. */
  constructor(rate: number, clock: Clock = MACHINES) {
    this.rate = rate;
    this.#clock = clock;
    this.step = Math.max(1, Math.min(MOST, Math.floor(rate / STEPS)));
  }

  /** Resolves when so many more bytes may be sent; adds the time until then to `held`. */
  async pass(bytes: number, held?: Held): Promise<void> {
    const now = this.#clock.now();
    const start = Math.max(this.#free, now);
    this.#free = start + (bytes / this.rate) * 1000;
    if (start <= now) return;
    await this.#clock.sleep(start - now);
    if (held !== undefined) held.milliseconds += this.#clock.now() - now;
  }
}

/** Bytes a second of a limit for which one more transfer at once is worth having: any connection carries that much alone. */
const WORTH = 64 * 1024;

/**
 * How many of the `wanted` transfers at once are worth having below a limit, at least one. More of them would be no faster, each would take
 * longer, and more would be lost with a connection, or with the run.
 */
export function worthAtOnce(wanted: number, throttle: Throttle | undefined): number {
  return throttle === undefined ? wanted : Math.max(1, Math.min(wanted, Math.floor(throttle.rate / WORTH)));
}

/** Pieces that are sent without a throttle: few enough steps to cost little, and an answer that comes early is soon heard. */
const PIECE = 1 << 20;

/** The pieces, cut to what the throttle lets through; `held` grows by the time for which it holds them back. */
export async function* throttled(
  pieces: Iterable<Uint8Array>,
  throttle: Throttle | undefined,
  held?: Held,
): AsyncGenerator<Uint8Array, void> {
  const step = throttle?.step ?? PIECE;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += step) {
      const part = piece.subarray(at, at + step);
      await throttle?.pass(part.length, held);
      yield part;
    }
  }
}
