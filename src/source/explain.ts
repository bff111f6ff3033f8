/** Says of one path what a walk of its source would do with it, and why. Looks at the disk; opens no file but the tags of caches. */
import { type BigIntStats, lstatSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import { isWithin, joinPath } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { NO_RULE } from '../select/patterns.ts';
import { isKernelMade } from './mount.ts';
import { CACHE_TAG, isCacheTag, type Selection } from './select.ts';

/** Why a path is in a point or is not. `at` is where it was decided: the path itself, or a folder above it. */
export type Reason =
  /** It is backed up; `rule` is the pattern that takes it back in, NO_RULE where none speaks of it. */
  | { kind: 'backed-up'; rule: number }
  /** A pattern leaves it out; `mayHold`: of what is in it, something may be taken back in, and then the folder itself is there. */
  | { kind: 'pattern'; rule: number; at: ByteString; mayHold: boolean }
  | { kind: 'marker'; marker: ByteString; at: ByteString; mayHold: boolean }
  | { kind: 'size'; size: number }
  | { kind: 'mount'; at: ByteString; isKernelMade: boolean }
  /** Holdfast's own state, or its store. */
  | { kind: 'own'; at: ByteString }
  /** A symlink, or something else that is no folder, stands where the path goes on; it is recorded itself. */
  | { kind: 'no-folder'; at: ByteString; isLink: boolean };

/** What was found at a path. */
export interface Explained {
  exists: boolean;
  reason: Reason;
  /** The path is a folder that is backed up itself, while `reason` leaves out what is in it. */
  isOnlyItself?: true;
}

/** Settings of an explanation. */
export interface ExplainOptions {
  selection: Selection;
  /** Folders that are never descended into, as `device:inode`. */
  own: ReadonlySet<string>;
  /** What a path that is not there is taken for. */
  asFolder: boolean;
}

/** Explains a path at or below a root of a source. */
export function explain(root: ByteString, path: ByteString, options: ExplainOptions): Explained {
  if (!isWithin(path, root)) throw new Error('a path was explained by a root that it does not lie in');
  const { selection, own } = options;
  const { patterns } = selection;
  const rest = path.slice(root === '/' ? 1 : root.length + 1);
  const names = rest === '' ? [] : rest.split('/');
  let at = root;
  let stat = statOf(at);
  let rule = patterns.decide(root, stat?.isDirectory() ?? true);
  if (stat?.isDirectory() && own.has(`${stat.dev}:${stat.ino}`))
    return { exists: true, reason: { kind: 'own', at } };
  let mark = markerIn(selection, at);
  for (const [i, name] of names.entries()) {
    const isLast = i === names.length - 1;
    if (stat !== undefined && !stat.isDirectory()) {
      return { exists: false, reason: { kind: 'no-folder', at, isLink: stat.isSymbolicLink() } };
    }
    const above = stat;
    const folder = at;
    at = joinPath(at, name);
    stat = above === undefined && i > 0 ? undefined : statOf(at);
    const isFolder = stat?.isDirectory() ?? (!isLast || options.asFolder);
    rule = patterns.next(at, isFolder, rule);
    const isWanted = patterns.isInclude(rule);
    const isOwnMarker = mark?.at === folder && !isFolder && isMarker(selection, at, name);
    const marked = mark !== undefined && !isWanted && !isOwnMarker ? mark : undefined;
    const exists = stat !== undefined && isLast;
    if (patterns.leavesOut(rule) || marked !== undefined) {
      const mayHold = isFolder && patterns.mayTakeBack(at, rule, marked !== undefined);
      if (isLast || !mayHold) {
        const reason: Reason =
          marked === undefined
            ? { kind: 'pattern', rule, at, mayHold: mayHold && isLast }
            : { kind: 'marker', marker: marked.marker, at: marked.at, mayHold: mayHold && isLast };
        return { exists: isLast ? exists : statOf(path) !== undefined, reason };
      }
    }
    if (stat?.isDirectory() && own.has(`${stat.dev}:${stat.ino}`)) {
      return { exists: statOf(path) !== undefined, reason: { kind: 'own', at } };
    }
    if (stat?.isFile() && !isWanted && stat.size > selection.largerThan) {
      return { exists, reason: { kind: 'size', size: Number(stat.size) } };
    }
    if (stat?.isDirectory() && above !== undefined && stat.dev !== above.dev) {
      const kernel = isKernelMade(at);
      if (selection.oneFileSystem || kernel) {
        const reason: Reason = { kind: 'mount', at, isKernelMade: kernel };
        return isLast
          ? { exists, reason, isOnlyItself: true }
          : { exists: statOf(path) !== undefined, reason };
      }
    }
    if (!isLast && (mark === undefined || isWanted)) mark = markerIn(selection, at) ?? mark;
  }
  const inside = stat?.isDirectory() && !patterns.isInclude(rule) ? markerIn(selection, at) : undefined;
  if (inside !== undefined) {
    const mayHold = patterns.mayTakeBack(at, rule, true);
    return { exists: true, reason: { kind: 'marker', ...inside, mayHold }, isOnlyItself: true };
  }
  return {
    exists: stat !== undefined,
    reason: { kind: 'backed-up', rule: patterns.leavesOut(rule) ? NO_RULE : rule },
  };
}

/** The marker that leaves out what is in a folder. */
function markerIn(
  selection: Selection,
  folder: ByteString,
): { marker: ByteString; at: ByteString } | undefined {
  const names = [...selection.markers, ...(selection.caches ? [CACHE_TAG] : [])].sort();
  const marker = names.find((name) => isMarker(selection, joinPath(folder, name), name));
  return marker === undefined ? undefined : { marker, at: folder };
}

function isMarker({ markers, caches }: Selection, path: ByteString, name: ByteString): boolean {
  return (
    (markers.has(name) && statOf(path) !== undefined) || (caches && name === CACHE_TAG && isCacheTag(path))
  );
}

/** Undefined where nothing is, or where it cannot be looked. */
function statOf(path: ByteString): BigIntStats | undefined {
  try {
    return lstatSync(toFsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
