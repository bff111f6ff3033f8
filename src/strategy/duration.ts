/** Spans of time as people write them (`90m`, `26h`, `1d12h`) ⇄ milliseconds; knows no calendar and no clock. */

const UNITS = [
  ['w', 7 * 24 * 60 * 60 * 1000],
  ['d', 24 * 60 * 60 * 1000],
  ['h', 60 * 60 * 1000],
  ['m', 60 * 1000],
  ['s', 1000],
] as const;

/** The longest span that is accepted: a hundred years, so that no sum with a date leaves the range of dates. */
const LONGEST = 100 * 365 * 24 * 60 * 60 * 1000;

/** How a duration is written, for messages. */
export const DURATION_FORMS = 'a duration such as 90m, 26h, 30d, 2w or 1d12h';

/**
 * Milliseconds of a duration: whole numbers, each with its unit (w, d, h, m, s), the larger unit first.
 * Undefined for anything else and for more than a hundred years. Zero is a duration.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(?=\d)(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/.exec(
    text,
  );
  if (!match) return undefined;
  let sum = 0;
  for (const [place, [, length]] of UNITS.entries()) sum += Number(match[place + 1] ?? 0) * length;
  return sum <= LONGEST ? sum : undefined;
}

/**
 * The duration in words that parseDuration reads back, from the largest unit that fits downwards: `1w`,
 * `6d18h`. What is less than a second is left out; a negative span is written as its length.
 */
export function formatDuration(milliseconds: number): string {
  let rest = Math.floor(Math.abs(milliseconds) / 1000) * 1000;
  let text = '';
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    // Weeks only where nothing is left over: "9d" says more than "1w2d".
    if (count === 0 || (unit === 'w' && rest % length !== 0)) continue;
    text += `${count}${unit}`;
    rest -= count * length;
  }
  return text === '' ? '0s' : text;
}
