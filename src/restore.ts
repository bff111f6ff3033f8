/**
 * Restores a point, or a part of it, into a folder: plan → look at the target → folders → volumes → links → what belongs to folders.
 * Each step is a module below restore/ and target/; here is their order, and what is reported of them.
 */
import { HoldfastError } from './errors.ts';
import { addLost, type BringOptions, bringContent } from './restore/bring.ts';
import { type FinishOptions, finishFolder, finishFolders, makeLinks } from './restore/finish.ts';
import { type Forecast, foresee, refuseWithoutRoom } from './restore/forecast.ts';
import { Pages } from './restore/pages.ts';
import { WorkerPool, workersFor } from './restore/pool.ts';
import { prepareTarget, remakeFile } from './restore/prepare.ts';
import { volumesOf } from './restore/ranks.ts';
import { choose, identify, isWritten, makePlan, type RestoreRequest, whatExists } from './restore/request.ts';
import { type RestoreResult, sumUp } from './restore/result.ts';
import { makeStandIns } from './restore/stand-in.ts';
import { ROOT } from './restore/tree.ts';
import type { RestoreIdentity } from './target/marker.ts';
import { OpenFolders } from './target/open-folders.ts';
import { closeTarget, openTarget, setFinalMode, type TargetChoice } from './target/target.ts';

export type { Forecast } from './restore/forecast.ts';
export type { RestoreRequest } from './restore/request.ts';
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
 * `pool`: workers that may have been started before; they are ended.
 */
export async function restore(
  request: RestoreRequest,
  observer: RestoreObserver,
  pool = new WorkerPool(),
): Promise<RestoreResult> {
  try {
    const identity = identify(request);
    const choice = choose(request, identity);
    const pages = new Pages(request.scratch);
    try {
      return await restoreInto(choice, identity, request, observer, pages, pool);
    } finally {
      pages.close();
      closeTarget(choice);
    }
  } finally {
    await pool.close();
  }
}

/** `pages`: the memory of the plan. `pool`: workers. */
async function restoreInto(
  choice: TargetChoice,
  identity: RestoreIdentity,
  request: RestoreRequest,
  observer: RestoreObserver,
  pages: Pages,
  pool: WorkerPool,
): Promise<RestoreResult> {
  observer.phase('reading the list of entries');
  const existing = whatExists(request, choice);
  const plan = await makePlan(request, existing, pages);
  const stop = () => refuseInterrupted(request);
  stop();
  const isClaimed = (index: number) => isWritten(plan, choice, index);
  const forecast = foresee(plan, choice, isClaimed);
  observer.onForecast(forecast);
  refuseWithoutRoom(plan, choice, forecast);
  if ((await request.confirm?.(forecast)) === false) throw notConfirmed(request);
  stop();

  const target = await openTarget(choice, identity, request.impliedMode);
  const { root, rootFd, marker } = target;
  const open = new OpenFolders(root, rootFd);
  const replace = (choice.overwrite && request.keep !== 'never') || choice.resumed !== undefined;
  const common = { plan, root, owner: request.owner, replace, stop };
  try {
    if (existing !== undefined && choice.resumed?.kept === undefined)
      marker.kept(existing.decisions.toText());
    pool.begin({ root, rootFd, owner: request.owner, replace }, (files, bytes) =>
      observer.advance({ files, bytes }),
    );
    pool.prepare(workersFor({ ...forecast, files: plan.totals.files }));
    observer.total({ files: plan.totals.files, bytes: forecast.bytes });
    observer.phase('making folders');
    const prepared = await prepareTarget({
      ...common,
      folders: open,
      openMode: choice.overwrite ? request.impliedMode : undefined,
      prepared: choice.resumed?.prepared ?? false,
      isClaimed,
    });
    marker.prepared();
    observer.advance({ files: prepared.empty });

    observer.phase('restoring');
    const bring: BringOptions = {
      ...common,
      pool,
      rootFd,
      store: request.store,
      secret: request.secret,
      troubles: prepared.troubles,
      isClaimed,
      onWritten: (index) => {
        const { seq, volume } = plan.volumes.get(index);
        marker.claim(seq, volume);
      },
      remake: (entry) => remakeFile(plan, root, open, entry),
      onProgress: (files, bytes) => observer.advance({ files, bytes }),
    };
    const brought = await bringContent(bring);
    const chosen = { ...common, open, ...prepared };
    for (let only = makeStandIns(chosen); only.size > 0; only = makeStandIns(chosen)) {
      const volumes = new Set([...only].flatMap((entry) => volumesOf(plan, entry)));
      const isOther = (index: number) => !volumes.has(index);
      const more = await bringContent({ ...bring, only, isClaimed: isOther, onWritten: () => {} });
      for (const [entry, what] of more.notSet) brought.notSet.set(entry, what);
      for (const error of more.lost) addLost(brought.lost, error);
    }

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
    const result = sumUp(plan, finish, brought.lost);
    const { kept = 0, unseen = [] } = existing ?? {};
    return { ...result, kept, incomplete: [...unseen, ...result.incomplete] };
  } finally {
    // Until then the marker is written to, and keeps others away.
    await pool.close();
    open.close();
    marker.close();
  }
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
