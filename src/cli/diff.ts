/** `holdfast diff`: says what differs between two points, or between a point and the machine as it is now. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import type { Point } from '../chain/points.ts';
import type { Difference, DiffRequest } from '../diff.ts';
import { HoldfastError } from '../errors.ts';
import { show } from '../format/bytes.ts';
import type { CliContext } from './context.ts';
import { entryJson } from './entry.ts';
import { EXIT } from './exit.ts';
import { addStateOption, findStateDir, findStrategy } from './locate.ts';
import { pathKeys } from './path-json.ts';
import {
  choosePoint,
  describePoint,
  openReading,
  requireSecretKey,
  sayRejected,
  withOffer,
} from './reading.ts';
import { addKeyOptions, addReadingOptions, type KeyOptions, type ReadingOptions } from './reading-options.ts';

interface Options extends ReadingOptions, KeyOptions {
  stateDir?: string;
  checksum?: true;
  json?: true;
}

/** The command. */
export function diffCommand(context: CliContext): Command {
  const command = new Command('diff')
    .description('say what differs between two points, or between a point and this machine as it is now')
    .argument('<from>', 'a point: latest, its number, its id, a time, or an age such as 3d')
    .argument('[to]', 'another point; the sources of the strategy as they are now, where none is named')
    .argument('[path...]', 'absolute source paths or globs to compare (else all)')
    .option('--checksum', 'read the files of this machine, instead of going by size and time')
    .option('--json', 'print a JSON object a line')
    .addHelpText(
      'after',
      `
Each line is a letter and a path: A added, D removed, T of another type, M another content, m another mode, owner,
time or other extended attributes (ACLs are such); ? cannot be read.
Against this machine a file counts as changed when its size or its time is another. The order of the two matters: what only <to> has is added.

Ends with 0 when all could be compared, whether there are differences or not, 3 when something could not be read, 4 when the store is
damaged, 10 when there is no such point, or no such path in either, 12 when a key is at fault.

Examples:
  holdfast diff --secret-key secret.asc 3d latest /srv/www
  holdfast diff --secret-key secret.asc latest --checksum /etc
`,
    );
  addReadingOptions(command);
  addStateOption(command);
  return addKeyOptions(command).action(
    (from: string, to: string | undefined, paths: string[], options: Options) => {
      // A WHEN never begins with a slash.
      const isPath = to?.startsWith('/') === true;
      return run(from, isPath ? undefined : to, isPath ? [to as string, ...paths] : paths, options, context);
    },
  );
}

async function run(
  from: string,
  to: string | undefined,
  paths: readonly string[],
  options: Options,
  context: CliContext,
): Promise<void> {
  const [{ diffPoints }, { isRecipient, parseSecretKey }, { refuseUnmatched, Selection }] = await Promise.all(
    [import('../diff.ts'), import('../crypto/secret-key.ts'), import('../manifest/select.ts')],
  );
  if (to !== undefined && options.checksum) {
    throw new HoldfastError('usage', '--checksum is for files of this machine: points have their digests');
  }
  if (to !== undefined && options.stateDir !== undefined) {
    throw new HoldfastError('usage', '--state-dir is for a comparison with this machine, not for two points');
  }
  const wanted = paths.length === 0 ? undefined : new Selection(paths);
  const live = to === undefined ? await liveSide(options, context) : undefined;
  const reading = await openReading(options, context);
  try {
    sayRejected(reading, context);
    if (live?.attributes === false) sayAttributes(context);
    const first = await choosePoint(reading, from, context);
    const second = to === undefined ? undefined : await choosePoint(reading, to, context);
    const secret = await requireSecretKey(first.commit, options, context);
    if (second !== undefined && !isRecipient(secret, second.commit.commit.recipients)) {
      throw new HoldfastError(
        'key',
        `the secret key given does not open ${describePoint(second)}, which has other recipients`,
      );
    }
    const { store, names } = reading;
    const request: DiffRequest = { store, names, key: await parseSecretKey(secret), wanted };
    const found = second === undefined ? live?.compare(request, first) : diffPoints(request, first, second);
    try {
      await report(found ?? [], options.json === true, context);
    } catch (error) {
      throw await withOffer(reading, second ?? first, error);
    }
    const other = second === undefined ? 'this machine' : `point ${second.seq}`;
    refuseUnmatched(wanted, `${describePoint(first)}, like ${other},`);
  } finally {
    await reading.store.close();
  }
}

/** This machine, to be compared with. */
interface Live {
  /** Whether it can read extended attributes at all. */
  attributes: boolean;
  compare(request: DiffRequest, from: Point): AsyncIterable<Difference>;
}

/** Once, for it holds for every entry. */
function sayAttributes(context: CliContext): void {
  context.stderr(
    'holdfast: extended attributes and ACLs are not compared: this machine lacks the native part that reads them (the package koffi)\n',
  );
  context.exitCode = EXIT.incomplete;
}

/** The sources of the strategy on this machine. */
async function liveSide(options: Options, context: CliContext): Promise<Live> {
  if (options.store !== undefined || options.name !== undefined) {
    throw new HoldfastError(
      'usage',
      'without a second point this compares with the sources of a strategy on this machine: name the strategy with -c instead of --store, or name a second point',
    );
  }
  const [{ diffLive }, { ownFolders }, { loadStrategy }, { hasAttributes }] = await Promise.all([
    import('../diff.ts'),
    import('../backup/roots.ts'),
    import('../strategy/load.ts'),
    import('../linux/xattrs.ts'),
  ]);
  const strategy = await loadStrategy(findStrategy(options.config, context.env, context.cwd, existsSync));
  const state = findStateDir(options.stateDir, context.env, process.geteuid?.() ?? 0, homedir(), context.cwd);
  const sources = strategy.sources.flatMap((source) => (source.kind === 'paths' ? [source] : []));
  const folders = [
    join(state, strategy.name),
    ...(strategy.store.kind === 'directory' ? [strategy.store.directory] : []),
  ];
  const own = new Set(ownFolders(folders, sources));
  const keepAccessTime = process.platform === 'linux';
  return {
    attributes: hasAttributes(),
    compare: (request, from) =>
      diffLive(request, from, sources, { own, keepAccessTime }, options.checksum === true),
  };
}

const LETTERS: Record<Difference['kind'], string> = {
  added: 'A',
  removed: 'D',
  type: 'T',
  content: 'M',
  metadata: 'm',
  unknown: '?',
};

async function report(
  found: AsyncIterable<Difference> | Iterable<Difference>,
  json: boolean,
  context: CliContext,
): Promise<void> {
  const counts = { added: 0, removed: 0, type: 0, content: 0, metadata: 0, unknown: 0 };
  for await (const difference of found) {
    counts[difference.kind]++;
    context.stdout(json ? asJson(difference) : asText(difference));
  }
  if (counts.unknown > 0) context.exitCode = EXIT.incomplete;
  const { added, removed, type, content, metadata, unknown } = counts;
  const lost = unknown === 0 ? '' : `, ${unknown} not readable`;
  context.stderr(
    `${added} added, ${removed} removed, ${type} of another type, ${content} changed, ${metadata} changed in metadata only${lost}\n`,
  );
}

function asText({ kind, path, from, to, fields, error }: Difference): string {
  const details =
    kind === 'type' ? [`${from?.type} -> ${to?.type}`] : fields.map((field) => detail(field, from, to));
  if (error !== undefined) details.push(error === 'partial' ? 'not all were read for the point' : error);
  return `${LETTERS[kind]} ${show(path)}${details.length === 0 ? '' : `  (${details.join(', ')})`}\n`;
}

function detail(field: Difference['fields'][number], from: Difference['from'], to: Difference['to']): string {
  switch (field) {
    case 'size':
      return `size ${from?.size} -> ${to?.size}`;
    case 'mode':
      return `mode ${from?.mode.toString(8)} -> ${to?.mode.toString(8)}`;
    case 'uid':
    case 'gid':
      return `${field} ${from?.[field]} -> ${to?.[field]}`;
    case 'target':
      return `-> ${show(from?.target ?? '')}, now -> ${show(to?.target ?? '')}`;
    case 'sha256':
      return 'content';
    default:
      return field;
  }
}

function asJson({ kind, source, path, from, to, fields, error }: Difference): string {
  return `${JSON.stringify({
    change: kind,
    ...pathKeys(path),
    source,
    ...(fields.length === 0 ? {} : { fields }),
    ...(error === undefined ? {} : { error }),
    from: from === undefined ? null : entryJson(from),
    to: to === undefined ? null : entryJson(to),
  })}\n`;
}
