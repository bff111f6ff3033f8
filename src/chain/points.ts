/** Makes points of commits: follows their parents, and says what each point needs. Pure; asks nothing of the store. */
import { baseOf, type CommitObject } from '../format/commit.ts';
import { setFolder } from '../format/names.ts';
import type { Rejected, StoredCommit } from './commits.ts';
import { compareSets, describeSet, search, volumeCount } from './sets.ts';

/** A committed set, seen as a time to which one can restore. */
export interface Point {
  readonly seq: number;
  readonly id: string;
  /** Start of the walk. */
  readonly time: Date;
  readonly type: 'full' | 'incremental';
  readonly commit: StoredCommit;
  /**
   * Why its line of parents is broken, worded so that it goes on from the point's name ("builds on set 3 …, which is
   * not in the store"); undefined when it is whole.
   */
  readonly problem: string | undefined;
  /** Its sets, the full first, this one last; of a broken line, what is left of it. Made anew at each call. */
  readonly chain: StoredCommit[];
  /** The set of its chain with this ordinal. */
  at(ordinal: number): StoredCommit | undefined;
  /** The set of its chain with this seq. */
  find(seq: number): StoredCommit | undefined;
}

/** Objects of one set that a point needs: from `from` up to, but not with, `to` in what its commit lists. */
export interface NeededRange {
  set: StoredCommit;
  from: number;
  to: number;
}

/** An object that a point needs, and the set that it belongs to. */
export interface NeededObject {
  set: StoredCommit;
  object: CommitObject;
}

/**
 * The points that some commits make, in order of seq, then id: each commit is one, also where its line of parents is
 * broken (see `problem`). Time and memory grow with the number of commits alone, however long the chains are.
 */
export function toPoints(commits: readonly StoredCommit[], rejected: readonly Rejected[]): Point[] {
  const refused = new Map(rejected.map((r) => [setFolder(r), r]));
  const known = new Map<string, ChainPoint>();
  return [...commits]
    .sort((a, b) => compareSets(a.commit, b.commit))
    .map((stored) => {
      const point = follow(stored, known, refused);
      known.set(setFolder(stored.commit), point);
      return point;
    });
}

/**
 * The sets whose manifests say what exists at a point, the newest first: ordinals n, base(n), … 0 (docs/format.md,
 * section 5). The point must have no `problem`.
 */
export function manifestChain(point: Point): StoredCommit[] {
  const sets: StoredCommit[] = [];
  for (let n: number | null = point.commit.commit.ordinal; n !== null; n = baseOf(n)) {
    const set = point.at(n);
    if (set === undefined) throw new Error(`point ${point.seq} has no set with ordinal ${n}`);
    sets.push(set);
  }
  return sets;
}

/**
 * Everything that a point needs, as ranges of objects, none twice: its own, the manifests that it is read with, the
 * volumes that it depends on. The point must have no `problem`.
 */
export function* neededRanges(point: Point): Generator<NeededRange, void> {
  for (const set of manifestChain(point)) {
    const { objects } = set.commit;
    yield { set, from: set === point.commit ? 0 : volumeCount(objects), to: objects.length };
  }
  for (const { seq, volumes } of point.commit.commit.depends) {
    const set = point.find(seq);
    if (set === undefined) throw new Error(`point ${point.seq} has no set ${seq} in its chain`);
    for (const [first, last] of volumes) yield { set, from: first - 1, to: last };
  }
}

/** Every object that a point needs, none twice. The point must have no `problem`. */
export function* neededObjects(point: Point): Generator<NeededObject, void> {
  for (const { set, from, to } of neededRanges(point)) {
    for (let i = from; i < to; i++) yield { set, object: set.commit.objects[i] as CommitObject };
  }
}

/**
 * Sets that follow one another in a chain, shared by all points that have them in theirs: the i-th has ordinal
 * `start + i`. The second child of a set begins a stretch of its own, which goes on from `before`.
 */
interface Stretch {
  start: number;
  sets: StoredCommit[];
  before: Stretch | undefined;
}

class ChainPoint implements Point {
  readonly commit: StoredCommit;
  readonly time: Date;
  readonly stretch: Stretch;
  problem: string | undefined;

  constructor(commit: StoredCommit, stretch: Stretch, problem?: string) {
    this.commit = commit;
    this.stretch = stretch;
    this.problem = problem;
    this.time = new Date(commit.commit.time);
  }

  get seq(): number {
    return this.commit.commit.seq;
  }

  get id(): string {
    return this.commit.commit.id;
  }

  get type(): 'full' | 'incremental' {
    return this.commit.commit.type;
  }

  get chain(): StoredCommit[] {
    return [...this.#parts()].reverse().flatMap(({ sets, length }) => sets.slice(0, length));
  }

  at(ordinal: number): StoredCommit | undefined {
    for (const { start, sets, length } of this.#parts()) {
      if (ordinal >= start) return ordinal < start + length ? sets[ordinal - start] : undefined;
    }
    return undefined;
  }

  find(seq: number): StoredCommit | undefined {
    const isBefore = ({ commit }: StoredCommit) => commit.seq < seq;
    let end = this.commit.commit.ordinal + 1;
    // Not by #parts(): a long chain asks this of hundreds of sets for each of its points.
    for (let stretch: Stretch | undefined = this.stretch; stretch !== undefined; stretch = stretch.before) {
      const { start, sets }: Stretch = stretch;
      const i = search(sets, end - start, isBefore);
      if (i < end - start && sets[i]?.commit.seq === seq) return sets[i];
      if (i > 0) return undefined;
      end = start;
    }
    return undefined;
  }

  /** The stretches of its chain, the newest first, each with how many of its sets are in this point's chain. */
  *#parts(): Generator<{ start: number; sets: StoredCommit[]; length: number }, void> {
    let end = this.commit.commit.ordinal + 1;
    for (let stretch: Stretch | undefined = this.stretch; stretch !== undefined; stretch = stretch.before) {
      const { start, sets } = stretch;
      yield { start, sets, length: end - start };
      end = start;
    }
  }
}

function follow(
  stored: StoredCommit,
  known: ReadonlyMap<string, ChainPoint>,
  refused: ReadonlyMap<string, Rejected>,
): ChainPoint {
  const { parent: reference, ordinal } = stored.commit;
  const alone: Stretch = { start: ordinal, sets: [stored], before: undefined };
  if (reference === null) return new ChainPoint(stored, alone);
  const parent = known.get(setFolder(reference));
  if (parent === undefined) {
    const rejection = refused.get(setFolder(reference));
    const why = rejection === undefined ? 'is not in the store' : `is no point: ${rejection.error.message}`;
    return new ChainPoint(stored, alone, `builds on ${describeSet(reference)}, which ${why}`);
  }
  const fault = faultOfParent(stored, parent);
  if (fault !== undefined)
    return new ChainPoint(stored, alone, `builds on ${describeSet(parent)}, which ${fault}`);
  const point = new ChainPoint(stored, extend(parent, stored), parent.problem);
  point.problem ??= faultOfDepends(point);
  return point;
}

/** A parent is always found among those that came before in the order of seq, so there can be no cycle. */
function faultOfParent(stored: StoredCommit, parent: ChainPoint): string | undefined {
  const { parent: reference, ordinal, seq } = stored.commit;
  if (parent.seq >= seq) return 'is not older';
  if (parent.commit.commitSha256 !== reference?.commitSha256)
    return 'has another commit than it was built on';
  if (parent.commit.commit.ordinal !== ordinal - 1) return 'has another place in the chain than it says';
  return undefined;
}

function faultOfDepends(point: ChainPoint): string | undefined {
  for (const reference of point.commit.commit.depends) {
    const set = point.find(reference.seq);
    if (set === undefined || set.commit.id !== reference.id) {
      return `depends on ${describeSet(reference)}, which is not in its chain`;
    }
    const last = reference.volumes.at(-1)?.[1] ?? 0;
    const volumes = volumeCount(set.commit.objects);
    if (last > volumes) return `depends on volume ${last} of ${describeSet(reference)}, which has ${volumes}`;
  }
  return undefined;
}

function extend(parent: ChainPoint, stored: StoredCommit): Stretch {
  const { stretch } = parent;
  if (stretch.sets.at(-1) !== parent.commit) {
    return { start: stored.commit.ordinal, sets: [stored], before: stretch };
  }
  stretch.sets.push(stored);
  return stretch;
}
