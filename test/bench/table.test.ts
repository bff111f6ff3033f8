/** The figures of the table: medians, what is compared with what, and how they are written. */
import { expect, test } from 'vitest';
import { goalsOf } from './goals.ts';
import { median, type Report, type Result, type Run, rowsOf } from './results.ts';
import { markdown, table } from './table.ts';

function result(tool: string, seconds: number[], more: Partial<Result & { stored: number }> = {}): Result {
  const { stored, ...rest } = more;
  const role = tool === 'holdfast' || tool === 'pipeline' ? tool : 'peer';
  const runs = seconds.map(
    (s): Run => ({
      ...{ seconds: s, cpu: s / 2, peak: s * 1e6, peakOfAll: s * 1e6 },
      ...(stored === undefined ? {} : { stored }),
    }),
  );
  return { set: 'kernel', target: 'directory', work: 'full', tool, role, runs, ...rest };
}

test('medians of odd and of even numbers of values', () => {
  expect(median([3, 1, 100])).toBe(3);
  expect(median([4, 1, 2, 100])).toBe(3);
  expect(median([])).toBeNaN();
});

test('ratios are to the best peer and to the pipeline, of the same work in the same place', () => {
  const [holdfast, restic] = rowsOf([
    result('holdfast', [12, 8, 10], { stored: 300 }),
    result('restic', [30, 20, 25], { stored: 200 }),
    result('borg', [40, 41, 42], { stored: 100 }),
    result('pipeline', [5, 5, 5]),
    result('restic', [1], { work: 'restore' }),
    result('restic', [1], { target: 'swift' }),
    result('restic', [1], { set: 'libraries' }),
    result('duplicity', [], { failed: 'it ended with 1' }),
  ]);
  expect(holdfast).toMatchObject({ seconds: 10, fastest: 8, slowest: 12, cpu: 5, stored: 300 });
  expect(holdfast).toMatchObject({ toPeer: 0.4, toPipeline: 2, storedToPeer: 3, peakToPeer: 0.4 });
  expect(restic).toMatchObject({ toPeer: undefined, toPipeline: undefined, storedToPeer: undefined });
});

test('without a peer there is no ratio, and what failed says why in one line', () => {
  const lines = table(
    rowsOf([
      result('holdfast', [1.5, 2.5], { bytes: 20e6, stored: 12_345_678 }),
      result('restic', [], { failed: 'it\nended | with 1' }),
    ]),
  ).split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[2]).toBe(
    '| kernel | directory | full | holdfast | 2.00 s | 1.50 s to 2.50 s | 10 MB/s | 1.00 s | 2.00 MB | 12.3 MB | – | – | – | – |  |',
  );
  expect(lines[3]).toMatch(
    /^\| kernel \| directory \| full \| restic \|( – \|){10} failed: it ended \\\| with 1 \|$/,
  );
});

test('the report says what it was made with, and what was left out', () => {
  const report: Report = {
    date: '2026-11-25',
    machine: { cores: '2' },
    versions: { restic: 'restic 0.14.0\n' },
    settings: { restic: 'defaults' },
    ...{ rounds: 3, scale: 0.05 },
    sets: [{ name: 'kernel', what: 'a tree', entries: 7, bytes: 5000 }],
    leftOut: ['borg is not installed'],
    results: [result('holdfast', [1])],
  };
  const text = markdown(report);
  for (const said of [
    ...['# Benchmark of 2026-11-25', '- cores: 2', '- scale: 0.05', '- kernel: a tree; 7 entries, 5.0 kB'],
    ...['- restic: restic 0.14.0; defaults', '- borg is not installed', '| 1.00 s | 1 round |'],
  ])
    expect(text).toContain(said);
});

test('goals are looked up for stores in folders, and those without figures are left out', () => {
  const report: Report = {
    ...{ date: '', machine: {}, versions: {}, settings: {}, rounds: 1, scale: 1, leftOut: [] },
    sets: [
      { name: 'million', what: '', entries: 1000, bytes: 1 },
      { name: 'quarter-million', what: '', entries: 250, bytes: 1 },
    ],
    results: [
      result('holdfast', [12], { target: 'swift' }),
      result('holdfast', [6]),
      result('pipeline', [5]),
      result('holdfast', [3], { work: 'restore' }),
      result('holdfast', [6], { work: 'verify with key' }),
      result('holdfast', [0.01], { set: 'million' }),
      result('holdfast', [0.001], { set: 'quarter-million' }),
    ],
  };
  expect(goalsOf(report)).toEqual([
    { goal: "full, kernel: wall by the pipeline's", most: 1.3, found: 1.2 },
    { goal: 'full, million: peak memory in MB', most: 300, found: 0.01 },
    {
      goal: 'full, from a quarter to a whole million: bytes of memory for each entry',
      most: 12,
      found: 12,
    },
    { goal: 'verify with key, kernel: wall by that of a restore', most: 1, found: 2 },
  ]);
  expect(markdown(report)).toContain("| full, kernel: wall by the pipeline's | 1.30 | 1.20 | yes |");
});
