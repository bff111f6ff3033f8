/**
 * Restores a point, or a part of it, into a folder: plan → look at the target → folders → volumes → links → what belongs to folders.
 * Each step is a module below restore/ and target/; here is their order, and what is reported of them.
 */
import { chmodSync } from 'node:fs';
import type { Point } from './chain/points.ts';
import { parseSecretKey, type SecretKey } from './crypto/open.ts';
import { HoldfastError } from './errors.ts';
import { toFsPath } from './format/bytes.ts';
import type { StrategyNames } from './format/names.ts';
import { readPoint } from './manifest/merge.ts';
import { refuseUnmatched, type Selection } from './manifest/select.ts';
import type { Entry } from './model.ts';
import { type Arrangement, AS_IT_IS, arrange, describeArrangement } from './restore/arrange.ts';
import { bringContent } from './restore/bring.ts';
import { type Action, Decisions, Existing, type KeepOptions } from './restore/existing.ts';
import { type FinishOptions, finishFolder, finishFolders, makeLinks } from './restore/finish.ts';
import { type Forecast, foresee, refuseWithoutRoom } from './restore/forecast.ts';
import { targetPath } from './restore/jobs.ts';
import { type Plan, planRestore } from './restore/plan.ts';
import { makeSized, prepareTarget } from './restore/prepare.ts';
import { type RestoreResult, sumUp } from './restore/result.ts';
import { ROOT } from './restore/tree.ts';
import type { Trouble } from './restore/trouble.ts';
import type { Store } from './store/store.ts';
import type { RestoreIdentity } from './target/marker.ts';
import { chooseTarget, openTarget, type TargetChoice } from './target/target.ts';

/** What to restore, and how. */
export interface RestoreRequest {
  store: Store;
  names: StrategyNames;
  /** Must have no `problem`. */
  point: Point;
  /** How messages name the point. */
  pointName: string;
  /** Must be a recipient's. */
  secret: SecretKey;
  /** Absolute path of the folder to restore into. */
  target: string;
  /** Absolute source paths or globs, as they were written; none for all. */
  paths: readonly string[];
  /** The same, made ready. */
  selection: Selection | undefined;
  /** Which entries come, and under which paths; all of them under their own, where it is undefined. */
  arrangement?: Arrangement;
  /** Whether a target with other things in it is used, and what is in the way there replaced. */
  overwrite: boolean;
  /** What is in the way and stays nevertheless: everything, or what was not modified before the entry of the point. */
  keep?: 'if-newer' | 'never';
  /** The target is where the entries came from: it is not closed to others meanwhile. */
  inPlace?: boolean;
  /** Asked before anything is written; the restore ends with `interrupted` where the answer is no. */
  confirm?: (forecast: Forecast) => Promise<boolean>;
  /** Whether owners are set. */
  owner: boolean;
  /** Mode of the target, and of folders that only lie on the way to what is restored, where they are made. */
  impliedMode: number;
  /** Ends the restore early; the same request then goes on where it stopped. */
  signal: AbortSignal;
}

export type { Action } from './restore/existing.ts';
export type { Forecast } from './restore/forecast.ts';
export type { RestoreResult } from './restore/result.ts';

/** Who follows a restore. */
export interface RestoreObserver {
  /** Before anything is written, and before it is refused for want of room. */
  onForecast(forecast: Forecast): void;
  phase(name: string): void;
  total(amount: { files?: number; bytes?: number }): void;
  advance(amount: { files?: number; bytes?: number }): void;
}

/**
 * Restores. What is damaged, or cannot be made, is in the result, and everything else comes back. Errors, all before anything is
 * written: `no-path`, `key`, `damage` of manifests, `target-not-empty`, `no-space`, `io`; and on the way those that end it, after which the
 * same request goes on where it stopped: `no-space`, `io`, `interrupted`, those of the store.
 */
export async function restore(request: RestoreRequest, observer: RestoreObserver): Promise<RestoreResult> {
  const identity = identify(request);
  const choice = choose(request, identity);
  observer.phase('reading the list of entries');
  const existing = whatExists(request, choice);
  const plan = await makePlan(request, existing);
  const stop = () => refuseInterrupted(request);
  stop();
  const isClaimed = (index: number) => isWritten(plan, choice, index);
  const forecast = foresee(plan, choice, isClaimed);
  observer.onForecast(forecast);
  refuseWithoutRoom(plan, choice, forecast);
  if ((await request.confirm?.(forecast)) === false) throw notConfirmed(request);
  stop();

  const target = await openTarget(choice, identity, request.impliedMode);
  const { root, marker } = target;
  const replace = (choice.overwrite && request.keep !== 'never') || choice.resumed !== undefined;
  const common = { plan, root, owner: request.owner, replace, stop };
  try {
    if (existing !== undefined && choice.resumed?.kept === undefined)
      marker.kept(existing.decisions.toText());
    observer.total({ files: plan.totals.files, bytes: forecast.bytes });
    observer.phase('making folders');
    const prepared = await prepareTarget({
      ...common,
      openMode: choice.overwrite ? request.impliedMode : undefined,
      prepared: choice.resumed?.prepared ?? false,
    });
    marker.prepared();
    observer.advance({ files: prepared.empty });

    observer.phase('restoring');
    const brought = await bringContent({
      ...common,
      store: request.store,
      secret: request.secret,
      troubles: prepared.troubles,
      isClaimed,
      onWritten: (index) => {
        const { seq, volume } = plan.volumes.get(index);
        marker.claim(seq, volume);
      },
      remake: (entry) =>
        makeSized(targetPath(root, plan.tree.path(entry)), plan.tree.entries.size(entry), true),
      onProgress: (files, bytes) => observer.advance({ files, bytes }),
    });

    observer.phase('finishing');
    const finish: FinishOptions = {
      ...common,
      resumed: choice.resumed !== undefined,
      folders: prepared.folders,
      impliedMode: request.impliedMode,
      troubles: brought.troubles,
      notSet: new Map([...prepared.notSet, ...brought.notSet]),
      foldersNotSet: new Map(),
      copied: new Map(),
    };
    await makeLinks(finish);
    await finishFolders(finish);
    // Before the target itself is finished: removing a file from it changes its time.
    marker.remove();
    if (plan.tree.folders.isListed(ROOT)) finishFolder(finish, ROOT);
    else if (target.mode !== null) chmodSync(toFsPath(root), target.mode);
    return { ...sumUp(plan, finish, brought.lost), kept: existing?.kept ?? 0 };
  } finally {
    marker.close();
  }
}

/** Looks at the target. Errors: as chooseTarget. */
function choose(
  request: Pick<RestoreRequest, 'target' | 'overwrite' | 'inPlace'>,
  identity: RestoreIdentity,
): TargetChoice {
  const choice = chooseTarget(request.target, identity, request.overwrite);
  // A folder in use keeps its mode, also one that is empty.
  if (request.inPlace && choice.mode !== undefined) return { ...choice, overwrite: true, mode: undefined };
  return choice;
}

/** What decides about what the target holds; undefined where nothing of it is to stay. */
function whatExists(
  { keep }: Pick<RestoreRequest, 'keep'>,
  { root, overwrite, resumed }: TargetChoice,
  onEntry?: KeepOptions['onEntry'],
): Existing | undefined {
  if (keep === undefined && onEntry === undefined) return undefined;
  if (!overwrite && onEntry === undefined) return undefined;
  const decided = resumed?.kept === undefined ? undefined : Decisions.parse(resumed.kept);
  return new Existing({
    root,
    overwrite: keep ?? 'always',
    decided,
    ...(onEntry === undefined ? {} : { onEntry }),
  });
}

async function makePlan(
  request: Omit<RestoreRequest, 'target' | 'signal'>,
  existing: Existing | undefined,
): Promise<Plan> {
  const { store, names, point, pointName, secret, selection, arrangement = AS_IT_IS } = request;
  const reader = { store, names, key: await parseSecretKey(secret) };
  const items = arrange(readPoint(reader, point, selection), arrangement);
  const plan = await planRestore(point, existing === undefined ? items : existing.pass(items));
  refuseUnmatched(selection, pointName);
  return plan;
}

/** What to rehearse: a restore, also one without a target. */
export type RehearsalRequest = Omit<RestoreRequest, 'target' | 'signal'> & { target: string | undefined };

/** What a restore would do. */
export interface Rehearsal {
  /** Undefined without a target. */
  forecast: Forecast | undefined;
  entries: number;
  bytes: number;
  kept: number;
  /** The volumes that would be fetched. */
  volumes: { name: string; size: number }[];
  /** What would not come back, or not as it was. */
  damaged: Trouble[];
  incomplete: Trouble[];
  doubtful: Trouble[];
}

/**
 * Says what a restore would do, entry by entry; without a target, all would be new. Writes nothing, and fetches lists only. Errors: those of
 * restore() before anything is written.
 */
export async function rehearse(
  request: RehearsalRequest,
  onEntry: (entry: Entry, action: Action) => void,
): Promise<Rehearsal> {
  const { target } = request;
  const choice = target === undefined ? undefined : choose({ ...request, target }, identify(request));
  const existing =
    choice === undefined
      ? new Existing({ root: '', overwrite: 'always', decided: new Decisions(), onEntry })
      : whatExists(request, choice, onEntry);
  const plan = await makePlan(request, existing);
  const isClaimed = (index: number) => choice !== undefined && isWritten(plan, choice, index);
  const forecast = choice === undefined ? undefined : foresee(plan, choice, isClaimed);
  if (choice !== undefined && forecast !== undefined) refuseWithoutRoom(plan, choice, forecast);
  return {
    forecast,
    entries: plan.totals.entries,
    bytes: plan.totals.bytes,
    kept: existing?.kept ?? 0,
    volumes: plan.volumes
      .inOrder()
      .filter((index) => !isClaimed(index))
      .map((index) => plan.volumes.get(index))
      .map(({ name, object }) => ({ name, size: object.size })),
    damaged: plan.damaged,
    incomplete: plan.unmade,
    doubtful: plan.doubtful,
  };
}

/** Whether an earlier run has written what a volume brings. */
function isWritten({ volumes }: Plan, { resumed }: TargetChoice, index: number): boolean {
  const { seq, volume } = volumes.get(index);
  return resumed?.volumes.has(`${seq}/${volume}`) ?? false;
}

function notConfirmed({ target }: RestoreRequest): HoldfastError {
  return new HoldfastError('interrupted', `not confirmed: nothing was written to ${target}`, {
    path: target,
  });
}

/** Errors: `interrupted`, when the restore was told to end. */
function refuseInterrupted({ signal, target }: RestoreRequest): void {
  if (!signal.aborted) return;
  throw new HoldfastError(
    'interrupted',
    `interrupted: the restore into ${target} is incomplete; the same command goes on where it stopped`,
    { path: target },
  );
}

function identify(
  request: Pick<RestoreRequest, 'point' | 'paths' | 'arrangement' | 'keep'>,
): RestoreIdentity {
  const { point, paths, arrangement = AS_IT_IS, keep } = request;
  const { strategy, seq, id } = point.commit.commit;
  const how = [describeArrangement(arrangement), keep === undefined ? '' : `--overwrite=${keep}`];
  const asked = [...paths, ...how.filter(Boolean)];
  return { strategy, seq, id, commitSha256: point.commit.commitSha256, paths: asked };
}
