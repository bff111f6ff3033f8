/**
 * Modification times: from the nanoseconds of a manifest to what Linux takes, and, for where only node:fs can set them, to what that takes. It wants
 * seconds as a floating-point number, whose grain in this century is 238 ns: whole seconds and microseconds come out right, the last three
 * digits of the nanoseconds only nearly.
 */
import type { Timespec } from '../linux/times.ts';

const SECOND = 1_000_000_000n;
const MICROSECOND = 1000n;
/** No file system goes further; the kernel takes the nearest time that the file system can hold. */
const MOST_SECONDS = 2n ** 52n;

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/** The time that many nanoseconds after 1970 (negative: before), or the nearest that can be told from others. */
export function toTimespec(ns: bigint): Timespec {
  const nanoseconds = ((ns % SECOND) + SECOND) % SECOND;
  const seconds = (ns - nanoseconds) / SECOND;
  const within = seconds > MOST_SECONDS ? MOST_SECONDS : seconds < -MOST_SECONDS ? -MOST_SECONDS : seconds;
  return { seconds: Number(within), nanoseconds: Number(nanoseconds) };
}

/** Whether node:fs can set a time exactly. */
export function isWholeMicrosecond({ nanoseconds }: Timespec): boolean {
  return nanoseconds % Number(MICROSECOND) === 0;
}

/**
 * The number of seconds that, given to Node, sets the nearest time of those in the same microsecond. Beyond the year 2242 the
 * grain is coarser than that, and the nearest is all there is.
 */
export function toSeconds(time: Timespec): number {
  const ns = BigInt(time.seconds) * SECOND + BigInt(time.nanoseconds);
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
