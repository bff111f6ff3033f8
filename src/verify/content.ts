/** Checks content with a secret key: opens every object of the sets, checks every chunk and every new version of a file. */
import type { StoredCommit } from '../chain/commits.ts';
import type { Point } from '../chain/points.ts';
import type { ParsedSecretKey } from '../crypto/open.ts';
import { openSessionKey } from '../crypto/session-key.ts';
import { show } from '../format/bytes.ts';
import type { StrategyNames } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import { Pages } from '../restore/pages.ts';
import { fetchObject } from '../store/fetch-object.ts';
import { ObjectPlaces } from '../store/object-places.ts';
import type { Store } from '../store/store.ts';
import { type ChunkTaker, takeApart } from '../volume/chunks.ts';
import { VolumeMemory } from '../volume/memory.ts';
import { ChunkTable } from './chunk-table.ts';
import { NewFiles } from './files.ts';
import type { Findings } from './findings.ts';
import { checkManifest, pathsOfNewFiles } from './manifest.ts';
import type { Patience } from './objects.ts';
import { Opening } from './opening.ts';
import { Scratch } from './scratch.ts';

/** What checking content takes. */
export interface ContentOptions {
  store: Store;
  names: StrategyNames;
  /** Must be a recipient's of all sets. */
  key: ParsedSecretKey;
  findings: Findings;
  patience: Patience;
  /** Folder for what large files need while they are checked. */
  scratch: string;
  onObject(bytes: number): void;
}

/** The same, with the thread that opens volumes. */
interface ContentRequest extends ContentOptions {
  opening: Opening;
  memory: VolumeMemory;
}

/** Volumes fetched at once: the next one is on its way while one is unpacked. */
const FETCHES = 2;

/**
 * Checks the sets of some points, in order of seq, which must be whole chains as far as they are there: every object, every
 * chunk, and every version of a file once, at the point where it is new. Of a point whose line of parents is broken,
 * files are left out. Goes on after damage. Returns how many versions of files were looked at. Errors: those of a store
 * that is away; `no-space` and `io` of the scratch.
 */
export async function checkContent(points: readonly Point[], options: ContentOptions): Promise<number> {
  const scratch = new Scratch(options.scratch);
  const opening = new Opening();
  opening.prepare();
  const memory = new VolumeMemory();
  const request = { ...options, opening, memory };
  const tables = new ChunkTables(points);
  let files = 0;
  try {
    for (const point of points) {
      files += await checkPoint(point, tables.of(point), scratch, request);
      scratch.clear();
    }
  } finally {
    scratch.close();
    memory.free();
    await opening.close();
  }
  return files;
}

async function checkPoint(
  point: Point,
  chunks: ChunkTable,
  scratch: Scratch,
  request: ContentRequest,
): Promise<number> {
  const pages = new Pages(request.scratch);
  try {
    return await checkFiles(point, chunks, new NewFiles(point, chunks, scratch, pages), request);
  } finally {
    pages.close();
  }
}

async function checkFiles(
  point: Point,
  chunks: ChunkTable,
  files: NewFiles,
  request: ContentRequest,
): Promise<number> {
  const { findings } = request;
  await checkManifest(point, request, (item) => files.add(item));
  files.begin();
  await checkVolumes(point, files, chunks, request);
  if (files.bad.length > 0) {
    const paths = await pathsOfNewFiles(point, request, new Set(files.bad.map(({ file }) => file)));
    for (const { file, problem } of files.bad) {
      const path = paths.get(file);
      const name = path === undefined ? `a file (number ${file + 1} of the new ones)` : show(path);
      const what = `${name} in point ${point.seq} ${problem}, there and in later points that hold the same version`;
      findings.add({ object: point.commit.name, problem: what, ...(path === undefined ? {} : { path }) }, [
        point,
      ]);
    }
  }
  return files.count;
}

/** Unpacks the volumes of a point's own set, and those of older ones that its new files need. */
async function checkVolumes(
  point: Point,
  files: NewFiles,
  chunks: ChunkTable,
  { store, key, opening, memory, findings, patience, onObject }: ContentRequest,
): Promise<void> {
  const order = files.volumes.inOrder().map((index) => ({ index, ...files.volumes.get(index) }));
  const places = new ObjectPlaces(order.reduce((most, { object }) => Math.max(most, object.size), 0));
  const fetch = ({ name, object }: (typeof order)[number]) =>
    // What was found damaged before is not fetched again.
    findings.has(name)
      ? Promise.resolve(undefined)
      : places
          .fetch((place) => fetchObject(store, name, object, place))
          .catch((error: unknown) => ({ error }));
  for await (const [{ index, seq, volume, name, object }, got] of inOrder(order, FETCHES, fetch)) {
    const isOwn = seq === point.seq;
    const set = isOwn ? point.commit : point.find(seq);
    files.beginVolume(index);
    let good = false;
    try {
      if (got !== undefined) {
        if ('error' in got) throw got.error;
        const taker: ChunkTaker = {
          take(position, digest, bytes) {
            if (isOwn) chunks.add(seq, volume, position, digest, bytes.length);
            files.chunk(position, digest, bytes);
          },
          wants: (position) => isOwn || files.needs(position),
        };
        const sessionKey = await openSessionKey(got, key, name);
        const content = opening.contentOf(got, sessionKey, name);
        await takeApart(content, { object: name, plainSize: object.plainSize }, taker, memory);
        good = true;
        patience.succeeded();
      }
    } catch (error) {
      const problem = patience.judge(error);
      if (set !== undefined) findings.addObject(set, object, problem);
    }
    if (got instanceof Uint8Array) places.give(got);
    files.endVolume(good);
    if (isOwn) onObject(object.size);
  }
}

/** The chunks of each chain, for as long as points of that chain are to come. */
class ChunkTables {
  readonly #tables = new Map<StoredCommit, ChunkTable>();
  readonly #last = new Map<StoredCommit, Point>();

  constructor(points: readonly Point[]) {
    for (const point of points) this.#last.set(fullOf(point), point);
  }

  of(point: Point): ChunkTable {
    const full = fullOf(point);
    const table = this.#tables.get(full) ?? new ChunkTable();
    this.#tables.set(full, table);
    if (this.#last.get(full) === point) this.#tables.delete(full);
    return table;
  }
}

/** The full of a point's chain; where the line of parents is broken, its own set. */
function fullOf(point: Point): StoredCommit {
  return (point.problem === undefined ? point.at(0) : undefined) ?? point.commit;
}
