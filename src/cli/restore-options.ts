/** The options of `holdfast restore`: what they mean together, and which exclude one another. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { HoldfastError } from '../errors.ts';
import { show, toText } from '../format/bytes.ts';
import { joinPath } from '../format/order.ts';
import { globPrefix } from '../manifest/glob.ts';
import { absolutePath } from '../manifest/select.ts';
import type { ByteString } from '../model.ts';
import type { Arrangement } from '../restore/arrange.ts';
import { faultOfInclude, faultOfPattern } from '../select/faults.ts';
import type { CliContext } from './context.ts';
import type { KeyOptions, ReadingOptions } from './reading-options.ts';

/** As commander gives them. */
export interface RestoreOptions extends ReadingOptions, KeyOptions {
  to?: string;
  inPlace?: true;
  tar?: true;
  at?: string;
  exclude?: string[];
  include?: string[];
  strip?: string;
  overwrite?: true | string;
  dryRun?: true;
  yes?: true;
  scratch?: string;
  owner: boolean;
  numericOwner?: true;
  json?: true;
}

/** Where a restore goes. */
export type Destination = 'folder' | 'in-place' | 'tar' | 'nowhere';

const MODES = ['never', 'if-newer', 'always'] as const;

/** Adds the options to a command. */
export function addRestoreOptions(command: Command): Command {
  const repeated = (value: string, before: string[] = []) => [...before, value];
  command.hook('preAction', (_, action) => giveBackPath(action));
  return command
    .option('--to <dir>', 'folder to restore into; made where it is not there')
    .option('--in-place', 'restore to where it was, over what is there (see --overwrite); asks first')
    .option('--tar', 'write a tar archive (PAX) to standard output')
    .option('--at <when>', 'which point: latest, a seq, an id, a time, or an age such as 3d', 'latest')
    .option(
      '--exclude <pattern>',
      'leave out what this matches, as exclude of a strategy does; repeatable',
      repeated,
    )
    .option('--include <pattern>', 'take back in what this matches; repeatable', repeated)
    .option('--strip <n>', 'take so many leading components off each path')
    .addOption(
      new Option(
        '--overwrite [mode]',
        'use a folder that is not empty: never, if-newer or always (which it means alone) replace what is in the way in it',
      ),
    )
    .option('--dry-run', 'say what would come, and write nothing')
    .option('--yes', 'with --in-place: do not ask')
    .option('--no-owner', 'leave owners as they come, for those who are not root')
    .option('--numeric-owner', "set owners by number, whatever their names' numbers are here")
    .option('--json', 'print JSON lines, ending with a summary');
}

/** `--overwrite /srv/www`: commander takes the path for a mode. No mode begins with a slash. */
function giveBackPath(command: Command): void {
  const taken = command.getOptionValue('overwrite') as unknown;
  const [paths] = command.processedArgs as [string[]];
  if (typeof taken !== 'string' || !taken.startsWith('/')) return;
  paths.unshift(taken);
  command.setOptionValue('overwrite', true);
}

/** Where it goes. Errors: `usage`, for options that do not go together. */
export function destinationOf(options: RestoreOptions, context: CliContext): Destination {
  const given = [
    ...(options.to === undefined ? [] : ['--to']),
    ...(options.inPlace ? ['--in-place'] : []),
    ...(options.tar ? ['--tar'] : []),
  ];
  if (given.length > 1) throw usage(`${given.join(' and ')} do not go together: give one of them`);
  if (given.length === 0 && !options.dryRun) {
    throw usage('where to: name a folder with --to, or give --in-place or --tar');
  }
  if (options.to === '') throw usage('--to names no folder: name one, such as --to /srv/restore');
  if (options.yes && !options.inPlace) throw usage('--yes answers the question of --in-place: give both');
  if (options.tar) refuseForTar(options, context);
  if (options.inPlace) {
    if (stripOf(options) > 0)
      throw usage('--strip changes where things go, --in-place does not: give one of them');
    const isAsked = !options.dryRun && !options.yes;
    if (isAsked && !(context.isTTY.stdin && context.isTTY.stderr)) {
      throw usage(
        '--in-place asks before it writes, and here is no terminal to answer: look at it with --dry-run, then give --yes',
      );
    }
  }
  if (options.to !== undefined) return 'folder';
  return options.inPlace ? 'in-place' : options.tar ? 'tar' : 'nowhere';
}

function refuseForTar(options: RestoreOptions, context: CliContext): void {
  if (options.overwrite !== undefined) {
    throw usage('--overwrite is for a folder: what tar may replace, its own options say');
  }
  if (!options.owner) throw usage('--no-owner is for a folder: give tar --no-same-owner');
  if (options.numericOwner) throw usage('--numeric-owner is for a folder: give it to tar');
  if (options.dryRun) return;
  if (options.json) throw usage('--json and --tar both write to standard output: give one of them');
  if (context.isTTY.stdout) {
    throw usage('standard output is a terminal: send the archive into a file or to "tar -x"');
  }
}

/** What of a target that is not empty stays; undefined where there must not be such things. Errors: `usage`. */
export function overwriteOf({ overwrite, inPlace }: RestoreOptions): (typeof MODES)[number] | undefined {
  if (overwrite === undefined) return inPlace ? 'always' : undefined;
  if (overwrite === true) return 'always';
  const mode = MODES.find((one) => one === overwrite);
  if (mode !== undefined) return mode;
  throw usage(`--overwrite ${JSON.stringify(overwrite)} is none of ${MODES.join(', ')}`);
}

/** What is asked for of the point's entries. Errors: `usage`. */
export function arrangementOf(options: RestoreOptions): Arrangement {
  const { exclude = [], include = [] } = options;
  for (const [name, patterns, fault] of [
    ['--exclude', exclude, faultOfPattern],
    ['--include', include, faultOfInclude],
  ] as const) {
    for (const pattern of patterns) {
      const problem = fault(pattern);
      if (problem !== undefined) throw usage(`${name} ${JSON.stringify(pattern)} ${problem}`);
    }
  }
  return { exclude, include, strip: stripOf(options) };
}

function stripOf({ strip }: RestoreOptions): number {
  if (strip === undefined) return 0;
  if (/^\d{1,4}$/.test(strip)) return Number(strip);
  throw usage(`--strip ${JSON.stringify(strip)} is no number of components, such as --strip 2`);
}

/**
 * The folder in which all of some paths, or globs, lie: where a restore in place goes, and how many components it has. `paths` as a person
 * writes them. Errors: `usage`.
 */
export function commonFolder(paths: readonly ByteString[]): { folder: string; depth: number } {
  let common: string[] | undefined;
  for (const path of paths) {
    const components = path.split('/').filter(Boolean).slice(0, -1);
    const differs = common?.findIndex((component, i) => component !== components[i]) ?? -1;
    if (common === undefined) common = components;
    else if (differs >= 0) common = common.slice(0, differs);
  }
  const bytes = `/${(common ?? []).join('/')}`;
  const folder = toText(bytes);
  if (folder === undefined) {
    throw usage(`${show(bytes)} is not UTF-8: restore into a folder with --to, and move it from there`);
  }
  return { folder, depth: common?.length ?? 0 };
}

/** Where each path or glob begins, as commonFolder() takes it. */
export function beginnings(paths: readonly string[]): ByteString[] {
  return paths.map((text) => {
    const path = absolutePath(text);
    const prefix = globPrefix(path);
    return prefix === path ? path : joinPath(prefix, '*');
  });
}

/** The absolute path of a folder that was named. */
export function folderOf(to: string, { cwd }: CliContext): string {
  return resolve(cwd, to);
}

function usage(message: string): HoldfastError {
  return new HoldfastError('usage', message);
}
