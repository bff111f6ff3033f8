/** The entries of a restore as compact tables: folders, and what is in them. Knows nothing of content or of the disk. */
import { joinPath } from '../format/order.ts';
import type { NodeType } from '../linux/nodes.ts';
import type { ByteString, ExtendedAttribute, Metadata } from '../model.ts';
import type { Attributes } from '../target/attributes.ts';
import { toTimespec } from '../target/times.ts';
import { Column, NamePool } from './columns.ts';
import type { Pages } from './pages.ts';
import { NO_XATTRS, XattrTable } from './xattr-table.ts';

/** Index of the folder that everything is in: the target itself. */
export const ROOT = 0;

/** Mode, owner, time and extended attributes of entries, one row each. */
class AttributeTable {
  readonly #sets: XattrTable;
  readonly #mode: Column;
  readonly #uid: Column;
  readonly #gid: Column;
  readonly #seconds: Column;
  readonly #nanoseconds: Column;
  readonly #xattrs: Column;

  constructor(sets: XattrTable, pages: Pages) {
    this.#mode = new Column(Uint16Array, pages);
    this.#uid = new Column(Uint32Array, pages);
    this.#gid = new Column(Uint32Array, pages);
    this.#seconds = new Column(Float64Array, pages);
    this.#nanoseconds = new Column(Uint32Array, pages);
    this.#xattrs = new Column(Uint32Array, pages);
    this.#sets = sets;
  }

  push(metadata: Metadata | undefined): void {
    for (const column of [this.#mode, this.#uid, this.#gid, this.#seconds, this.#nanoseconds]) column.push(0);
    const row = this.#xattrs.push(NO_XATTRS);
    if (metadata !== undefined) this.set(row, metadata);
  }

  set(row: number, metadata: Metadata): void {
    this.#mode.set(row, metadata.mode);
    this.#uid.set(row, metadata.uid);
    this.#gid.set(row, metadata.gid);
    const { seconds, nanoseconds } = toTimespec(metadata.mtimeNs);
    this.#seconds.set(row, seconds);
    this.#nanoseconds.set(row, nanoseconds);
  }

  setXattrs(row: number, xattrs: readonly ExtendedAttribute[]): void {
    this.#xattrs.set(row, this.#sets.add(xattrs));
  }

  /** A number that stands for the extended attributes of a row, the same for equal ones. */
  xattrSet(row: number): number {
    return this.#xattrs.get(row);
  }

  get(row: number): Attributes {
    return {
      mode: this.#mode.get(row),
      uid: this.#uid.get(row),
      gid: this.#gid.get(row),
      time: { seconds: this.#seconds.get(row), nanoseconds: this.#nanoseconds.get(row) },
      xattrs: this.#sets.get(this.#xattrs.get(row)),
    };
  }
}

/** Names below folders: a row is the folder's index and the name. */
class NameTable {
  readonly #pool: NamePool;
  readonly #folder: Column;
  readonly #offset: Column;
  readonly #length: Column;

  constructor(pool: NamePool, pages: Pages) {
    this.#folder = new Column(Uint32Array, pages);
    this.#offset = new Column(Uint32Array, pages);
    this.#length = new Column(Uint8Array, pages);
    this.#pool = pool;
  }

  get length(): number {
    return this.#folder.length;
  }

  push(folder: number, name: ByteString): number {
    this.#offset.push(this.#pool.add(name));
    this.#length.push(name.length);
    return this.#folder.push(folder);
  }

  folder(row: number): number {
    return this.#folder.get(row);
  }

  name(row: number): ByteString {
    return this.#pool.get(this.#offset.get(row), this.#length.get(row));
  }
}

/** What a folder is to the point. */
const IMPLIED = 0;
const LISTED = 1;

/** Folders: the parent of each has a smaller index. Some are entries of the point, others only lie on the way to one. */
export class FolderTable {
  readonly #names: NameTable;
  readonly #attributes: AttributeTable;
  readonly #state: Column;
  #known: Map<string, number> | undefined = new Map();

  constructor(pool: NamePool, xattrs: XattrTable, pages: Pages) {
    this.#state = new Column(Uint8Array, pages);
    this.#names = new NameTable(pool, pages);
    this.#attributes = new AttributeTable(xattrs, pages);
    this.#names.push(ROOT, '');
    this.#attributes.push(undefined);
    this.#state.push(IMPLIED);
  }

  get length(): number {
    return this.#names.length;
  }

  /** The folder of that name in `parent`; undefined where there is none yet. */
  find(parent: number, name: ByteString): number | undefined {
    return this.#known?.get(`${parent}/${name}`);
  }

  add(parent: number, name: ByteString): number {
    const index = this.#names.push(parent, name);
    this.#attributes.push(undefined);
    this.#state.push(IMPLIED);
    this.#known?.set(`${parent}/${name}`, index);
    return index;
  }

  /** Makes a folder an entry of the point; false where it is one already. */
  list(folder: number, metadata: Metadata): boolean {
    if (this.isListed(folder)) return false;
    this.#state.set(folder, LISTED);
    this.#attributes.set(folder, metadata);
    return true;
  }

  setXattrs(folder: number, xattrs: readonly ExtendedAttribute[]): void {
    this.#attributes.setXattrs(folder, xattrs);
  }

  isListed(folder: number): boolean {
    return this.#state.get(folder) === LISTED;
  }

  attributes(folder: number): Attributes {
    return this.#attributes.get(folder);
  }

  parent(folder: number): number {
    return this.#names.folder(folder);
  }

  /** Absolute path in the source. */
  path(folder: number): ByteString {
    if (folder === ROOT) return '/';
    return joinPath(this.path(this.parent(folder)), this.#names.name(folder));
  }

  /** Gives back what only find() needs. */
  seal(): void {
    this.#known = undefined;
  }
}

/** What becomes of an entry that is no folder. */
export const Kind = {
  /** Left out: its problem is recorded elsewhere. */
  none: 0,
  /** A file whose content comes from volumes, or is empty. */
  file: 1,
  symlink: 2,
  /** A further name of the entry whose index is in `detail`. */
  link: 3,
  /** A named pipe, socket or device. */
  node: 4,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** All entries that are no folders, in the order of the manifest. */
export class EntryTable {
  readonly #names: NameTable;
  readonly #attributes: AttributeTable;
  readonly #kind: Column;
  readonly #size: Column;
  readonly #detail: Column;

  constructor(pool: NamePool, xattrs: XattrTable, pages: Pages) {
    this.#kind = new Column(Uint8Array, pages);
    this.#size = new Column(Float64Array, pages);
    this.#detail = new Column(Uint32Array, pages);
    this.#names = new NameTable(pool, pages);
    this.#attributes = new AttributeTable(xattrs, pages);
  }

  get length(): number {
    return this.#names.length;
  }

  /**
   * `detail` is the index of the first name for a link, of the target for a symlink, of the first extent for a file, of what it is for
   * a node.
   */
  add(
    folder: number,
    name: ByteString,
    kind: Kind,
    metadata: Metadata,
    size: number,
    detail: number,
  ): number {
    this.#attributes.push(metadata);
    this.#kind.push(kind);
    this.#size.push(size);
    this.#detail.push(detail);
    return this.#names.push(folder, name);
  }

  kind(entry: number): Kind {
    return this.#kind.get(entry) as Kind;
  }

  drop(entry: number): void {
    this.#kind.set(entry, Kind.none);
  }

  /** Lets a further name be the first one, which becomes a further name of it. */
  standIn(entry: number, first: number): void {
    this.#kind.set(entry, this.#kind.get(first));
    this.#detail.set(entry, this.#detail.get(first));
    this.#kind.set(first, Kind.link);
    this.#detail.set(first, entry);
  }

  size(entry: number): number {
    return this.#size.get(entry);
  }

  detail(entry: number): number {
    return this.#detail.get(entry);
  }

  folder(entry: number): number {
    return this.#names.folder(entry);
  }

  name(entry: number): ByteString {
    return this.#names.name(entry);
  }

  attributes(entry: number): Attributes {
    return this.#attributes.get(entry);
  }

  setXattrs(entry: number, xattrs: readonly ExtendedAttribute[]): void {
    this.#attributes.setXattrs(entry, xattrs);
  }

  /** A number that stands for the extended attributes of an entry, the same for equal ones. */
  xattrSet(entry: number): number {
    return this.#attributes.xattrSet(entry);
  }
}

/** What a special file is. */
export interface Node {
  type: NodeType;
  /** Devices: major and minor number. */
  rdev: [number, number] | undefined;
}

/** Everything that is to come into being, content aside. */
export class Tree {
  readonly #pool: NamePool;
  readonly #xattrs = new XattrTable();
  readonly folders: FolderTable;
  readonly entries: EntryTable;
  readonly #nodes: Node[] = [];
  readonly #targetOffset: Column;
  readonly #targetLength: Column;

  /** `pages`: the memory of its tables. */
  constructor(pages: Pages) {
    this.#pool = new NamePool(pages);
    this.folders = new FolderTable(this.#pool, this.#xattrs, pages);
    this.entries = new EntryTable(this.#pool, this.#xattrs, pages);
    this.#targetOffset = new Column(Uint32Array, pages);
    this.#targetLength = new Column(Uint32Array, pages);
  }

  /** Keeps where a symlink points to; returns its index, the link's `detail`. */
  addTarget(target: ByteString): number {
    this.#targetOffset.push(this.#pool.add(target));
    return this.#targetLength.push(target.length);
  }

  target(index: number): ByteString {
    return this.#pool.get(this.#targetOffset.get(index), this.#targetLength.get(index));
  }

  /** Keeps what a special file is; returns its index, the entry's `detail`. */
  addNode(node: Node): number {
    return this.#nodes.push(node) - 1;
  }

  node(index: number): Node {
    return this.#nodes[index] as Node;
  }

  /** Gives back what is needed only while the tree grows. */
  seal(): void {
    this.folders.seal();
    this.#xattrs.seal();
  }

  /** Absolute path, in the source, of an entry that is no folder. */
  path(entry: number): ByteString {
    return joinPath(this.folders.path(this.entries.folder(entry)), this.entries.name(entry));
  }
}
