/**
 * Finds paths over all points of a strategy: points → lines → each manifest once → what each set says of a path → versions. Memory grows
 * with what is found, not with the points or with what they hold.
 */
import type { Point } from './chain/points.ts';
import type { ParsedSecretKey } from './crypto/open.ts';
import { HoldfastError } from './errors.ts';
import { History, type Row, type Version } from './find/history.ts';
import { toLines } from './find/lines.ts';
import type { StrategyNames } from './format/names.ts';
import { compareNames, comparePaths } from './format/order.ts';
import { readManifest } from './manifest/read.ts';
import type { Wanted } from './manifest/select.ts';
import type { ByteString, Entry, Gone } from './model.ts';
import type { Store } from './store/store.ts';

export type { Row, Version } from './find/history.ts';

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
  const take = (entry: Entry | Gone, point: Point) => {
    // A manifest repeats what its base does not have yet: the set in which it changed is what counts.
    const set = point.find(entry.since);
    const spot = set === undefined ? undefined : spots.get(set);
    if (spot === undefined) return;
    const key = `${entry.source}\0${entry.path}`;
    const known = found.get(key) ?? { source: entry.source, path: entry.path, history: new History() };
    found.set(key, known);
    known.history.note(spot, entry.type === 'gone' ? undefined : versionOf(entry));
  };
  for (const point of lines.flatMap(({ points }) => points)) {
    try {
      for await (const batch of readManifest(request, point.commit, point.chain, request.wanted)) {
        for (const item of batch) if (item.kind === 'entry') take(item.entry, point);
      }
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

function versionOf({ source: _s, path: _p, since: _n, extents: _e, ...version }: Entry): Version {
  return version;
}
