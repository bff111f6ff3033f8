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

export class Throttle {
  /** Bytes that are worth asking for at a time. */
  readonly step: number;
  readonly #rate: number;
  readonly #clock: Clock;
  /** When the rate has room for the next byte. */
  #free = 0;

  /** `rate`: bytes a second. */
  constructor(rate: number, clock: Clock = MACHINES) {
    this.#rate = rate;
    this.#clock = clock;
    this.step = Math.max(1, Math.min(MOST, Math.floor(rate / STEPS)));
  }

  /** Resolves when so many more bytes may be sent. */
  async pass(bytes: number): Promise<void> {
    const now = this.#clock.now();
    const start = Math.max(this.#free, now);
    this.#free = start + (bytes / this.#rate) * 1000;
    if (start > now) await this.#clock.sleep(start - now);
  }
}

/** Pieces that are sent without a throttle: few enough steps to cost little, and an answer that comes early is soon heard. */
const PIECE = 1 << 20;

/** The pieces, cut to what the throttle lets through. */
export async function* throttled(
  pieces: Iterable<Uint8Array>,
  throttle: Throttle | undefined,
): AsyncGenerator<Uint8Array, void> {
  const step = throttle?.step ?? PIECE;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += step) {
      const part = piece.subarray(at, at + step);
      await throttle?.pass(part.length);
      yield part;
    }
  }
}
