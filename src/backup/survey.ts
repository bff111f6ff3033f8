/** A dry run: what a backup would find, without reading content or writing anything. */
import { type ComparedSource, compare, type Incident } from '../index/compare.ts';
import { EntriesReader } from '../index/entries-file.ts';
import type { ByteString } from '../model.ts';
import { type SkippedEvent, skippedEvent } from './events.ts';

/** What would be new, changed, gone. */
export interface Survey {
  entries: number;
  fresh: number;
  changed: number;
  gone: number;
  /** Entries of the parent that are left out now; not among the gone. */
  leftOut: number;
  /** Bytes of the files that would be read. */
  bytes: number;
  incidents: Incident[];
  /** What is left out although no pattern says so. */
  skipped: SkippedEvent[];
}

/** What a path would be in the next point. */
export type SurveyedPath = { path: ByteString; as: 'new' | 'changed' | 'gone' | 'left out' };

/** Files and bytes that a backup will read. */
export interface Forecast {
  entries: number;
  bytes: number;
}

/** Entries that are looked at before others get their turn. */
const STRIDE = 500;

/**
 * Counts beforehand what a backup will read, a little at a time, while it is already under way; undefined when `signal` ended it.
 */
export async function forecast(
  sources: readonly ComparedSource[],
  entriesFile: string | undefined,
  own: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Forecast | undefined> {
  const old = entriesFile === undefined ? undefined : new EntriesReader(entriesFile);
  const result: Forecast = { entries: 0, bytes: 0 };
  let looked = 0;
  try {
    for (const change of compare(sources, old, own)) {
      if (change.kind === 'same' || change.kind === 'carried' || change.kind === 'fresh') result.entries++;
      if (change.kind === 'fresh' && change.stat.isFile()) result.bytes += Number(change.stat.size);
      if (++looked % STRIDE === 0) await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) return undefined;
    }
    return result;
  } finally {
    old?.close();
  }
}

/**
 * Compares the sources with the parent's index, or with nothing for a full. `onPath` hears of each path that is not as before.
 */
export function survey(
  sources: readonly ComparedSource[],
  entriesFile: string | undefined,
  own: ReadonlySet<string>,
  onPath: (path: SurveyedPath) => void,
): Survey {
  const old = entriesFile === undefined ? undefined : new EntriesReader(entriesFile);
  const result: Survey = {
    ...{ entries: 0, fresh: 0, changed: 0, gone: 0, leftOut: 0, bytes: 0 },
    incidents: [],
    skipped: [],
  };
  try {
    for (const change of compare(sources, old, own)) {
      if (change.kind === 'same' || change.kind === 'carried') {
        result.entries++;
      } else if (change.kind === 'gone') {
        if (change.leftOut === undefined) result.gone++;
        else result.leftOut++;
        onPath({ path: change.old.entry.path, as: change.leftOut === undefined ? 'gone' : 'left out' });
      } else if (change.kind === 'incident') {
        result.incidents.push(change.incident);
      } else if (change.kind === 'skipped') {
        result.skipped.push(skippedEvent(change));
      } else if (change.kind === 'fresh') {
        result.entries++;
        if (change.stat.isFile()) result.bytes += Number(change.stat.size);
        const isNew = change.old === undefined || change.old.entry.flags === 'g';
        if (isNew) result.fresh++;
        else result.changed++;
        onPath({ path: change.path, as: isNew ? 'new' : 'changed' });
      }
    }
    return result;
  } finally {
    old?.close();
  }
}
