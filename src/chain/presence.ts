/** Tells which objects that points need are not in the store with their size; reads none of them. */
import type { CommitObject } from '../format/commit.ts';
import { MANIFEST_NAME, type StrategyNames, setFolder, VOLUME_NAME } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { Store } from '../store/store.ts';
import type { StoredCommit } from './commits.ts';
import { type NeededRange, neededRanges, type Point } from './points.ts';
import { volumeCount } from './sets.ts';

/** An object that a point needs and that is not in the store with the size that its commit states. */
export interface Missing {
  /** The object's full name. */
  name: string;
  set: StoredCommit;
  object: CommitObject;
  /** Its size in the store, in bytes; undefined when it is not there. */
  found: number | undefined;
}

/** Objects asked about at once. */
const QUESTIONS = 8;

/**
 * For each of the points what it needs and the store does not have; nothing when all is there. Makes one listing of
 * the strategy's sets and keeps of it one byte for each object that is needed; where it leaves doubt (an object is
 * absent, or has another size) asks for the object itself. A point with a `problem` is answered for its own set only.
 * Errors: those of the store.
 */
export async function checkPresence(
  store: Store,
  names: StrategyNames,
  points: readonly Point[],
): Promise<Map<Point, Missing[]>> {
  const marks = new Map<string, Marks>();
  for (const point of points) for (const range of rangesOf(point)) mark(marks, range);
  if (points.length > 0) await strikeOut(store, names, marks);
  const missing = await askAgain(store, names, marks);
  return new Map(points.map((point) => [point, missingOf(point, missing)]));
}

/** A set and, for each of its objects in the order of the commit, whether it is looked for. */
interface Marks {
  set: StoredCommit;
  wanted: Uint8Array;
}

/** What is missing of a set, by the object's place in the commit. */
type MissingBySet = Map<StoredCommit, Map<number, Missing>>;

function* rangesOf(point: Point): Generator<NeededRange, void> {
  if (point.problem === undefined) yield* neededRanges(point);
  else yield { set: point.commit, from: 0, to: point.commit.commit.objects.length };
}

function mark(marks: Map<string, Marks>, { set, from, to }: NeededRange): void {
  const folder = setFolder(set.commit);
  let entry = marks.get(folder);
  if (entry === undefined) {
    entry = { set, wanted: new Uint8Array(set.commit.objects.length) };
    marks.set(folder, entry);
  }
  entry.wanted.fill(1, from, to);
}

async function strikeOut(store: Store, names: StrategyNames, marks: Map<string, Marks>): Promise<void> {
  for await (const { name, size } of store.list(names.sets)) {
    const slash = name.indexOf('/', names.sets.length);
    const entry = slash < 0 ? undefined : marks.get(name.slice(names.sets.length, slash));
    if (entry === undefined) continue;
    const place = placeOf(entry.set.commit.objects, name.slice(slash + 1));
    if (place !== undefined && entry.set.commit.objects[place]?.size === size) entry.wanted[place] = 0;
  }
}

/** Where an object stands in its commit: a name's number says it. */
function placeOf(objects: readonly CommitObject[], name: string): number | undefined {
  const volume = VOLUME_NAME.exec(name)?.[1];
  const part = MANIFEST_NAME.exec(name)?.[1];
  if (volume === undefined && part === undefined) return undefined;
  const place = volume === undefined ? volumeCount(objects) + Number(part) : Number(volume) - 1;
  return objects[place]?.name === name ? place : undefined;
}

async function askAgain(
  store: Store,
  names: StrategyNames,
  marks: ReadonlyMap<string, Marks>,
): Promise<MissingBySet> {
  const missing: MissingBySet = new Map();
  const ask = ({ name }: { name: string }) => store.stat(name);
  for await (const [{ name, set, place, object }, found] of inOrder(doubtful(names, marks), QUESTIONS, ask)) {
    if (found?.size === object.size) continue;
    const ofSet = missing.get(set) ?? new Map<number, Missing>();
    missing.set(set, ofSet.set(place, { name, set, object, found: found?.size }));
  }
  return missing;
}

function* doubtful(names: StrategyNames, marks: ReadonlyMap<string, Marks>) {
  for (const { set, wanted } of marks.values()) {
    for (let place = wanted.indexOf(1); place >= 0; place = wanted.indexOf(1, place + 1)) {
      const object = set.commit.objects[place] as CommitObject;
      yield { name: names.object(set.commit, object.name), set, place, object };
    }
  }
}

function missingOf(point: Point, missing: MissingBySet): Missing[] {
  if (missing.size === 0) return [];
  const found: Missing[] = [];
  for (const { set, from, to } of rangesOf(point)) {
    for (const [place, one] of missing.get(set) ?? []) if (place >= from && place < to) found.push(one);
  }
  return found;
}
