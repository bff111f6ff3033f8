/** Checks what commits alone can tell: signatures, parents, dates. */
import type { Rejected } from '../chain/commits.ts';
import type { Point } from '../chain/points.ts';
import type { HoldfastError } from '../errors.ts';
import type { Findings } from './findings.ts';

/** A clock is odd when it is wrong by more than this. */
const DAY = 86_400_000;

/** Finds keys, signatures and commits that are no good, and points whose line of parents is broken. */
export function checkCommits(
  points: readonly Point[],
  rejected: readonly Rejected[],
  faults: readonly HoldfastError[],
  findings: Findings,
): void {
  for (const { object, message } of faults) findings.add({ object: object ?? '', problem: message }, []);
  for (const { name, error } of rejected) findings.add({ object: name, problem: error.message }, []);
  const broken = new Map<string, Point[]>();
  for (const point of points) {
    if (point.problem !== undefined) broken.set(point.problem, [...(broken.get(point.problem) ?? []), point]);
  }
  for (const [problem, harmed] of broken) {
    const { name, seq } = { name: harmed[0]?.commit.name ?? '', seq: harmed[0]?.seq };
    findings.add({ object: name, problem: `${name} (point ${seq}) ${problem}` }, harmed);
  }
}

/** What is odd about dates, one line each: they decide nothing, but a clock may be wrong. */
export function oddDates(points: readonly Point[]): string[] {
  const odd: string[] = [];
  let last: Point | undefined;
  for (const point of points) {
    const { name, signed, commit } = point.commit;
    if (signed !== undefined && Math.abs(signed.getTime() - new Date(commit.finished).getTime()) > DAY) {
      odd.push(
        `${name} says that it was finished at ${commit.finished}, its signature that it was made at ${signed.toISOString()}`,
      );
    }
    if (last !== undefined && point.time < last.time) {
      odd.push(
        `point ${point.seq} is of ${commit.time}, which is before point ${last.seq} of ${last.commit.commit.time}`,
      );
    }
    last = point;
  }
  return odd;
}
