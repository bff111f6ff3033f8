/** At which of the requests that it matches a rule acts. */
import type { Asked } from './match.ts';

/** `count`: how many requests the rule has matched, this one included. */
export type When = (count: number, asked: Asked) => boolean;

export const always: When = () => true;
export const once: When = (count) => count === 1;

/** The n-th, from 1. */
export const nth =
  (n: number): When =>
  (count) =>
    count === n;

/** The k-th, the 2k-th, … */
export const every =
  (k: number): When =>
  (count) =>
    count % k === 0;

/** The n-th and all after it. */
export const fromOn =
  (n: number): When =>
  (count) =>
    count >= n;

/** The first n. */
export const first =
  (n: number): When =>
  (count) =>
    count <= n;

/** The first n of each method and path: every object fails so often, then not. */
export function firstOfEach(n = 1): When {
  const seen = new Map<string, number>();
  return (_count, { method, path }) => {
    const count = (seen.get(`${method} ${path}`) ?? 0) + 1;
    seen.set(`${method} ${path}`, count);
    return count <= n;
  };
}
