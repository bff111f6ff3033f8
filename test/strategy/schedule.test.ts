import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatPeriod, type Period, parsePeriod } from '../../src/strategy/period.ts';
import { fullIsDue } from '../../src/strategy/schedule.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function due(full: string, last: string | undefined, now: string) {
  return fullIsDue(
    { full: parsePeriod(full)! },
    last === undefined ? undefined : new Date(last),
    new Date(now),
  );
}

let zone: string | undefined;
beforeEach(() => {
  zone = process.env.TZ;
  process.env.TZ = 'Europe/Berlin';
});
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('whether a full is due', () => {
  test('the time zone of these tests is in force', () => {
    expect(new Date('2026-07-01T00:00:00Z').getHours()).toBe(2);
  });

  test.each([
    // Without a full there is nothing to build on, whatever the schedule.
    ['weekly', undefined, '2026-01-01T00:00Z', true],
    ['never', undefined, '2026-01-01T00:00Z', true],
    ['never', '2000-01-01T00:00Z', '2026-01-01T00:00Z', false],
    ['never', '2030-01-01T00:00Z', '2026-01-01T00:00Z', false],
    // Six hours of tolerance.
    ['weekly', '2026-11-01T02:30Z', '2026-11-07T20:30Z', true],
    ['weekly', '2026-11-01T02:30Z', '2026-11-07T20:29:59.999Z', false],
    ['weekly', '2026-11-01T02:30:07Z', '2026-11-08T02:30:01Z', true],
    ['weekly', '2026-11-01T02:30Z', '2026-11-07T02:30Z', false],
    ['10d', '2026-11-01T00:00Z', '2026-11-10T18:00Z', true],
    ['10d', '2026-11-01T00:00Z', '2026-11-10T17:59Z', false],
    // At most a quarter of a short period.
    ['daily', '2026-11-01T00:00Z', '2026-11-01T18:00Z', true],
    ['daily', '2026-11-01T00:00Z', '2026-11-01T17:59Z', false],
    ['4h', '2026-11-01T00:00Z', '2026-11-01T03:00Z', true],
    ['4h', '2026-11-01T00:00Z', '2026-11-01T02:59Z', false],
    ['2m', '2026-11-01T00:00:00Z', '2026-11-01T00:01:29Z', false],
    // Weeks in which the clocks change, at the same local time.
    ['weekly', '2026-03-25T01:30Z', '2026-04-01T00:30Z', true],
    ['weekly', '2026-10-21T00:30Z', '2026-10-28T01:30Z', true],
    // Months of the calendar: the same day and local time, also across a change of the clocks.
    ['monthly', '2026-01-15T01:30Z', '2026-02-14T19:30Z', true],
    ['monthly', '2026-01-15T01:30Z', '2026-02-14T19:29Z', false],
    ['monthly', '2026-03-15T01:30Z', '2026-04-14T18:30Z', true],
    ['monthly', '2026-03-15T01:30Z', '2026-04-14T18:29Z', false],
    ['monthly', '2026-10-15T00:30Z', '2026-11-14T19:30Z', true],
    ['monthly', '2026-10-15T00:30Z', '2026-11-14T19:29Z', false],
    // A month that is too short ends on its last day; a leap year has one more.
    ['monthly', '2026-01-31T12:00Z', '2026-02-28T06:00Z', true],
    ['monthly', '2026-01-31T12:00Z', '2026-02-28T05:59Z', false],
    ['monthly', '2028-01-31T12:00Z', '2028-02-28T12:00Z', false],
    ['monthly', '2028-01-31T12:00Z', '2028-02-29T06:00Z', true],
    ['monthly', '2026-08-31T10:00Z', '2026-09-30T03:59Z', false],
    ['monthly', '2026-08-31T10:00Z', '2026-09-30T04:00Z', true],
    ['monthly', '2026-12-31T12:00Z', '2027-01-31T06:00Z', true],
    ['monthly', '2026-12-31T12:00Z', '2027-01-30T23:00Z', false],
    // A month whose day has no such local time.
    ['monthly', '2027-02-28T01:30Z', '2027-03-27T18:29Z', false],
    ['monthly', '2027-02-28T01:30Z', '2027-03-27T19:31Z', true],
    // The clock was set back: by less than the tolerance one waits, by more one does not.
    ['weekly', '2026-11-01T06:00Z', '2026-11-01T00:00Z', false],
    ['weekly', '2026-11-01T06:00:01Z', '2026-11-01T00:00Z', true],
    ['weekly', '2027-11-01T00:00Z', '2026-11-01T00:00Z', true],
    ['monthly', '2026-12-01T00:00Z', '2026-11-01T00:00Z', true],
    ['4h', '2026-11-01T01:00Z', '2026-11-01T00:00Z', false],
    ['4h', '2026-11-01T01:01Z', '2026-11-01T00:00Z', true],
    ['weekly', '2026-11-01T00:00Z', '2026-11-01T00:00Z', false],
  ] as const)('%s, last full %s, now %s: %s', (full, last, now, expected) => {
    expect(due(full, last, now).due).toBe(expected);
  });

  test('the reason says how old the last full is and what the schedule is', () => {
    expect(due('weekly', undefined, '2026-11-01T00:00Z').reason).toBe('there is no full yet');
    expect(due('weekly', '2026-11-01T00:00Z', '2026-11-07T18:00Z').reason).toBe(
      'the last full is 6d18h old, and schedule.full is weekly',
    );
    expect(due('10d', '2026-11-01T00:00Z', '2026-11-03T00:00Z').reason).toBe(
      'the last full is 2d old, and schedule.full is 10d',
    );
    expect(due('monthly', '2026-11-01T00:00Z', '2026-10-01T00:00Z').reason).toBe(
      'the last full is 31d ahead of the clock, which was set back',
    );
    expect(due('never', '2026-11-01T00:00Z', '2026-11-03T00:00Z').reason).toBe('schedule.full is never');
  });

  test('a daily run with jitter of up to three hours makes a full every seven days', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3 * HOUR - 1 }), { minLength: 60, maxLength: 60 }),
        (jitter) => {
          const start = Date.parse('2026-03-01T00:00Z');
          const fulls: number[] = [];
          let last: Date | undefined;
          for (const [day, late] of jitter.entries()) {
            const now = new Date(start + day * DAY + late);
            if (!fullIsDue({ full: parsePeriod('weekly')! }, last, now).due) continue;
            last = now;
            fulls.push(day);
          }
          expect(fulls).toEqual([0, 7, 14, 21, 28, 35, 42, 49, 56]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a month after any day lies in the next month', () => {
    const times = fc.date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(times, (last) => {
        const first = new Date(last.getFullYear(), last.getMonth() + 1, 1);
        const second = new Date(last.getFullYear(), last.getMonth() + 2, 1);
        const early = new Date(Math.max(last.getTime(), first.getTime() - 7 * HOUR));
        expect(fullIsDue({ full: { kind: 'month' } }, last, early).due).toBe(false);
        expect(fullIsDue({ full: { kind: 'month' } }, last, second).due).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('periods', () => {
  test.each([
    ['daily', { kind: 'every', length: DAY }],
    ['weekly', { kind: 'every', length: 7 * DAY }],
    ['monthly', { kind: 'month' }],
    ['never', { kind: 'never' }],
    ['36h', { kind: 'every', length: 36 * HOUR }],
  ])('%s is read', (text, period) => {
    expect(parsePeriod(text)).toEqual(period);
  });

  test.each(['', 'Weekly', 'yearly', '0d', '7', 'every day'])('%j is refused', (text) => {
    expect(parsePeriod(text)).toBeUndefined();
  });

  test('what is written is read back the same', () => {
    const periods: fc.Arbitrary<Period> = fc.oneof(
      fc.constant<Period>({ kind: 'never' }),
      fc.constant<Period>({ kind: 'month' }),
      fc
        .integer({ min: 1, max: 10_000_000 })
        .map((seconds): Period => ({ kind: 'every', length: seconds * 1000 })),
    );
    fc.assert(
      fc.property(periods, (period) => {
        expect(parsePeriod(formatPeriod(period))).toEqual(period);
      }),
    );
  });
});
