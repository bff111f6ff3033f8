/** Tells what exists at a point: merges the manifests that it is read with. Content is not touched. */
import { manifestChain, type Point } from '../chain/points.ts';
import type { Entry, Gone } from '../model.ts';
import { BATCH, compareKeys, type ManifestItem, weigh } from './lines.ts';
import { type ManifestReader, readManifest } from './read.ts';
import type { Wanted } from './select.ts';

/** An entry that exists at a point, or further extents of the entry before it. */
export type PointItem = ManifestItem<Entry>;

/**
 * What exists at a point, in order of source and path, in batches: for each path the newest manifest that lists it
 * decides, and what it lists as gone is left out (docs/format.md, section 5). Memory is that of readManifest for each of
 * the manifests. Marks in `selection` what was found. The point must have no `problem`. Errors: as readManifest.
 */
export async function* readPoint(
  reader: ManifestReader,
  point: Point,
  selection?: Wanted,
): AsyncGenerator<PointItem[], void> {
  const { chain } = point;
  const heads = manifestChain(point).map((set) => new Head(readManifest(reader, set, chain, selection)));
  const out = new Batch(selection);
  try {
    await Promise.all(heads.map((head) => head.advance()));
    for (;;) {
      const newest = smallest(heads);
      if (newest === undefined) break;
      const bound = await passOver(heads, newest);
      // Long stretches come from one manifest, the full's: they cost one comparison an entry.
      do {
        const exists = newest.entry?.type !== 'gone';
        let continues: boolean;
        do {
          const item = newest.item as PointItem;
          if (exists) out.add(item);
          continues = item.continues;
          if (newest.isLast) await newest.advance();
          else newest.step();
          if (out.isFull) yield out.take();
        } while (continues);
      } while (newest.entry !== undefined && (bound === undefined || compareKeys(newest.entry, bound) < 0));
    }
    if (!out.isEmpty) yield out.take();
  } finally {
    await Promise.allSettled(heads.map((head) => head.close()));
  }
}

/** The head with the smallest entry, of several with the same the newest; undefined when all are at their end. */
function smallest(heads: readonly Head[]): Head | undefined {
  let found: Head | undefined;
  for (const head of heads) {
    if (head.entry === undefined) continue;
    if (found?.entry === undefined || compareKeys(head.entry, found.entry) < 0) found = head;
  }
  return found;
}

/** Moves the other heads past the newest one's entry, and gives the smallest entry that is left among them. */
async function passOver(heads: readonly Head[], newest: Head): Promise<Entry | Gone | undefined> {
  const decided = newest.entry as Entry | Gone;
  let bound: Entry | Gone | undefined;
  for (const head of heads) {
    if (head === newest || head.entry === undefined) continue;
    if (compareKeys(head.entry, decided) === 0) await head.passEntry();
    if (head.entry !== undefined && (bound === undefined || compareKeys(head.entry, bound) < 0)) {
      bound = head.entry;
    }
  }
  return bound;
}

/** Where the reading of one manifest stands. Between entries it stands at one, or at the end. */
class Head {
  readonly #batches: AsyncGenerator<ManifestItem[], void>;
  #batch: ManifestItem[] = [];
  #at = 0;

  constructor(batches: AsyncGenerator<ManifestItem[], void>) {
    this.#batches = batches;
  }

  get item(): ManifestItem | undefined {
    return this.#batch[this.#at];
  }

  /** The entry at which it stands. */
  get entry(): Entry | Gone | undefined {
    const item = this.#batch[this.#at];
    return item?.kind === 'entry' ? item.entry : undefined;
  }

  /** Whether the next item must be waited for. */
  get isLast(): boolean {
    return this.#at + 1 >= this.#batch.length;
  }

  step(): void {
    this.#at++;
  }

  async advance(): Promise<void> {
    if (!this.isLast) {
      this.#at++;
      return;
    }
    const { value } = await this.#batches.next();
    this.#batch = value ?? [];
    this.#at = 0;
  }

  /** Moves to the next entry, past the continuations of this one. */
  async passEntry(): Promise<void> {
    let continues = true;
    while (continues) {
      continues = this.item?.continues === true;
      await this.advance();
    }
  }

  async close(): Promise<void> {
    await this.#batches.return();
  }
}

/** Items gathered until they are worth handing out. */
class Batch {
  readonly #selection: Wanted | undefined;
  #items: PointItem[] = [];
  #weight = 0;

  constructor(selection: Wanted | undefined) {
    this.#selection = selection;
  }

  get isFull(): boolean {
    return this.#weight >= BATCH;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  add(item: PointItem): void {
    if (item.kind === 'entry') this.#selection?.mark?.(item.entry.path);
    this.#items.push(item);
    this.#weight += weigh(item);
  }

  take(): PointItem[] {
    const items = this.#items;
    this.#items = [];
    this.#weight = 0;
    return items;
  }
}
