import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatTime } from '../../src/cli/times.ts';

let zone: string | undefined;
beforeEach(() => {
  zone = process.env.TZ;
});
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

test.each([
  ['Europe/Berlin', '2026-11-22T02:30:00Z', '2026-11-22 03:30:00 +01:00'],
  ['Europe/Berlin', '2026-07-22T02:30:00.999Z', '2026-07-22 04:30:00 +02:00'],
  ['UTC', '2026-11-22T02:30:00Z', '2026-11-22 02:30:00 +00:00'],
  ['America/St_Johns', '2026-11-22T02:30:05Z', '2026-11-21 23:00:05 -03:30'],
  ['Asia/Kathmandu', '2026-01-01T00:00:00Z', '2026-01-01 05:45:00 +05:45'],
  // The hour that comes twice is told apart by its zone.
  ['Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25 02:30:00 +02:00'],
  ['Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25 02:30:00 +01:00'],
])('times are local, with their zone: %s %s', (name, time, expected) => {
  process.env.TZ = name;
  expect(formatTime(new Date(time))).toBe(expected);
});
