/** Both sides of a walk in a thread of its own: going through all roots, and finding what was met below one of them. */
import type { FoundRecord } from '../source/found-bytes.ts';
import { rootsInOrder } from '../source/roots.ts';
import { type SelectionRules, selection } from '../source/select.ts';
import { type Found, walk } from '../source/walk.ts';

/** A source as a walk needs it. */
export interface WalkedSource extends SelectionRules {
  name: string;
  paths: readonly string[];
}

/** What is to be walked. */
export interface WalkedSources {
  sources: readonly WalkedSource[];
  /** Folders to leave out, as `device:inode`. */
  own: readonly string[];
}

/** Walks all sources, root by root, each between two marks. `checkpoint` is called for each name, and may throw. */
export function* walkAll(
  { sources, own: folders }: WalkedSources,
  checkpoint: () => void,
): Generator<FoundRecord, void> {
  const own = new Set(folders);
  for (const { source, root } of rootsInOrder(sources)) {
    yield { kind: 'root', source: source.name, root };
    yield* walk(root, { selection: selection(source), own, checkpoint });
    yield { kind: 'end' };
  }
}

/**
 * What walkAll() has found below a root, from what is drawn of it. Roots must be asked for in their order; those that are not asked for are passed
 * over.
 */
export function* foundBelow(source: string, root: string, next: () => FoundRecord): Generator<Found, void> {
  const isBegun = (record: FoundRecord) =>
    record.kind === 'root' && record.source === source && record.root === root;
  while (!isBegun(next()));
  for (let record = next(); record.kind !== 'end'; record = next()) {
    if (record.kind === 'root') throw new Error('a walk has no end');
    yield record;
  }
}
