/** What the commands that run on the backed-up host have in common: strategy, state folder under its lock, store, keys. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { ahead } from '../ahead.ts';
import { lookAtRoots, pathSources } from '../backup/roots.ts';
import type { Recipient } from '../crypto/recipients.ts';
import { openStateFolder, removeTemporary } from '../state/folder.ts';
import { acquireLock } from '../state/lock.ts';
import { WriterRecord } from '../state/writer.ts';
import type { Store } from '../store/store.ts';
import { loadStrategy } from '../strategy/load.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { refuseUnfinished } from '../strategy/unfinished.ts';
import type { CliContext } from './context.ts';
import type { HostOptions } from './host-options.ts';
import { findStateDir, findStrategy } from './locate.ts';
import { openStore, plainRetries, type Retries } from './open-store.ts';

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
  onStrategy: (strategy: Strategy) => void = () => {},
): Promise<{ strategy: Strategy; recipients: Recipient[] }> {
  const strategy = await loadStrategy(findStrategy(options.config, context.env, context.cwd, existsSync));
  refuseUnfinished(strategy);
  onStrategy(strategy);
  const { loadRecipient } = await import('../crypto/recipients.ts');
  const recipients: Recipient[] = [];
  for (const file of strategy.recipients) recipients.push(await loadRecipient(file, context.now()));
  lookAtRoots(pathSources(strategy));
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
  /** Hears early of what is to be backed up, before keys and store are looked at: the state folder may not be there yet. */
  onStrategy?: (strategy: Strategy, folders: Pick<Host, 'stateFolder' | 'own'>) => void;
  /** Who hears of the store's troubles that are being got over; standard error, where nobody else does. */
  retries?: Retries;
}

/** Opens everything; whatever is wrong is said before anything is touched. */
export async function openHost(options: HostOptions, context: CliContext, use: HostUse): Promise<Host> {
  const state = findStateDir(options.stateDir, context.env, process.geteuid?.() ?? 0, homedir(), context.cwd);
  const { strategy, recipients } = await readStrategy(options, context, (read) => {
    const stateFolder = join(state, read.name);
    use.onStrategy?.(read, { stateFolder, own: ownFoldersOf(read, stateFolder) });
  });
  const retries = use.retries ?? plainRetries(context);
  const signerFile = signerFileOf(strategy);
  const store = await openStore(strategy.store, {
    context,
    strategyFile: strategy.file,
    limits: strategy.limits,
    retries,
  });
  try {
    const ready = ahead(use.preparesStore ? store.prepare() : store.check());
    const checked = ahead(use.check?.(signerFile) ?? Promise.resolve());
    await ready;
    await checked;
    return await lockHost({ strategy, recipients, store, signerFile, retries }, state, use.command, context);
  } catch (error) {
    await store.close();
    throw error;
  }
}

function ownFoldersOf({ store }: Strategy, stateFolder: string): string[] {
  return [stateFolder, ...(store.kind === 'directory' ? [store.directory] : [])];
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
    own: ownFoldersOf(strategy, stateFolder),
    async close() {
      await store.close();
      await lock.release();
    },
  };
}
