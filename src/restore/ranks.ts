/** The order in which volumes are written, as ranks from 0 on, and when each file is complete by it. Pure. */
import type { Plan } from './plan.ts';
import { Kind } from './tree.ts';

/** The rank of a volume that is not fetched, since its content is there. */
export const THERE = -1;

/**
 * Which files to check, by the rank after which they are complete: those in parts, and those that rest on what an earlier run wrote.
 * A file that one volume brings in one stretch was checked when it was written, and so was one that a volume brought in order from its beginning to its end.
 */
export function checksByRank(
  plan: Plan,
  ranks: Int32Array,
  wanted: (entry: number) => boolean,
  onCheck: (entry: number) => void,
): Map<number, number[]> {
  const checks = new Map<number, number[]>();
  const { entries } = plan.tree;
  for (let entry = 0; entry < entries.length; entry++) {
    if (entries.kind(entry) !== Kind.file || entries.size(entry) === 0 || !wanted(entry)) continue;
    const rank = lastRank(plan, entry, ranks);
    if (isWhole(plan, entry) && rank !== THERE) continue;
    onCheck(entry);
    const files = checks.get(rank);
    if (files === undefined) checks.set(rank, [entry]);
    else files.push(entry);
  }
  return checks;
}

/** The rank of each volume of a plan. */
export function ranksOf(plan: Plan, due: readonly number[]): Int32Array {
  const ranks = new Int32Array(plan.volumes.length).fill(THERE);
  for (const [rank, index] of due.entries()) ranks[index] = rank;
  return ranks;
}

function lastRank({ content, tree }: Plan, entry: number, ranks: Int32Array): number {
  const first = tree.entries.detail(entry);
  const end = first + content.count(entry);
  let last = THERE;
  for (let extent = first; extent < end; extent++) {
    last = Math.max(last, ranks[content.volume(extent)] as number);
  }
  return last;
}

/** Whether a file is made in one go by the worker that unpacks its volume. */
export function isWhole({ content, tree }: Plan, entry: number): boolean {
  return content.isWhole(entry, tree.entries.detail(entry), tree.entries.size(entry));
}

/** The volumes that a file needs. */
export function volumesOf({ content, tree }: Plan, entry: number): number[] {
  const first = tree.entries.detail(entry);
  const volumes = new Set<number>();
  for (let extent = first; extent < first + content.count(entry); extent++)
    volumes.add(content.volume(extent));
  return [...volumes];
}
