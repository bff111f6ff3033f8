/** What the acceptance tests of finding and selecting share. */
import type { Machine } from './program.ts';

/** Paths that a point holds, as `ls` prints them. */
export async function lsPaths(machine: Machine, ...args: string[]): Promise<string[]> {
  const out = await machine.well('ls', '--secret-key', machine.secretKey, ...args);
  return out.split('\n').slice(0, -1);
}
