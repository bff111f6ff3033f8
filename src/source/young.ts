/** Time stamps that are so young that a later change may leave the same ones. */
import type { Stat } from './stat.ts';

/** Time stamps this close to the moment of reading may hide a later change (kernel ticks are up to 10 ms apart). */
const YOUNG_NS = 20_000_000n;
/** The same for file systems that keep whole seconds. */
const YOUNG_SECONDS_NS = 2_000_000_000n;

/** Whether a later change than that at `nowNs` might have left these very time stamps. */
export function isYoung(stat: Stat, nowNs: bigint): boolean {
  const margin = stat.ctimeNs % 1_000_000_000n === 0n ? YOUNG_SECONDS_NS : YOUNG_NS;
  return stat.ctimeNs > nowNs - margin;
}

/** The time, as isYoung takes it. */
export function nowInNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
