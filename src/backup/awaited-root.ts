/** Finds the absent root, if there is one, of which the newest point still has something that a full would let go. */
import { fromText } from '../format/bytes.ts';
import { isWithin } from '../format/order.ts';
import { type ComparedSource, leftOutByPatterns } from '../index/compare.ts';
import { EntriesReader } from '../index/entries-file.ts';
import type { AbsentRoot } from './roots.ts';

/**
 * The first of some absent roots of which the point with these index entries has more than is there now: a full would lose its last version
 * from the newest point. Throws `broken-index`, `state`.
 */
export function rootToWaitFor(
  absent: readonly AbsentRoot[],
  entriesFile: string,
  sources: readonly ComparedSource[],
): string | undefined {
  if (absent.length === 0) return undefined;
  const isLeftOut = leftOutByPatterns(sources);
  const roots = absent.map((root) => ({ ...root, bytes: fromText(root.path) }));
  const reader = new EntriesReader(entriesFile);
  try {
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      const { path, flags } = entry;
      if (flags === 'g') continue;
      const root = roots.find(
        ({ source, bytes, isEmpty }) =>
          source === reader.source && isWithin(path, bytes) && !(isEmpty && path === bytes),
      );
      if (root !== undefined && !isLeftOut(root.source, entry)) return root.path;
    }
    return undefined;
  } finally {
    reader.close();
  }
}
