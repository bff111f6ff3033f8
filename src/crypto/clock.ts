/** How the crypto stage deals with dates: any time, days for messages, and a clock that is behind a key. */
import { HoldfastError } from '../errors.ts';

/**
 * Stands for "whatever the time": openpgp.js then checks no date at all. Its type definitions admit null for a
 * few functions only, its documentation and code for all that take a date.
 */
export const ANY_TIME = null as unknown as Date;

/** A date as messages show it: the day in UTC, `2026-03-31`. */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/**
 * The error `key` for a key (named by `what`) that was made after the time that the clock shows. `file` is the
 * key's file, if it is known.
 */
export function clockBehind(what: string, made: Date, now: Date, file?: string): HoldfastError {
  const message = `the clock of this machine shows ${now.toISOString()}, but ${what} was made at ${made.toISOString()}: set the clock right, then try again`;
  return new HoldfastError(
    'key',
    file === undefined ? message : `${file}: ${message}`,
    file === undefined ? {} : { path: file },
  );
}
