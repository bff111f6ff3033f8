/** A report as markdown: the machine, the table, how each tool was called, what was left out. */
import { goalsOf } from './goals.ts';
import type { Report, Row } from './results.ts';
import { rowsOf } from './results.ts';

const COLUMNS = [
  ...['data', 'store', 'work', 'tool', 'wall', 'all rounds', 'speed', 'CPU', 'peak memory', 'stored'],
  ...['wall: best peer', 'wall: pipeline', 'memory: best peer', 'stored: best peer', 'note'],
] as const;
/** Columns of numbers, aligned to the right. */
const [FIRST_NUMBER, LAST_NUMBER] = [4, 13];

/** The whole report. */
export function markdown(report: Report): string {
  const parts = [
    `# Benchmark of ${report.date}`,
    list({
      ...report.machine,
      rounds: `${report.rounds}; medians; one command at a time, the order of the tools turned in every other round`,
      ...(report.scale === 1
        ? {}
        : {
            scale: `${report.scale}: data sets are smaller than they should be for figures that are shown to others`,
          }),
    }),
    '## Data',
    report.sets
      .map(
        ({ name, what, entries, bytes }) =>
          `- ${name}: ${what}${entries > 0 ? `; ${entries} entries, ${mega(bytes)}` : ''}`,
      )
      .join('\n'),
    '## Goals',
    goals(report),
    '## Table',
    'Ratios are Holdfast by the other: below 1 is better.',
    table(rowsOf(report.results)),
    '## Tools',
    list(
      Object.fromEntries(
        Object.entries(report.settings).map(([tool, settings]) => [
          tool,
          [report.versions[tool]?.trim(), settings].filter(Boolean).join('; '),
        ]),
      ),
    ),
  ];
  if (report.leftOut.length > 0)
    parts.push('## Left out', report.leftOut.map((line) => `- ${line}`).join('\n'));
  return `${parts.join('\n\n')}\n`;
}

function goals(report: Report): string {
  const lines = goalsOf(report).map(
    ({ goal, most, found }) =>
      `| ${goal} | ${most.toFixed(2)} | ${found.toFixed(2)} | ${found <= most ? 'yes' : '**no**'} |`,
  );
  return ['| goal | at most | found | met |', '| --- | ---: | ---: | --- |', ...lines].join('\n');
}

/** The table alone. */
export function table(rows: readonly Row[]): string {
  const ruler = COLUMNS.map((_, i) => (i >= FIRST_NUMBER && i <= LAST_NUMBER ? '---:' : '---'));
  return [[...COLUMNS], ruler, ...rows.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cells(row: Row): string[] {
  const { set, target, work, tool, runs, bytes, failed } = row.result;
  const named = [set, target, work, tool];
  const note = [failed && `failed: ${failed}`, row.note].filter(Boolean).join('; ');
  if (runs.length === 0) return [...named, ...Array(LAST_NUMBER - FIRST_NUMBER + 1).fill('–'), oneLine(note)];
  return [
    ...named,
    seconds(row.seconds),
    runs.length === 1 ? '1 round' : `${seconds(row.fastest)} to ${seconds(row.slowest)}`,
    bytes === undefined ? '–' : `${(bytes / 1e6 / row.seconds).toFixed(0)} MB/s`,
    seconds(row.cpu),
    mega(row.peak),
    row.stored === undefined ? '–' : mega(row.stored),
    ...[row.toPeer, row.toPipeline, row.peakToPeer, row.storedToPeer].map(ratio),
    oneLine(note),
  ];
}

function list(named: Readonly<Record<string, string>>): string {
  return Object.entries(named)
    .map(([name, value]) => `- ${name}: ${value.trim().replaceAll('\n', ', ')}`)
    .join('\n');
}

/** Three digits that count, at least. */
function seconds(value: number): string {
  return `${value.toFixed(value < 1 ? 3 : value < 10 ? 2 : 1)} s`;
}

/** Megabytes of 1,000,000 bytes, kilobytes where these say more. */
function mega(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : bytes < 1e8 ? 1 : 0)} MB`;
}

function ratio(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(2)} ×`;
}

/** Text that stays in its cell. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 300);
}
