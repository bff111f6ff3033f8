/** Whether a full would lose what only the index still speaks of. */
import { accessSync, constants } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import { type ComparedSource, leftOutByPatterns } from '../index/compare.ts';
import { EntriesReader } from '../index/entries-file.ts';
import type { ByteString } from '../model.ts';
import type { ProduceEvent } from './produce.ts';

/** Whether something that could not be read now is in the index with an earlier version, which a full would not have. */
export function losesVersions(events: readonly ProduceEvent[], entriesFile: string): boolean {
  const unread = events.flatMap((event) =>
    'incident' in event && event.incident.kind !== 'torn' ? [event.incident.path] : [],
  );
  if (unread.length === 0) return false;
  const paths = new Set(unread);
  const reader = new EntriesReader(entriesFile);
  try {
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      if (entry.flags !== 'g' && isAtOrBelow(entry.path, paths)) return true;
    }
    return false;
  } finally {
    reader.close();
  }
}

/** Whether a path is one of some others, or lies below one: asked of each of its own folders, so that it costs no more for many. */
function isAtOrBelow(path: ByteString, others: ReadonlySet<ByteString>): boolean {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) if (others.has(at)) return true;
  return others.has('/');
}

/** Whether something that the newest point carries over still cannot be opened: a full would lose it. Opens nothing. */
export function stillCarries(entriesFile: string, sources: readonly ComparedSource[]): boolean {
  const isLeftOut = leftOutByPatterns(sources);
  const reader = new EntriesReader(entriesFile);
  try {
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      const isCarried = entry.flags.includes('c') && !isLeftOut(reader.source, entry);
      if (isCarried && !isAccessible(entry.path)) return true;
    }
    return false;
  } finally {
    reader.close();
  }
}

function isAccessible(path: ByteString): boolean {
  try {
    accessSync(toFsPath(path), constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
