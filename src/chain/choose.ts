/** Chooses the point that a WHEN means, and refuses where that is doubtful or the point is not whole. */
import { type ErrorCode, HoldfastError } from '../errors.ts';
import type { StrategyNames } from '../format/names.ts';
import type { Store } from '../store/store.ts';
import type { Rejected, StoredCommit } from './commits.ts';
import { neededObjects, type Point } from './points.ts';
import { checkPresence } from './presence.ts';
import { pickPoint, type When } from './when.ts';

/** Why no point is chosen: `message` says what is wrong, `beside` is the seq near which another point is of use. */
export interface Refusal {
  code: ErrorCode;
  message: string;
  object: string | undefined;
  beside: number;
}

/**
 * The point that `when` means, or why it is not to be had. An older point never stands in for a newer one that is
 * damaged, refused or doubtful. `show` words a time. Pure. Errors: those of pickPoint, where nothing is damaged.
 */
export function choose(
  points: readonly Point[],
  rejected: readonly Rejected[],
  when: When,
  show: (time: Date) => string,
): Point | Refusal {
  const named = rejected.findLast((r) => means(when, r));
  if (named !== undefined && !points.some((point) => means(when, point))) return refuse(named);
  const newest = rejected.at(-1);
  if (points.length === 0 && newest !== undefined) return refuse(newest);
  const point = pickPoint(points, when, show);
  const doubtful =
    when.kind === 'latest' || when.kind === 'time' ? hiding(points, rejected, point) : undefined;
  if (doubtful !== undefined) return refuse(doubtful);
  if (when.kind === 'latest') {
    const fork = forkOf(points, point);
    if (fork !== undefined) {
      const both = fork.map((p) => `${p.seq} of ${show(p.time)} (--at ${nameOf(p, points)})`).join(' and ');
      throw new HoldfastError(
        'no-point',
        `which point is the latest is not clear: two hosts have gone on from one and the same set, to ${both}; choose one of them`,
      );
    }
  }
  if (point.problem === undefined) return point;
  return {
    code: 'damage',
    message: `point ${point.seq} of ${show(point.time)} is not whole: it ${point.problem}`,
    object: point.commit.name,
    beside: point.seq,
  };
}

/**
 * The points nearest to a seq, the older one first and then one that is not older, whose line of parents is whole and of which everything is in the
 * store by its size; points that need an object named in `damaged` do not count. Errors: those of the store.
 */
export async function nearestWhole(
  store: Store,
  names: StrategyNames,
  points: readonly Point[],
  beside: number,
  damaged: ReadonlySet<string> = new Set(),
): Promise<Point[]> {
  const sound = points.filter((point) => point.problem === undefined);
  const older = sound.filter((point) => point.seq < beside).reverse();
  const newer = sound.filter((point) => point.seq >= beside);
  const presence = await checkPresence(store, names, sound);
  return [older, newer].flatMap(
    (side) =>
      side.find((point) => presence.get(point)?.length === 0 && !needsAny(point, names, damaged)) ?? [],
  );
}

/** How `--at` names a point: by its seq, or by its id where several have that seq. */
export function nameOf(point: Point, points: readonly Point[]): string {
  const alone = points.every((other) => other === point || other.seq !== point.seq);
  return alone && point.seq < 1e9 ? String(point.seq) : `id:${point.id}`;
}

function means(when: When, set: { seq: number; id: string }): boolean {
  if (when.kind === 'seq') return set.seq === when.seq;
  return when.kind === 'id' && set.id.startsWith(when.prefix);
}

function refuse({ error, seq }: Rejected): Refusal {
  return { code: error.code, message: error.message, object: error.object, beside: seq };
}

/** The newest refused commit that, for all that is known, may be the point meant rather than `point`. */
function hiding(points: readonly Point[], rejected: readonly Rejected[], point: Point): Rejected | undefined {
  const next = points.find((other) => other.seq > point.seq)?.seq ?? Number.POSITIVE_INFINITY;
  return rejected.findLast((r) => r.seq >= point.seq && r.seq < next);
}

/**
 * Where a chain forks below `point`: the newest point of each branch. A fork that lies before its full does not count:
 * a full depends on nothing.
 */
function forkOf(points: readonly Point[], point: Point): Point[] | undefined {
  const own = new Set(point.chain);
  const branches = new Map<StoredCommit, Point>();
  for (const other of points) {
    if (other === point || own.has(other.commit) || other.problem !== undefined) continue;
    const ordinal = firstApart(other, point);
    const child = ordinal === undefined ? undefined : other.at(ordinal);
    if (child !== undefined) branches.set(child, other);
  }
  return branches.size === 0 ? undefined : [...branches.values(), point];
}

/** The first ordinal at which two chains with the same full differ; undefined when their fulls are not the same. */
function firstApart(a: Point, b: Point): number | undefined {
  if (a.at(0) !== b.at(0)) return undefined;
  let low = 1;
  let high = Math.min(a.commit.commit.ordinal, b.commit.commit.ordinal) + 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (a.at(middle) === b.at(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function needsAny(point: Point, names: StrategyNames, damaged: ReadonlySet<string>): boolean {
  if (damaged.size === 0) return false;
  for (const { set, object } of neededObjects(point)) {
    if (damaged.has(names.object(set.commit, object.name))) return true;
  }
  return false;
}
