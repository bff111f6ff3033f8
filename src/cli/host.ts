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
import { addStateOption, findStateDir, findStrategy } from './locate.ts';
import { openStore, plainRetries, type Retries } from './open-store.ts';

/** Options of every command on the host, as commander gives them. */
export interface HostOptions {
  config?: string;
  stateDir?: string;
}

/** Adds -c and --state-dir to a command. */
export function addHostOptions(command: Command): Command {
  return addStateOption(
    command.option(
      '-c, --config <file>',
      'strategy file (else HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/strategy.yaml)',
    ),
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
  /** Hears of the store's troubles that are being got over. */
  retries: Retries;
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

/** What a command makes of a host. */
export interface HostUse {
  /** Names the run in the lock. */
  command: string;
  /** Asked besides, with the file of the signing key. */
  check?: (signerFile: string) => Promise<unknown>;
  /** Whether a store that lacks something, such as its container, is made ready. */
  preparesStore?: boolean;
  /** Who hears of the store's troubles that are being got over; standard error, where nobody else does. */
  retries?: Retries;
}

/** Opens everything; whatever is wrong is said before anything is touched. */
export async function openHost(options: HostOptions, context: CliContext, use: HostUse): Promise<Host> {
  const { strategy, recipients } = await readStrategy(options, context);
  const state = findStateDir(options.stateDir, context.env, process.geteuid?.() ?? 0, homedir(), context.cwd);
  const retries = use.retries ?? plainRetries(context);
  const signerFile = signerFileOf(strategy);
  const store = await openStore(strategy.store, {
    context,
    strategyFile: strategy.file,
    limits: strategy.limits,
    retries,
  });
  try {
    await (use.preparesStore ? store.prepare() : store.check());
    await use.check?.(signerFile);
    return await lockHost({ strategy, recipients, store, signerFile, retries }, state, use.command, context);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function lockHost(
  opened: Pick<Host, 'strategy' | 'recipients' | 'store' | 'signerFile' | 'retries'>,
  state: string,
  command: string,
  context: CliContext,
): Promise<Host> {
  const { strategy, store } = opened;
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
    ...opened,
    stateFolder,
    writer,
    own: [stateFolder, ...(strategy.store.kind === 'directory' ? [strategy.store.directory] : [])],
    async close() {
      await store.close();
      await lock.release();
    },
  };
}
