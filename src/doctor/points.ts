/** Looks at whether the points in a store can be restored, for `holdfast doctor`: as `holdfast points` does, by one listing. */
import { loadCommits } from '../chain/commits.ts';
import { type Point, toPoints } from '../chain/points.ts';
import { checkPresence } from '../chain/presence.ts';
import type { Trust } from '../chain/verifiers.ts';
import { type Findings, lookAt } from '../finding.ts';
import { StrategyNames } from '../format/names.ts';
import type { Examination } from '../store/examination.ts';
import { firstName, type Store } from '../store/store.ts';

/** Commits are read one by one, and there may be many: so many times the patience of one look. */
const LOOKS = 10;

/** A store that was opened, how long one look may take in milliseconds, and the words for its errors. */
type Opened = Parameters<NonNullable<Examination['points']>>[0];

/** Nothing is said of a store that has no points: that is seen by others. */
export async function* examinePoints(
  { store, patience, words }: Opened,
  strategy: string,
  trust: Trust,
): Findings {
  const subject = 'points';
  const names = new StrategyNames(strategy);
  const listed = await lookAt(
    `store ${store.label}: cannot be listed`,
    patience,
    firstName(store, names.commits),
  );
  // That it cannot be listed was said before.
  if ('error' in listed || listed.value === undefined) return;
  const looked = await lookAt(
    `store ${store.label}: its points cannot be looked at`,
    patience * LOOKS,
    examine(store, names, trust),
  );
  if ('error' in looked) {
    yield { subject, state: 'bad', what: words(looked.error) };
    return;
  }
  const { points, faults, problemOf } = looked.value;
  const newest = points.at(-1);
  const [error, ...others] = faults;
  if (error !== undefined) {
    const more = others.length === 0 ? '' : `; ${others.length} more such objects`;
    const advice = '"holdfast points" names them all';
    yield { subject, state: 'bad', what: `${error.message}${more}`, ...(more === '' ? {} : { advice }) };
  }
  if (newest === undefined) return;
  const broken = points.filter((point) => problemOf(point) !== undefined);
  const problem = problemOf(newest);
  if (problem !== undefined) {
    const others = broken.length === 1 ? '' : `; of ${points.length} points ${broken.length} are not whole`;
    yield {
      subject,
      state: 'bad',
      what: `point ${newest.seq}, the newest, is not whole: ${problem}${others}`,
      advice:
        'put back what is missing from a copy of the store, or make a new full on the host (holdfast backup --type full); "holdfast points" says which points are whole',
    };
  } else if (broken.length > 0) {
    yield {
      subject,
      state: 'warning',
      what: `the newest point is whole, but ${broken.length} of ${points.length} are not, the newest of them ${broken.at(-1)?.seq}: ${problemOf(broken.at(-1) as Point)}`,
      advice:
        '"holdfast points" lists them; put back what is missing from a copy of the store, if there is one',
    };
  } else {
    const all = points.length === 1 ? 'the only one is' : `all ${points.length} are`;
    const what = `${all} whole, by a listing of the store; "holdfast verify" looks closer`;
    yield { subject, state: 'good', what };
  }
}

async function examine(store: Store, names: StrategyNames, trust: Trust) {
  const { commits, rejected, faults } = await loadCommits(store, names, trust);
  const points = toPoints(commits, rejected);
  const presence = await checkPresence(store, names, points);
  const problemOf = (point: Point): string | undefined => {
    if (point.problem !== undefined) return `it ${point.problem}`;
    const missing = presence.get(point) ?? [];
    const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
    return missing.length === 0 ? undefined : `missing or of another size: ${missing[0]?.name}${more}`;
  };
  return { points, faults: [...rejected.map(({ error }) => error), ...faults], problemOf };
}
