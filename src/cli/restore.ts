/** `holdfast restore`: brings a point, or a part of it, back: into a folder, to where it was, or as a tar archive. */
import { tmpdir } from 'node:os';
import { Command } from 'commander';
import { WorkerPool } from '../restore/pool.ts';
import type { CliContext } from './context.ts';
import { addKeyOptions, addReadingOptions } from './reading-options.ts';
import { addRestoreOptions, destinationOf, type RestoreOptions } from './restore-options.ts';

export function restoreCommand(context: CliContext): Command {
  const command = new Command('restore')
    .description(
      'bring a point, or some paths of it, back: into a folder, to where it was, or as a tar archive',
    )
    .argument('[path...]', 'absolute source paths (files or folders) or globs; all, where none is named');
  return addKeyOptions(addReadingOptions(addRestoreOptions(command)))
    .option(
      '--scratch <dir>',
      'folder for what does not fit into memory while it waits; encrypted, and without a name',
      tmpdir(),
    )
    .addHelpText(
      'after',
      `
/srv/www/index.html comes back as DIR/srv/www/index.html; with --strip 2, as DIR/index.html. A restore that was interrupted goes on
when the same command is given again. Owners come back by name where this machine knows the
name, and else by number. What cannot be set or made here, such as owners and devices by anybody but root, is named.
--exclude and --include are patterns as in a strategy, read against the source's paths: the last that matches decides.

With --overwrite if-newer, what is in the way is replaced when it was modified before the entry of the point; with never, nothing is.
--tar writes what tar can carry: bytes of names, times to the nanosecond, owners, links, pipes and devices, extended attributes and
ACLs (GNU tar takes these with --xattrs --xattrs-include='*').

Ends with 0 when all is back, 1 when it failed (also: the folder is not empty, too little space), 2 when the call is wrong,
3 when something could not be made as it was, or is back only as well as the backup could read it (each is named), 4 when the store is
damaged (the rest is back), 10 when there is no such point or path, 11 when another restore into the folder is running, 12 when a key is
at fault, 130 when the question was answered with no.

Examples:
  holdfast restore --to /srv/restore --secret-key secret.asc
  holdfast restore --to back --at 3d --no-owner --secret-key secret.asc \\
    --store directory:/mnt/backup --name townhall-web /srv/www '/etc/nginx/**/*.conf'
  holdfast restore --in-place --secret-key secret.asc /srv/www --exclude '*.log'
  holdfast restore --tar --secret-key secret.asc /srv/www | tar -x -C /srv/restore
`,
    )
    .action((paths: string[], options: RestoreOptions) => run(paths, options, context));
}

async function run(paths: string[], options: RestoreOptions, context: CliContext): Promise<void> {
  const destination = destinationOf(options, context);
  const pool = new WorkerPool();
  try {
    // First of all: a worker gets ready while keys, commits and the list of entries are read.
    if (destination !== 'tar' && !options.dryRun) pool.prepare(1);
    const { runRestore } = await import('./restore-run.ts');
    await runRestore(destination, paths, options, context, pool);
  } finally {
    await pool.close();
  }
}
