import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatRate, parseRate } from '../../src/strategy/rate.ts';
import { formatBytes, formatSize, parseSize } from '../../src/strategy/size.ts';

describe('sizes', () => {
  test.each([
    ['200GiB', 200 * 2 ** 30],
    ['20MiB', 20 * 2 ** 20],
    ['20 MiB', 20 * 2 ** 20],
    ['10GB', 10e9],
    ['1.5KiB', 1536],
    ['1.1GB', 1_100_000_000],
    ['4.35kB', 4350],
    ['1KB', 1000],
    ['3TiB', 3 * 2 ** 40],
    ['1PiB', 2 ** 50],
    ['512', 512],
    ['512B', 512],
    ['0', 0],
    [1048576, 1048576],
    [0, 0],
  ])('%s is read', (written, bytes) => {
    expect(parseSize(written)).toBe(bytes);
  });

  test.each([
    '',
    'GiB',
    '20G',
    '20g',
    '20gib',
    '20Gib',
    '20Mbit',
    '-1',
    '1.5',
    '0.3B',
    '1.1KiB',
    '1.2345MB',
    '1,5GiB',
    '1e3',
    '20  MiB',
    '0x10',
    '9007199254740992',
    '9PiBs',
    '99999999PiB',
    1.5,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
  ])('%s is refused', (written) => {
    expect(parseSize(written)).toBeUndefined();
  });

  test('what is written exactly is read back the same', () => {
    const sizes = fc.oneof(
      fc.maxSafeNat(),
      fc
        .tuple(fc.nat(7000), fc.constantFrom(2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40, 1e3, 1e6, 1e9, 1e12))
        .map(([n, unit]) => n * unit),
    );
    fc.assert(
      fc.property(sizes, (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
        expect(parseRate(formatRate(bytes))).toBe(bytes);
      }),
    );
  });

  test('the exact form is short where a unit fits', () => {
    expect([2 ** 25, 10e9, 1537, 0, 2 ** 30 * 200].map(formatSize)).toEqual([
      '32MiB',
      '10GB',
      '1537B',
      '0B',
      '200GiB',
    ]);
  });

  test.each([
    [0, '0 B'],
    [812, '812 B'],
    [999, '999 B'],
    [1000, '0.98 KiB'],
    [1023, '1.00 KiB'],
    [1024, '1.00 KiB'],
    [1536, '1.50 KiB'],
    [10_229, '9.99 KiB'],
    [10_239, '10.0 KiB'],
    [102_390, '100 KiB'],
    [2 ** 30 * 1.46, '1.46 GiB'],
    [2 ** 60, '1024 PiB'],
  ])('%d bytes are shown as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test('a shown size has three digits and is within half a percent or a byte', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 52 }), (bytes) => {
        const [number = '', unit = ''] = formatBytes(bytes).split(' ');
        expect(number.replace('.', '').replace(/^0+/, '').length).toBeLessThanOrEqual(3);
        const factor = 1024 ** ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'].indexOf(unit);
        expect(Math.abs(Number(number) * factor - bytes)).toBeLessThanOrEqual(bytes * 0.0051);
      }),
    );
  });
});

describe('rates', () => {
  test.each([
    ['20MiB/s', 20 * 2 ** 20],
    ['500kB/s', 500_000],
    ['1000B/s', 1000],
  ])('%s is read', (text, bytes) => {
    expect(parseRate(text)).toBe(bytes);
  });

  test.each(['20MiB', '20/s', '20Mbit/s', '20MiB/h', '20MiB / s', '/s', 'B/s', ''])(
    '%j is refused',
    (text) => {
      expect(parseRate(text)).toBeUndefined();
    },
  );
});
