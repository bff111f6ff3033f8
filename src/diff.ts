/** What differs between two points, or between a point and the sources as they are now: two ordered lists, merged. Writes nothing. */
import type { Point } from './chain/points.ts';
import type { ParsedSecretKey } from './crypto/open.ts';
import { digestOfFile, type LiveOptions, liveEntries } from './diff/live.ts';
import { type Difference, differences, type Side } from './diff/merge.ts';
import type { StrategyNames } from './format/names.ts';
import type { ComparedSource } from './index/compare.ts';
import { readPoint } from './manifest/merge.ts';
import type { Wanted } from './manifest/select.ts';
import { readVersions } from './manifest/versions.ts';
import type { Store } from './store/store.ts';

export type { Difference } from './diff/merge.ts';

/** Where a point is read from. */
export interface DiffRequest {
  store: Store;
  names: StrategyNames;
  /** Must be a recipient's of all points. */
  key: ParsedSecretKey;
  /** What is compared; all, where it is undefined. */
  wanted: Wanted | undefined;
}

/** Compares two points, neither of which may have a `problem`. Errors: as readPoint. */
export function diffPoints(request: DiffRequest, from: Point, to: Point): AsyncGenerator<Difference, void> {
  return differences(sidesOf(request, from), sidesOf(request, to));
}

/**
 * Compares a point with the sources as they are now. With `checksum`, files whose size and time are the same are read; otherwise they count
 * as the same, and those with another time as changed. Errors: as readPoint.
 */
export async function* diffLive(
  request: DiffRequest,
  from: Point,
  sources: readonly ComparedSource[],
  live: Omit<LiveOptions, 'wanted'>,
  checksum: boolean,
): AsyncGenerator<Difference, void> {
  const { wanted } = request;
  const now = liveEntries(sources, { ...live, wanted });
  yield* differences(sidesOf(request, from), checksum ? withDigests(now, live.keepAccessTime) : now);
}

async function* sidesOf(request: DiffRequest, point: Point): AsyncGenerator<Side, void> {
  for await (const batch of readVersions(readPoint(request, point, request.wanted))) {
    for (const { source, path, version } of batch) if (version !== undefined) yield { source, path, version };
  }
}

async function* withDigests(sides: Iterable<Side>, keepAccessTime: boolean): AsyncGenerator<Side, void> {
  for (const side of sides) {
    const { version } = side;
    if (version?.type !== 'file' || version.sha256 !== undefined) {
      yield side;
      continue;
    }
    const digest = await digestOfFile(side.path, keepAccessTime);
    if ('sha256' in digest) yield { ...side, version: { ...version, sha256: digest.sha256 } };
    // What has gone meanwhile is not there.
    else if (digest.error !== 'gone') yield { source: side.source, path: side.path, unknown: digest.error };
  }
}
