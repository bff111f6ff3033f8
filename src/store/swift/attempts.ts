/** Trying again, in one place: how often, after how long, until when, and what is said of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../errors.ts';
import { Transient } from './failure.ts';

/** How attempts are repeated. */
export interface Persistence {
  /** For how many milliseconds after the first failure attempts are begun; those in which an attempt moves data are not counted. */
  deadline: number;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
  /** Milliseconds so far in which nothing was tried on purpose: they do not count towards the deadline. */
  heldBack?: (() => number) | undefined;
  /** From 0 to 1. */
  random: () => number;
  /** Ends the waiting. */
  signal: AbortSignal;
  /** Waits so many milliseconds, at most until `signal` aborts; by a timer where it is not given. */
  sleep?: ((milliseconds: number) => Promise<void>) | undefined;
  /** Hears of every attempt that failed and is to be repeated, in one line. */
  onRetry: (line: string) => void;
}

const FIRST_MS = 1000;
const LONGEST_MS = 64_000;
/** Less time than that is none: sums of times are rounded, and a rest of a billionth would be waited for without end. */
const NONE_MS = 1;

/**
 * Runs `attempt` until it does not throw Transient, or too much time has passed since it first did. An attempt calls `moved` whenever a
 * piece of data got through: what a slow line takes for a transfer leaves as many attempts as on a fast one. Waits 1, 2, 4 … 64 seconds, each cut by up to
 * a half at random, but at least as long as the server asks for. `what` names the operation, with the store. Anything but a
 * Transient comes out as it is; the last Transient as HoldfastError `store`, with `object`.
 */
export async function persist<T>(
  what: string,
  persistence: Persistence,
  attempt: (number: number, moved: () => void) => Promise<T>,
  object?: string,
): Promise<T> {
  const { now, random, signal, deadline } = persistence;
  const begun = now();
  const counted = () => now() - (persistence.heldBack?.() ?? 0);
  let firstFailure: number | undefined;
  /** Milliseconds in which data moved, since the first failure. */
  let moving = 0;
  for (let number = 1; ; number++) {
    let failure: Transient;
    const started = counted();
    let lastMove = started;
    try {
      return await attempt(number, () => {
        lastMove = counted();
      });
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      failure = error;
    }
    if (signal.aborted) throw interrupted(what);
    if (firstFailure === undefined) firstFailure = counted();
    // What is held back is known only once that is over: no more has moved than has gone by.
    else moving += Math.max(0, Math.min(lastMove, counted()) - started);
    const pause = Math.min(FIRST_MS * 2 ** (number - 1), LONGEST_MS) * (1 - random() / 2);
    const left = firstFailure + deadline + moving - counted();
    const asked = failure.retryAfter ?? 0;
    if (left < NONE_MS || asked > left) {
      throw givenUp(what, failure, number, { spent: now() - begun, left }, object);
    }
    // The last attempt is made when the time is up, not before.
    const wait = Math.max(Math.min(pause, left), asked);
    persistence.onRetry(
      `${failure.message}; trying again in ${(wait / 1000).toFixed(1)} s, for ${Math.round((left - wait) / 1000)} s more while nothing moves`,
    );
    await (persistence.sleep?.(wait) ?? sleep(wait, undefined, { signal })).catch(() => {
      throw interrupted(what);
    });
  }
}

function givenUp(
  what: string,
  failure: Transient,
  attempts: number,
  { spent, left }: { spent: number; left: number },
  object: string | undefined,
): HoldfastError {
  const tries =
    attempts === 1 ? 'tried once' : `tried ${attempts} times within ${Math.round(spent / 1000)} s`;
  const asked =
    failure.retryAfter !== undefined && failure.retryAfter > Math.max(left, 0)
      ? `, and the server asks to wait ${Math.round(failure.retryAfter / 1000)} s, longer than the deadline leaves`
      : '';
  return new HoldfastError(
    'store',
    `${what}: ${unprefixed(failure.message, what)} (given up: ${tries}${asked}); check the store with "holdfast doctor", then run the command again`,
    { ...(object !== undefined && { object }), cause: failure },
  );
}

/** Without what the error begins with already. */
function unprefixed(message: string, what: string): string {
  return message.startsWith(`${what}: `) ? message.slice(what.length + 2) : message;
}

function interrupted(what: string): HoldfastError {
  return new HoldfastError('interrupted', `${what}: interrupted`);
}
