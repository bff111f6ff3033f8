/** What a backup finds out before it makes anything: the sources, the store, the index, and with them the kind of set. */
import { ahead } from '../ahead.ts';
import { readVerifier } from '../crypto/check.ts';
import { expiryWarning } from '../crypto/recipients.ts';
import type { Signer } from '../crypto/signer.ts';
import { HoldfastError } from '../errors.ts';
import { StrategyNames } from '../format/names.ts';
import type { ComparedSource } from '../index/compare.ts';
import { IndexFiles } from '../index/files.ts';
import { type IndexHeader, newestSet } from '../index/header.ts';
import type { Store } from '../store/store.ts';
import { fullIsDue } from '../strategy/schedule.ts';
import { rootToWaitFor } from './awaited-root.ts';
import { checkContents, type Dependencies } from './dependencies.ts';
import { settlePending } from './leftovers.ts';
import { stillCarries } from './lost-versions.ts';
import type { BackupOptions } from './options.ts';
import { type Plan, plan } from './plan.ts';
import { lookAtRoots, pathSources } from './roots.ts';
import {
  alteredCommit,
  compareWithStore,
  readStoreState,
  SIGNATURE,
  type Standing,
  type StoreState,
} from './standing.ts';

/** What stands before a run: the store looked at, the index checked, the kind of set decided. */
export interface Prepared {
  names: StrategyNames;
  files: IndexFiles;
  sources: ComparedSource[];
  state: StoreState;
  standing: Standing;
  decision: Plan;
  gone: { seq: number; volumes: number[] }[];
  /** Number of the point that the index is of; 0 without one. */
  ownSeq: number;
  needsAttention: boolean;
  time: Date;
  /** The plan was changed once already by what the run found. */
  isReplanned?: true;
}

/**
 * Looks at everything, and decides. A dry run changes nothing while it looks. Errors: all that can be wrong before anything is touched.
 */
export async function prepare(options: BackupOptions, isDryRun: boolean): Promise<Prepared> {
  const { strategy, store, signer, recipients, writer } = options;
  const time = options.started ?? options.now();
  for (const recipient of recipients) {
    const warning = expiryWarning(recipient, time);
    if (warning !== undefined) options.onWarning(warning);
  }
  const sources = pathSources(strategy);
  if (sources.length < strategy.sources.length) throw new Error('a command as source was not refused');
  const roots = lookAtRoots(sources);
  const names = new StrategyNames(strategy.name);
  const files = new IndexFiles(options.stateFolder);
  const known = ahead(requireKey(store, names, signer, files));
  if (files.pending() !== 'absent') {
    // Nothing is settled in a store that is not the host's.
    await known;
    await settlePending(files, store, names, isDryRun);
  }
  const index = files.current();
  const own = typeof index === 'object' && 'sets' in index ? newestSet(index) : undefined;
  const verifier = await readVerifier(signer.publicArmored);
  const reading = ahead(readStoreState(store, names, verifier, writer.adopted, own));
  await known;
  const state = await reading;
  for (const error of state.rejected) options.onWarning(error.message);
  if (state.newest.length === 0 && state.rejected.some(({ code }) => code === 'foreign-signer')) {
    throw new HoldfastError(
      'foreign-signer',
      `${store.label} holds points of ${strategy.name} by another signer: run "holdfast init --adopt FINGERPRINT" if this host takes its place, else choose another name for the strategy`,
    );
  }
  const standing = compareWithStore(index, state);
  if (standing.kind !== 'current' && standing.warning !== undefined) options.onWarning(standing.warning);
  const parent = standing.kind === 'current' ? standing.index : undefined;
  const { lost, gone } =
    parent === undefined ? { lost: undefined, gone: [] } : await checkParent(store, names, parent, state);
  const due = fullIsDue(strategy.schedule, fullTime(parent), time);
  const decision = plan({
    requested: options.requested,
    index: parent ?? { none: standing.kind === 'current' ? '' : standing.reason },
    recipients: recipients.map(({ fingerprint }) => fingerprint),
    signer: signer.fingerprint,
    due,
    lost,
    absentRoot:
      parent !== undefined && due.due
        ? rootToWaitFor(roots.absent, files.path(parent.entries.file), sources)
        : undefined,
    carries:
      parent !== undefined &&
      due.due &&
      (state.newest[0]?.commit.incomplete.carried ?? 0) > 0 &&
      stillCarries(files.path(parent.entries.file), sources),
  });
  if ('refused' in decision) {
    throw new HoldfastError(
      'usage',
      `an incremental cannot be made: ${decision.refused}; use --type auto or --type full`,
    );
  }
  if (lost !== undefined) {
    const harm = lost.endsWith(SIGNATURE)
      ? 'now only sets that build on its set vouch for that one'
      : 'points that need it cannot be restored';
    options.onWarning(`${lost} is gone from the store, or was altered: ${harm}; run "holdfast verify"`);
  }
  const warned = standing.kind !== 'current' && standing.warning !== undefined;
  const unpinned = strategy.signer.length > 0 && !strategy.signer.includes(signer.fingerprint);
  if (unpinned) {
    options.onWarning(
      `signer: in the strategy does not name this host's key ${signer.fingerprint}: a restore with this strategy will not believe its points; add it`,
    );
  }
  const needsAttention = warned || unpinned || state.rejected.length > 0 || lost !== undefined;
  const ownSeq = own?.seq ?? 0;
  return {
    names,
    files,
    sources,
    state,
    standing,
    decision,
    gone,
    ownSeq,
    needsAttention,
    time,
  };
}

/** Whether all that a set after this point may come to depend on is in the store, the commits and signatures as they were signed. */
async function checkParent(
  store: Store,
  names: StrategyNames,
  { sets }: IndexHeader,
  { believed }: StoreState,
): Promise<Dependencies> {
  const altered = ahead(alteredCommit(store, names, sets, believed));
  const { lost, gone } = await checkContents(store, names, sets);
  return { lost: lost ?? (await altered), gone };
}

async function requireKey(
  store: Store,
  names: StrategyNames,
  signer: Signer,
  files: IndexFiles,
): Promise<void> {
  const object = names.key(signer.fingerprint);
  if ((await store.stat(object)) !== undefined) return;
  const index = files.current();
  if (typeof index === 'object' && 'sets' in index) {
    // An empty folder where a disk should be mounted must not be filled.
    throw new HoldfastError(
      'not-initialised',
      `${store.label} does not know this host's signing key, but this host has made points up to ${newestSet(index).seq}: is the right store mounted there? If it is a new one on purpose, run "holdfast init"`,
      { object },
    );
  }
  throw new HoldfastError(
    'not-initialised',
    `${store.label} does not know this host's signing key ${signer.fingerprint}: run "holdfast init"`,
    { object },
  );
}

function fullTime(index: IndexHeader | undefined): Date | undefined {
  const full = index?.sets[0];
  return full === undefined ? undefined : new Date(full.time);
}
