/** Reads the manifest of one set: its parts in order, as far as they are wanted. Merging is done in merge.ts. */
import type { StoredCommit } from '../chain/commits.ts';
import { type CommitObject, manifestsOf } from '../format/commit.ts';
import { free } from '../free.ts';
import { inOrder } from '../in-order.ts';
import { type ManifestItem, ManifestLines } from './lines.ts';
import { fetchPart, type ManifestReader, openContents, openPart, understood } from './open.ts';
import type { Wanted } from './select.ts';

export type { ManifestItem } from './lines.ts';
export type { ManifestReader } from './open.ts';

/** Parts fetched at once: the next one is on its way while one is read. */
const FETCHES = 2;

/**
 * The lines of a set's manifest in their order, in batches; of `selection`, if given, only what it selects, and then
 * only those parts are fetched that can hold it. `chain` are the sets of a point's chain, the full first, up to this one
 * at least. In memory are one part, the next one as it lies in the store, and one batch. Errors: `damage`, naming the
 * object; `key`; those of the store.
 */
export async function* readManifest(
  reader: ManifestReader,
  set: StoredCommit,
  chain: readonly StoredCommit[],
  selection?: Wanted,
): AsyncGenerator<ManifestItem[], void> {
  const { parts } = await openContents(reader, set);
  const objects = manifestsOf(set.commit).slice(1);
  const wanted = parts
    .map((first, i) => ({ i, first, object: objects[i] as CommitObject }))
    .filter(({ i, first }) => selection === undefined || selection.mayHold(first, parts[i + 1]));
  const lines = new ManifestLines(set, chain);
  let kept = true;
  let next = 0;
  const fetch = ({ object }: { object: CommitObject }) => fetchPart(reader, set, object);
  for await (const [{ i, first }, sealed] of inOrder(wanted, FETCHES, fetch)) {
    if (i > next) lines.skipped();
    next = i + 1;
    const part = await openPart(reader, sealed);
    const batches = lines.read(part, first);
    for (;;) {
      const { value: batch } = understood(sealed.name, () => batches.next());
      // With the first batch all of it has become text.
      free(part);
      if (batch === undefined) break;
      if (selection === undefined) {
        yield batch;
        continue;
      }
      const selected = batch.filter((item) => {
        if (item.kind === 'entry') kept = selection.matches(item.entry.path);
        return kept;
      });
      if (selected.length > 0) yield selected;
    }
    if (next === parts.length) understood(sealed.name, () => lines.end());
  }
}
