import { expect, test } from 'vitest';
import { dateOf, mayPass, requestIdOf, retryAfterOf } from '../../../src/store/swift/answer.ts';

const DATE = 'Wed, 25 Nov 2026 03:00:00 GMT';

test('which statuses may pass', () => {
  const passing = Array.from({ length: 600 }, (_, status) => status).filter(mayPass);
  expect(passing.filter((status) => status < 500)).toEqual([408, 429, 498]);
  expect(passing.filter((status) => status >= 500)).toHaveLength(100);
});

test.each([
  ['30', undefined, 30_000],
  [' 0 ', undefined, 0],
  ['Wed, 25 Nov 2026 03:02:00 GMT', DATE, 120_000],
  ['Wed, 25 Nov 2026 02:00:00 GMT', DATE, 0],
  ['Wed, 25 Nov 2026 03:02:00 GMT', undefined, undefined],
  ['-5', DATE, undefined],
  ['1.5', DATE, undefined],
  ['1e3', DATE, undefined],
  ['soon', DATE, undefined],
  ['9'.repeat(40), DATE, undefined],
  [undefined, DATE, undefined],
])('Retry-After %j with Date %j', (retryAfter, date, expected) => {
  const headers = { ...(retryAfter !== undefined && { 'retry-after': retryAfter }), ...(date && { date }) };
  expect(retryAfterOf(headers)).toBe(expected);
});

test('the date of an answer', () => {
  expect(dateOf({ date: DATE })).toEqual(new Date('2026-11-25T03:00:00Z'));
  for (const date of ['', '17', '2026-11-25', 'Xyz, 99 Abc']) expect(dateOf({ date })).toBeUndefined();
});

test('the id of a request is told when it is one', () => {
  expect(requestIdOf({ 'x-openstack-request-id': 'req-1a.b' })).toBe(' [req-1a.b]');
  expect(requestIdOf({ 'x-trans-id': 'tx1' })).toBe(' [tx1]');
  expect(requestIdOf({ 'x-trans-id': 'a b\u001b' })).toBe('');
  expect(requestIdOf({})).toBe('');
});
