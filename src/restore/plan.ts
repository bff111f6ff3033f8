/** From the entries of a point to a plan: what is to be made, where its content lies. Asks nothing of store or disk. */
import type { Point } from '../chain/points.ts';
import { EMPTY_SHA256 } from '../chunk/digest.ts';
import { isSafePath } from '../format/manifest.ts';
import { isWithin } from '../format/order.ts';
import type { ByteString, Entry, ExtendedAttribute, Extent } from '../model.ts';
import { MARKER_NAME } from '../target/marker.ts';
import { Column } from './columns.ts';
import { ContentTable } from './content.ts';
import { NeededVolumes } from './needed.ts';
import { Pages } from './pages.ts';
import { Kind, ROOT, Tree } from './tree.ts';
import type { Trouble } from './trouble.ts';

/** What a restore needs to know of an entry or of further extents of the last one: an item of manifest/read.ts. */
export type PlanItem =
  | { kind: 'entry'; entry: Entry; continues: boolean }
  | { kind: 'more'; extents: Extent[]; xattrs?: ExtendedAttribute[]; continues: boolean };

/** What is to be made of a point, or of a part of it. */
export interface Plan {
  tree: Tree;
  content: ContentTable;
  volumes: NeededVolumes;
  totals: PlanTotals;
  /** Entries that cannot be made, since the manifest is wrong about them. */
  damaged: Trouble[];
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

/** Numbers that names of owners have where the restore runs; undefined for names that are not known there. */
export interface OwnerNumbers {
  uid(user: string): number | undefined;
  gid(group: string): number | undefined;
}

/**
 * Plans the restore of the entries that `items` gives, in batches, in the order of the manifest. With `owners`, names of owners
 * win over numbers. `pages`: the memory of the plan, which may be closed when the plan is of no use any more.
 */
export async function planRestore(
  point: Point,
  items: AsyncIterable<readonly PlanItem[]>,
  owners?: OwnerNumbers,
  pages = new Pages(),
): Promise<Plan> {
  const planner = new Planner(point, owners, pages);
  for await (const batch of items) {
    for (const item of batch) planner.add(item);
  }
  return planner.finish();
}

class Planner {
  readonly #tree: Tree;
  readonly #content: ContentTable;
  readonly #volumes: NeededVolumes;
  readonly #totals: PlanTotals = { entries: 0, files: 0, bytes: 0, space: 0 };
  readonly #damaged: Trouble[] = [];
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
  /** What is planned of the entry before, and its extended attributes as far as they have come. */
  #last: { table: { setXattrs(row: number, xattrs: ExtendedAttribute[]): void }; row: number } | undefined;
  #xattrs: ExtendedAttribute[] = [];
  readonly #owners: OwnerNumbers | undefined;

  constructor(point: Point, owners: OwnerNumbers | undefined, pages: Pages) {
    this.#tree = new Tree(pages);
    this.#content = new ContentTable(pages);
    this.#volumes = new NeededVolumes(point);
    this.#owners = owners;
  }

  add(item: PlanItem): void {
    if (item.kind === 'more') {
      if (item.xattrs !== undefined) this.#xattrs.push(...item.xattrs);
      if (this.#open !== undefined) this.#take(this.#open, item.extents);
      return;
    }
    this.#close();
    this.#addEntry(item.entry);
    this.#xattrs = [...(item.entry.xattrs ?? [])];
  }

  finish(): Plan {
    this.#close();
    this.#overlap.resolve(this.#tree, (entry, path) => this.#dropDuplicate(entry, path));
    this.#tree.seal();
    this.#content.arrange(this.#volumes.length);
    return {
      tree: this.#tree,
      content: this.#content,
      volumes: this.#volumes,
      totals: this.#totals,
      damaged: this.#damaged,
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
    if (entry.carried) this.#doubtful.push({ path, problem: 'is an older version: it could not be read' });
    if (entry.torn) this.#doubtful.push({ path, problem: 'was being written to when it was read' });
    if (entry.partial)
      this.#doubtful.push({ path, problem: 'had extended attributes that could not be read' });
    this.#totals.entries++;
    const owned = this.#withOwner(entry);
    if (entry.type === 'dir') {
      const folder = this.#folderOf(path);
      const listed = this.#tree.folders.list(folder, owned);
      if (listed) this.#last = { table: this.#tree.folders, row: folder };
      else this.#damaged.push({ path, problem: 'is in two sources' });
    } else {
      const row = this.#addNonFolder(owned);
      this.#last = { table: this.#tree.entries, row };
    }
  }

  /** The entry with the owner that it gets here. */
  #withOwner(entry: Entry): Entry {
    const { user, group, uid, gid } = entry;
    const owners = this.#owners;
    if (owners === undefined || (user === undefined && group === undefined)) return entry;
    return {
      ...entry,
      uid: (user === undefined ? undefined : owners.uid(user)) ?? uid,
      gid: (group === undefined ? undefined : owners.gid(group)) ?? gid,
    };
  }

  #close(): void {
    this.#closeFile();
    if (this.#xattrs.length > 0) this.#last?.table.setXattrs(this.#last.row, this.#xattrs);
    this.#last = undefined;
    this.#xattrs = [];
  }

  #problem({ path, type }: Entry): string | undefined {
    if (!isSafePath(path)) return 'is a path that must not be written';
    if (path === '/' && type !== 'dir') return 'is no folder';
    if (path === `/${MARKER_NAME}`) return 'has the name that a restore needs for itself';
    if (this.#barrier !== undefined && isWithin(path, this.#barrier))
      return 'lies below something that is no folder';
    return undefined;
  }

  #addNonFolder(entry: Entry): number {
    const slash = entry.path.lastIndexOf('/');
    const folder = this.#folderOf(slash === 0 ? '/' : entry.path.slice(0, slash));
    const name = entry.path.slice(slash + 1);
    this.#overlap.child(folder, this.#source);
    const { entries } = this.#tree;
    const first = this.#firstName(entry);
    this.#content.addEntry(entry.sha256 ?? EMPTY_SHA256);
    if (first !== undefined) return entries.add(folder, name, Kind.link, entry, entry.size, first);
    const index = this.#addFirst(entry, folder, name);
    if (entry.link !== undefined) this.#links.set(`${this.#source}\0${entry.link}`, index);
    return index;
  }

  #addFirst(entry: Entry, folder: number, name: ByteString): number {
    const { entries } = this.#tree;
    const { type, target, rdev } = entry;
    if (type === 'symlink')
      return entries.add(folder, name, Kind.symlink, entry, 0, this.#tree.addTarget(target ?? ''));
    if (type !== 'file' && type !== 'dir')
      return entries.add(folder, name, Kind.node, entry, 0, this.#tree.addNode({ type, rdev }));
    const index = entries.add(folder, name, Kind.file, entry, entry.size, this.#content.length);
    this.#open = { index, path: entry.path, first: this.#content.length, size: entry.size, at: 0, holes: 0 };
    this.#take(this.#open, entry.extents);
    return index;
  }

  /** The first name of the same inode, if this entry is a further one. Names that differ in content are no names of one. */
  #firstName(entry: Entry): number | undefined {
    if (entry.link === undefined) return undefined;
    const first = this.#links.get(`${this.#source}\0${entry.link}`);
    return first !== undefined && this.#isSame(first, entry) ? first : undefined;
  }

  #isSame(first: number, { type, size, sha256, target, rdev }: Entry): boolean {
    const tree = this.#tree;
    const detail = tree.entries.detail(first);
    switch (tree.entries.kind(first)) {
      case Kind.file:
        return type === 'file' && tree.entries.size(first) === size && this.#content.sha256(first) === sha256;
      case Kind.symlink:
        return type === 'symlink' && tree.target(detail) === target;
      case Kind.node: {
        const node = tree.node(detail);
        return node.type === type && node.rdev?.[0] === rdev?.[0] && node.rdev?.[1] === rdev?.[1];
      }
      default:
        return false;
    }
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
