/**
 * The walk: every entry below a root in the order of the manifest, with what lstat says. Synchronous on purpose: it runs in a
 * worker, where the synchronous calls are several times cheaper than the others. It opens no file.
 */
import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import { COMPONENT_LIMIT } from '../format/manifest.ts';
import { joinPath } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import type { Selection } from './select.ts';

/** What the walk met at a path. */
export type Found =
  /** An entry. */
  | { kind: 'entry'; path: ByteString; stat: BigIntStats }
  /** A folder whose entry came just before, but whose names cannot be listed. */
  | { kind: 'unlistable'; path: ByteString; error: string }
  /** A path that is there but of which nothing can be learned. */
  | { kind: 'unreadable'; path: ByteString; error: string }
  /** A folder on which another file system is mounted; its entry came just before. */
  | { kind: 'mount'; path: ByteString }
  /** A name that its folder listed, and that was not there any more. */
  | { kind: 'vanished'; path: ByteString }
  /** A path that was left out although no pattern says so: Holdfast's own state or store. */
  | { kind: 'own'; path: ByteString };

/** Settings of a walk. */
export interface WalkOptions {
  selection: Selection;
  /** Folders that are never descended into, as `device:inode`. */
  own: ReadonlySet<string>;
}

/** Some file systems have longer names than the format, which takes what Linux itself has. */
const TOO_LONG = 'ENAMETOOLONG';

/** Errors that say that a path has gone since its folder was listed: a deletion, nothing else. */
const GONE = new Set(['ENOENT', 'ENOTDIR']);
/** A root is in no folder that was listed: one that is not there may be a file system that was unmounted. */
const ROOT_GONE = 'ENOENT';

/**
 * Walks a root (a file or a folder) depth first. The root itself comes first. Other file systems are not entered. A root that is
 * not there, or is taken away while it is walked, is unreadable.
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

/** An explicit stack instead of recursion: a generator in a generator costs a hop per level for each entry. */
function* walkFolder(root: ByteString, rootStat: BigIntStats, options: WalkOptions): Generator<Found> {
  const { selection, own } = options;
  const rootHasGone = () => {
    const now = lstat(root);
    return (
      now === undefined || (typeof now === 'object' && (now.dev !== rootStat.dev || now.ino !== rootStat.ino))
    );
  };
  const stack: { folder: ByteString; names: ByteString[]; at: number }[] = [];
  const first = list(root) ?? ROOT_GONE;
  if (typeof first === 'string') {
    yield { kind: 'unlistable', path: root, error: first };
    return;
  }
  stack.push({ folder: root, names: first, at: 0 });
  for (let top = stack[0]; top !== undefined; top = stack[stack.length - 1]) {
    if (top.at === top.names.length) {
      stack.pop();
      continue;
    }
    const name = top.names[top.at++] as string;
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
    if (typeof stat === 'string') {
      if (!selection.isExcluded(path, false)) yield { kind: 'unreadable', path, error: stat };
      continue;
    }
    if (!stat.isDirectory()) {
      if (!selection.isExcluded(path, false)) yield { kind: 'entry', path, stat };
      continue;
    }
    if (selection.isExcluded(path, true)) continue;
    if (own.has(`${stat.dev}:${stat.ino}`)) {
      yield { kind: 'own', path };
      continue;
    }
    yield { kind: 'entry', path, stat };
    if (stat.dev !== rootStat.dev) {
      yield { kind: 'mount', path };
      continue;
    }
    const names = list(path);
    if (names === undefined) {
      if (!rootHasGone()) {
        yield { kind: 'vanished', path };
        continue;
      }
      yield { kind: 'unlistable', path: root, error: ROOT_GONE };
      return;
    }
    if (typeof names === 'string') yield { kind: 'unlistable', path, error: names };
    else stack.push({ folder: path, names, at: 0 });
  }
}

/** The stat, undefined when it has gone, or the error's code. */
function lstat(path: ByteString): BigIntStats | string | undefined {
  try {
    return lstatSync(toFsPath(path), { bigint: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return GONE.has(code) ? undefined : code;
  }
}

/** The sorted names in a folder, undefined when it has gone, or the error's code. */
function list(folder: ByteString): ByteString[] | string | undefined {
  try {
    // Latin-1 keeps every byte, and costs a sixth of the memory of Buffers.
    const names = readdirSync(toFsPath(folder), { encoding: 'latin1' }).sort();
    // While a folder changes, some file systems give a name twice; a manifest must not.
    return names.filter((name, i) => name !== names[i - 1]);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return GONE.has(code) ? undefined : code;
  }
}
