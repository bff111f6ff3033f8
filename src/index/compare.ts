/**
 * The walk of the sources, merged with the index of the parent: says of every entry whether it is as before, new or changed, or gone,
 * and of what could not be read that it is carried over. It decides nothing about content, and opens no file.
 */
import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { fromText, toFsPath } from '../format/bytes.ts';
import { compareNames, comparePaths, isWithin } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { selection } from '../source/select.ts';
import { walk } from '../source/walk.ts';
import { EntriesReader, type IndexEntry } from './entries-file.ts';

/** A source as the comparison needs it. */
export interface ComparedSource {
  name: string;
  /** Absolute paths, none inside another. */
  paths: readonly string[];
  exclude: readonly string[];
  /** An empty root is what it seems to be, not a file system that was not mounted. */
  allowEmpty: boolean;
}

/** An entry of the parent's index, with its line to be copied. */
export interface OldEntry {
  source: string;
  entry: IndexEntry;
  line: string;
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
  | { kind: 'same'; old: OldEntry; stat: BigIntStats }
  /** New, or stat says otherwise; `old` is what the index has under this path, a deletion included. */
  | { kind: 'fresh'; source: string; path: ByteString; stat: BigIntStats; old: OldEntry | undefined }
  /** Was there and is no more. */
  | { kind: 'gone'; old: OldEntry }
  /** Was gone already. */
  | { kind: 'still-gone'; old: OldEntry }
  /** Cannot be read: what the index has stands. */
  | { kind: 'carried'; old: OldEntry }
  | { kind: 'incident'; incident: Incident }
  /** A name that its folder listed has gone since: a deletion, which the index tells of where it knew the path. */
  | { kind: 'vanished'; path: ByteString }
  /** Another file system, not entered; or a folder of Holdfast's own, left out. */
  | { kind: 'skipped'; path: ByteString; why: 'mount' | 'own' };

/** What lstat says of an entry, as the index keeps it. Never the device number: that changes with reboots and snapshots. */
export function signatureOf(stat: BigIntStats): string {
  const type = Number(stat.mode) >> 12;
  return `${type}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}.${stat.ino}`;
}

/**
 * Compares. `old` is the parent's index, or undefined for a full; `before` is then the entries file of the newest point, if one is known, which
 * only tells what was never empty. `own` are folders to leave out, as `device:inode`.
 */
export function* compare(
  sources: readonly ComparedSource[],
  old: EntriesReader | undefined,
  own: ReadonlySet<string>,
  before?: string,
): Generator<Change> {
  const cursor = new Cursor(old, before ?? old?.file);
  for (const source of [...sources].sort((a, b) => compareNames(a.name, b.name))) {
    const roots = source.paths.map(fromText).sort(comparePaths);
    const options = { selection: selection(source.exclude), own };
    for (const root of roots) {
      yield* cursor.before(source.name, root);
      const trouble = troubleWith(root, source.allowEmpty, () => cursor.hasLiveBelow(source.name, root));
      if (trouble !== undefined) {
        const carried = yield* cursor.carry(source.name, root);
        yield { kind: 'incident', incident: { ...trouble, path: root, carried } };
        continue;
      }
      for (const found of walk(root, options)) {
        switch (found.kind) {
          case 'entry': {
            yield* cursor.before(source.name, found.path);
            const before = cursor.take(source.name, found.path);
            if (
              before !== undefined &&
              before.entry.flags === '' &&
              before.entry.signature === signatureOf(found.stat)
            ) {
              yield { kind: 'same', old: before, stat: found.stat };
            } else {
              yield { kind: 'fresh', source: source.name, path: found.path, stat: found.stat, old: before };
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
          default:
            yield { kind: 'skipped', path: found.path, why: found.kind };
        }
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
    if (!allowEmpty && stat.isDirectory() && readdirSync(toFsPath(root)).length === 0 && hadEntries()) {
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

/** The parent's entries, drawn as the walk passes them. */
class Cursor {
  readonly #reader: EntriesReader | undefined;
  readonly #file: string | undefined;
  #current: OldEntry | undefined;

  /** `file` is what hasLiveBelow() looks into. */
  constructor(reader: EntriesReader | undefined, file: string | undefined) {
    this.#reader = reader;
    this.#file = file;
    this.#advance();
  }

  /** Everything before a path: gone. */
  *before(source: string, path: ByteString): Generator<Change> {
    for (
      let old = this.#current;
      old !== undefined && this.#compare(old, source, path) < 0;
      old = this.#current
    ) {
      this.#advance();
      yield gone(old);
    }
  }

  /** Everything that is left: gone. */
  *rest(): Generator<Change> {
    for (let old = this.#current; old !== undefined; old = this.#current) {
      this.#advance();
      yield gone(old);
    }
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
      if (old.entry.flags === 'g') {
        yield { kind: 'still-gone', old };
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
        : { source: this.#reader.source, entry, line: this.#reader.line };
  }

  #compare(old: OldEntry, source: string, path: ByteString): number {
    return old.source === source ? comparePaths(old.entry.path, path) : compareNames(old.source, source);
  }
}

function gone(old: OldEntry): Change {
  return old.entry.flags === 'g' ? { kind: 'still-gone', old } : { kind: 'gone', old };
}
