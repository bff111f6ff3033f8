/**
 * Restores a point, or a part of it, into a folder: plan → look at the target → folders → volumes → links → what belongs to folders.
 * Each step is a module below restore/ and target/; here is their order, and what is reported of them.
 */
import type { Point } from './chain/points.ts';
import { parseSecretKey, type SecretKey } from './crypto/open.ts';
import { HoldfastError } from './errors.ts';
import type { StrategyNames } from './format/names.ts';
import { readPoint } from './manifest/merge.ts';
import { refuseUnmatched, type Selection } from './manifest/select.ts';
import { bringContent } from './restore/bring.ts';
import { type FinishOptions, finishFolder, finishFolders, makeLinks } from './restore/finish.ts';
import { type Forecast, foresee, refuseWithoutRoom } from './restore/forecast.ts';
import { targetPath } from './restore/jobs.ts';
import { type OwnerNumbers, type Plan, planRestore } from './restore/plan.ts';
import { makeSized, prepareTarget } from './restore/prepare.ts';
import { type RestoreResult, sumUp } from './restore/result.ts';
import { ROOT } from './restore/tree.ts';
import type { Store } from './store/store.ts';
import type { RestoreIdentity } from './target/marker.ts';
import { OpenFolders } from './target/open-folders.ts';
import { chooseTarget, closeTarget, openTarget, setFinalMode } from './target/target.ts';

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
  /** Whether a target with other things in it is used, and what is in the way there replaced. */
  overwrite: boolean;
  /** Whether owners are set. */
  owner: boolean;
  /** Numbers of owners' names on this machine: names win then. Undefined: numbers are taken as the point has them. */
  owners: OwnerNumbers | undefined;
  /** Mode of the target, and of folders that only lie on the way to what is restored, where they are made. */
  impliedMode: number;
  /** Ends the restore early; the same request then goes on where it stopped. */
  signal: AbortSignal;
}

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
  const choice = chooseTarget(request.target, identity, request.overwrite);
  observer.phase('reading the list of entries');
  const plan = await makePlan(request);
  const stop = () => refuseInterrupted(request);
  stop();
  const isClaimed = (index: number) => {
    const { seq, volume } = plan.volumes.get(index);
    return choice.resumed?.volumes.has(`${seq}/${volume}`) ?? false;
  };
  const forecast = foresee(plan, choice, isClaimed);
  observer.onForecast(forecast);
  refuseWithoutRoom(plan, choice, forecast);

  const target = await openTarget(choice, identity, request.impliedMode);
  const { root, rootFd, marker } = target;
  const open = new OpenFolders(root, rootFd);
  const replace = choice.overwrite || choice.resumed !== undefined;
  const common = { plan, root, owner: request.owner, replace, stop };
  try {
    observer.total({ files: plan.totals.files, bytes: forecast.bytes });
    observer.phase('making folders');
    const prepared = await prepareTarget({
      ...common,
      folders: open,
      openMode: choice.overwrite ? request.impliedMode : undefined,
      prepared: choice.resumed?.prepared ?? false,
    });
    marker.prepared();
    observer.advance({ files: prepared.empty });

    observer.phase('restoring');
    const brought = await bringContent({
      ...common,
      rootFd,
      store: request.store,
      secret: request.secret,
      troubles: prepared.troubles,
      isClaimed,
      onWritten: (index) => {
        const { seq, volume } = plan.volumes.get(index);
        marker.claim(seq, volume);
      },
      remake: (entry) =>
        makeSized(open.place(targetPath(root, plan.tree.path(entry))), plan.tree.entries.size(entry), true),
      onProgress: (files, bytes) => observer.advance({ files, bytes }),
    });

    observer.phase('finishing');
    const finish: FinishOptions = {
      ...common,
      open,
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
    else setFinalMode(target);
    return sumUp(plan, finish, brought.lost);
  } finally {
    open.close();
    closeTarget(target);
  }
}

async function makePlan({
  store,
  names,
  point,
  pointName,
  secret,
  selection,
  owners,
}: RestoreRequest): Promise<Plan> {
  const reader = { store, names, key: await parseSecretKey(secret) };
  const plan = await planRestore(point, readPoint(reader, point, selection), owners);
  refuseUnmatched(selection, pointName);
  return plan;
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

function identify({ point, paths }: RestoreRequest): RestoreIdentity {
  const { strategy, seq, id } = point.commit.commit;
  return { strategy, seq, id, commitSha256: point.commit.commitSha256, paths };
}
