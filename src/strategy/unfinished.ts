/**
 * The one list of what a strategy may say and this version does not do yet. A feature that lands takes its
 * line out of here, and nothing else need change.
 */

import { inOrder, type Problem, problemAt, strategyError } from './problem.ts';
import type { Strategy } from './strategy.ts';

/** Harmless to leave undone: told, and passed over. */
const NOT_ACTED_UPON: { key: string; given: (strategy: Strategy) => boolean; consequence: string }[] = [
  {
    key: 'schedule.incremental',
    given: (strategy) => strategy.schedule.incremental !== undefined,
    consequence: 'a backup is made whenever cron or a timer runs one',
  },
  {
    key: 'schedule.at',
    given: (strategy) => strategy.schedule.at !== undefined,
    consequence: 'a backup is made whenever cron or a timer runs one',
  },
  {
    key: 'retention',
    given: (strategy) => strategy.retention !== undefined,
    consequence: 'nothing is deleted',
  },
  {
    key: 'objectives',
    given: (strategy) => strategy.objectives !== undefined,
    consequence: 'nothing warns when they are missed',
  },
];

/** The parts of a strategy that can hold something dangerous to pass over; a restore knows only its store. */
type Refusable = Pick<Strategy, 'store' | 'positions'> & Partial<Pick<Strategy, 'sources' | 'limits'>>;

/** Dangerous to leave undone: refused. Each gives the keys concerned. */
const NOT_WORKING: { keys: (strategy: Refusable) => string[]; message: string }[] = [
  {
    keys: ({ sources = [] }) =>
      sources.flatMap((source, place) => (source.kind === 'command' ? [`sources[${place}].command`] : [])),
    message: 'a command as source does not work yet: let it write a file, and back that up with paths',
  },
  {
    keys: ({ limits }) => (limits?.size === undefined ? [] : ['limits.size']),
    message: 'a limit of size does not work yet and would not be kept: take it out',
  },
];

/** One line for each part of the strategy that is accepted, but not acted upon. */
export function notActedUpon(strategy: Strategy): string[] {
  return NOT_ACTED_UPON.filter(({ given }) => given(strategy)).map(
    ({ key, consequence }) => `${key}: accepted, not acted upon yet: ${consequence}`,
  );
}

/** What the strategy asks for and this version must refuse, with its places in the file. */
export function notWorkingYet(strategy: Refusable): Problem[] {
  const problems = NOT_WORKING.flatMap(({ keys, message }) =>
    keys(strategy).map((key) => problemAt(strategy, key, message)),
  );
  return inOrder(problems);
}

/** Throws HoldfastError `strategy` when the strategy asks for something that does not work yet. */
export function refuseUnfinished(strategy: Refusable & { file: string }): void {
  const problems = notWorkingYet(strategy);
  if (problems.length > 0) throw strategyError(strategy.file, problems);
}
