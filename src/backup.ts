/** One backup from start to end: the order of the stages, and the protocol by which a point comes to exist. */
import { randomBytes } from 'node:crypto';
import { chainAfter, dependsOf, prepareCommit, storeCommit } from './backup/commit.ts';
import { type Made, runConveyor } from './backup/conveyor.ts';
import { checkDependencies, type StoredSet } from './backup/dependencies.ts';
import { fetchesTooMuch, type Plan, plan, type RequestedType, volumesToGiveUp } from './backup/plan.ts';
import type { ProduceEvent, ProduceOptions } from './backup/produce.ts';
import { lookAtRoots, ownFolders, rootToWaitFor } from './backup/roots.ts';
import {
  alteredCommit,
  compareWithStore,
  listCommits,
  readStoreState,
  type Standing,
  type StoreState,
} from './backup/standing.ts';
import { type Forecast, forecast, type Survey, type SurveyedPath, survey } from './backup/survey.ts';
import { CUTTER_VERSION } from './chunk/cut.ts';
import { sha256 } from './chunk/digest.ts';
import { readVerifier } from './crypto/check.ts';
import { expiryWarning, type Recipient } from './crypto/recipients.ts';
import type { Signer } from './crypto/signer.ts';
import { HoldfastError } from './errors.ts';
import { baseOf, COMMIT_LIMIT, type Commit, type CommitReference } from './format/commit.ts';
import { type SetName, StrategyNames, setFolder } from './format/names.ts';
import type { ComparedSource } from './index/compare.ts';
import { EntriesReader } from './index/entries-file.ts';
import { IndexFiles } from './index/files.ts';
import { INDEX_VERSION, type IndexHeader, type IndexSet, newestSet } from './index/header.ts';
import type { ByteString } from './model.ts';
import type { WriterRecord } from './state/writer.ts';
import type { Store } from './store/store.ts';
import { fullIsDue } from './strategy/schedule.ts';
import type { Strategy } from './strategy/strategy.ts';

/** Everything that a backup works with. The caller holds the lock of the state folder. */
export interface BackupOptions {
  strategy: Strategy;
  store: Store;
  stateFolder: string;
  writer: WriterRecord;
  signer: Signer;
  recipients: readonly Recipient[];
  requested: RequestedType;
  /** Whether this user may keep access times from changing. */
  keepAccessTime: boolean;
  /** Folders of Holdfast's own that must not be backed up: state, directory store. */
  own: readonly string[];
  /** Name and version of the program, for the commit. */
  tool: string;
  now: () => Date;
  signal: AbortSignal;
  /** Hears what happens: a line of text for people, or an event of the walk. */
  onWarning: (text: string) => void;
  onEvent: (event: ProduceEvent) => void;
  onPlan: (plan: Plan, seq: number) => void;
  onProgress: (figures: Float64Array) => void;
  /** Where somebody watches: hears, as soon as it is known, what will be read in all. */
  onForecast?: (forecast: Forecast) => void;
}

/** A point that was made. */
export interface BackupOutcome {
  seq: number;
  id: string;
  type: 'full' | 'incremental';
  time: Date;
  reason: string;
  made: Made;
  /** Bytes of all objects that were stored. */
  bytesStored: number;
  /** The point is as good as it could be made, but something needs attention: exit 3. */
  needsAttention: boolean;
}

/** What stands before a run: the store looked at, the index checked, the kind of set decided. */
interface Prepared {
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

/** What the run found calls for another plan: nothing was committed. */
class Replan extends Error {
  readonly decision: Plan;

  constructor(decision: Plan) {
    super('another plan is better');
    this.decision = decision;
  }
}

/** Makes a point. Errors: see docs/operations; whatever is thrown, no point was harmed, and none but a whole one was made. */
export async function backup(options: BackupOptions): Promise<BackupOutcome> {
  const prepared = await prepare(options, false);
  try {
    return await make(options, prepared);
  } catch (error) {
    if (error instanceof Replan)
      return make(options, { ...prepared, decision: error.decision, isReplanned: true });
    if (!isBrokenIndex(error) || prepared.decision.type === 'full' || options.requested === 'incremental')
      throw error;
    options.onWarning(`${error.message}: the index is discarded, and a full is made instead`);
    const reason = `the index turned out to be corrupt (${error.message})`;
    return make(options, {
      ...prepared,
      decision: { type: 'full', reason },
      standing: { kind: 'none', reason, newWriter: true },
      needsAttention: true,
    });
  }
}

/** A dry run: type and reason, and what would be found. Changes nothing in the store, and makes no index of its own. */
export async function dryRun(
  options: BackupOptions,
  onPath: (path: SurveyedPath) => void,
): Promise<{ type: 'full' | 'incremental'; reason: string; survey: Survey }> {
  const { decision, files, sources } = await prepare(options, true);
  const parent = decision.type === 'incremental' ? files.path(decision.parent.entries.file) : undefined;
  const own = new Set(ownFolders(options.own, sources));
  return { type: decision.type, reason: decision.reason, survey: survey(sources, parent, own, onPath) };
}

async function prepare(options: BackupOptions, isDryRun: boolean): Promise<Prepared> {
  const { strategy, store, signer, recipients, writer } = options;
  const time = options.now();
  for (const recipient of recipients) {
    const warning = expiryWarning(recipient, time);
    if (warning !== undefined) options.onWarning(warning);
  }
  const sources = strategy.sources.flatMap((source): ComparedSource[] => {
    if (source.kind === 'command') throw new Error('a command as source was not refused');
    const { name, paths, exclude, allowEmpty } = source;
    return [{ name, paths, exclude, allowEmpty }];
  });
  const roots = lookAtRoots(sources);
  await store.check();
  const names = new StrategyNames(strategy.name);
  const files = new IndexFiles(options.stateFolder);
  await requireKey(store, names, signer, files);
  await settlePending(files, store, names, isDryRun);
  const index = files.current();
  const own = typeof index === 'object' && 'sets' in index ? newestSet(index) : undefined;
  const verifier = await readVerifier(signer.publicArmored);
  const state = await readStoreState(store, names, verifier, writer.adopted, own);
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
  const dependencies =
    parent === undefined
      ? { lost: undefined, gone: [] }
      : await checkDependencies(store, names, parent.sets, state);
  const lost =
    dependencies.lost ??
    (parent === undefined ? undefined : await alteredCommit(store, names, parent.sets, state.believed));
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
        ? rootToWaitFor(roots.absent, files.path(parent.entries.file))
        : undefined,
  });
  if ('refused' in decision) {
    throw new HoldfastError(
      'usage',
      `an incremental cannot be made: ${decision.refused}; use --type auto or --type full`,
    );
  }
  if (lost !== undefined) {
    options.onWarning(
      `${lost} is gone from the store, or was altered: points that need it cannot be restored; run "holdfast verify"`,
    );
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
    gone: dependencies.gone,
    ownSeq,
    needsAttention,
    time,
  };
}

/** Steps 3 to 7 of docs/format.md, section 7. */
async function make(options: BackupOptions, prepared: Prepared): Promise<BackupOutcome> {
  const { strategy, store, writer, signer, recipients } = options;
  const { names, files, state, standing, decision, time } = prepared;
  const parent = decision.type === 'incremental' ? decision.parent : undefined;
  // Also above a point of its own that the store does not show at the moment.
  const set: SetName = { seq: Math.max(state.seq, prepared.ownSeq) + 1, id: randomId() };
  const earlier: readonly IndexSet[] = parent?.sets ?? [];
  options.onPlan(decision, set.seq);

  await removeLeftovers(options, prepared);
  files.removeStale();
  await writer.begin(set);
  const logs = parent?.logs ?? { base: `chain-${set.id}`, segments: 0, extents: 0, blocks: 0 };
  const entriesFile = `entries-${set.id}`;
  const produce: ProduceOptions = {
    strategy: strategy.name,
    ...set,
    sources: prepared.sources,
    own: ownFolders(options.own, prepared.sources),
    parent: parent && { entriesFile: files.path(parent.entries.file), live: parent.entries.live },
    before: standing.kind === 'current' ? files.path(standing.index.entries.file) : undefined,
    seqs: [...earlier.map(({ seq }) => seq), set.seq],
    base: baseOf(earlier.length),
    logs: {
      base: files.path(logs.base),
      lengths: { segments: logs.segments, extents: logs.extents, blocks: logs.blocks },
    },
    entriesFile: files.path(entriesFile),
    givenUp: decision.type === 'incremental' ? merge(decision.givenUp, prepared.gone) : [],
    limits: { size: strategy.volume.size, plainSize: PLAIN_SIZE, level: strategy.volume.compression },
    keepAccessTime: options.keepAccessTime,
  };
  // Held until it is certain that this attempt counts: the next one would tell them again.
  const events: ProduceEvent[] = [];
  const ended = new AbortController();
  if (options.onForecast !== undefined) tellForecast(options, produce, ended.signal);
  const made = await runConveyor({
    produce,
    recipients: recipients.map(({ key }) => key.binary),
    now: time,
    store: (name, object) => store.put(names.object(set, name), object.pieces, { md5: object.md5 }),
    uploads: store.uploads,
    onEvent: (event) => events.push(event),
    onProgress: options.onProgress,
    signal: options.signal,
  })
    .catch((error: unknown) => {
      for (const event of events) options.onEvent(event);
      throw error;
    })
    .finally(() => ended.abort());
  const instead = decision.type === 'full' ? decision.instead : undefined;
  if (instead !== undefined && losesVersions(events, files.path(instead.parent.entries.file)))
    throw new Replan(instead);

  const newWriter = standing.kind === 'overtaken' || (standing.kind === 'none' && standing.newWriter);
  const writerId = newWriter ? randomId() : writerOf(prepared);
  const commit: Commit = {
    format: 'holdfast-commit',
    version: 1,
    features: [],
    strategy: strategy.name,
    ...set,
    type: decision.type,
    ordinal: earlier.length,
    base: baseOf(earlier.length),
    parent: parent === undefined ? null : reference(newestSet(parent)),
    previous: parent === undefined ? previousOf(state) : null,
    writer: writerId,
    succeeds: newWriter ? (state.newest[0]?.commit.writer ?? null) : null,
    time: time.toISOString(),
    finished: options.now().toISOString(),
    tool: options.tool,
    recipients: recipients.map(({ fingerprint }) => fingerprint),
    objects: made.objects,
    depends: dependsOf(made.result.usage, earlier),
    counts: made.result.counts,
    incomplete: made.result.incomplete,
  };
  const ready = prepareCommit(commit);
  const sets = chainAfter(earlier, made.result.usage, {
    ...set,
    commitSha256: ready.sha256,
    time: commit.time,
    objects: made.objects,
  });
  if (decision.type === 'incremental' && prepared.isReplanned === undefined && fetchesTooMuch(sets)) {
    const givenUp = volumesToGiveUp(sets.slice(0, -1));
    if (givenUp.length > 0) throw new Replan({ ...decision, givenUp });
  }
  for (const event of events) options.onEvent(event);
  await lookAgain(options, prepared, sets.slice(0, -1), { set, objects: made.objects });
  const header: IndexHeader = {
    version: INDEX_VERSION,
    cutter: CUTTER_VERSION,
    strategy: strategy.name,
    signer: signer.fingerprint,
    writer: writerId,
    recipients: commit.recipients,
    sets,
    entries: { file: entriesFile, sha256: made.result.entriesSha256, live: made.result.counts.entries },
    logs: { base: logs.base, ...made.result.logLengths },
  };
  await files.writePending(header);
  if (options.signal.aborted) throw interrupted();
  await storeCommit(store, names, ready, signer, options.now());
  await files.promote();
  await writer.begin(null);
  files.removeStale();

  const { incomplete, changes } = made.result;
  const before = standing.kind === 'current' ? standing.index : undefined;
  const live = before?.entries.live ?? 0;
  const fewer = parent !== undefined ? changes.gone : live - made.result.counts.entries;
  const vanished = before !== undefined && fewer > live / 2 && fewer > FEW;
  if (vanished) {
    options.onWarning(
      `${fewer} of ${live} entries have gone since the last point: if that was not meant, restore them from point ${newestSet(before).seq}`,
    );
  }
  return {
    ...set,
    type: decision.type,
    time,
    reason: decision.reason,
    made,
    bytesStored: made.objects.reduce((sum, { size }) => sum + size, 0),
    needsAttention:
      prepared.needsAttention || vanished || incomplete.carried + incomplete.torn + incomplete.unreadable > 0,
  };
}

/** Whether something that could not be read now is in the index with an earlier version, which a full would not have. */
function losesVersions(events: readonly ProduceEvent[], entriesFile: string): boolean {
  const unread = events.flatMap((event) =>
    'incident' in event && event.incident.kind !== 'torn' ? [event.incident.path] : [],
  );
  if (unread.length === 0) return false;
  const paths = new Set(unread);
  const reader = new EntriesReader(entriesFile);
  try {
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      if (entry.flags !== 'g' && isAtOrBelow(entry.path, paths)) return true;
    }
    return false;
  } finally {
    reader.close();
  }
}

/** Whether a path is one of some others, or lies below one: asked of each of its own folders, so that it costs no more for many. */
function isAtOrBelow(path: ByteString, others: ReadonlySet<ByteString>): boolean {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) if (others.has(at)) return true;
  return others.has('/');
}

/** A forecast that fails is no loss: the backup itself meets what stood in its way. */
function tellForecast(options: BackupOptions, produce: ProduceOptions, signal: AbortSignal): void {
  const { sources, parent, own } = produce;
  forecast(sources, parent?.entriesFile, new Set(own), signal).then(
    (known) => known && options.onForecast?.(known),
    () => {},
  );
}

/** A volume is closed at this much content, so that a highly compressible one is no bomb for who restores. */
const PLAIN_SIZE = 256 * 1024 * 1024;
/** So few deletions are no alarm, whatever part of the whole they are. */
const FEW = 10;

/** Step 4: everything that the point needs is seen in the store, and nobody else has made a point of this number. */
async function lookAgain(
  options: BackupOptions,
  { names, state }: Prepared,
  earlier: readonly IndexSet[],
  made: StoredSet,
): Promise<void> {
  const { store } = options;
  const commits = await listCommits(store, names);
  const other = commits.sets.find((set) => set.seq >= made.set.seq && !state.names.has(setFolder(set)));
  if (other !== undefined) {
    throw new HoldfastError(
      'two-writers',
      `another run has committed point ${other.seq} of ${names.root} meanwhile: nothing was committed here; make sure that only one machine backs up this strategy`,
      { object: names.commit(other) },
    );
  }
  const { lost } = await checkDependencies(store, names, earlier, commits, made);
  if (lost === undefined) return;
  throw new HoldfastError(
    'store',
    `${lost} has gone from the store while the backup ran: nothing was committed; find out what removes objects there, and run the backup again`,
    { object: lost },
  );
}

/**
 * A run that ended between commit and promotion: the commit decides whether its index counts. A dry run only takes up what is certain.
 */
async function settlePending(
  files: IndexFiles,
  store: Store,
  names: StrategyNames,
  isDryRun: boolean,
): Promise<void> {
  const pending = files.pending();
  if (pending === 'absent') return;
  if (!('unusable' in pending)) {
    const set = newestSet(pending);
    const found = await store.get(names.commit(set), COMMIT_LIMIT).catch((error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'damage') return new Uint8Array();
      throw error;
    });
    if (found !== undefined && sha256(found) === set.commitSha256) {
      await files.promote();
      return;
    }
    // Cut short on its way, perhaps. Nobody else stores anything under this name, and readers would take it for a damaged point.
    if (found !== undefined && !isDryRun) await store.remove(names.commit(set));
  }
  if (!isDryRun) files.dropPending();
}

/** Removes what an earlier run of this host stored for a set that was never committed. */
async function removeLeftovers(options: BackupOptions, { names }: Prepared): Promise<void> {
  const { store, writer } = options;
  const { begun } = writer;
  if (begun === null || (await store.stat(names.commit(begun))) !== undefined) return;
  const objects: string[] = [names.signature(begun)];
  for await (const { name } of store.list(names.object(begun, ''))) objects.push(name);
  for (const name of objects) await store.remove(name);
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

/** The writer of the index that goes on: also where a chain is begun anew for a reason of one's own. */
function writerOf({ standing, decision, files }: Prepared): string {
  if (decision.type === 'incremental') return decision.parent.writer;
  if (standing.kind === 'current') return standing.index.writer;
  const index = files.current();
  return typeof index === 'object' && 'writer' in index ? index.writer : randomId();
}

function reference({ seq, id, commitSha256 }: CommitReference): CommitReference {
  return { seq, id, commitSha256 };
}

function previousOf(state: StoreState): CommitReference | null {
  const newest = state.newest[0];
  return newest === undefined ? null : reference({ ...newest.commit, commitSha256: newest.commitSha256 });
}

function fullTime(index: IndexHeader | undefined): Date | undefined {
  const full = index?.sets[0];
  return full === undefined ? undefined : new Date(full.time);
}

function merge(
  a: readonly { seq: number; volumes: number[] }[],
  b: readonly { seq: number; volumes: number[] }[],
): { seq: number; volumes: number[] }[] {
  const volumes = new Map<number, Set<number>>();
  for (const part of [...a, ...b]) {
    const known = volumes.get(part.seq) ?? new Set();
    for (const volume of part.volumes) known.add(volume);
    volumes.set(part.seq, known);
  }
  return [...volumes].map(([seq, numbers]) => ({ seq, volumes: [...numbers] }));
}

function isBrokenIndex(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'broken-index';
}

function interrupted(): HoldfastError {
  return new HoldfastError(
    'interrupted',
    'interrupted: nothing was committed; earlier points are as they were',
  );
}

function randomId(): string {
  return randomBytes(16).toString('hex');
}
