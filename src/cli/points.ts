/** `holdfast points`: lists the points of a strategy, and whether everything that each needs is in the store. */
import { Command } from 'commander';
import type { Point } from '../chain/points.ts';
import { checkPresence, type Missing } from '../chain/presence.ts';
import { formatBytes } from '../strategy/size.ts';
import type { CliContext } from './context.ts';
import { noPoints, openReading, type Reading, sayRejected } from './reading.ts';
import { addReadingOptions, type ReadingOptions } from './reading-options.ts';
import { formatTime } from './times.ts';

interface Options extends ReadingOptions {
  json?: true;
}

/** What is said of one point; the properties of an element of `--json`. */
interface Line {
  seq: number;
  id: string;
  type: 'full' | 'incremental';
  /** ISO 8601, UTC. */
  time: string;
  entries: number;
  files: number;
  bytes: number;
  /** Bytes of the objects that this set has put into the store. */
  bytesStored: number;
  whole: boolean;
  /** Why it is not whole: a broken line of parents. */
  problem?: string;
  /** Why it is not whole: full names of objects that are missing or have another size. */
  missing?: string[];
  signer: string;
  incomplete: { carried: number; torn: number; unreadable: number; partial?: number | undefined };
}

/** The command. */
export function pointsCommand(context: CliContext): Command {
  const command = new Command('points').description('list the points to which one can restore').addHelpText(
    'after',
    `
A point is whole when its line of parents is, and everything that it depends on is in the store with its size, by one listing;
"holdfast verify" looks closer. Needs no secret key. Ends with 0 when there are points, with 10 when there are none.

Examples:
  holdfast points
  holdfast points --store directory:/mnt/backups --name townhall-web --json
`,
  );
  return addReadingOptions(command)
    .option('--json', 'print a JSON array, oldest first')
    .action((options: Options) => run(options, context));
}

async function run(options: Options, context: CliContext): Promise<void> {
  const reading = await openReading(options, context, 'each');
  try {
    sayRejected(reading, context);
    const lines = await describe(reading);
    if (options.json) {
      context.stdout(`${JSON.stringify(lines, null, 2)}\n`);
    } else if (lines.length > 0) {
      context.stdout(table(lines));
    } else {
      throw await noPoints(reading);
    }
  } finally {
    await reading.store.close();
  }
}

async function describe({ store, names, points }: Reading): Promise<Line[]> {
  const presence = await checkPresence(store, names, points);
  return points.map((point) => lineOf(point, presence.get(point) ?? []));
}

function lineOf({ seq, id, type, problem, commit: { commit, signer } }: Point, missing: Missing[]): Line {
  return {
    seq,
    id,
    type,
    time: commit.time,
    entries: commit.counts.entries,
    files: commit.counts.files,
    bytes: commit.counts.bytes,
    bytesStored: commit.objects.reduce((total, { size }) => total + size, 0),
    whole: problem === undefined && missing.length === 0,
    ...(problem === undefined ? {} : { problem }),
    ...(missing.length === 0 ? {} : { missing: missing.map(({ name }) => name) }),
    signer,
    incomplete: commit.incomplete,
  };
}

function table(lines: readonly Line[]): string {
  const rows = lines.map((line) => [
    String(line.seq),
    line.id.slice(0, 8),
    line.type,
    formatTime(new Date(line.time)),
    String(line.entries),
    formatBytes(line.bytesStored),
    state(line),
  ]);
  const head = ['seq', 'id', 'type', 'time', 'entries', 'stored', 'state'];
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const right = new Set([0, 4, 5]);
  const pad = (text: string, i: number) =>
    i === head.length - 1 ? text : right.has(i) ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
  return all.map((row) => `${row.map(pad).join('  ')}\n`).join('');
}

function state({ problem, missing, incomplete }: Line): string {
  if (problem !== undefined) return `NOT WHOLE: it ${problem}`;
  if (missing !== undefined) {
    const more = missing.length === 1 ? '' : ` and ${missing.length - 1} more`;
    return `NOT WHOLE: missing or of another size: ${missing[0]}${more}`;
  }
  const { carried, torn, unreadable, partial = 0 } = incomplete;
  const left = carried + torn + unreadable + partial;
  return left === 0
    ? 'whole'
    : `whole, but ${left} ${left === 1 ? 'entry' : 'entries'} could not be read well`;
}
