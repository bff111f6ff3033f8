/** The goals that Holdfast has set itself, and what a report says of each. Nothing passes or fails by it: times depend on the machine. */
import { type Report, type Row, rowsOf } from './results.ts';

/** A goal that the report has figures for. */
export interface Goal {
  goal: string;
  most: number;
  found: number;
}

/** What a goal looks at: rows of Holdfast. */
type Find = (set: string, work: string) => Row | undefined;

const ALL = ['kernel', 'libraries', 'million', 'sqlite', 'big'];

/** All goals with figures, in a fixed order; those of stores in folders. */
export function goalsOf(report: Report): Goal[] {
  const rows = rowsOf(report.results).filter(
    ({ result }) => result.role === 'holdfast' && result.target !== 'swift' && result.runs.length > 0,
  );
  const find: Find = (set, work) =>
    rows.find(({ result }) => result.set === set && result.work.startsWith(work));
  const goals: Goal[] = [];
  const add = (goal: string, most: number, found: number | undefined) => {
    if (found !== undefined && !Number.isNaN(found)) goals.push({ goal, most, found });
  };
  for (const set of ['kernel', 'libraries']) {
    add(`full, ${set}: wall by the pipeline's`, 1.3, find(set, 'full')?.toPipeline);
    add(`full, ${set}: wall by the best peer's`, 1 / 2, find(set, 'full')?.toPeer);
  }
  add("full, big: wall by the best peer's", 1, find('big', 'full')?.toPeer);
  for (const set of ['kernel', 'million']) {
    add(`unchanged, ${set}: wall by the best peer's`, 1 / 5, find(set, 'unchanged')?.toPeer);
  }
  for (const set of ALL)
    add(`restore, ${set}: wall by the best peer's`, 1 / 1.5, find(set, 'restore')?.toPeer);
  add('restore of one file, kernel: seconds', 1.5, find('kernel', 'restore one file')?.seconds);
  for (const set of ALL)
    add(`full, ${set}: stored by the smallest peer's`, 1, find(set, 'full')?.storedToPeer);
  add("incremental, sqlite: stored by the smallest peer's", 1, find('sqlite', 'incremental')?.storedToPeer);
  for (const work of ['full', 'unchanged', 'restore']) {
    const peak = find('million', work)?.peak;
    add(`${work}, million: peak memory in MB`, 300, peak && peak / 1e6);
  }
  add('full, from a quarter to a whole million: bytes of memory for each entry', 12, growth(report, find));
  for (const set of ['kernel', 'libraries', 'big']) {
    const [verified, restored] = [find(set, 'verify with key'), find(set, 'restore')];
    add(`verify with key, ${set}: wall by that of a restore`, 1, ratio(verified, restored));
  }
  for (const [set, most] of [
    ['chain', 2],
    ['narrow-chain', 1.3],
  ] as const) {
    const [last, fresh] = [find(set, 'restore of the last point'), find(set, 'restore of that')];
    add(`${set}: wall of a restore of the last point by that of a fresh full`, most, ratio(last, fresh));
  }
  for (const work of ['--version', '--version, under', '--version, handed over']) {
    add(`start-up, holdfast ${work}: seconds`, 0.25, find('start-up', work)?.seconds);
  }
  return goals;
}

function ratio(row: Row | undefined, by: Row | undefined): number | undefined {
  return row && by && row.seconds / by.seconds;
}

function growth(report: Report, find: Find): number | undefined {
  const [whole, quarter] = ['million', 'quarter-million'].map((name) => {
    const entries = report.sets.find((set) => set.name === name)?.entries;
    const peak = find(name, 'full')?.peak;
    return entries === undefined || peak === undefined ? undefined : { entries, peak };
  });
  return whole && quarter && (whole.peak - quarter.peak) / (whole.entries - quarter.entries);
}
