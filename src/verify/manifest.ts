/** Checks the manifest of one set with a secret key, and tells which of its files are new at its point. */
import type { Point } from '../chain/points.ts';
import { HoldfastError } from '../errors.ts';
import { manifestsOf } from '../format/commit.ts';
import type { PointItem } from '../manifest/merge.ts';
import { fetchPart, openPart } from '../manifest/open.ts';
import { type ManifestReader, readManifest } from '../manifest/read.ts';
import type { ByteString } from '../model.ts';
import type { ContentOptions } from './content.ts';

/**
 * Reads the whole manifest of a point's set and hands on the files that are new at that point. What is damaged is found,
 * and then the other parts are looked at one by one. Errors: those of a store that is away.
 */
export async function checkManifest(
  point: Point,
  request: ContentOptions,
  onNewFile: (item: PointItem) => void,
): Promise<void> {
  const { commit: set, problem } = point;
  const { findings, onObject } = request;
  const counts = { listed: 0 };
  try {
    if (problem === undefined) {
      for await (const item of newFiles(point, request, counts)) onNewFile(item);
      if (counts.listed !== set.commit.counts.listed) {
        const what = `says that its manifest lists ${set.commit.counts.listed} entries, and it lists ${counts.listed}`;
        findings.add({ object: set.name, problem: `${set.name} ${what}` }, [point]);
      }
    } else {
      await openEveryPart(point, request);
    }
  } catch (error) {
    report(point, request, error);
    if (problem === undefined) await openEveryPart(point, request);
  }
  for (const { size } of manifestsOf(set.commit)) onObject(size);
}

/** Paths of some of the files that are new at a point, by their ordinals; of what can be read. */
export async function pathsOfNewFiles(
  point: Point,
  request: ContentOptions,
  wanted: ReadonlySet<number>,
): Promise<Map<number, ByteString>> {
  const paths = new Map<number, ByteString>();
  let file = -1;
  try {
    for await (const item of newFiles(point, request, { listed: 0 })) {
      if (item.kind === 'entry' && wanted.has(++file)) paths.set(file, item.entry.path);
    }
  } catch {
    // That the manifest is damaged was told when it was read first.
  }
  return paths;
}

/** Files that are new at a point: all of a full, and in an incremental those that changed in its own set. */
async function* newFiles(
  point: Point,
  request: ContentOptions,
  counts: { listed: number },
): AsyncGenerator<PointItem, void> {
  const { commit: set, seq, type } = point;
  let isNew = false;
  for await (const batch of readManifest(readerOf(request), set, point.chain)) {
    for (const item of batch) {
      if (item.kind === 'entry') {
        const { entry } = item;
        counts.listed++;
        isNew = entry.type === 'file' && (type === 'full' || entry.since === seq);
      }
      if (isNew) yield item as PointItem;
    }
  }
}

async function openEveryPart(point: Point, request: ContentOptions): Promise<void> {
  const { commit: set } = point;
  const reader = readerOf(request);
  for (const object of manifestsOf(set.commit)) {
    if (request.findings.has(request.names.object(set.commit, object.name))) continue;
    try {
      await openPart(reader, await fetchPart(reader, set, object));
      request.patience.succeeded();
    } catch (error) {
      report(point, request, error);
    }
  }
}

function report({ commit: set }: Point, { names, findings, patience }: ContentOptions, error: unknown): void {
  const problem = patience.judge(error);
  const name = error instanceof HoldfastError ? error.object : undefined;
  const object = manifestsOf(set.commit).find((o) => names.object(set.commit, o.name) === name);
  // Without a name of its own the fault lies with the manifest as a whole, which its contents list stands for.
  const first = manifestsOf(set.commit)[0];
  if (object !== undefined || first !== undefined)
    findings.addObject(set, (object ?? first) as never, problem);
}

function readerOf({ store, names, key }: ContentOptions): ManifestReader {
  return { store, names, key };
}
