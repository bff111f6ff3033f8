/**
 * Modification times, as exactly as Node can set them. It takes seconds as a floating-point number, whose grain in this century is
 * 238 ns: whole seconds and microseconds come out right, the last three digits of the nanoseconds only nearly.
 */
const SECOND = 1_000_000_000n;
const MICROSECOND = 1000n;

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/**
 * The number of seconds that, given to Node, sets the time nearest to `ns` (nanoseconds since 1970, negative before) of those
 * in the same microsecond. Beyond the year 2242 the grain is coarser than that, and the nearest is all there is.
 */
export function toSeconds(ns: bigint): number {
  const rest = Number(ns % SECOND);
  const whole = Number(ns / SECOND);
  if (rest === 0) return whole;
  const seconds = whole + rest / 1e9;
  const wanted = microsecond(ns);
  for (const candidate of [seconds, neighbour(seconds, 1n), neighbour(seconds, -1n)]) {
    if (microsecond(asSet(candidate)) === wanted) return candidate;
  }
  return seconds;
}

/** What node:fs takes for a time: it has another meaning for negative numbers, but not for strings of them. */
export function timeArgument(seconds: number): number | string {
  return seconds < 0 ? String(seconds) : seconds;
}

/** Nanoseconds that come of a number of seconds: libuv, src/unix/fs.c, uv__fs_to_timespec(). */
function asSet(seconds: number): bigint {
  const whole = Math.trunc(seconds);
  return BigInt(whole) * SECOND + BigInt(Math.trunc((seconds - whole) * 1e9));
}

function microsecond(ns: bigint): bigint {
  const quotient = ns / MICROSECOND;
  return ns % MICROSECOND < 0n ? quotient - 1n : quotient;
}

/** The next floating-point number, towards or away from zero. */
function neighbour(value: number, step: bigint): number {
  float[0] = value;
  bits[0] = (bits[0] as bigint) + step;
  return float[0] as number;
}
