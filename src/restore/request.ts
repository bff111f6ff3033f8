/** What is asked of a restore, and what it comes to before anything is written: the target looked at, the entries planned. */
import type { Point } from '../chain/points.ts';
import { parseSecretKey, type SecretKey } from '../crypto/open.ts';
import type { StrategyNames } from '../format/names.ts';
import { readPoint } from '../manifest/merge.ts';
import { refuseUnmatched, type Selection } from '../manifest/select.ts';
import type { Store } from '../store/store.ts';
import type { RestoreIdentity } from '../target/marker.ts';
import { OpenFolders } from '../target/open-folders.ts';
import { chooseTarget, type InPlace, type TargetChoice } from '../target/target.ts';
import { type Arrangement, AS_IT_IS, arrange, describeArrangement } from './arrange.ts';
import { Decisions, Existing, type KeepOptions } from './existing.ts';
import type { Forecast } from './forecast.ts';
import type { Pages } from './pages.ts';
import { type OwnerNumbers, type Plan, planRestore } from './plan.ts';

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
  /** The target is where the entries came from: it is not closed to others meanwhile, and no link of theirs leads there. */
  inPlace?: InPlace | undefined;
  /** Asked before anything is written; the restore ends with `interrupted` where the answer is no. */
  confirm?: (forecast: Forecast) => Promise<boolean>;
  /** Whether owners are set. */
  owner: boolean;
  /** Numbers of owners' names on this machine: names win then. Undefined: numbers are taken as the point has them. */
  owners: OwnerNumbers | undefined;
  /** Mode of the target, and of folders that only lie on the way to what is restored, where they are made. */
  impliedMode: number;
  /** Folder for what of the list of entries does not fit into memory; undefined where it all has to. */
  scratch?: string;
  /** Ends the restore early; the same request then goes on where it stopped. */
  signal: AbortSignal;
}

/** Looks at the target; it is to be closed with closeTarget(). Errors: as chooseTarget(). */
export function choose(
  request: Pick<RestoreRequest, 'target' | 'overwrite' | 'inPlace'>,
  identity: RestoreIdentity,
): TargetChoice {
  const choice = chooseTarget(request.target, identity, request.overwrite, request.inPlace);
  // A folder in use keeps its mode, also one that is empty.
  if (request.inPlace !== undefined && choice.mode !== undefined)
    return { ...choice, overwrite: true, mode: undefined };
  return choice;
}

/** What decides about what the target holds; undefined where nothing of it is to stay. */
export function whatExists(
  { keep }: Pick<RestoreRequest, 'keep'>,
  { root, fd, resumed }: TargetChoice,
  onEntry?: KeepOptions['onEntry'],
): Existing | undefined {
  // Also of a target that is empty now: when the restore is resumed, it holds what this run made.
  if (keep === undefined && onEntry === undefined) return undefined;
  const decided = resumed?.kept === undefined ? undefined : Decisions.parse(resumed.kept);
  return new Existing({
    root,
    folders: new OpenFolders(root, fd),
    overwrite: keep ?? 'always',
    decided,
    ...(onEntry === undefined ? {} : { onEntry }),
  });
}

/** What is to be made. Errors: `no-path`, `usage`, `key`, `damage` of manifests, those of the store. */
export async function makePlan(
  request: Omit<RestoreRequest, 'target' | 'signal'>,
  existing: Existing | undefined,
  pages: Pages,
): Promise<Plan> {
  const { store, names, point, pointName, secret, selection, arrangement = AS_IT_IS, owners } = request;
  const reader = { store, names, key: await parseSecretKey(secret) };
  const items = arrange(readPoint(reader, point, selection), arrangement);
  const plan = await planRestore(point, existing === undefined ? items : existing.pass(items), owners, pages);
  refuseUnmatched(selection, pointName);
  return plan;
}

/** Whether an earlier run has written what a volume brings. */
export function isWritten({ volumes }: Plan, { resumed }: TargetChoice, index: number): boolean {
  const { seq, volume } = volumes.get(index);
  return resumed?.volumes.has(`${seq}/${volume}`) ?? false;
}

/** Which restore it is: the same request gives the same. */
export function identify(
  request: Pick<RestoreRequest, 'point' | 'paths' | 'arrangement' | 'keep'>,
): RestoreIdentity {
  const { point, paths, arrangement = AS_IT_IS, keep } = request;
  const { strategy, seq, id } = point.commit.commit;
  const how = [describeArrangement(arrangement), keep === undefined ? '' : `--overwrite=${keep}`];
  const asked = [...paths, ...how.filter(Boolean)];
  return { strategy, seq, id, commitSha256: point.commit.commitSha256, paths: asked };
}
