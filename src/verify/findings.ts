/** What is wrong with a store, each thing once, and which points it harms. */

import type { StoredCommit } from '../chain/commits.ts';
import { type NeededRange, neededRanges, type Point } from '../chain/points.ts';
import type { CommitObject } from '../format/commit.ts';
import type { StrategyNames } from '../format/names.ts';
import type { ByteString } from '../model.ts';

/** One thing that is wrong. */
export interface Finding {
  /** Full name of the object of the store that is concerned. */
  object: string;
  /** One line; names the object. */
  problem: string;
  /** Absolute path in the source, where one file is concerned. */
  path?: ByteString;
  /** Seqs of the points that it harms, ascending. */
  points: number[];
}

/** Collects findings and passes each on as soon as it is made. */
export class Findings {
  readonly #names: StrategyNames;
  readonly #points: readonly Point[];
  readonly #onFinding: (finding: Finding) => void;
  readonly #objects = new Set<string>();
  readonly #harmed = new Set<Point>();
  #needs: Map<StoredCommit, { point: Point; range: NeededRange }[]> | undefined;
  count = 0;

  constructor(names: StrategyNames, points: readonly Point[], onFinding: (finding: Finding) => void) {
    this.#names = names;
    this.#points = points;
    this.#onFinding = onFinding;
  }

  /** Whether an object was found damaged. */
  has(object: string): boolean {
    return this.#objects.has(object);
  }

  /** Points that nothing was found to harm. */
  get whole(): Point[] {
    return this.#points.filter((point) => !this.#harmed.has(point));
  }

  /** Something is wrong with an object of a set: all points that need it are harmed. Told once for each object. */
  addObject(set: StoredCommit, object: CommitObject, problem: string): void {
    const name = this.#names.object(set.commit, object.name);
    if (this.#objects.has(name)) return;
    this.#objects.add(name);
    const place = set.commit.objects.indexOf(object);
    const needs = this.#needsOf(set).filter(({ range }) => range.from <= place && place < range.to);
    this.add({ object: name, problem }, [...new Set(needs.map(({ point }) => point))]);
  }

  /** Something else is wrong, which harms these points. */
  add(finding: Omit<Finding, 'points'>, points: readonly Point[]): void {
    for (const point of points) this.#harmed.add(point);
    this.count++;
    this.#onFinding({ ...finding, points: points.map(({ seq }) => seq) });
  }

  #needsOf(set: StoredCommit): { point: Point; range: NeededRange }[] {
    this.#needs ??= this.#gather();
    return this.#needs.get(set) ?? [];
  }

  #gather(): Map<StoredCommit, { point: Point; range: NeededRange }[]> {
    const needs = new Map<StoredCommit, { point: Point; range: NeededRange }[]>();
    for (const point of this.#points) {
      const { commit: own, problem } = point;
      const all = { set: own, from: 0, to: own.commit.objects.length };
      for (const range of problem === undefined ? neededRanges(point) : [all]) {
        const list = needs.get(range.set) ?? [];
        needs.set(range.set, list);
        list.push({ point, range });
      }
    }
    return needs;
  }
}
