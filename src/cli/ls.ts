/** `holdfast ls`: lists what a point holds. */
import { Command } from 'commander';
import { parseSecretKey } from '../crypto/secret-key.ts';
import { fromText, show } from '../format/bytes.ts';
import { type PointItem, readPoint } from '../manifest/merge.ts';
import { refuseUnmatched, Selection } from '../manifest/select.ts';
import type { Entry } from '../model.ts';
import type { CliContext } from './context.ts';
import { entryJson, formatMtime, typeLetter } from './entry.ts';
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
  at?: string;
  long?: true;
  json?: true;
}

/** The command. */
export function lsCommand(context: CliContext): Command {
  const command = new Command('ls')
    .description('list what a point holds: absolute source paths, one a line')
    .argument('[path...]', 'files, folders or globs to list (else all)')
    .option('--at <when>', 'the point: latest, its number, its id, a time, or an age such as 3d', 'latest')
    .option('-l, --long', 'mode, owner, size and time too')
    .option('--json', 'print a JSON object a line')
    .addHelpText(
      'after',
      `
Characters that could harm a terminal, and bytes that are not UTF-8, are shown as \\x1b or \\xff, a backslash as two. In globs * and ? do
not cross a slash, ** does. Fetches only the parts of the list that can hold what is asked for.

Examples:
  holdfast ls --secret-key secret.asc
  holdfast ls --secret-key secret.asc --at 3d -l '/srv/www/**/*.html'
`,
    );
  addReadingOptions(command);
  return addKeyOptions(command).action((paths: string[], options: Options) => run(paths, options, context));
}

async function run(paths: readonly string[], options: Options, context: CliContext): Promise<void> {
  const selection = paths.length === 0 ? undefined : new Selection(paths);
  const reading = await openReading(options, context);
  try {
    sayRejected(reading, context);
    const point = await choosePoint(reading, options.at, context);
    const key = await parseSecretKey(await requireSecretKey(point.commit, options, context));
    const { store, names } = reading;
    const format = options.json ? asJson : options.long ? asLong : asPath;
    try {
      for await (const batch of readPoint({ store, names, key }, point, selection)) {
        context.stdout(batch.map((item) => lineOf(item, format)).join(''));
      }
    } catch (error) {
      throw await withOffer(reading, point, error);
    }
    refuseUnmatched(selection, describePoint(point));
  } finally {
    await reading.store.close();
  }
}

function lineOf(item: PointItem, format: (entry: Entry) => string): string {
  return item.kind === 'entry' ? `${format(item.entry)}\n` : '';
}

function asPath({ path }: Entry): string {
  return show(path);
}

function asLong(entry: Entry): string {
  const { uid, gid, user, group, size, mtimeNs, path, target, rdev } = entry;
  const owner = `${show(fromText(user ?? String(uid)))}:${show(fromText(group ?? String(gid)))}`;
  const measure = rdev === undefined ? String(size) : rdev.join(',');
  const link = target === undefined ? '' : ` -> ${show(target)}`;
  return `${modeOf(entry)} ${owner.padEnd(17)} ${measure.padStart(12)} ${formatMtime(mtimeNs)} ${show(path)}${link}${doubts(entry)}`;
}

function modeOf({ type, mode }: Entry): string {
  const triple = (shift: number, special: number, letter: string) => {
    const bits = (mode >> shift) & 7;
    const runs = (bits & 1) !== 0;
    const last = (mode & special) === 0 ? (runs ? 'x' : '-') : runs ? letter : letter.toUpperCase();
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
  };
  return `${typeLetter(type)}${triple(6, 0o4000, 's')}${triple(3, 0o2000, 's')}${triple(0, 0o1000, 't')}`;
}

function doubts({ carried, torn, partial }: Entry): string {
  if (carried) return '  [an older version: it could not be read]';
  if (partial && !torn) return '  [without some extended attributes: they could not be read]';
  return torn ? '  [was being written to when it was read]' : '';
}

function asJson(entry: Entry): string {
  const { source, path, since } = entry;
  return JSON.stringify({ ...pathKeys(path), source, since, ...entryJson(entry) });
}
