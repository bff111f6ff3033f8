/** `holdfast find`: says in which points paths existed, and in which versions. */
import { Command } from 'commander';
import type { Point } from '../chain/points.ts';
import { HoldfastError } from '../errors.ts';
import type { FoundPath, Row } from '../find.ts';
import { fromText, show } from '../format/bytes.ts';
import type { CliContext } from './context.ts';
import { entryJson, formatMtime, typeLetter } from './entry.ts';
import { EXIT } from './exit.ts';
import { pathKeys } from './path-json.ts';
import { describePoint, noPoints, openReading, requireSecretKey, sayRejected } from './reading.ts';
import { addKeyOptions, addReadingOptions, type KeyOptions, type ReadingOptions } from './reading-options.ts';
import { formatTime } from './times.ts';

interface Options extends ReadingOptions, KeyOptions {
  json?: true;
}

/** The command. */
export function findCommand(context: CliContext): Command {
  const command = new Command('find')
    .description('say in which points something existed, and in which versions')
    .argument(
      '[pattern...]',
      'names or globs, at any depth; with a slash in front, absolute source paths or globs',
    )
    .option('--json', 'print a JSON object a line, one for each version')
    .addHelpText(
      'after',
      `
One row for each version: the points from the first to the last that hold it, its type, size, time of modification and path. A pattern
matches paths themselves: what is in a folder, '/srv/www/**' finds. Every list of entries in the store is read once.

Ends with 0 when something was found, 3 when some points are encrypted for other keys, 4 when a list is damaged (what the others say
is printed), 10 when nothing was found, 12 when a key is at fault.

Examples:
  holdfast find --secret-key secret.asc index.html
  holdfast find --secret-key secret.asc '/srv/www/**/*.php' --json
`,
    );
  addReadingOptions(command);
  return addKeyOptions(command).action((patterns: string[], options: Options) =>
    run(patterns, options, context),
  );
}

async function run(patterns: readonly string[], options: Options, context: CliContext): Promise<void> {
  const [{ find }, { isRecipient, parseSecretKey }, { namesWanted }] = await Promise.all([
    import('../find.ts'),
    import('../crypto/secret-key.ts'),
    import('../manifest/names-wanted.ts'),
  ]);
  if (patterns.length === 0) {
    throw new HoldfastError(
      'usage',
      'name what to look for, such as index.html or "*.php"; --help shows how',
    );
  }
  const wanted = namesWanted(patterns);
  const reading = await openReading(options, context);
  try {
    sayRejected(reading, context);
    const newest = reading.points.at(-1);
    if (newest === undefined) throw await noPoints(reading);
    const secret = await requireSecretKey(newest.commit, options, context);
    const points = reading.points.filter((point) => isReadable(point, context));
    const opened = points.filter(({ commit }) => isRecipient(secret, commit.commit.recipients));
    const { store, names } = reading;
    const key = await parseSecretKey(secret);
    const { paths, damaged } = await find({ store, names, points: opened, key, wanted });
    for (const found of paths) {
      for (const row of found.rows)
        context.stdout(options.json ? asJson(found, row, newest) : asText(found, row));
    }
    for (const { message } of damaged) {
      context.stderr(`holdfast: ${message}; versions that it alone lists are missing here\n`);
    }
    if (opened.length < points.length) {
      const closed = points.length - opened.length;
      context.stderr(
        `holdfast: ${closed === 1 ? 'one point is' : `${closed} points are`} not encrypted for this key: not looked into\n`,
      );
      context.exitCode = EXIT.incomplete;
    }
    if (damaged.length > 0 || points.length < reading.points.length) context.exitCode = EXIT.damage;
    if (paths.length === 0 && context.exitCode === EXIT.ok) {
      throw new HoldfastError(
        'no-path',
        `no point holds ${patterns.map((text) => show(fromText(text))).join(' or ')}: a pattern without a slash matches whole names, such as "*.php"`,
      );
    }
  } finally {
    await reading.store.close();
  }
}

/** Whether the line of parents of a point is whole; says it where it is not. */
function isReadable(point: Point, context: CliContext): boolean {
  if (point.problem === undefined) return true;
  context.stderr(`holdfast: ${describePoint(point)} is not whole: it ${point.problem}; not looked into\n`);
  return false;
}

function asText({ path }: FoundPath, { version, first, last }: Row): string {
  const points = first === last ? `${first.seq}` : `${first.seq}-${last.seq}`;
  const span = `${formatTime(first.time)} to ${formatTime(last.time)}`;
  const link = version.target === undefined ? '' : ` -> ${show(version.target)}`;
  const doubt = version.carried ? '  [could not be read then]' : version.torn ? '  [a mixture]' : '';
  return `${points.padEnd(9)} ${span}  ${typeLetter(version.type)} ${String(version.size).padStart(12)} ${formatMtime(version.mtimeNs)} ${show(path)}${link}${doubt}\n`;
}

function asJson({ path, source }: FoundPath, { version, first, last, points }: Row, newest: Point): string {
  const point = ({ seq, id, time }: Point) => ({ seq, id, time: time.toISOString() });
  return `${JSON.stringify({
    ...pathKeys(path),
    source,
    ...entryJson(version),
    first: point(first),
    last: point(last),
    points,
    current: last === newest,
  })}\n`;
}
