/** Whether the next backup has to be a full: a pure decision over times. */

import { formatDuration } from './duration.ts';
import { formatPeriod } from './period.ts';
import type { Schedule } from './strategy.ts';

const HOUR = 60 * 60 * 1000;

/** How much too early a full may be, so that the jitter of cron does not stretch weeks. */
const TOLERANCE = 6 * HOUR;

/** A decision, with its reason in words for people. */
export interface FullDecision {
  due: boolean;
  reason: string;
}

/**
 * Whether a full is due at `now`, when the last one was begun at `lastFull` (undefined: there is none). It
 * is due when its period is over but for six hours, or but for a quarter of a short period. A last full that
 * lies ahead of the clock by more than that is due too: the clock was set back, and waiting for it could
 * take years. `never` is never due, except for the first. Months are those of the calendar in local time.
 */
export function fullIsDue(
  schedule: Pick<Schedule, 'full'>,
  lastFull: Date | undefined,
  now: Date,
): FullDecision {
  if (lastFull === undefined) return { due: true, reason: 'there is no full yet' };
  const period = schedule.full;
  if (period.kind === 'never') return { due: false, reason: 'schedule.full is never' };

  const next =
    period.kind === 'month' ? oneMonthAfter(lastFull) : new Date(lastFull.getTime() + period.length);
  const tolerance = Math.min(TOLERANCE, (next.getTime() - lastFull.getTime()) / 4);
  const age = now.getTime() - lastFull.getTime();
  if (age < -tolerance) {
    return {
      due: true,
      reason: `the last full is ${formatDuration(age)} ahead of the clock, which was set back`,
    };
  }
  const written = `schedule.full is ${formatPeriod(period)}`;
  const old = age < 0 ? 'new' : `${formatDuration(age)} old`;
  return {
    due: now.getTime() >= next.getTime() - tolerance,
    reason: `the last full is ${old}, and ${written}`,
  };
}

/** The same time of day a calendar month later, in local time; the last day of a month that is too short. */
function oneMonthAfter(date: Date): Date {
  const later = new Date(date);
  later.setDate(1);
  later.setMonth(later.getMonth() + 1);
  const lastDay = new Date(later.getFullYear(), later.getMonth() + 1, 0).getDate();
  later.setDate(Math.min(date.getDate(), lastDay));
  // Stepping over the first of the month may have met a change of the clock on that day.
  later.setHours(date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds());
  return later;
}
