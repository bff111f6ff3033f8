/** Rates of transfer as people write them (`20MiB/s`) ⇄ bytes a second. */

import { formatSize, parseSize } from './size.ts';

/** How a rate is written, for messages. */
export const RATE_FORMS = 'a rate such as 20MiB/s or 500kB/s (bytes, not bits)';

/** Bytes a second of a rate: a size with its unit, then `/s`. Undefined for anything else. */
export function parseRate(text: string): number | undefined {
  const match = /^(.*B)\/s$/.exec(text);
  return match?.[1] === undefined ? undefined : parseSize(match[1]);
}

/** The rate exactly, as parseRate reads it back. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatSize(bytesPerSecond)}/s`;
}
