/** What a worker is given to do, as plain data that can be posted, and what it answers; made from a plan. */
import type { SessionKey } from '../crypto/decrypt.ts';
import type { ByteString, ExtendedAttribute } from '../model.ts';
import type { Attributes } from '../target/attributes.ts';
import type { Stretch } from './content.ts';
import type { Plan } from './plan.ts';

/** Files, one a row. */
export interface FileList {
  /** Index of each in the plan. */
  entries: Uint32Array;
  /** Paths in the target as byte strings, each followed by NUL. */
  paths: ByteString;
  /** SHA-256 of the contents in hex, 64 digits each. */
  digests: string;
  sizes: Float64Array;
  modes: Uint16Array;
  uids: Uint32Array;
  gids: Uint32Array;
  /** Modification times. */
  seconds: Float64Array;
  nanoseconds: Uint32Array;
  /** For each file a number that stands for its extended attributes, which are in `xattrSets`. */
  xattrs: Uint32Array;
  xattrSets: Map<number, readonly ExtendedAttribute[]>;
}

/** A volume as it lies in the store, and what decrypts it. */
export interface OpenedVolume {
  /** Checked against the commit already. In shared memory, or it would be copied for the worker. */
  ciphertext: Uint8Array;
  sessionKey: SessionKey;
}

/** Write what one volume brings: what that is, the worker asks for, batch by batch. */
export interface VolumeJob extends OpenedVolume {
  kind: 'volume';
  /** Full name of the object. */
  object: string;
  plainSize: number;
  /** Whether every chunk is checked by its own digest, also where those of the files that it is for cover it. */
  closely: boolean;
}

/** Some of what a volume brings. A file may come in several batches. */
export interface VolumeRows {
  files: FileList;
  /** For each file 1 if this volume brings all of it in one stretch: then the worker makes it; else it is there. */
  whole: Uint8Array;
  /** The stretches by position of their chunk, over all batches: row of the file, and the fields of Stretch. */
  stretches: {
    file: Uint32Array;
    position: Uint32Array;
    offset: Uint32Array;
    length: Uint32Array;
    at: Float64Array;
  };
  /** Whether nothing comes after. */
  last: boolean;
}

/** Read files back, compare them with their digests, and set what belongs to them. */
export interface CheckJob {
  kind: 'check';
  files: FileList;
}

export type Job = VolumeJob | CheckJob;

/** A file that did not come back. */
export interface FileTrouble {
  /** Index in the plan. */
  entry: number;
  /** `damage` when what the store holds is wrong, `io` when the target refused it. */
  kind: 'damage' | 'io';
  /** The end of a sentence that began with the path. */
  problem: string;
  /** Whether a part of it was made, which must not pass for the whole. */
  begun: boolean;
}

/** What came of a job. */
export interface JobResult {
  /** Files that are complete now. */
  done: number;
  troubles: FileTrouble[];
  /** Files in parts that need no check any more, by index in the plan. */
  checked: number[];
  /** Files of which not everything could be set: index in the plan, and a sum of NotSet. */
  notSet: [entry: number, what: number][];
  /** What is wrong with the volume, as a message that names it. */
  damage?: string;
}

/** Gathers the rows of a FileList. */
class FileListBuilder {
  readonly #plan: Plan;
  readonly #root: ByteString;
  readonly #rows = new Map<number, number>();
  readonly #folders = new Map<number, ByteString>();

  constructor(plan: Plan, root: ByteString) {
    this.#plan = plan;
    this.#root = root;
  }

  /** The row of an entry, a new one unless it has one. */
  row(entry: number): number {
    let row = this.#rows.get(entry);
    if (row === undefined) {
      row = this.#rows.size;
      this.#rows.set(entry, row);
    }
    return row;
  }

  build(): FileList {
    const { tree, content } = this.#plan;
    const count = this.#rows.size;
    const list: FileList = {
      entries: Uint32Array.from(this.#rows.keys()),
      paths: '',
      digests: '',
      sizes: new Float64Array(count),
      modes: new Uint16Array(count),
      uids: new Uint32Array(count),
      gids: new Uint32Array(count),
      seconds: new Float64Array(count),
      nanoseconds: new Uint32Array(count),
      xattrs: new Uint32Array(count),
      xattrSets: new Map(),
    };
    const paths: ByteString[] = [];
    const digests: string[] = [];
    for (const [row, entry] of list.entries.entries()) {
      const { mode, uid, gid, time, xattrs } = tree.entries.attributes(entry);
      list.sizes[row] = tree.entries.size(entry);
      list.modes[row] = mode;
      list.uids[row] = uid;
      list.gids[row] = gid;
      list.seconds[row] = time.seconds;
      list.nanoseconds[row] = time.nanoseconds;
      list.xattrs[row] = tree.entries.xattrSet(entry);
      list.xattrSets.set(list.xattrs[row], xattrs);
      paths.push(`${this.#folder(tree.entries.folder(entry))}/${tree.entries.name(entry)}\0`);
      digests.push(content.sha256(entry));
    }
    list.paths = paths.join('');
    list.digests = digests.join('');
    return list;
  }

  #folder(folder: number): ByteString {
    let path = this.#folders.get(folder);
    if (path === undefined) {
      path = targetPath(this.#root, this.#plan.tree.folders.path(folder));
      if (path === '/') path = '';
      this.#folders.set(folder, path);
    }
    return path;
  }
}

/** Where an absolute path of the source lies in the target, whose absolute path is `root`. */
export function targetPath(root: ByteString, path: ByteString): ByteString {
  if (path === '/') return root;
  return root === '/' ? path : `${root}${path}`;
}

/** The job that writes what volume `index` brings. */
export function volumeJob(
  { volumes }: Plan,
  index: number,
  volume: OpenedVolume,
  closely: boolean,
): VolumeJob {
  const { name, object } = volumes.get(index);
  return { kind: 'volume', object: name, plainSize: object.plainSize, closely, ...volume };
}

/** Stretches of a batch: a volume of small files brings many thousands, and what is posted is in memory several times. */
const BATCH = 512;

/** What volume `index` brings to those files that `wanted` takes, in batches; the last of them may be empty. */
export function* volumeRows(
  plan: Plan,
  root: ByteString,
  index: number,
  wanted: (entry: number) => boolean,
): Generator<VolumeRows, void> {
  const all = plan.content.ofVolume(index);
  let batch: Stretch[] = [];
  for (const extent of all) {
    if (!wanted(plan.content.entry(extent))) continue;
    if (batch.length === BATCH) {
      yield rowsOf(plan, root, batch, false);
      batch = [];
    }
    batch.push(plan.content.stretch(extent));
  }
  yield rowsOf(plan, root, batch, true);
}

function rowsOf(plan: Plan, root: ByteString, all: readonly Stretch[], last: boolean): VolumeRows {
  const { content, tree } = plan;
  const files = new FileListBuilder(plan, root);
  const stretches = {
    file: Uint32Array.from(all, ({ entry }) => files.row(entry)),
    position: Uint32Array.from(all, ({ position }) => position),
    offset: Uint32Array.from(all, ({ offset }) => offset),
    length: Uint32Array.from(all, ({ length }) => length),
    at: Float64Array.from(all, ({ at }) => at),
  };
  const list = files.build();
  const whole = Uint8Array.from(list.entries, (entry) =>
    content.isWhole(entry, tree.entries.detail(entry), tree.entries.size(entry)) ? 1 : 0,
  );
  return { files: list, whole, stretches, last };
}

/** The job that checks some files. */
export function checkJob(plan: Plan, root: ByteString, entries: readonly number[]): CheckJob {
  const files = new FileListBuilder(plan, root);
  for (const entry of entries) files.row(entry);
  return { kind: 'check', files: files.build() };
}

/** The attributes in a row. */
export function attributesOf(files: FileList, row: number): Attributes {
  return {
    mode: files.modes[row] as number,
    uid: files.uids[row] as number,
    gid: files.gids[row] as number,
    time: { seconds: files.seconds[row] as number, nanoseconds: files.nanoseconds[row] as number },
    xattrs: files.xattrSets.get(files.xattrs[row] as number) ?? [],
  };
}

/** The digest in a row. */
export function digestOf(files: FileList, row: number): string {
  return files.digests.slice(row * 64, row * 64 + 64);
}
