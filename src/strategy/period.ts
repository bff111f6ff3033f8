/** How often something is to happen: `daily`, `weekly`, `monthly`, `never`, or a duration. */

import { DURATION_FORMS, formatDuration, parseDuration } from './duration.ts';

/** A period as used. A month is one of the calendar; a day and a week are 24 hours and seven times that. */
export type Period =
  | { kind: 'never' }
  | { kind: 'month' }
  /** `length` in milliseconds, more than none. */
  | { kind: 'every'; length: number };

const DAY = 24 * 60 * 60 * 1000;

/** How a period is written, for messages. */
export const PERIOD_FORMS = `daily, weekly, monthly, never, or ${DURATION_FORMS}`;

/** The period that a text names, or undefined. */
export function parsePeriod(text: string): Period | undefined {
  switch (text) {
    case 'never':
      return { kind: 'never' };
    case 'monthly':
      return { kind: 'month' };
    case 'weekly':
      return { kind: 'every', length: 7 * DAY };
    case 'daily':
      return { kind: 'every', length: DAY };
  }
  const length = parseDuration(text);
  return length === undefined || length === 0 ? undefined : { kind: 'every', length };
}

/** The period as parsePeriod reads it back. */
export function formatPeriod(period: Period): string {
  if (period.kind === 'never') return 'never';
  if (period.kind === 'month') return 'monthly';
  if (period.length === DAY) return 'daily';
  if (period.length === 7 * DAY) return 'weekly';
  return formatDuration(period.length);
}
