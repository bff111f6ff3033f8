import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/strategy/duration.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('durations', () => {
  test.each([
    ['90m', 90 * MINUTE],
    ['26h', 26 * HOUR],
    ['4h', 4 * HOUR],
    ['30d', 30 * DAY],
    ['2w', 14 * DAY],
    ['1d12h', 36 * HOUR],
    ['1w2d3h4m5s', 9 * DAY + 3 * HOUR + 4 * MINUTE + 5000],
    ['0d', 0],
    ['5200w', 5200 * 7 * DAY],
  ])('%s is read', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    '',
    ' ',
    '3',
    'd',
    '3 d',
    ' 3d',
    '3d ',
    '-3d',
    '+3d',
    '1.5d',
    '3D',
    '3y',
    '12h1d',
    '1d1d',
    '3days',
    '1e3h',
    '３d',
    '5300w',
    '999999999999d',
    '1234567890h',
    '3d\n',
  ])('%j is refused', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('what is written is read back the same, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 * 365 * 86_400 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds * 1000))).toBe(seconds * 1000);
      }),
    );
  });

  test.each([
    [0, '0s'],
    [999, '0s'],
    [7 * DAY, '1w'],
    [9 * DAY, '9d'],
    [6 * DAY + 18 * HOUR, '6d18h'],
    [-26 * HOUR, '1d2h'],
  ])('%d ms is written as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});
