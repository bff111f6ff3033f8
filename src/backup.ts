/** One backup from start to end: the order of the stages, and the protocol by which a point comes to exist. */
import { randomBytes } from 'node:crypto';
import { ahead } from './ahead.ts';
import { chainAfter, dependsOf, prepareCommit, storeCommit } from './backup/commit.ts';
import { type Made, runConveyor } from './backup/conveyor.ts';
import { checkDependencies, type StoredSet } from './backup/dependencies.ts';
import { removeLeftovers } from './backup/leftovers.ts';
import { losesVersions } from './backup/lost-versions.ts';
import type { BackupOptions } from './backup/options.ts';
import { fetchesTooMuch, type Plan, volumesToGiveUp } from './backup/plan.ts';
import { type Prepared, prepare } from './backup/prepare.ts';
import type { ProduceEvent, ProduceOptions, ProduceResult } from './backup/produce.ts';
import { ownFolders } from './backup/roots.ts';
import { listCommits, type StoreState } from './backup/standing.ts';
import { forecast, type Survey, type SurveyedPath, survey } from './backup/survey.ts';
import { findVanished } from './backup/vanished.ts';
import { newBlockSecret } from './chunk/block-digest.ts';
import { CUTTER_VERSION } from './chunk/cut.ts';
import { HoldfastError } from './errors.ts';
import { baseOf, type Commit, type CommitReference } from './format/commit.ts';
import { type SetName, setFolder } from './format/names.ts';
import { XATTRS_FEATURE } from './format/xattrs.ts';
import { INDEX_VERSION, type IndexHeader, type IndexSet, newestSet } from './index/header.ts';

export type { BackupOptions } from './backup/options.ts';

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

/** Steps 3 to 7 of docs/format.md, section 7. */
async function make(options: BackupOptions, prepared: Prepared): Promise<BackupOutcome> {
  const { strategy, store, writer, signer, recipients } = options;
  const { names, files, state, standing, decision, time } = prepared;
  const parent = decision.type === 'incremental' ? decision.parent : undefined;
  // Also above a point of its own that the store does not show at the moment.
  const set: SetName = { seq: Math.max(state.seq, prepared.ownSeq) + 1, id: randomId() };
  const earlier: readonly IndexSet[] = parent?.sets ?? [];
  options.onPlan(decision, set.seq);

  await removeLeftovers(store, names, writer);
  files.removeStale();
  await writer.begin(set);
  const logs = parent?.logs ?? {
    base: `chain-${set.id}`,
    segments: 0,
    extents: 0,
    blocks: 0,
    blockSecret: newBlockSecret(),
  };
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
      blockSecret: logs.blockSecret,
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
    store: (name, { pieces, md5, crc32 }) => store.put(names.object(set, name), pieces, { md5, crc32 }),
    md5: store.knowsMd5,
    uploads: store.uploads,
    onEvent: (event) => events.push(event),
    onProgress: options.onProgress,
    signal: options.signal,
    threads: options.threads,
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
    features: made.result.hasXattrs ? [XATTRS_FEATURE] : [],
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
    incomplete: toIncomplete(made.result),
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
    logs: { ...logs, ...made.result.logLengths },
  };
  const before = standing.kind === 'current' ? standing.index : undefined;
  // While the entries of the last point are still there.
  const vanished = before && findVanished(before, files, made.result, decision.type, prepared.sources);
  await files.writePending(header);
  if (options.signal.aborted) throw interrupted();
  await storeCommit(store, names, ready, signer, options.now());
  await files.promote();
  await writer.begin(null);
  files.removeStale();

  const { incomplete } = made.result;
  if (before !== undefined && vanished !== undefined) {
    options.onWarning(
      `${vanished.gone} of ${vanished.of} entries have gone since the last point: if that was not meant, restore them from point ${newestSet(before).seq}`,
    );
  }
  if (made.result.attributesUnread) {
    options.onWarning(
      'extended attributes and ACLs are not in the point: this machine lacks the native part that reads them (the package koffi)',
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
      prepared.needsAttention ||
      vanished !== undefined ||
      made.result.attributesUnread ||
      incomplete.carried + incomplete.torn + incomplete.unreadable + incomplete.partial > 0,
  };
}

/** Counts what the commit counts: missing attributes only where it announces attributes. */
function toIncomplete({ incomplete, hasXattrs }: ProduceResult): Commit['incomplete'] {
  const { carried, torn, unreadable, partial } = incomplete;
  return hasXattrs ? { carried, torn, unreadable, partial } : { carried, torn, unreadable };
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
/** Step 4: everything that the point needs is seen in the store, and nobody else has made a point of this number. */
async function lookAgain(
  options: BackupOptions,
  { names, state }: Prepared,
  earlier: readonly IndexSet[],
  made: StoredSet,
): Promise<void> {
  const { store } = options;
  const listing = listCommits(store, names);
  const looking = ahead(checkDependencies(store, names, earlier, listing, made));
  const { sets } = await listing;
  const other = sets.find((set) => set.seq >= made.set.seq && !state.names.has(setFolder(set)));
  if (other !== undefined) {
    throw new HoldfastError(
      'two-writers',
      `another run has committed point ${other.seq} of ${names.root} meanwhile: nothing was committed here; make sure that only one machine backs up this strategy`,
      { object: names.commit(other) },
    );
  }
  const lost = await looking;
  if (lost === undefined) return;
  throw new HoldfastError(
    'store',
    `${lost} has gone from the store while the backup ran: nothing was committed; find out what removes objects there, and run the backup again`,
    { object: lost },
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
