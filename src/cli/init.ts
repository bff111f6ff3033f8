/** `holdfast init`: checks everything, makes the host's signing key, and prints the fingerprint to pin. */
import { constants } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Strategy } from '../strategy/strategy.ts';
import type { CliContext } from './context.ts';
import type { Host } from './host.ts';
import { addHostOptions, type HostOptions } from './host-options.ts';

interface Options extends HostOptions {
  card?: string;
  adopt?: string;
}

export function initCommand(context: CliContext): Command {
  const command = new Command('init')
    .description(
      "check strategy, keys and store, and make this host's signing key; doing it twice is harmless",
    )
    .option('--card <file>', 'write a page to print and keep in the safe: what a restore needs')
    .option(
      '--adopt <fingerprint>',
      'continue after the points of this signer, whose place this host takes; the next set is a full',
    );
  return addHostOptions(command)
    .addHelpText(
      'after',
      `
Prints the fingerprint of the signing key. Pin it where you restore (--signer, or signer: in the strategy).

Example:
  holdfast init -c /etc/holdfast/strategy.yaml --card card.txt
`,
    )
    .action((options: Options) => run(options, context));
}

async function run(options: Options, context: CliContext): Promise<void> {
  const [
    { init },
    { openHost },
    { notActedUpon },
    { parseFingerprint, FINGERPRINT_FORMS },
    { HoldfastError, systemCode },
    { IndexFiles },
  ] = await Promise.all([
    import('../init.ts'),
    import('./host.ts'),
    import('../strategy/unfinished.ts'),
    import('../strategy/fingerprint.ts'),
    import('../errors.ts'),
    import('../index/files.ts'),
  ]);
  const adopt = options.adopt === undefined ? undefined : parseFingerprint(options.adopt);
  if (options.adopt !== undefined && adopt === undefined) {
    throw new HoldfastError('usage', `--adopt ${JSON.stringify(options.adopt)} is not ${FINGERPRINT_FORMS}`);
  }
  if (options.card !== undefined) await refuseOtherFile(resolve(context.cwd, options.card));
  const host: Host = await openHost(options, context, { command: 'init', preparesStore: true });
  try {
    const { strategy, recipients, store } = host;
    const outcome = await init({
      name: strategy.name,
      store,
      stateFolder: host.stateFolder,
      writer: host.writer,
      signerFile: host.signerFile,
      adopt,
      now: context.now(),
    });
    const { signer } = outcome;
    for (const note of notActedUpon(strategy)) context.stderr(`note: ${note}\n`);
    for (const warning of await warnings(strategy, signer.fingerprint))
      context.stderr(`warning: ${warning}\n`);
    context.stderr(
      `${outcome.isNew ? 'Made' : 'There is already'} the signing key of this host, ${signer.file}.\n` +
        `Its fingerprint, printed below, is what a restore should pin (--signer, or signer: in the strategy):\n`,
    );
    context.stdout(`${signer.fingerprint}\n`);
    if (outcome.points === 0 && new IndexFiles(host.stateFolder).current() !== 'absent') {
      context.stderr(
        `warning: ${store.label} holds no points, but this host has made some: unless it is a new store on purpose, see whether the right one is mounted there\n`,
      );
    }
    if (outcome.adopted) {
      context.stderr(
        `The points by ${adopt} are adopted: they stay restorable (pin that signer too), and the next set is a full.\n`,
      );
    }
    if (options.card !== undefined) {
      const { restoreCard } = await import('./card.ts');
      const { writeDurably } = await import('../state/folder.ts');
      const file = resolve(context.cwd, options.card);
      const signers = [...new Set([signer.fingerprint, ...outcome.signers])];
      const card = restoreCard({
        strategy,
        storeLabel: store.label,
        recipients,
        signers,
        made: context.now(),
      });
      await writeDurably(file, Buffer.from(card, 'utf8'), 0o644).catch((cause: unknown) => {
        const code = systemCode(cause instanceof Error ? cause.cause : undefined);
        throw new HoldfastError(
          'io',
          `cannot write the card ${file} (${code ?? 'unknown'}): give --card another name`,
          {
            path: file,
            cause,
          },
        );
      });
      context.stderr(`Wrote ${file}: print it, fill it in, and keep it in the safe.\n`);
    }
  } finally {
    await host.close();
  }
}

/** A new card takes the place of an old one, and of nothing else. Errors: `usage`. */
async function refuseOtherFile(file: string): Promise<void> {
  const [{ CARD_TITLE }, { HoldfastError, systemCode }, { open }] = await Promise.all([
    import('./card.ts'),
    import('../errors.ts'),
    import('node:fs/promises'),
  ]);
  const start = Buffer.alloc(CARD_TITLE.length);
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { bytesRead } = await handle.read(start, 0, start.length, 0);
      if (start.toString('latin1', 0, bytesRead) === CARD_TITLE) return;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
  }
  throw new HoldfastError(
    'usage',
    `${file} is there already, and is no restore card: give --card another name`,
    { path: file },
  );
}

/** What is no error now, and will be a surprise at the first backup or restore. */
async function warnings(strategy: Strategy, signer: string): Promise<string[]> {
  const { lookAtRoots } = await import('../backup/roots.ts');
  const sources = strategy.sources.flatMap((source) => (source.kind === 'paths' ? [source] : []));
  const found = lookAtRoots(sources)
    .absent.filter(({ isEmpty }) => !isEmpty)
    .map(({ path }) => `the source path ${path} is not there: mount it, or correct the strategy`);
  if (strategy.signer.length > 0 && !strategy.signer.includes(signer)) {
    found.push(
      `signer: in the strategy does not name this host's key ${signer}: add it, or a restore with this strategy will not believe the points of this host`,
    );
  }
  return found;
}
