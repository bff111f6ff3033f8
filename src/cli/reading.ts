/** What the commands that read a store have in common: their options, the store, whom it trusts, and the point. */
import { existsSync } from 'node:fs';
import { choose, nameOf, nearestWhole } from '../chain/choose.ts';
import { type LoadedCommits, loadCommits, type Signatures } from '../chain/commits.ts';
import { whyNoPoints } from '../chain/elsewhere.ts';
import { type Point, toPoints } from '../chain/points.ts';
import type { Trust } from '../chain/verifiers.ts';
import { parseWhen } from '../chain/when.ts';
import { HoldfastError } from '../errors.ts';
import { StrategyNames } from '../format/names.ts';
import type { Store } from '../store/store.ts';
import { FINGERPRINT_FORMS, parseFingerprint } from '../strategy/fingerprint.ts';
import { loadForRestore } from '../strategy/load.ts';
import type { StoreChoice } from '../strategy/strategy.ts';
import { refuseUnfinished } from '../strategy/unfinished.ts';
import type { CliContext } from './context.ts';
import { findStrategy } from './locate.ts';
import { openStore, parseStoreOption, plainRetries, type Retries } from './open-store.ts';
import type { ReadingOptions } from './reading-options.ts';
import { formatTime } from './times.ts';

export { requireSecretKey, secretKey } from './secret-key.ts';

/** An opened store with the points of one strategy. The store is to be closed after use. */
export interface Reading extends LoadedCommits {
  store: Store;
  names: StrategyNames;
  strategyName: string;
  trust: Trust;
  /** Hears of the store's troubles that are being got over. */
  retries: Retries;
  /** All points, by seq; also those whose line of parents is broken (see `problem`). */
  points: Point[];
}

/**
 * Opens the store and reads its commits. Says on standard error whom it trusts where nothing is pinned; what was
 * refused is said by sayRejected. `signatures`: for the commands that tell of the store itself, each. Errors: `usage`, `strategy`, `key`, those of the store.
 */
export async function openReading(
  options: ReadingOptions,
  context: CliContext,
  signatures: Signatures = 'needed',
): Promise<Reading> {
  const { choice, strategyName, signer, strategyFile } = await locate(options, context);
  const retries = plainRetries(context);
  const store = await openStore(choice, {
    context,
    ...(strategyFile !== undefined && { strategyFile }),
    retries,
  });
  try {
    await store.check();
    const names = new StrategyNames(strategyName);
    const trust: Trust = signer.length > 0 ? { pinned: signer } : 'keys-in-store';
    const loaded = await loadCommits(store, names, trust, signatures);
    sayTrust(loaded, context);
    const points = toPoints(loaded.commits, loaded.rejected);
    return { ...loaded, store, names, strategyName, trust, points, retries };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Says on standard error, one line each, which keys and commits in the store count for nothing. */
export function sayRejected(reading: Reading, context: CliContext): void {
  const lines = [...reading.faults, ...reading.rejected.map(({ error }) => error)];
  for (const { message } of lines.slice(0, 20)) context.stderr(`warning: ${message}\n`);
  if (lines.length > 20) {
    context.stderr(`warning: ${lines.length - 20} more such objects; "holdfast verify" names them all\n`);
  }
}

/**
 * The point that WHEN (`latest` when undefined) means. Where it is damaged, refused or doubtful no other is taken for
 * it: the error names what is wrong, and the nearest whole point with the `--at` to use. Errors: `usage`, `no-point`,
 * `damage`, `foreign-signer`, `format-version`, those of the store.
 */
export async function choosePoint(
  reading: Reading,
  when: string | undefined,
  context: CliContext,
): Promise<Point> {
  const { points, rejected } = reading;
  const parsed = parseWhen(when ?? 'latest', context.now());
  if (points.length === 0 && rejected.length === 0) throw await noPoints(reading);
  const chosen = choose(points, rejected, parsed, formatTime);
  if (!('beside' in chosen)) return chosen;
  throw new HoldfastError(chosen.code, `${chosen.message}; ${await offer(reading, chosen.beside)}`, {
    ...(chosen.object === undefined ? {} : { object: chosen.object }),
  });
}

/** The error `no-point` for a store that has none. Looks around in it for what may be wrong. */
export async function noPoints({ store, names, strategyName }: Reading): Promise<HoldfastError> {
  return new HoldfastError(
    'no-point',
    `${store.label} holds no points of a strategy named ${strategyName}: ${await whyNoPoints(store, names)}`,
  );
}

/**
 * An error met while a point was read; where it is damage, the nearest point that is whole without the damaged object is
 * named too.
 */
export async function withOffer(reading: Reading, point: Point, error: unknown): Promise<unknown> {
  if (!(error instanceof HoldfastError) || error.code !== 'damage') return error;
  const damaged = new Set(error.object === undefined ? [] : [error.object]);
  const advice = await offer(reading, point.seq, damaged);
  return new HoldfastError(error.code, `${error.message}; ${advice}`, {
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.object === undefined ? {} : { object: error.object }),
    cause: error,
  });
}

/** A point as messages name it: `point 12 of 2026-11-22 03:30:00 +01:00 (id 0123abcd)`. */
export function describePoint({ seq, id, time }: Point): string {
  return `point ${seq} of ${formatTime(time)} (id ${id.slice(0, 8)})`;
}

/**
 * What to do instead where a point of about this seq cannot be had, as the end of a message: names the nearest whole
 * points, before and after it, and the `--at` for each. Points that need an object named in `damaged` do not count.
 */
export async function offer(
  reading: Reading,
  beside: number,
  damaged?: ReadonlySet<string>,
): Promise<string> {
  const { store, names, points } = reading;
  const whole = await nearestWhole(store, names, points, beside, damaged);
  const [first, second] = whole.map((point) => `${point.seq} of ${formatTime(point.time)}`);
  const [at, otherAt] = whole.map((point) => `--at ${nameOf(point, points)}`);
  if (first === undefined)
    return 'no other point is whole: put back what is damaged from a copy of the store ("holdfast verify" names all of it)';
  if (second === undefined) return `the nearest whole point is ${first}: take it with ${at}`;
  return `the nearest whole points are ${first} and ${second}: take one of them with ${at} or ${otherAt} ("holdfast find PATH" says which versions each has)`;
}

const READING_HINT = ', or say with --store and --name where the points are';

async function locate(
  options: ReadingOptions,
  context: CliContext,
): Promise<{ choice: StoreChoice; strategyName: string; signer: string[]; strategyFile?: string }> {
  const pinned = options.signer?.map(fingerprint);
  if (options.store === undefined && options.name === undefined) {
    const file = findStrategy(options.config, context.env, context.cwd, existsSync, READING_HINT);
    const strategy = await loadForRestore(file);
    refuseUnfinished(strategy);
    return {
      choice: strategy.store,
      strategyName: strategy.name,
      signer: pinned ?? strategy.signer,
      strategyFile: strategy.file,
    };
  }
  const { name, store } = parseNamedStore(options, context.cwd);
  return { choice: store, strategyName: name, signer: pinned ?? [] };
}

/** What `--store` and `--name` say, which go together, without -c. Errors: `usage`. */
export function parseNamedStore(
  { config, store, name }: Pick<ReadingOptions, 'config' | 'store' | 'name'>,
  cwd: string,
): { name: string; store: StoreChoice } {
  if (config !== undefined) {
    throw new HoldfastError('usage', '-c and --store say the same thing: give one of them');
  }
  if (store === undefined || name === undefined) {
    throw new HoldfastError('usage', '--store and --name go together: give both');
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new HoldfastError('usage', `--name ${JSON.stringify(name)} is no name of a strategy`);
  }
  return { name, store: parseStoreOption(store, cwd) };
}

function fingerprint(text: string): string {
  const parsed = parseFingerprint(text);
  if (parsed !== undefined) return parsed;
  throw new HoldfastError('usage', `--signer ${JSON.stringify(text)} is not ${FINGERPRINT_FORMS}`);
}

/** Keys in the store are anyone's who can write there: whoever reads must know that he trusts them. */
function sayTrust({ trusted }: LoadedCommits, context: CliContext): void {
  const unpinned = trusted.filter(({ pinned }) => !pinned);
  if (unpinned.length === 0) return;
  const list = unpinned.map((signer) => signer.fingerprint).join(', ');
  context.stderr(
    `Trusting ${list}, only because ${unpinned.length === 1 ? 'its key lies' : 'their keys lie'} in the store: compare with what "holdfast init" printed, then pin it with --signer or signer: in the strategy.\n`,
  );
}
