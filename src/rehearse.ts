/** Says what a restore would do: target looked at → entries planned → volumes. Writes nothing. */
import type { Entry } from './model.ts';
import { type Action, Decisions, Existing } from './restore/existing.ts';
import { type Forecast, foresee, refuseWithoutRoom } from './restore/forecast.ts';
import { Pages } from './restore/pages.ts';
import { choose, identify, isWritten, makePlan, type RestoreRequest, whatExists } from './restore/request.ts';
import type { Trouble } from './restore/trouble.ts';
import { OpenFolders } from './target/open-folders.ts';
import { closeTarget, type TargetChoice } from './target/target.ts';

export type { Action } from './restore/existing.ts';

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
  /** What stays, since it cannot be looked at. */
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
  const pages = new Pages(request.scratch);
  try {
    return await rehearseInto(choice, request, onEntry, pages);
  } finally {
    pages.close();
    if (choice !== undefined) closeTarget(choice);
  }
}

/** `pages`: the memory of the plan. */
async function rehearseInto(
  choice: TargetChoice | undefined,
  request: RehearsalRequest,
  onEntry: (entry: Entry, action: Action) => void,
  pages: Pages,
): Promise<Rehearsal> {
  const existing =
    choice === undefined
      ? new Existing({
          root: '',
          folders: new OpenFolders('', undefined),
          overwrite: 'always',
          decided: new Decisions(),
          onEntry,
        })
      : whatExists(request, choice, onEntry);
  const plan = await makePlan(request, existing, pages);
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
    incomplete: existing?.unseen ?? [],
    doubtful: plan.doubtful,
  };
}
