/**
 * The walk: every entry below a root in the order of the manifest, with what lstat says. Synchronous on purpose: it runs in a
 * worker, where the synchronous calls are several times cheaper than the others. It opens no file but the tags of caches.
 */
import { systemCode } from '../errors.ts';
import { COMPONENT_LIMIT } from '../format/manifest.ts';
import { joinPath } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { type Folder, type FolderReader, folderReader } from './folder.ts';
import { isKernelMade } from './mount.ts';
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
  /** How folders are looked at, if not in the best way that there is. */
  reader?: FolderReader;
}

/** Folders that are held open at the same time, the root and the deepest ones: what lies in the others is found by its path. */
const OPEN_FOLDERS = 64;
/** Names between two looks whether the root is still there, where it is held open: what else lies in it is then left, and not reported one by one. */
const NAMES_BETWEEN = 256;

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
  const reader = options.reader ?? folderReader();
  const stat = attempt(() => reader.lstat(root)) ?? ROOT_GONE;
  if (typeof stat === 'string') {
    yield { kind: 'unreadable', path: root, error: stat };
    return;
  }
  if (stat.isDirectory() && options.own.has(`${stat.dev}:${stat.ino}`)) {
    yield { kind: 'own', path: root };
    return;
  }
  yield { kind: 'entry', path: root, stat };
  if (stat.isDirectory()) yield* walkFolder(root, stat, reader, options);
}

/** A folder that is being walked. */
interface Level {
  path: ByteString;
  dev: bigint;
  folder: Folder;
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
function* walkFolder(
  root: ByteString,
  rootStat: Stat,
  reader: FolderReader,
  options: WalkOptions,
): Generator<Found> {
  const { selection, own, checkpoint } = options;
  const { patterns } = selection;
  const rootHasGone = () => {
    const now = attempt(() => reader.lstat(root));
    return (
      now === undefined || (typeof now === 'object' && (now.dev !== rootStat.dev || now.ino !== rootStat.ino))
    );
  };
  /** What is told once the root has gone: the rest of it has not been deleted one by one. */
  const lostRoot: Found = { kind: 'unlistable', path: root, error: ROOT_GONE };
  const stack: Level[] = [];
  const sought = markersOf(selection);
  const first = attempt(() => reader.open(root, rootStat.size, sought)) ?? ROOT_GONE;
  if (typeof first === 'string') {
    yield { kind: 'unlistable', path: root, error: first };
    return;
  }
  const level = (path: ByteString, dev: bigint, folder: Folder, rule: number, marked: boolean): Level => {
    // In a folder that is left out for its marker, those deeper down are left out with all else.
    const markers = marked ? undefined : markersAmong(selection, path, folder.found);
    const isMarked = marked || markers !== undefined;
    return { path, dev, folder, rule, markers, marked: isMarked, held: undefined };
  };
  stack.push(level(root, rootStat.dev, first, patterns.decide(root, true), false));
  let held = 0;
  let names = 0;
  /** Folders that are left out themselves, and hold something that is not. */
  const release = (): Found[] => {
    held = 0;
    return stack.flatMap((one) => {
      const { held: found } = one;
      one.held = undefined;
      return found ?? [];
    });
  };
  try {
    if (stack[0]?.markers !== undefined) yield markedBy(root, stack[0].markers);
    for (let top = stack[0]; top !== undefined; top = stack[stack.length - 1]) {
      const name = top.folder.names.next();
      if (name === undefined) {
        if (top.held !== undefined) held--;
        stack.pop();
        top.folder.close();
        continue;
      }
      checkpoint?.();
      if (reader.holds && ++names % NAMES_BETWEEN === 0 && rootHasGone()) {
        yield lostRoot;
        return;
      }
      const path = joinPath(top.path, name);
      const { folder } = top;
      const stat = name.length > COMPONENT_LIMIT ? TOO_LONG : attempt(() => folder.lstat(name, path));
      if (stat === undefined) {
        if (!rootHasGone()) {
          yield { kind: 'vanished', path };
          continue;
        }
        yield lostRoot;
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
      const inner = attempt(() => folder.open(name, path, stat.size, sought));
      if (inner === undefined) {
        if (!rootHasGone()) {
          yield { kind: 'vanished', path };
          continue;
        }
        yield lostRoot;
        return;
      }
      if (typeof inner === 'string') {
        // Of a folder that is left out, what would be taken back in cannot be read.
        yield { kind: isLeftOut ? 'unreadable' : 'unlistable', path, error: inner };
        continue;
      }
      const next = level(path, stat.dev, inner, rule, isMarked);
      stack.push(next);
      if (stack.length > OPEN_FOLDERS) stack[stack.length - OPEN_FOLDERS]?.folder.close();
      if (isLeftOut) {
        next.held = entry;
        held++;
      } else if (next.markers !== undefined && !isWanted) {
        yield markedBy(path, next.markers);
      }
    }
    if (reader.holds && rootHasGone()) yield lostRoot;
  } finally {
    for (const { folder } of stack) folder.close();
  }
}

function markedBy(path: ByteString, markers: ReadonlySet<ByteString>): Found {
  const [marker = ''] = markers;
  return { kind: 'marker', path, marker };
}

/** What comes of looking, undefined when it has gone, or the error's code. */
function attempt<T>(look: () => T): T | string | undefined {
  try {
    return look();
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return GONE.has(code) ? undefined : code;
  }
}
