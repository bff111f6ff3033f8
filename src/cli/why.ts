/** `holdfast why`: says of paths whether they are backed up, and which rule of the strategy decides. */
import { existsSync, lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import { fromText, show, toFsPath, toText } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import type { Reason } from '../source/explain.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { PlacedRule, Why } from '../why.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';
import { addHostOptions, type HostOptions } from './host-options.ts';
import { findStateDir, findStrategy } from './locate.ts';
import { pathKeys } from './path-json.ts';

interface Options extends HostOptions {
  json?: true;
}

/** The command. */
export function whyCommand(context: CliContext): Command {
  const command = new Command('why')
    .description('say whether a path is backed up, and which rule of the strategy decides')
    .argument('<path...>', 'files or folders of this machine, also ones that are not there')
    .option('--json', 'print a JSON object a line');
  return addHostOptions(command)
    .addHelpText(
      'after',
      `
A path that is not there is taken for a file; with a slash at its end, for a folder. Reads the strategy and looks at the disk, not at the
store: what a path is in the points made so far, "holdfast find" says.

Ends with 0 when all of them are, or would be, backed up, with 10 when one is not, or of a folder
nothing but the folder itself, with 2 when the strategy is wrong.

Examples:
  holdfast why /srv/www/cache/logo.png
  holdfast why --json /srv/www/new/
`,
    )
    .action((paths: string[], options: Options) => run(paths, options, context));
}

async function run(paths: readonly string[], options: Options, context: CliContext): Promise<void> {
  const [{ ownFolders }, { loadStrategy }, { why }] = await Promise.all([
    import('../backup/roots.ts'),
    import('../strategy/load.ts'),
    import('../why.ts'),
  ]);
  const strategy = await loadStrategy(findStrategy(options.config, context.env, context.cwd, existsSync));
  const state = findStateDir(options.stateDir, context.env, process.geteuid?.() ?? 0, homedir(), context.cwd);
  const folders = [
    join(state, strategy.name),
    ...(strategy.store.kind === 'directory' ? [strategy.store.directory] : []),
  ];
  const sources = strategy.sources.flatMap((source) => (source.kind === 'paths' ? [source] : []));
  const own = new Set(ownFolders(folders, sources));
  for (const text of paths) {
    const path = fromText(resolve(context.cwd, text));
    const found = why(strategy, path, own, isThere, text.endsWith('/'));
    if (!found.backedUp) context.exitCode = EXIT.notFound;
    context.stdout(
      options.json ? `${JSON.stringify(asJson(found, strategy))}\n` : `${asText(found, strategy)}\n`,
    );
  }
}

function isThere(path: ByteString): boolean {
  try {
    return lstatSync(toFsPath(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function asText(found: Why, strategy: Strategy): string {
  const { path, exists, backedUp, source, reason, rule } = found;
  const isNot = backedUp ? (exists ? 'is backed up' : 'would be backed up') : 'is not backed up';
  const missing = exists ? '' : ' (it is not there now)';
  if (source === undefined || reason === undefined) {
    return `${show(path)} ${isNot}${missing}: no path of any source holds it`;
  }
  const of = `source ${source.name}, path ${show(fromText(source.root))} (${placeOf(source.rule, strategy)})`;
  if (found.isOnlyItself) {
    return `${show(path)} itself is backed up, but nothing in it: ${describe(path, reason, rule, strategy)}; ${of}`;
  }
  return `${show(path)} ${isNot}${missing}: ${describe(path, reason, rule, strategy)}; ${of}`;
}

function describe(
  path: ByteString,
  reason: Reason,
  rule: PlacedRule | undefined,
  strategy: Strategy,
): string {
  const at = 'at' in reason && reason.at !== path ? `${show(reason.at)}, in which it lies, ` : 'it ';
  const by = rule === undefined ? '' : named(rule, strategy);
  switch (reason.kind) {
    case 'backed-up':
      return rule === undefined ? 'no pattern speaks of it' : `${by} takes it back in`;
    case 'pattern': {
      const more =
        reason.mayHold && reason.at === path ? ', though something in it may be taken back in' : '';
      return `${by} leaves ${reason.at === path ? 'it' : `${show(reason.at)}, in which it lies,`} out${more}`;
    }
    case 'marker':
      return `${show(reason.marker)} lies in ${show(reason.at)}, and ${by} leaves out all else there${reason.mayHold ? ', though something in it may be taken back in' : ''}`;
    case 'size':
      return `it has ${reason.size} bytes, and ${by} leaves out larger files`;
    case 'mount':
      return reason.isKernelMade
        ? `${at}is a file system that the kernel makes up`
        : `${at}is another file system${by === '' ? '' : ` (${by})`}`;
    case 'own':
      return `${at}is Holdfast's own state or store`;
    case 'no-folder':
      return `${show(reason.at)}, in which it would lie, is ${reason.isLink ? 'a symlink, which is recorded and not followed' : 'no folder'}`;
  }
}

/** Such as `exclude "*.tmp" (/etc/holdfast/strategy.yaml:7:15)`. */
function named(rule: PlacedRule, strategy: Strategy): string {
  const key = rule.key.replace(/^sources\[\d+\]\./, '').replace(/\[\d+\]$/, '');
  const pattern = rule.pattern === undefined ? '' : ` "${show(fromText(rule.pattern))}"`;
  return `${key}${pattern} (${placeOf(rule, strategy)})`;
}

function placeOf({ position }: PlacedRule, { file }: Strategy): string {
  return position === undefined ? 'by default' : `${file}:${position.line}:${position.column}`;
}

function asJson(found: Why, strategy: Strategy): object {
  const { path, exists, backedUp, source, reason, rule } = found;
  const place = (placed: PlacedRule) => ({
    key: placed.key,
    pattern: placed.pattern,
    file: strategy.file,
    ...(placed.position ?? {}),
  });
  return {
    ...pathKeys(path),
    exists,
    backedUp,
    ...(found.isOnlyItself ? { folderOnly: true } : {}),
    reason: reason?.kind ?? 'no-source',
    ...(reason !== undefined && 'at' in reason ? { at: pathKeys(reason.at) } : {}),
    ...(reason?.kind === 'marker' ? { marker: toText(reason.marker) ?? show(reason.marker) } : {}),
    ...(reason?.kind === 'size' ? { size: reason.size } : {}),
    source: source === undefined ? null : { name: source.name, root: source.root, ...place(source.rule) },
    rule: rule === undefined ? null : place(rule),
  };
}
