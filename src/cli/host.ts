/** What the commands that run on the backed-up host have in common: strategy, state folder under its lock, store, keys. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { Command } from 'commander';
import { lookAtRoots } from '../backup/roots.ts';
import { loadRecipient, type Recipient } from '../crypto/recipients.ts';
import { openStateFolder, removeTemporary } from '../state/folder.ts';
import { acquireLock } from '../state/lock.ts';
import { WriterRecord } from '../state/writer.ts';
import type { Store } from '../store/store.ts';
import { loadStrategy } from '../strategy/load.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { refuseUnfinished } from '../strategy/unfinished.ts';
import type { CliContext } from './context.ts';
import { findStateDir, findStrategy } from './locate.ts';
import { openStore } from './open-store.ts';

/** Options of every command on the host, as commander gives them. */
export interface HostOptions {
  config?: string;
  stateDir?: string;
}

/** Adds -c and --state-dir to a command. */
export function addHostOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'strategy file (else HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/strategy.yaml)',
    )
    .option(
      '--state-dir <dir>',
      'state folder (else HOLDFAST_STATE_DIR, STATE_DIRECTORY, /var/lib/holdfast for root, the XDG state folder)',
    );
}

/** A host ready to work: the state folder is locked until `close`. */
export interface Host {
  strategy: Strategy;
  recipients: Recipient[];
  store: Store;
  stateFolder: string;
  writer: WriterRecord;
  /** The file of the host's signing key, beside the strategy. */
  signerFile: string;
  /** Folders of Holdfast's own that are not to be backed up. */
  own: string[];
  close(): Promise<void>;
}

/** Where the signing key of a strategy lies: beside the strategy, so that losing the state does not lose it. */
export function signerFileOf(strategy: Pick<Strategy, 'file' | 'name'>): string {
  return join(dirname(strategy.file), `${strategy.name}.signer.asc`);
}

/** Reads the strategy, recipients' keys, and the roots of the sources: all that can be checked before anything is touched. */
export async function readStrategy(
  options: HostOptions,
  context: CliContext,
): Promise<{ strategy: Strategy; recipients: Recipient[] }> {
  const strategy = await loadStrategy(findStrategy(options.config, context.env, context.cwd, existsSync));
  refuseUnfinished(strategy);
  const recipients: Recipient[] = [];
  for (const file of strategy.recipients) recipients.push(await loadRecipient(file, context.now()));
  lookAtRoots(strategy.sources.flatMap((source) => (source.kind === 'paths' ? [source] : [])));
  return { strategy, recipients };
}

/**
 * Opens everything; whatever is wrong is said before anything is touched. `command` names the run in the lock; `check` is asked
 * besides, with the file of the signing key.
 */
export async function openHost(
  options: HostOptions,
  context: CliContext,
  command: string,
  check: (signerFile: string) => Promise<unknown> = async () => {},
): Promise<Host> {
  const { strategy, recipients } = await readStrategy(options, context);
  const state = findStateDir(options.stateDir, context.env, process.geteuid?.() ?? 0, homedir(), context.cwd);
  const store = openStore(strategy.store);
  await store.check();
  const signerFile = signerFileOf(strategy);
  await check(signerFile);
  const stateFolder = await openStateFolder(state, strategy.name, process.geteuid?.() ?? 0);
  const lock = await acquireLock(join(stateFolder, 'lock'), {
    command,
    pid: process.pid,
    started: context.now(),
  });
  let writer: WriterRecord;
  try {
    await removeTemporary(stateFolder);
    writer = await WriterRecord.open(stateFolder);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return {
    strategy,
    recipients,
    store,
    stateFolder,
    writer,
    signerFile,
    own: [stateFolder, ...(strategy.store.kind === 'directory' ? [strategy.store.directory] : [])],
    async close() {
      await store.close();
      await lock.release();
    },
  };
}
