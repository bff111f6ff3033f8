/** `holdfast restore`: brings a point, or a part of it, back into a folder. */
import { resolve } from 'node:path';
import process from 'node:process';
import { Command } from 'commander';
import { HoldfastError } from '../errors.ts';
import { readOwnerNumbers } from '../linux/owners.ts';
import { Selection } from '../manifest/select.ts';
import { restore } from '../restore.ts';
import type { CliContext } from './context.ts';
import { startProgress } from './progress.ts';
import {
  addKeyOptions,
  addReadingOptions,
  choosePoint,
  describePoint,
  type KeyOptions,
  offer,
  openReading,
  type ReadingOptions,
  requireSecretKey,
  sayRejected,
  withOffer,
} from './reading.ts';
import { RestoreReport } from './restore-report.ts';
import { withSignals } from './signals.ts';

interface Options extends ReadingOptions, KeyOptions {
  to: string;
  at?: string;
  overwrite?: true;
  owner: boolean;
  numericOwner?: true;
  json?: true;
}

export function restoreCommand(context: CliContext): Command {
  const command = new Command('restore')
    .description('bring a point, or some paths of it, back into a folder')
    .argument('[path...]', 'absolute source paths (files or folders) or globs; all, where none is named')
    .requiredOption('--to <dir>', 'folder to restore into; made where it is not there')
    .option('--at <when>', 'which point: latest, a seq, an id, a time, or an age such as 3d', 'latest')
    .option('--overwrite', 'use a folder that is not empty, and replace what is in the way in it')
    .option('--no-owner', 'leave owners as they come, for those who are not root')
    .option('--numeric-owner', "set owners by number, whatever their names' numbers are here")
    .option('--json', 'print JSON lines, ending with a summary');
  return addKeyOptions(addReadingOptions(command))
    .addHelpText(
      'after',
      `
/srv/www/index.html comes back as DIR/srv/www/index.html. A restore that was interrupted goes on when the same command is given
again. Owners come back by name where this machine knows the name, and else by number. What cannot be set or made here, such
as owners and devices by anybody but root, is named.

Ends with 0 when all is back, 1 when it failed (also: the folder is not empty, too little space), 2 when the call is wrong,
3 when something could not be made as it was, 4 when the store is damaged (the rest is back), 10 when there is no such point or
path, 11 when another restore into the folder is running, 12 when a key is at fault.

Examples:
  holdfast restore --to /srv/restore --secret-key secret.asc
  holdfast restore --to back --at 3d --no-owner --secret-key secret.asc \\
    --store directory:/mnt/backup --name townhall-web /srv/www '/etc/nginx/**/*.conf'
`,
    )
    .action((paths: string[], options: Options) => run(paths, options, context));
}

async function run(paths: string[], options: Options, context: CliContext): Promise<void> {
  const started = performance.now();
  if (options.to === '')
    throw new HoldfastError('usage', '--to names no folder: name one, such as --to /srv/restore');
  const target = resolve(context.cwd, options.to);
  const selection = paths.length === 0 ? undefined : new Selection(paths);
  const reading = await openReading(options, context);
  try {
    sayRejected(reading, context);
    const point = await choosePoint(reading, options.at, context);
    const secret = await requireSecretKey(point.commit, options, context);
    const report = new RestoreReport(context, options.json === true, point, target);
    const progress = startProgress(context, options);
    reading.retries.heard = (line) => progress.aside(() => context.stderr(`holdfast: ${line}\n`));
    const work = (signal: AbortSignal) => {
      // Nothing that is on its way from the store is waited for.
      signal.addEventListener('abort', () => void reading.store.close(), { once: true });
      return restore(
        {
          store: reading.store,
          names: reading.names,
          point,
          pointName: describePoint(point),
          secret,
          target,
          paths,
          selection,
          overwrite: options.overwrite === true,
          owner: options.owner,
          owners: options.numericOwner ? undefined : readOwnerNumbers(),
          impliedMode: 0o777 & ~process.umask(),
          signal,
        },
        {
          onForecast: (forecast) => progress.aside(() => report.forecast(forecast)),
          phase: (name) => progress.phase(name),
          total: (amount) => progress.total(amount),
          advance: (amount) => progress.advance(amount),
        },
      );
    };
    const result = await withSignals(work)
      .catch(async (error: unknown) => {
        throw await withOffer(reading, point, error);
      })
      .finally(() => progress.stop());
    report.result(result, (performance.now() - started) / 1000);
    if (result.lost.length > 0) {
      const names = new Set(result.lost.flatMap(({ object }) => object ?? []));
      report.advise(`For what is damaged: ${await offer(reading, point.seq, names)}.`);
    }
  } finally {
    await reading.store.close();
  }
}
