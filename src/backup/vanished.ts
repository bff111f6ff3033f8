/** Whether so much has gone since the last point that somebody should look, apart from what the strategy leaves out now. */
import { HoldfastError } from '../errors.ts';
import { fromText } from '../format/bytes.ts';
import { isWithin } from '../format/order.ts';
import type { ComparedSource } from '../index/compare.ts';
import { EntriesReader } from '../index/entries-file.ts';
import type { IndexFiles } from '../index/files.ts';
import type { IndexHeader } from '../index/header.ts';
import { explain } from '../source/explain.ts';
import { selection } from '../source/select.ts';
import type { ProduceResult } from './produce.ts';

/** So few deletions are no alarm, whatever part of the whole they are. */
const FEW = 10;
const BY_CHOICE: ReadonlySet<string> = new Set(['pattern', 'marker', 'size']);

/** How many entries have gone, of how many. */
export interface Vanished {
  gone: number;
  of: number;
}

/**
 * More than half of the entries of the last point, if so many have gone; undefined otherwise. What patterns, markers or a limit leave out now
 * has not gone, and is not counted among those that could have. `before` is the index of that point, whose files must still be there.
 */
export function findVanished(
  before: IndexHeader,
  files: IndexFiles,
  { changes, counts }: ProduceResult,
  type: 'full' | 'incremental',
  sources: readonly ComparedSource[],
): Vanished | undefined {
  const { live } = before.entries;
  if (type === 'incremental') return alarming({ gone: changes.gone, of: live - changes.leftOut });
  // A full compares with nothing: only where it holds far less is it worth asking why.
  const found = alarming({ gone: live - counts.entries, of: live });
  if (found === undefined) return undefined;
  const leftOut = countLeftOut(files.path(before.entries.file), sources);
  return alarming({ gone: found.gone - leftOut, of: live - leftOut });
}

function alarming(vanished: Vanished): Vanished | undefined {
  return vanished.gone > vanished.of / 2 && vanished.gone > FEW ? vanished : undefined;
}

/** Counts the entries that patterns, markers or their size leave out. Looks at each on the disk. A broken index counts as far as it goes. */
function countLeftOut(entriesFile: string, sources: readonly ComparedSource[]): number {
  const known = new Map(
    sources.map((source) => [
      source.name,
      { roots: source.paths.map(fromText), selection: selection(source) },
    ]),
  );
  const own = new Set<string>();
  let count = 0;
  let reader: EntriesReader | undefined;
  try {
    reader = new EntriesReader(entriesFile);
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      const { path, flags, head } = entry;
      const source = known.get(reader.source);
      const root = source?.roots.find((one) => isWithin(path, one));
      if (flags === 'g' || source === undefined || root === undefined) continue;
      const asFolder = head.startsWith('"type":"dir"');
      const { reason, isOnlyItself } = explain(root, path, { selection: source.selection, own, asFolder });
      if (BY_CHOICE.has(reason.kind) && isOnlyItself !== true) count++;
    }
    return count;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'broken-index') return count;
    throw error;
  } finally {
    reader?.close();
  }
}
