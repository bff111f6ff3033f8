/** The roots of sources in the one order in which everything goes through them: that of the manifest. */
import { fromText } from '../format/bytes.ts';
import { compareNames, comparePaths } from '../format/order.ts';
import type { ByteString } from '../model.ts';

/** Each source with each of its paths. */
export function* rootsInOrder<S extends { name: string; paths: readonly string[] }>(
  sources: readonly S[],
): Generator<{ source: S; root: ByteString }> {
  for (const source of [...sources].sort((a, b) => compareNames(a.name, b.name))) {
    for (const root of source.paths.map(fromText).sort(comparePaths)) yield { source, root };
  }
}
