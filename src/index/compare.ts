/**
 * The walk of the sources, merged with the index of the parent: says of every entry whether it is as before, new or changed, or gone,
 * and of what could not be read that it is carried over. It decides nothing about content, and opens no file.
 */
import { lstatSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { fromText, toFsPath } from '../format/bytes.ts';
import { compareNames, comparePaths, isWithin } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { hasNoNames } from '../source/folder.ts';
import { rootsInOrder } from '../source/roots.ts';
import { SeenRoot } from '../source/seen-root.ts';
import { type Selection, type SelectionRules, selection } from '../source/select.ts';
import type { Stat } from '../source/stat.ts';
import { type Found, type WalkOptions, walk } from '../source/walk.ts';
import { EntriesReader, type IndexEntry, type Lines } from './entries-file.ts';
import { isEmptyFolder, isMountEntry, isUnmountedFolder, MOUNT_FLAG, mountsIn } from './mounts.ts';

/** A source as the comparison needs it. */
export interface ComparedSource extends SelectionRules {
  name: string;
  /** Absolute paths, none inside another. */
  paths: readonly string[];
  /** An empty root, or mount point, is what it seems to be, not a file system that was not mounted. */
  allowEmpty: boolean;
}

/** An entry of the parent's index, with its lines to be copied. */
export interface OldEntry {
  source: string;
  entry: IndexEntry;
  lines: Lines;
}

/** Why a part of a source is not as it should be. */
export type IncidentKind = 'missing' | 'empty' | 'unreadable' | 'torn' | 'partial';

/** Something that makes the point incomplete. */
export interface Incident {
  kind: IncidentKind;
  path: ByteString;
  /** The system's code, such as EACCES. */
  error?: string;
  /** Whether an earlier version stands in its place. */
  carried: boolean;
}

/** What became of one path, in the order of the manifest. */
export type Change =
  /** As before: stat says the same. */
  | { kind: 'same'; old: OldEntry; stat: Stat; root: SeenRoot }
  /** New, or stat says otherwise; `old` is what the index has under this path, a deletion included. */
  | {
      kind: 'fresh';
      source: string;
      path: ByteString;
      stat: Stat;
      old: OldEntry | undefined;
      root: SeenRoot;
      /** A folder on which another file system is mounted, which is entered. */
      isMount?: true;
    }
  /** Was there and is no more, or is left out now: because of a pattern, a marker in its folder, or its size. */
  | { kind: 'gone'; old: OldEntry; leftOut?: LeftOutBy }
  /** Was gone already. */
  | { kind: 'still-gone'; old: OldEntry }
  /** Cannot be read: what the index has stands. */
  | { kind: 'carried'; old: OldEntry }
  | { kind: 'incident'; incident: Incident }
  /** A name that its folder listed has gone since: a deletion, which the index tells of where it knew the path. */
  | { kind: 'vanished'; path: ByteString }
  /** Not entered, or left out, for another reason than a pattern. */
  | { kind: 'skipped'; path: ByteString; why: SkippedBy; marker?: ByteString }
  /** A marker leaves out what was in a folder: so many entries of the point before. */
  | { kind: 'emptied'; path: ByteString; marker: ByteString; entries: number };

/** Gives what a walk finds below a root of a source: asked once for each root, in their order, of those with trouble not at all. */
export type Walker = (source: string, root: ByteString, options: WalkOptions) => Iterable<Found>;

const walkHere: Walker = (_source, root, options) => walk(root, options);

/** Why an entry of the point before is left out now. */
export type LeftOutBy = 'pattern' | 'marker' | 'size';
/** Another file system; a folder of Holdfast's own; a folder with a marker; a large file. */
export type SkippedBy = 'mount' | 'own' | 'marker' | 'size';

/** What lstat says of an entry, as the index keeps it. Never the device number: that changes with reboots and snapshots. */
export function signatureOf(stat: Stat): string {
  const type = Number(stat.mode) >> 12;
  return `${type}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}.${stat.ino}`;
}

/**
 * Compares. `old` is the parent's index, or undefined for a full; `before` is then the entries file of the newest point, if one is known, which
 * only tells what was never empty. `own` are folders to leave out, as `device:inode`. `walker` walks, in this thread unless it is said otherwise.
 */
export function* compare(
  sources: readonly ComparedSource[],
  old: EntriesReader | undefined,
  own: ReadonlySet<string>,
  before?: string,
  walker: Walker = walkHere,
): Generator<Change> {
  const selections = new Map(sources.map((source) => [source.name, selection(source)]));
  const cursor = new Cursor(old, before ?? old?.file, sources, selections);
  for (const { source, root } of rootsInOrder(sources)) {
    const options = { selection: selections.get(source.name) ?? selection(source), own };
    yield* cursor.before(source.name, root);
    const trouble = troubleWith(root, source.allowEmpty, () => cursor.hasLiveBelow(source.name, root));
    if (trouble !== undefined) {
      const carried = yield* cursor.carry(source.name, root);
      yield { kind: 'incident', incident: { ...trouble, path: root, carried } };
      continue;
    }
    let unmounted: ByteString | undefined;
    const seen = new SeenRoot(root);
    for (const found of walker(source.name, root, options)) {
      // What comes to be in it while it is carried over is for the next point.
      if (unmounted !== undefined && isWithin(found.path, unmounted)) continue;
      switch (found.kind) {
        case 'entry': {
          const { path, stat, isMount } = found;
          if (path === root) seen.is(stat);
          yield* cursor.before(source.name, path);
          if (!isMount && stat.isDirectory() && cursor.isUnmounted(source, path)) {
            unmounted = path;
            yield* cursor.carryMount(source.name, path);
            break;
          }
          const before = cursor.take(source.name, path);
          if (
            before !== undefined &&
            before.entry.flags === (isMount ? MOUNT_FLAG : '') &&
            before.entry.signature === signatureOf(stat)
          ) {
            yield { kind: 'same', old: before, stat, root: seen };
          } else if (isMount) {
            yield { kind: 'fresh', source: source.name, path, stat, old: before, root: seen, isMount };
          } else {
            yield { kind: 'fresh', source: source.name, path, stat, old: before, root: seen };
          }
          break;
        }
        case 'unreadable':
        case 'unlistable': {
          yield* cursor.before(source.name, found.path);
          const carried = yield* cursor.carry(source.name, found.path);
          yield {
            kind: 'incident',
            incident: { kind: 'unreadable', path: found.path, error: found.error, carried },
          };
          break;
        }
        case 'vanished':
          yield { kind: 'vanished', path: found.path };
          break;
        case 'marker':
          yield* cursor.leaveOut(source.name, found.path, 'marker', found.marker);
          yield { kind: 'skipped', path: found.path, why: 'marker', marker: found.marker };
          break;
        case 'size':
          yield* cursor.leaveOut(source.name, found.path, 'size');
          yield { kind: 'skipped', path: found.path, why: 'size' };
          break;
        default:
          yield { kind: 'skipped', path: found.path, why: found.kind };
      }
    }
  }
  yield* cursor.rest();
}

/** Whether a root is missing, or empty where it was not: both may mean that something is not mounted. */
function troubleWith(
  root: ByteString,
  allowEmpty: boolean,
  hadEntries: () => boolean,
): { kind: IncidentKind; error?: string } | undefined {
  try {
    const stat = lstatSync(toFsPath(root));
    if (!allowEmpty && stat.isDirectory() && hasNoNames(root) && hadEntries()) {
      return { kind: 'empty' };
    }
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    // What cannot be listed is met again by the walk, which says so.
    return code === 'ENOENT' || code === 'ENOTDIR' ? { kind: 'missing' } : undefined;
  }
}

function unmountedAt(path: ByteString, carried: boolean): Change {
  return { kind: 'incident', incident: { kind: 'empty', path, carried } };
}

/** The parent's entries, drawn as the walk passes them. */
class Cursor {
  readonly #reader: EntriesReader | undefined;
  readonly #file: string | undefined;
  #current: OldEntry | undefined;
  readonly #sources: readonly ComparedSource[];
  readonly #selections: ReadonlyMap<string, Selection>;
  /** Where the index has no entries to draw: folders that were mount points in the point before, by source. */
  #mounts: Map<string, Set<ByteString>> | undefined;
  /** What the walk has said last of what is left out, and how many entries have gone for it. */
  #leftOut:
    | { source: string; path: ByteString; by: 'marker' | 'size'; marker: ByteString; entries: number }
    | undefined;

  /** `file` is what hasLiveBelow() looks into; `selections` are those of the sources, by name. */
  constructor(
    reader: EntriesReader | undefined,
    file: string | undefined,
    sources: readonly ComparedSource[],
    selections: ReadonlyMap<string, Selection>,
  ) {
    this.#reader = reader;
    this.#file = file;
    this.#sources = sources;
    this.#selections = selections;
    this.#advance();
  }

  /** Everything before a path: gone. */
  *before(source: string, path: ByteString): Generator<Change> {
    for (
      let old = this.#current;
      old !== undefined && this.#compare(old, source, path) < 0;
      old = this.#current
    ) {
      yield* this.#pass(old);
    }
  }

  /** Everything that is left: gone. */
  *rest(): Generator<Change> {
    for (let old = this.#current; old !== undefined; old = this.#current) yield* this.#pass(old);
    yield* this.#emptied();
  }

  /** An entry that the walk did not meet. A mount point that is left out itself is met only when it holds what is taken back in. */
  *#pass(old: OldEntry): Generator<Change> {
    const source = isMountEntry(old.entry) && !this.#isInLeftOut(old) ? this.#holderOf(old) : undefined;
    const { path } = old.entry;
    if (source !== undefined && isUnmountedFolder(path) && this.isUnmounted(source, path)) {
      // What patterns leave out by now is none of it.
      if (yield* this.carry(old.source, path)) yield unmountedAt(path, true);
      return;
    }
    this.#advance();
    yield this.#gone(old);
  }

  /** The source of an entry, where it still has a path that the entry lies in. */
  #holderOf({ source, entry }: OldEntry): ComparedSource | undefined {
    return this.#sources.find(
      ({ name, paths }) => name === source && paths.some((root) => isWithin(entry.path, fromText(root))),
    );
  }

  /**
   * Whether a folder on which no file system is mounted now was a mount point in the point before, had something in it, and is empty: its
   * file system is not mounted, rather than deleted. Asked when the path is next.
   */
  isUnmounted({ name, allowEmpty, oneFileSystem }: ComparedSource, path: ByteString): boolean {
    if (allowEmpty || oneFileSystem !== false || !this.#wasMount(name, path)) return false;
    return isEmptyFolder(path) && this.hasLiveBelow(name, path);
  }

  /** Carries a mount point over, and says so. */
  *carryMount(source: string, path: ByteString): Generator<Change> {
    yield unmountedAt(path, yield* this.carry(source, path));
  }

  #wasMount(source: string, path: ByteString): boolean {
    if (this.#reader !== undefined) {
      const old = this.#current;
      return old?.source === source && old.entry.path === path && isMountEntry(old.entry);
    }
    this.#mounts ??= mountsIn(this.#file);
    return this.#mounts.get(source)?.has(path) ?? false;
  }

  /** Everything in a folder with a marker, or a file that is too large, is left out. The folder's own entry was taken before. */
  *leaveOut(
    source: string,
    path: ByteString,
    by: 'marker' | 'size',
    marker: ByteString = '',
  ): Generator<Change> {
    yield* this.before(source, path);
    const outer = this.#leftOut;
    if (outer?.by === 'marker' && outer.source === source && isWithin(path, outer.path)) return;
    yield* this.#emptied();
    this.#leftOut = { source, path, by, marker, entries: 0 };
  }

  *#emptied(): Generator<Change> {
    const left = this.#leftOut;
    this.#leftOut = undefined;
    if (left === undefined || left.by !== 'marker' || left.entries === 0) return;
    yield { kind: 'emptied', path: left.path, marker: left.marker, entries: left.entries };
  }

  /** Takes the entry with exactly this path, if it is next. */
  take(source: string, path: ByteString): OldEntry | undefined {
    const old = this.#current;
    if (old === undefined || old.entry.path !== path || old.source !== source) return undefined;
    this.#advance();
    return old;
  }

  /** Whether an entry at or below the path comes next. */
  hasWithin(source: string, path: ByteString): boolean {
    const old = this.#current;
    return old !== undefined && old.source === source && isWithin(old.entry.path, path);
  }

  /** Whether the point before has anything inside a folder. Reads the index from its start: for rare questions. */
  hasLiveBelow(source: string, folder: ByteString): boolean {
    if (this.#file === undefined) return false;
    const reader = new EntriesReader(this.#file);
    try {
      for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
        if (
          reader.source === source &&
          entry.flags !== 'g' &&
          entry.path !== folder &&
          isWithin(entry.path, folder)
        ) {
          return true;
        }
      }
      return false;
    } finally {
      reader.close();
    }
  }

  /** Everything at or below the path: carried over. Returns whether there was anything but deletions. */
  *carry(source: string, path: ByteString): Generator<Change, boolean> {
    let carried = false;
    while (this.hasWithin(source, path)) {
      const old = this.#current as OldEntry;
      this.#advance();
      if (old.entry.flags === 'g' || this.#patternLeavesOut(old)) {
        yield this.#gone(old);
      } else {
        carried = true;
        yield { kind: 'carried', old };
      }
    }
    return carried;
  }

  #advance(): void {
    const entry = this.#reader?.next();
    this.#current =
      entry === undefined || this.#reader === undefined
        ? undefined
        : { source: this.#reader.source, entry, lines: this.#reader.lines };
  }

  #compare(old: OldEntry, source: string, path: ByteString): number {
    return old.source === source ? comparePaths(old.entry.path, path) : compareNames(old.source, source);
  }

  #gone(old: OldEntry): Change {
    if (old.entry.flags === 'g') return { kind: 'still-gone', old };
    const left = this.#leftOut;
    if (left !== undefined && this.#isInLeftOut(old)) {
      left.entries++;
      return { kind: 'gone', old, leftOut: left.by };
    }
    return this.#patternLeavesOut(old) ? { kind: 'gone', old, leftOut: 'pattern' } : { kind: 'gone', old };
  }

  #isInLeftOut({ source, entry }: OldEntry): boolean {
    const left = this.#leftOut;
    return left !== undefined && left.source === source && isWithin(entry.path, left.path);
  }

  #patternLeavesOut({ source, entry }: OldEntry): boolean {
    return leavesOut(this.#selections.get(source), entry);
  }
}

/** Says of entries of an index, by their source, whether its patterns leave them out now. */
export function leftOutByPatterns(
  sources: readonly ComparedSource[],
): (source: string, entry: IndexEntry) => boolean {
  const selections = new Map(sources.map((source) => [source.name, selection(source)]));
  return (source, entry) => leavesOut(selections.get(source), entry);
}

function leavesOut(selected: Selection | undefined, entry: IndexEntry): boolean {
  if (selected === undefined) return false;
  const { patterns } = selected;
  return patterns.leavesOut(patterns.decide(entry.path, isFolder(entry)));
}

/** Whether an entry of the index is a folder: by its head, for what changes under the reading has no signature. */
function isFolder({ head }: IndexEntry): boolean {
  return head.startsWith('"type":"dir"');
}
