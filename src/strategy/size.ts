/** Amounts of bytes as people write them (`200GiB`, `10GB`) ⇄ numbers. */

const UNITS: ReadonlyMap<string, number> = new Map([
  ['PiB', 2 ** 50],
  ['PB', 1e15],
  ['TiB', 2 ** 40],
  ['TB', 1e12],
  ['GiB', 2 ** 30],
  ['GB', 1e9],
  ['MiB', 2 ** 20],
  ['MB', 1e6],
  ['KiB', 2 ** 10],
  ['kB', 1e3],
  ['KB', 1e3],
  ['B', 1],
]);

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** How a size is written, for messages. */
export const SIZE_FORMS = 'a size such as 200GiB, 1.5MiB, 10GB or a plain number of bytes';

/**
 * Bytes of a size: a number (of at most three decimals) with its unit, or a whole number of bytes.
 * Undefined for anything else, for parts of a byte and for more than 2^53 − 1 bytes.
 */
export function parseSize(written: string | number): number | undefined {
  if (typeof written === 'number') return Number.isSafeInteger(written) && written >= 0 ? written : undefined;
  const match = /^(\d{1,16})(?:\.(\d{1,3}))? ?([kKMGTP]i?B|B)?$/.exec(written);
  if (!match) return undefined;
  const [, whole = '', decimals = '', unit = 'B'] = match;
  const factor = UNITS.get(unit);
  if (factor === undefined) return undefined;
  // In whole numbers, because 1.1 × 10^9 is not exact in binary fractions.
  const thousandths = BigInt(whole + decimals.padEnd(3, '0')) * BigInt(factor);
  if (thousandths % 1000n !== 0n) return undefined;
  const bytes = thousandths / 1000n;
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : undefined;
}

/** The size exactly, as parseSize reads it back, in the largest unit that leaves no fraction: `32MiB`, `10GB`, `1537B`. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of UNITS) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

/** The size for people, rounded to three digits, in binary units: `1.46 GiB`, `812 B`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let place = 0;
  // 999.5 would be shown as "1000": the next unit says it in three digits.
  while (value >= 999.5 && place < BINARY.length - 1) {
    value /= 1024;
    place += 1;
  }
  const decimals = place === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(decimals)} ${BINARY[place]}`;
}
