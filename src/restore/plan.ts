/** From the entries of a point to a plan: what is to be made, where its content lies. Asks nothing of store or disk. */
import type { Point } from '../chain/points.ts';
import { EMPTY_SHA256 } from '../chunk/digest.ts';
import { isSafePath } from '../format/manifest.ts';
import { isWithin } from '../format/order.ts';
import type { ByteString, Entry, Extent } from '../model.ts';
import { MARKER_NAME } from '../target/marker.ts';
import { Column } from './columns.ts';
import { ContentTable } from './content.ts';
import { NeededVolumes } from './needed.ts';
import { Kind, ROOT, Tree } from './tree.ts';
import type { Trouble } from './trouble.ts';

/** What a restore needs to know of an entry or of further extents of the last one: an item of manifest/read.ts. */
export type PlanItem =
  | { kind: 'entry'; entry: Entry; continues: boolean }
  | { kind: 'more'; extents: Extent[]; continues: boolean };

/** What is to be made of a point, or of a part of it. */
export interface Plan {
  tree: Tree;
  content: ContentTable;
  volumes: NeededVolumes;
  totals: PlanTotals;
  /** Entries that cannot be made, since the manifest is wrong about them. */
  damaged: Trouble[];
  /** Entries that this version does not make. */
  unmade: Trouble[];
  /** Entries that are older than the point, or mixtures: the backup could do no better. */
  doubtful: Trouble[];
}

export interface PlanTotals {
  /** Entries of the point that are to be made. */
  entries: number;
  /** Files among them that get content of their own: further names of one file do not count. */
  files: number;
  /** Bytes of content, holes included. */
  bytes: number;
  /** Bytes that these files take on a disk with blocks of BLOCK bytes. */
  space: number;
}

/** Size of a block on most disks, in bytes. */
const BLOCK = 4096;
const UNMADE: ReadonlySet<string> = new Set(['fifo', 'socket', 'char', 'block']);

/** Plans the restore of the entries that `items` gives, in batches, in the order of the manifest. */
export async function planRestore(point: Point, items: AsyncIterable<readonly PlanItem[]>): Promise<Plan> {
  const planner = new Planner(point);
  for await (const batch of items) {
    for (const item of batch) planner.add(item);
  }
  return planner.finish();
}

class Planner {
  readonly #tree = new Tree();
  readonly #content = new ContentTable();
  readonly #volumes: NeededVolumes;
  readonly #totals: PlanTotals = { entries: 0, files: 0, bytes: 0, space: 0 };
  readonly #damaged: Trouble[] = [];
  readonly #unmade: Trouble[] = [];
  readonly #doubtful: Trouble[] = [];
  /** First name of each hard-link group, by source and group. */
  readonly #links = new Map<string, number>();
  readonly #overlap = new Overlap();
  #source = '';
  /** The folder of the entry before, with its path: most entries share it. */
  #folder = ROOT;
  #folderPath: ByteString = '/';
  /** Path of the last entry that is no folder: nothing may lie below it. */
  #barrier: ByteString | undefined;
  /** The file whose extents are still coming. */
  #open: OpenFile | undefined;

  constructor(point: Point) {
    this.#volumes = new NeededVolumes(point);
  }

  add(item: PlanItem): void {
    if (item.kind === 'more') {
      if (this.#open !== undefined) this.#take(this.#open, item.extents);
      return;
    }
    this.#closeFile();
    this.#addEntry(item.entry);
  }

  finish(): Plan {
    this.#closeFile();
    this.#overlap.resolve(this.#tree, (entry, path) => this.#dropDuplicate(entry, path));
    this.#tree.folders.seal();
    this.#content.arrange(this.#volumes.length);
    return {
      tree: this.#tree,
      content: this.#content,
      volumes: this.#volumes,
      totals: this.#totals,
      damaged: this.#damaged,
      unmade: this.#unmade,
      doubtful: this.#doubtful,
    };
  }

  #addEntry(entry: Entry): void {
    const { path, source } = entry;
    if (source !== this.#source) {
      this.#source = source;
      this.#barrier = undefined;
    }
    const problem = this.#problem(entry);
    if (problem !== undefined) {
      this.#damaged.push({ path, problem });
      return;
    }
    if (entry.type !== 'dir') this.#barrier = path;
    if (UNMADE.has(entry.type)) {
      this.#unmade.push({ path, problem: `is a ${specialName(entry)}, which this version does not make` });
      return;
    }
    if (entry.carried) this.#doubtful.push({ path, problem: 'is an older version: it could not be read' });
    if (entry.torn) this.#doubtful.push({ path, problem: 'was being written to when it was read' });
    this.#totals.entries++;
    if (entry.type === 'dir') {
      const listed = this.#tree.folders.list(this.#folderOf(path), entry);
      if (!listed) this.#damaged.push({ path, problem: 'is in two sources' });
    } else {
      this.#addNonFolder(entry);
    }
  }

  #problem({ path, type }: Entry): string | undefined {
    if (!isSafePath(path)) return 'is a path that must not be written';
    if (path === '/' && type !== 'dir') return 'is no folder';
    if (path === `/${MARKER_NAME}`) return 'has the name that a restore needs for itself';
    if (this.#barrier !== undefined && isWithin(path, this.#barrier))
      return 'lies below something that is no folder';
    return undefined;
  }

  #addNonFolder(entry: Entry): void {
    const slash = entry.path.lastIndexOf('/');
    const folder = this.#folderOf(slash === 0 ? '/' : entry.path.slice(0, slash));
    const name = entry.path.slice(slash + 1);
    this.#overlap.child(folder, this.#source);
    const { entries } = this.#tree;
    if (entry.type === 'symlink') {
      entries.add(folder, name, Kind.symlink, entry, 0, this.#tree.addTarget(entry.target ?? ''));
      this.#content.addEntry(EMPTY_SHA256);
      return;
    }
    const first = this.#firstName(entry);
    const sha256 = entry.sha256 ?? EMPTY_SHA256;
    if (first !== undefined) {
      entries.add(folder, name, Kind.link, entry, entry.size, first);
      this.#content.addEntry(sha256);
      return;
    }
    const index = entries.add(folder, name, Kind.file, entry, entry.size, this.#content.length);
    this.#content.addEntry(sha256);
    if (entry.link !== undefined) this.#links.set(`${this.#source}\0${entry.link}`, index);
    this.#open = { index, path: entry.path, first: this.#content.length, size: entry.size, at: 0, holes: 0 };
    this.#take(this.#open, entry.extents);
  }

  /** The first name of the same file, if this entry is a further one. Names that differ in content are no names of one file. */
  #firstName(entry: Entry): number | undefined {
    if (entry.link === undefined) return undefined;
    const first = this.#links.get(`${this.#source}\0${entry.link}`);
    if (first === undefined || this.#tree.entries.kind(first) !== Kind.file) return undefined;
    const same =
      this.#tree.entries.size(first) === entry.size && this.#content.sha256(first) === entry.sha256;
    return same ? first : undefined;
  }

  #take(file: OpenFile, extents: readonly Extent[]): void {
    for (const extent of extents) {
      if (file.problem !== undefined) return;
      const { seq, volume, position, offset, length } = extent;
      if (file.at + length > file.size) {
        file.problem = 'has extents beyond its size';
      } else if (seq === 0) {
        file.holes += length;
      } else if (position > 0xffffffff || offset + length > 0xffffffff) {
        file.problem = 'has an extent outside of any chunk';
      } else {
        const index = this.#volumes.index(seq, volume);
        if (index === undefined)
          file.problem = `needs volume ${volume} of set ${seq}, which is not part of the point`;
        else this.#content.addExtent(file.index, index, extent, file.at);
      }
      file.at += length;
    }
  }

  #closeFile(): void {
    const file = this.#open;
    if (file === undefined) return;
    this.#open = undefined;
    if (file.problem === undefined && file.at !== file.size)
      file.problem = 'has extents for only a part of it';
    if (file.problem === undefined && file.size === 0 && this.#content.sha256(file.index) !== EMPTY_SHA256) {
      file.problem = 'is empty, but its digest is not that of an empty file';
    }
    if (file.problem === undefined) {
      this.#totals.files++;
      this.#totals.bytes += file.size;
      this.#totals.space += Math.ceil((file.size - file.holes) / BLOCK) * BLOCK;
    } else {
      this.#content.dropExtents(file.index, file.first);
      this.#drop(file.index, file.path, file.problem);
    }
  }

  #drop(index: number, path: ByteString, problem: string): void {
    this.#tree.entries.drop(index);
    this.#totals.entries--;
    this.#damaged.push({ path, problem });
  }

  /** The folder of a path, made together with those above it where there is none yet. */
  #folderOf(path: ByteString): number {
    if (path === this.#folderPath) return this.#folder;
    let folder = ROOT;
    if (path !== '/') {
      for (const name of path.slice(1).split('/')) {
        let next = this.#tree.folders.find(folder, name);
        if (next === undefined) {
          this.#overlap.child(folder, this.#source);
          next = this.#tree.folders.add(folder, name);
        }
        folder = next;
      }
    }
    this.#folder = folder;
    this.#folderPath = path;
    return folder;
  }

  #dropDuplicate(entry: number, path: ByteString): void {
    this.#tree.entries.drop(entry);
    this.#totals.entries--;
    this.#damaged.push({ path, problem: 'is in two sources' });
  }
}

/** A file whose extents are being taken in. */
interface OpenFile {
  index: number;
  path: ByteString;
  /** Its first extent. */
  first: number;
  size: number;
  /** Bytes for which there are extents so far, and those of them that are holes. */
  at: number;
  holes: number;
  problem?: string;
}

/**
 * Finds paths that two sources claim. Within a source no path comes twice; two sources that share nothing but folders on the way
 * are the rule, so only folders into which two of them put something are looked at closely.
 */
class Overlap {
  /** Number of the first source that put something into a folder, from 1; 0 for none. */
  readonly #owner = new Column(Uint16Array);
  #sources = 0;
  #last: string | undefined;
  readonly #shared = new Set<number>();

  child(folder: number, source: string): void {
    if (this.#last !== source) this.#sources++;
    this.#last = source;
    const number = this.#sources;
    while (this.#owner.length <= folder) this.#owner.push(0);
    const owner = this.#owner.get(folder);
    if (owner === 0) this.#owner.set(folder, number);
    else if (owner !== number) this.#shared.add(folder);
  }

  /** Calls `duplicate` for each entry whose path another one before it has, or a folder. */
  resolve(tree: Tree, duplicate: (entry: number, path: ByteString) => void): void {
    if (this.#shared.size === 0) return;
    const seen = new Set<string>();
    const { entries, folders } = tree;
    for (let entry = 0; entry < entries.length; entry++) {
      const folder = entries.folder(entry);
      if (!this.#shared.has(folder) || entries.kind(entry) === Kind.none) continue;
      const name = entries.name(entry);
      const key = `${folder}/${name}`;
      if (seen.has(key) || folders.find(folder, name) !== undefined) {
        duplicate(entry, tree.path(entry));
      }
      seen.add(key);
    }
  }
}

function specialName({ type }: Entry): string {
  if (type === 'fifo') return 'named pipe';
  if (type === 'socket') return 'socket';
  return `${type === 'char' ? 'character' : 'block'} device`;
}
