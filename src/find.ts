/**
 * Finds paths over all points of a strategy: points → lines → each manifest once → what each set says of a path → versions. Memory grows
 * with what is found, not with the points or with what they hold.
 */
import type { Point } from './chain/points.ts';
import type { ParsedSecretKey } from './crypto/open.ts';
import { HoldfastError } from './errors.ts';
import { History, type Row } from './find/history.ts';
import { toLines } from './find/lines.ts';
import type { StrategyNames } from './format/names.ts';
import { compareNames, comparePaths } from './format/order.ts';
import { readManifest } from './manifest/read.ts';
import type { Wanted } from './manifest/select.ts';
import { readVersions, type Stated } from './manifest/versions.ts';
import type { ByteString } from './model.ts';
import type { Store } from './store/store.ts';

export type { Row } from './find/history.ts';
export type { Version } from './manifest/versions.ts';

/** What to look for, and where. */
export interface FindRequest {
  store: Store;
  names: StrategyNames;
  /** Of the strategy, by seq. Those with a `problem` are passed by. */
  points: readonly Point[];
  /** Must be a recipient's of all of them. */
  key: ParsedSecretKey;
  wanted: Wanted;
}

/** One path that was found, with its versions. */
export interface FoundPath {
  source: string;
  path: ByteString;
  rows: Row[];
}

/** What was found. */
export interface FindResult {
  /** In the order of paths. */
  paths: FoundPath[];
  /** Manifests that could not be read: versions that stand in them alone are missing. */
  damaged: HoldfastError[];
}

/** Looks. Errors: those of the store; `key`. */
export async function find(request: FindRequest): Promise<FindResult> {
  const { lines, spots } = toLines(request.points);
  const found = new Map<string, { source: string; path: ByteString; history: History }>();
  const damaged: HoldfastError[] = [];
  const take = ({ source, path, since, version }: Stated, point: Point) => {
    // A manifest repeats what its base does not have yet: the set in which it changed is what counts.
    const set = point.find(since);
    const spot = set === undefined ? undefined : spots.get(set);
    if (spot === undefined) return;
    const key = `${source}\0${path}`;
    const known = found.get(key) ?? { source, path, history: new History() };
    found.set(key, known);
    known.history.note(spot, version);
  };
  for (const point of lines.flatMap(({ points }) => points)) {
    try {
      const batches = readManifest(request, point.commit, point.chain, request.wanted);
      for await (const batch of readVersions(batches)) for (const stated of batch) take(stated, point);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== 'damage') throw error;
      damaged.push(error);
    }
  }
  const paths = [...found.values()]
    .map(({ source, path, history }) => ({ source, path, rows: history.rows(lines) }))
    .filter(({ rows }) => rows.length > 0)
    .sort((a, b) => comparePaths(a.path, b.path) || compareNames(a.source, b.source));
  return { paths, damaged };
}
