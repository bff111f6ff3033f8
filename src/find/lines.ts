/** Points as lines: runs of points each of which builds on the one before. A chain is one line; where it forks, another begins. */
import type { StoredCommit } from '../chain/commits.ts';
import type { Point } from '../chain/points.ts';

/** A run of points. */
export interface Line {
  points: Point[];
  /** Where it goes on from; undefined for one that begins with a full. */
  before: Spot | undefined;
}

/** A point by its line and its place in it. */
export interface Spot {
  line: number;
  index: number;
}

/** All points without a problem as lines, in the order of their first points, and where each set is. */
export function toLines(points: readonly Point[]): { lines: Line[]; spots: Map<StoredCommit, Spot> } {
  const lines: Line[] = [];
  const spots = new Map<StoredCommit, Spot>();
  for (const point of points) {
    if (point.problem !== undefined) continue;
    const parent = point.at(point.commit.commit.ordinal - 1);
    const before = parent === undefined ? undefined : spots.get(parent);
    const line = before === undefined ? undefined : lines[before.line];
    if (before !== undefined && line?.points.length === before.index + 1) {
      spots.set(point.commit, { line: before.line, index: line.points.push(point) - 1 });
    } else {
      spots.set(point.commit, { line: lines.push({ points: [point], before }) - 1, index: 0 });
    }
  }
  return { lines, spots };
}
