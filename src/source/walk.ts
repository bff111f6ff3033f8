/**
 * The walk: every entry below a root in the order of the manifest, with what lstat says. Synchronous on purpose: it runs in a
 * worker, where the synchronous calls are several times cheaper than the others. It opens no file but the tags of caches.
 */
import { lstatSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import { COMPONENT_LIMIT } from '../format/manifest.ts';
import { joinPath } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { isKernelMade } from './mount.ts';
import { type Listing, listNames, type Names } from './names.ts';
import { markersAmong, markersOf, type Selection } from './select.ts';
import type { Stat } from './stat.ts';

/** What the walk met at a path. */
export type Found =
  /** An entry. `isMount`: a folder on which another file system is mounted, which is entered. */
  | { kind: 'entry'; path: ByteString; stat: Stat; isMount?: true }
  /** A folder whose entry came just before, but whose names cannot be listed. */
  | { kind: 'unlistable'; path: ByteString; error: string }
  /** A path that is there but of which nothing can be learned. */
  | { kind: 'unreadable'; path: ByteString; error: string }
  /** A folder on which another file system is mounted; its entry came just before. */
  | { kind: 'mount'; path: ByteString }
  /** A name that its folder listed, and that was not there any more. */
  | { kind: 'vanished'; path: ByteString }
  /** A folder in which all but the marker itself is left out; its entry came just before. */
  | { kind: 'marker'; path: ByteString; marker: ByteString }
  /** A file that is left out because it is too large. */
  | { kind: 'size'; path: ByteString }
  /** A path that was left out although no pattern says so: Holdfast's own state or store. */
  | { kind: 'own'; path: ByteString };

/** Settings of a walk. */
export interface WalkOptions {
  selection: Selection;
  /** Folders that are never descended into, as `device:inode`. */
  own: ReadonlySet<string>;
  /** Called for each name, also of what is left out; may throw. */
  checkpoint?: () => void;
}

/** Some file systems have longer names than the format, which takes what Linux itself has. */
const TOO_LONG = 'ENAMETOOLONG';

/** Errors that say that a path has gone since its folder was listed: a deletion, nothing else. */
const GONE = new Set(['ENOENT', 'ENOTDIR']);
/** A root is in no folder that was listed: one that is not there may be a file system that was unmounted. */
const ROOT_GONE = 'ENOENT';

/**
 * Walks a root (a file or a folder) depth first. The root itself comes first, whatever is left out. Other file systems are entered only
 * where the selection says so, and never those that the kernel makes up. A root that is not there, or is taken away while it is walked,
 * is unreadable.
 */
export function* walk(root: ByteString, options: WalkOptions): Generator<Found> {
  const stat = lstat(root) ?? ROOT_GONE;
  if (typeof stat === 'string') {
    yield { kind: 'unreadable', path: root, error: stat };
    return;
  }
  if (stat.isDirectory() && options.own.has(`${stat.dev}:${stat.ino}`)) {
    yield { kind: 'own', path: root };
    return;
  }
  yield { kind: 'entry', path: root, stat };
  if (stat.isDirectory()) yield* walkFolder(root, stat, options);
}

/** A folder that is being walked. */
interface Level {
  folder: ByteString;
  dev: bigint;
  names: Names;
  /** The pattern that decides about the folder. */
  rule: number;
  /** Markers in it, which stay although all else is left out. */
  markers: ReadonlySet<ByteString> | undefined;
  /** It has a marker, or one above it has. */
  marked: boolean;
  /** Its entry, held until something is found that is taken back in: the folder itself is left out. */
  held: Found | undefined;
}

/** An explicit stack instead of recursion: a generator in a generator costs a hop per level for each entry. */
function* walkFolder(root: ByteString, rootStat: Stat, options: WalkOptions): Generator<Found> {
  const { selection, own, checkpoint } = options;
  const { patterns } = selection;
  const rootHasGone = () => {
    const now = lstat(root);
    return (
      now === undefined || (typeof now === 'object' && (now.dev !== rootStat.dev || now.ino !== rootStat.ino))
    );
  };
  const stack: Level[] = [];
  const sought = markersOf(selection);
  const first = list(root, rootStat, sought) ?? ROOT_GONE;
  if (typeof first === 'string') {
    yield { kind: 'unlistable', path: root, error: first };
    return;
  }
  const level = (
    folder: ByteString,
    dev: bigint,
    { names, found }: Listing,
    rule: number,
    marked: boolean,
  ): Level => {
    // In a folder that is left out for its marker, those deeper down are left out with all else.
    const markers = marked ? undefined : markersAmong(selection, folder, found);
    const isMarked = marked || markers !== undefined;
    return { folder, dev, names, rule, markers, marked: isMarked, held: undefined };
  };
  stack.push(level(root, rootStat.dev, first, patterns.decide(root, true), false));
  if (stack[0]?.markers !== undefined) yield markedBy(root, stack[0].markers);
  let held = 0;
  /** Folders that are left out themselves, and hold something that is not. */
  const release = (): Found[] => {
    held = 0;
    return stack.flatMap((one) => {
      const { held: found } = one;
      one.held = undefined;
      return found ?? [];
    });
  };
  for (let top = stack[0]; top !== undefined; top = stack[stack.length - 1]) {
    const name = top.names.next();
    if (name === undefined) {
      if (top.held !== undefined) held--;
      stack.pop();
      continue;
    }
    checkpoint?.();
    const path = joinPath(top.folder, name);
    const stat = name.length > COMPONENT_LIMIT ? TOO_LONG : lstat(path);
    if (stat === undefined) {
      if (!rootHasGone()) {
        yield { kind: 'vanished', path };
        continue;
      }
      // The rest of it has not been deleted one by one.
      yield { kind: 'unlistable', path: root, error: ROOT_GONE };
      return;
    }
    const isFolder = typeof stat === 'object' && stat.isDirectory();
    const rule = patterns.next(path, isFolder, top.rule);
    const isWanted = patterns.isInclude(rule);
    const isMarked = top.marked && !isWanted;
    const isLeftOut = patterns.leavesOut(rule) || (isMarked && (isFolder || !top.markers?.has(name)));
    if (!isFolder) {
      if (isLeftOut) continue;
      if (typeof stat === 'object' && stat.isFile() && !isWanted && stat.size > selection.largerThan) {
        yield { kind: 'size', path };
        continue;
      }
      if (held > 0) yield* release();
      if (typeof stat === 'string') yield { kind: 'unreadable', path, error: stat };
      else yield { kind: 'entry', path, stat };
      continue;
    }
    if (isLeftOut && !patterns.mayTakeBack(path, rule, isMarked)) continue;
    if (own.has(`${stat.dev}:${stat.ino}`)) {
      if (!isLeftOut) yield { kind: 'own', path };
      continue;
    }
    const isOther = stat.dev !== top.dev;
    const isClosed = isOther && (selection.oneFileSystem || isKernelMade(path));
    const entry: Found =
      isOther && !isClosed ? { kind: 'entry', path, stat, isMount: true } : { kind: 'entry', path, stat };
    if (!isLeftOut) {
      if (held > 0) yield* release();
      yield entry;
    }
    if (isClosed) {
      if (!isLeftOut) yield { kind: 'mount', path };
      continue;
    }
    const listing = list(path, stat, sought);
    if (listing === undefined) {
      if (!rootHasGone()) {
        yield { kind: 'vanished', path };
        continue;
      }
      yield { kind: 'unlistable', path: root, error: ROOT_GONE };
      return;
    }
    if (typeof listing === 'string') {
      // Of a folder that is left out, what would be taken back in cannot be read.
      yield { kind: isLeftOut ? 'unreadable' : 'unlistable', path, error: listing };
      continue;
    }
    const next = level(path, stat.dev, listing, rule, isMarked);
    if (isLeftOut) {
      next.held = entry;
      held++;
    } else if (next.markers !== undefined && !isWanted) {
      yield markedBy(path, next.markers);
    }
    stack.push(next);
  }
}

function markedBy(path: ByteString, markers: ReadonlySet<ByteString>): Found {
  const [marker = ''] = markers;
  return { kind: 'marker', path, marker };
}

/** The stat, undefined when it has gone, or the error's code. */
function lstat(path: ByteString): Stat | string | undefined {
  try {
    return lstatSync(toFsPath(path), { bigint: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return GONE.has(code) ? undefined : code;
  }
}

/** What a folder holds, undefined when it has gone, or the error's code. */
function list(
  folder: ByteString,
  { size }: Stat,
  sought: ReadonlySet<ByteString>,
): Listing | string | undefined {
  try {
    return listNames(folder, size, sought);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return GONE.has(code) ? undefined : code;
  }
}
