/**
 * Writes a point, or a part of it, as a tar archive: entries → which content comes when → entries again, each with its content. The list of
 * entries is read twice, so that neither it nor any content is held; each volume is fetched once.
 */
import type { Point } from './chain/points.ts';
import type { ParsedSecretKey } from './crypto/open.ts';
import { HoldfastError } from './errors.ts';
import { show } from './format/bytes.ts';
import type { StrategyNames } from './format/names.ts';
import { readPoint } from './manifest/merge.ts';
import { refuseUnmatched, type Selection } from './manifest/select.ts';
import type { ByteString, Entry, ExtendedAttribute } from './model.ts';
import { type Arrangement, arrange } from './restore/arrange.ts';
import type { PlanItem } from './restore/plan.ts';
import type { Trouble } from './restore/trouble.ts';
import type { Store } from './store/store.ts';
import { ContentDamage, Contents } from './stream/contents.ts';
import { FirstNames } from './tar/first-names.ts';
import { encodeEnd, encodeHeader, FLAG, padding } from './tar/header.ts';

/** What to write. */
export interface TarRequest {
  store: Store;
  names: StrategyNames;
  /** Must have no `problem`. */
  point: Point;
  /** How messages name the point. */
  pointName: string;
  /** Must be a recipient's. */
  key: ParsedSecretKey;
  selection: Selection | undefined;
  arrangement: Arrangement;
  /** Folder for what comes before its time and does not fit into memory. */
  scratch: string;
  /** Throws when the run was told to end. */
  stop: () => void;
}

/** What came of it. */
export interface TarResult {
  entries: number;
  /** Bytes of content. */
  bytes: number;
  /** Files that the store does not hold as they were: left out. */
  damaged: Trouble[];
  /** Entries that tar cannot carry: left out. */
  incomplete: Trouble[];
  doubtful: Trouble[];
  /** Objects of the store that are damaged or missing. */
  lost: HoldfastError[];
}

/** A file up to this size is fetched whole before its header is written: if it is damaged, it can still be left out. */
const FORESEEN = 64 * 1024 * 1024;

/**
 * Writes the archive. A damaged file is left out and named; one that is larger than FORESEEN and turns out to be damaged in the middle ends
 * the archive there, with the error `damage`: it has no end then, and tar says so. Errors: `no-path`, `usage`, `key`, `damage` of manifests,
 * those of the store, of the scratch, and of `write`.
 */
export async function tar(
  request: TarRequest,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<TarResult> {
  const contents = new Contents(request);
  try {
    await takeIn(request, contents);
    refuseUnmatched(request.selection, request.pointName);
    contents.begin();
    const archive = new Archive(request, contents, write);
    for await (const batch of itemsOf(request)) {
      for (const item of batch) await archive.take(item);
      request.stop();
    }
    return await archive.end();
  } finally {
    await contents.close();
  }
}

function itemsOf({
  store,
  names,
  key,
  point,
  selection,
  arrangement,
}: TarRequest): AsyncIterable<readonly PlanItem[]> {
  return arrange(readPoint({ store, names, key }, point, selection), arrangement);
}

/** The first way through the entries: what content there is, in which order. */
async function takeIn(request: TarRequest, contents: Contents): Promise<void> {
  const first = new FirstNames();
  let isOpen = false;
  for await (const batch of itemsOf(request)) {
    for (const item of batch) {
      if (item.kind === 'more') {
        if (isOpen) contents.more(item.extents);
        continue;
      }
      isOpen = first.of(item.entry) === undefined && item.entry.type === 'file';
      if (isOpen) contents.add(item.entry);
    }
    request.stop();
  }
}

/** The archive in the making: the second way through the entries. */
class Archive {
  readonly #request: TarRequest;
  readonly #contents: Contents;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #first = new FirstNames();
  /** First names that did not come: their further names cannot either. */
  readonly #absent = new Map<ByteString, string>();
  readonly #result: TarResult = { entries: 0, bytes: 0, damaged: [], incomplete: [], doubtful: [], lost: [] };
  /** The entry of which more may come, and its extended attributes so far. */
  #open: { entry: Entry; xattrs: ExtendedAttribute[] } | undefined;
  #file = 0;
  #written = 0;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;

  constructor(request: TarRequest, contents: Contents, write: (bytes: Uint8Array) => Promise<void>) {
    this.#request = request;
    this.#contents = contents;
    this.#write = write;
  }

  /** Takes an item; an entry is written when all of its extended attributes are there, for they come before its content. */
  async take(item: PlanItem): Promise<void> {
    if (item.kind === 'entry') this.#open = { entry: item.entry, xattrs: [...(item.entry.xattrs ?? [])] };
    else this.#open?.xattrs.push(...(item.xattrs ?? []));
    const open = this.#open;
    if (item.continues || open === undefined) return;
    this.#open = undefined;
    await this.#add({ ...open.entry, xattrs: open.xattrs });
  }

  async #add(entry: Entry): Promise<void> {
    const { path, type } = entry;
    // Asked of every entry, as in the first way through them: so it gives the same answers.
    const first = this.#first.of(entry);
    if (type === 'socket') {
      this.#result.incomplete.push({ path, problem: 'is a socket, which tar cannot carry' });
      return;
    }
    if (first !== undefined) {
      const absent = this.#absent.get(first);
      if (absent === undefined) await this.#member(entry, FLAG.link, 0, relative(first));
      else this.#result.damaged.push({ path, problem: `is another name of ${show(first)}, which ${absent}` });
      return;
    }
    if (type === 'file') await this.#addFile(entry);
    else await this.#member(entry, FLAG[type], 0, entry.target);
  }

  async end(): Promise<TarResult> {
    await this.#put(encodeEnd(this.#written));
    await this.#flush();
    return this.#result;
  }

  async #addFile(entry: Entry): Promise<void> {
    const { path, size } = entry;
    const file = this.#file++;
    try {
      if (size <= FORESEEN) await this.#contents.prepare(file);
    } catch (error) {
      this.#leaveOut(entry, error);
      return;
    }
    await this.#member(entry, FLAG.file, size, undefined);
    try {
      for await (const piece of this.#contents.read(file)) {
        await this.#put(piece);
        this.#request.stop();
      }
    } catch (error) {
      if (!(error instanceof ContentDamage)) throw error;
      const advice = `the archive ends there and is not whole; leave the file out with --exclude, or take it from another point`;
      throw new HoldfastError('damage', `${show(path)} ${error.message}: ${advice}`, {
        path: show(path),
        ...(error.lost?.object === undefined ? {} : { object: error.lost.object }),
        cause: error,
      });
    }
    await this.#put(padding(size));
    this.#result.bytes += size;
  }

  #leaveOut({ path }: Entry, error: unknown): void {
    if (!(error instanceof ContentDamage)) throw error;
    const { message, lost } = error;
    this.#absent.set(path, message);
    this.#result.damaged.push({ path, problem: message });
    if (lost !== undefined && !this.#result.lost.includes(lost)) this.#result.lost.push(lost);
  }

  async #member(
    entry: Entry,
    flag: (typeof FLAG)[keyof typeof FLAG],
    size: number,
    target: ByteString | undefined,
  ): Promise<void> {
    const { mode, uid, gid, user, group, mtimeNs, rdev, xattrs } = entry;
    const path = relative(entry.path) + (flag === FLAG.dir ? '/' : '');
    await this.#put(
      encodeHeader({
        ...{ path, flag, mode, uid, gid, mtimeNs, size },
        ...(user === undefined ? {} : { user }),
        ...(group === undefined ? {} : { group }),
        ...(target === undefined ? {} : { target }),
        ...(rdev === undefined ? {} : { rdev }),
        // Another name has those of the first.
        ...(xattrs === undefined || flag === FLAG.link ? {} : { xattrs }),
      }),
    );
    this.#result.entries++;
    if (entry.carried) {
      this.#result.doubtful.push({ path: entry.path, problem: 'is an older version: it could not be read' });
    }
    if (entry.torn) {
      this.#result.doubtful.push({ path: entry.path, problem: 'was being written to when it was read' });
    }
    if (entry.partial) {
      const problem = 'had extended attributes that could not be read';
      this.#result.doubtful.push({ path: entry.path, problem });
    }
  }

  /** Small pieces are gathered: a write for each would cost more than all else. */
  async #put(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#written += bytes.length;
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= 256 * 1024) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = this.#gathered.length === 1 ? this.#gathered[0] : Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (bytes !== undefined && bytes.length > 0) await this.#write(bytes);
  }
}

/** The name of a member: no tar takes an absolute one without a word. */
function relative(path: ByteString): ByteString {
  return path === '/' ? '.' : path.slice(1);
}
