/** What an earlier run of this host left behind: a commit that may have been made, and objects of a set that was not. */
import { sha256 } from '../chunk/digest.ts';
import { HoldfastError } from '../errors.ts';
import { COMMIT_LIMIT } from '../format/commit.ts';
import type { StrategyNames } from '../format/names.ts';
import type { IndexFiles } from '../index/files.ts';
import { newestSet } from '../index/header.ts';
import type { WriterRecord } from '../state/writer.ts';
import type { Store } from '../store/store.ts';

/**
 * A run that ended between commit and promotion: the commit decides whether its index counts. A dry run only takes up what is certain.
 */
export async function settlePending(
  files: IndexFiles,
  store: Store,
  names: StrategyNames,
  isDryRun: boolean,
): Promise<void> {
  const pending = files.pending();
  if (pending === 'absent') return;
  if (!('unusable' in pending)) {
    const set = newestSet(pending);
    const found = await store.get(names.commit(set), COMMIT_LIMIT).catch((error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'damage') return new Uint8Array();
      throw error;
    });
    if (found !== undefined && sha256(found) === set.commitSha256) {
      await files.promote();
      return;
    }
    // Cut short on its way, perhaps. Nobody else stores anything under this name, and readers would take it for a damaged point.
    if (found !== undefined && !isDryRun) await store.remove([names.commit(set)]);
  }
  if (!isDryRun) files.dropPending();
}

/** Removes what an earlier run of this host stored for a set that was never committed. */
export async function removeLeftovers(
  store: Store,
  names: StrategyNames,
  writer: WriterRecord,
): Promise<void> {
  const { begun } = writer;
  if (begun === null || (await store.stat(names.commit(begun))) !== undefined) return;
  const objects: string[] = [names.signature(begun)];
  for await (const { name } of store.list(names.object(begun, ''), { namesOnly: true })) objects.push(name);
  await store.remove(objects);
}
