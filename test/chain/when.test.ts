import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseWhen, pickPoint, type When } from '../../src/chain/when.ts';
import { formatTime } from '../../src/cli/times.ts';
import { HoldfastError } from '../../src/errors.ts';

const NOW = new Date('2026-11-22T12:00:00.000Z');

let zone: string | undefined;
beforeEach(() => {
  zone = process.env.TZ;
  process.env.TZ = 'Europe/Berlin';
});
afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

function thrown(action: () => unknown): HoldfastError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).message).not.toContain('\n');
    return error as HoldfastError;
  }
  throw new Error('nothing was thrown');
}

describe('a WHEN', () => {
  test.each<[string, When]>([
    ['latest', { kind: 'latest' }],
    [' latest ', { kind: 'latest' }],
    ['1', { kind: 'seq', seq: 1 }],
    ['007', { kind: 'seq', seq: 7 }],
    ['20261122', { kind: 'seq', seq: 20261122 }],
    ['999999999', { kind: 'seq', seq: 999999999 }],
    ['1234567890', { kind: 'id', prefix: '1234567890' }],
    ['3fa9c1d2', { kind: 'id', prefix: '3fa9c1d2' }],
    ['3FA9C1D2e', { kind: 'id', prefix: '3fa9c1d2e' }],
    ['0123456789abcdef0123456789abcdef', { kind: 'id', prefix: '0123456789abcdef0123456789abcdef' }],
    ['id:12345678', { kind: 'id', prefix: '12345678' }],
    ['id:A', { kind: 'id', prefix: 'a' }],
    ['ID:a', { kind: 'id', prefix: 'a' }],
  ])('%j names by word, number or id', (text, when) => {
    expect(parseWhen(text, NOW)).toEqual(when);
  });

  test.each([
    // With a zone: the end of the minute, second or fraction that is named.
    ['2026-11-22T03:30:00Z', '2026-11-22T03:30:00.999Z'],
    ['2026-11-22T03:30Z', '2026-11-22T03:30:59.999Z'],
    ['2026-11-22T03:30:00.4Z', '2026-11-22T03:30:00.400Z'],
    ['2026-11-22T03:30:00.123456789Z', '2026-11-22T03:30:00.123Z'],
    ['2026-11-22T03:30:00,5z', '2026-11-22T03:30:00.500Z'],
    ['2026-11-22t03:30:00+01:00', '2026-11-22T02:30:00.999Z'],
    ['2026-11-22T03:30:00-0530', '2026-11-22T09:00:00.999Z'],
    ['2026-11-22T03:30:00+05', '2026-11-21T22:30:00.999Z'],
    ['2026-11-22 03:30:00 +01:00', '2026-11-22T02:30:00.999Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.999Z'],
    // Without: local time, in summer and in winter.
    ['2026-11-22T03:30:00', '2026-11-22T02:30:00.999Z'],
    ['2026-07-22 03:30', '2026-07-22T01:30:59.999Z'],
    // A date alone: the end of that local day, also of one with 23 or 25 hours.
    ['2026-11-22', '2026-11-22T22:59:59.999Z'],
    ['2026-07-22', '2026-07-22T21:59:59.999Z'],
    ['2026-03-29', '2026-03-29T21:59:59.999Z'],
    ['2026-10-25', '2026-10-25T22:59:59.999Z'],
    ['2026-12-31', '2026-12-31T22:59:59.999Z'],
    ['2024-02-29', '2024-02-29T22:59:59.999Z'],
    // Ages.
    ['3d', '2026-11-19T12:00:00.000Z'],
    ['12h', '2026-11-22T00:00:00.000Z'],
    ['2w', '2026-11-08T12:00:00.000Z'],
    ['90m', '2026-11-22T10:30:00.000Z'],
    ['1d12h', '2026-11-21T00:00:00.000Z'],
    ['0d', '2026-11-22T12:00:00.000Z'],
    // Ages are lengths of time: three days across a change of the clocks are 72 hours.
    ['30d', '2026-10-23T12:00:00.000Z'],
  ])('%j is the time %s', (text, expected) => {
    expect(parseWhen(text, NOW)).toEqual({ kind: 'time', notAfter: new Date(expected) });
  });

  test('a day whose midnight does not exist ends before the next begins', () => {
    process.env.TZ = 'America/Sao_Paulo';
    expect(parseWhen('2018-11-03', NOW)).toEqual({
      kind: 'time',
      notAfter: new Date('2018-11-04T02:59:59.999Z'),
    });
  });

  test.each([
    '',
    ' ',
    'Latest',
    'newest',
    'yesterday',
    '0',
    '000',
    '-1',
    '1.5',
    '+3',
    '3fa9c1d',
    '3fa9c1dg',
    'id:',
    'id:xyz',
    `id:${'a'.repeat(33)}`,
    'a'.repeat(33),
    '3 d',
    '3D',
    'd',
    '-3d',
    '3y',
    '2026-11',
    '2026-1-2',
    '2026-13-01',
    '2026-00-01',
    '2026-02-29',
    '2026-11-31',
    '2026-11-00',
    '1969-12-31',
    '0000-01-01',
    '2026-11-22T',
    '2026-11-22T3:30',
    '2026-11-22T03',
    '2026-11-22T24:00',
    '2026-11-22T03:60',
    '2026-11-22T03:30:60',
    '2026-11-22T03:30:00.',
    '2026-11-22T03:30+25:00',
    '2026-11-22T03:30+01:60',
    '2026-11-22T03:30 CET',
    '2026-11-22Z',
    '22.11.2026',
    '2026-11-22T03:30Zx',
    '1\n2',
    '٣',
    'x'.repeat(1000),
    '2026-W47',
    '2026-326',
  ])('%j is refused with all the forms there are', (text) => {
    const error = thrown(() => parseWhen(text, NOW));
    expect(error.code).toBe('usage');
    for (const form of ['latest', '12', '3fa9c1d2', 'id:', '2026-11-22', '+01:00', '3d'])
      expect(error.message).toContain(form);
    expect(error.message.length).toBeLessThan(500);
  });

  test('a time as it is shown names its second, in any zone', () => {
    const zones = fc.constantFrom(
      'Europe/Berlin',
      'UTC',
      'America/St_Johns',
      'Asia/Kathmandu',
      'Pacific/Apia',
      'Australia/Lord_Howe',
    );
    const times = fc.date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(zones, times, (name, time) => {
        process.env.TZ = name;
        const end = new Date(Math.floor(time.getTime() / 1000) * 1000 + 999);
        expect(parseWhen(formatTime(time), NOW)).toEqual({ kind: 'time', notAfter: end });
        expect(parseWhen(time.toISOString(), NOW)).toEqual({ kind: 'time', notAfter: time });
      }),
    );
  });
});

describe('the point that a WHEN names', () => {
  const point = (seq: number, id: string, time: string) => ({
    seq,
    id: id.padEnd(32, '0'),
    time: new Date(time),
    more: seq,
  });
  const first = point(1, 'aaaaaaaa1', '2026-11-01T02:30:00.400Z');
  const second = point(2, 'bbbbbbbb', '2026-11-02T02:30:00Z');
  // Made while the clock was a year ahead.
  const third = point(3, 'cccccccc', '2027-11-03T02:30:00Z');
  const fourth = point(4, 'aaaaaaaa2', '2026-11-04T02:30:00Z');
  const seventh = point(7, '00000000042', '2026-11-07T02:30:00Z');
  const points = [fourth, first, seventh, third, second];

  const pick = (text: string, among = points) => pickPoint(among, parseWhen(text, NOW));
  const fault = (text: string, among = points) => thrown(() => pick(text, among));

  test('latest is the highest seq, whatever the clocks said', () => {
    expect(pick('latest')).toBe(seventh);
    expect(pick('latest', [third, fourth])).toBe(fourth);
  });

  test('a number is a seq', () => {
    expect(pick('3')).toBe(third);
  });

  test('a beginning of an id is that id', () => {
    expect(pick('bbbbbbbb')).toBe(second);
    expect(pick('BBBBBBBB00')).toBe(second);
    expect(pick('id:c')).toBe(third);
    expect(pick('aaaaaaaa2')).toBe(fourth);
    expect(pick(first.id)).toBe(first);
  });

  test('a time is the highest seq not after it', () => {
    expect(pick('2026-11-02T02:30:00Z')).toBe(second);
    expect(pick('2026-11-02T02:29:59Z')).toBe(first);
    expect(pick('2026-11-01T02:30:00Z')).toBe(first);
    expect(pick('2026-11-03')).toBe(second);
    expect(pick('2026-11-05')).toBe(fourth);
    expect(pick('2w')).toBe(seventh);
    expect(pick('2030-01-01')).toBe(seventh);
  });

  test('the points are not reordered', () => {
    const before = [...points];
    pick('latest');
    expect(points).toEqual(before);
  });

  test('a number that is not there is told with its neighbours', () => {
    const { code, message } = fault('5');
    expect(code).toBe('no-point');
    expect(message).toContain(
      'no point 5; nearest: 4 (id:aaaaaaaa2, 2026-11-04T02:30:00Z) and 7 (id:00000000',
    );
    expect(fault('8').message).toMatch(/nearest: 7 \([^)]*\)$/);
    expect(fault('1', [second, third]).message).toMatch(/nearest: 2 \([^)]*\)$/);
  });

  test('an id that is not there is told with the newest', () => {
    expect(fault('dddddddd')).toMatchObject({
      code: 'no-point',
      message: expect.stringContaining('the newest is 7 ('),
    });
  });

  test('a seq with all its zeros, as object names have it, is told to be written plainly', () => {
    expect(fault('0000000004', [fourth]).message).toContain('for point 4 write 4');
    expect(fault('0000000009', [fourth]).message).not.toContain('write 9');
  });

  test('a time before all points is told with the oldest', () => {
    expect(fault('2026-10-01')).toMatchObject({
      code: 'no-point',
      message: expect.stringContaining('the oldest is 1 ('),
    });
  });

  test('an id that fits several points is refused, and all are named with enough digits', () => {
    const { code, message } = fault('aaaaaaaa');
    expect(code).toBe('usage');
    expect(message).toContain('1 (id:aaaaaaaa1, ');
    expect(message).toContain('4 (id:aaaaaaaa2, ');
  });

  test('many fitting points are not all named', () => {
    const many = Array.from({ length: 100 }, (_, place) =>
      point(place + 1, `a${String(place).padStart(12, '0')}`, '2026-11-01T00:00:00Z'),
    );
    const { message } = fault('id:a', many);
    expect(message).toContain('and 95 more');
    expect(message.length).toBeLessThan(500);
  });

  test.each(['latest', '7', '2026-11-30', '0d'])(
    'two points of one seq are not chosen between by %j',
    (text) => {
      const sibling = point(7, 'ffffffff', '2026-11-06T00:00:00Z');
      const { code, message } = fault(text, [...points, sibling]);
      expect(code).toBe('no-point');
      expect(message).toContain('id:00000000');
      expect(message).toContain('id:ffffffff');
      expect(pick('id:ffffffff', [...points, sibling])).toBe(sibling);
    },
  );

  test('a sibling after the time that is asked for does not matter', () => {
    const sibling = point(7, 'ffffffff', '2026-11-20T00:00:00Z');
    expect(pick('2026-11-10', [...points, sibling])).toBe(seventh);
  });

  test('siblings below a single newest point do not make latest doubtful', () => {
    expect(pick('latest', [...points, point(4, 'ffffffff', '2026-11-04T00:00:00Z')])).toBe(seventh);
  });

  test.each(['latest', '1', 'aaaaaaaa', '2026-11-22'])('where there is nothing, %j says so', (text) => {
    expect(fault(text, [])).toMatchObject({
      code: 'no-point',
      message: expect.stringContaining('there are no points yet'),
    });
  });

  test('times in messages are worded as asked', () => {
    const error = thrown(() => pickPoint(points, { kind: 'seq', seq: 6 }, formatTime));
    expect(error.message).toContain('2026-11-04 03:30:00 +01:00');
  });

  test('every point is found by its seq, by its id, and by its own time unless a later seq is older', () => {
    const some = fc.uniqueArray(
      fc.record({
        seq: fc.integer({ min: 1, max: 999_999_999 }),
        id: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 }),
        time: fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
      }),
      { minLength: 1, maxLength: 20, selector: (one) => one.seq },
    );
    fc.assert(
      fc.property(some, (all) => {
        for (const one of all) {
          expect(pick(String(one.seq), all as never)).toBe(one);
          expect(pick(`id:${one.id}`, all as never)).toBe(one);
          const found = pick(one.time.toISOString(), all as never);
          expect(found.seq).toBeGreaterThanOrEqual(one.seq);
          expect(found.time.getTime()).toBeLessThanOrEqual(one.time.getTime());
        }
      }),
    );
  });
});
