/**
 * Makes the content of a set: compares the sources with the parent's index, stores what is new, and writes manifest and next index
 * in the same pass. Runs in a worker; knows neither keys nor store, only the sink that its objects go to.
 */
import type { BigIntStats } from 'node:fs';
import { lstatSync, readlinkSync } from 'node:fs';
import { LARGE_FILE } from '../chunk/cut.ts';
import { EMPTY_SHA256 } from '../chunk/digest.ts';
import { systemCode } from '../errors.ts';
import { fromBytes, fromText, toFsPath, toText } from '../format/bytes.ts';
import { encodeEntry, encodeGone, encodeHead } from '../format/manifest.ts';
import { volumeName } from '../format/names.ts';
import { encodeXattrs } from '../format/xattrs.ts';
import { type Change, type ComparedSource, compare, type OldEntry, signatureOf } from '../index/compare.ts';
import {
  decodeSegments,
  EntriesReader,
  EntriesWriter,
  encodeIndexLine,
  encodeSegments,
  type IndexEntry,
  joinXattrs,
  splitXattrs,
} from '../index/entries-file.ts';
import { SegmentLog, type SegmentLogLengths } from '../index/segment-log.ts';
import { type Owners, readOwners } from '../linux/owners.ts';
import { hasAttributes } from '../linux/xattrs.ts';
import type { ByteString, Extent, Metadata } from '../model.ts';
import { type ReadAttributes, readAttributes } from '../source/attributes.ts';
import { type OpenFile, readFile } from '../source/read.ts';
import { deviceNumbers, typeOf } from '../source/stat-entry.ts';
import { isYoung, nowInNs } from '../source/young.ts';
import { type PackLimits, VolumePacker } from '../volume/pack.ts';
import type { ObjectSink } from '../volume/sink.ts';
import { ContentStorer, type OlderVersion } from './content.ts';
import { type ProduceEvent, skippedEvent } from './events.ts';
import { ManifestWriter } from './manifest-writer.ts';
import { PROGRESS } from './progress.ts';
import { SegmentSet, segmentsIn, usageOf } from './usage.ts';

export type { ProduceEvent } from './events.ts';

/** What to make. Plain data: it is posted to a worker. */
export interface ProduceOptions {
  strategy: string;
  seq: number;
  id: string;
  sources: ComparedSource[];
  /** Folders to leave out, as `device:inode`. */
  own: string[];
  /** For an incremental: the parent's index and its chain. */
  parent: { entriesFile: string; live: number } | undefined;
  /** For a full: the entries of the newest point, if the host has them; they only tell what was never empty. */
  before: string | undefined;
  /** Numbers of the chain's sets by ordinal, this one last. */
  seqs: number[];
  /** Ordinal of the manifest's base; null for a full. */
  base: number | null;
  /** Where the chain's segment logs lie, and how much of them counts. */
  logs: { base: string; lengths: SegmentLogLengths };
  /** Where to write the next index's entries. */
  entriesFile: string;
  /** Volumes of earlier sets that hold too little of use: what the point needs of them is stored anew. */
  givenUp: { seq: number; volumes: number[] }[];
  limits: PackLimits;
  /** Whether access times can be left alone (root, or the files' owner). */
  keepAccessTime: boolean;
}

export interface ProduceResult {
  entriesSha256: string;
  logLengths: SegmentLogLengths;
  /** Of the point: entries, files, and bytes of content. */
  counts: { entries: number; files: number; bytes: number; listed: number };
  /** Against the parent; `leftOut` are those that the strategy, or a marker, leaves out now: they are not among the gone. */
  changes: { fresh: number; changed: number; gone: number; leftOut: number };
  /** Names that were there when their folder was listed, and not any more when they were to be read: deletions. */
  vanished: number;
  bytesRead: number;
  incomplete: { carried: number; torn: number; unreadable: number; partial: number };
  /** Whether the manifest has extended attributes, or says that some are missing. */
  hasXattrs: boolean;
  /** Whether this machine cannot read extended attributes at all. */
  attributesUnread: boolean;
  /** For each set of the chain, bytes used of each of its volumes: `[volume, bytes]`, ascending. */
  usage: { seq: number; volumes: [number, number][] }[];
}

/** A hard link's other name is looked up here before its content is read again; bounded, for a miss costs only a read. */
const LINKS_KEPT = 100_000;
/** A torn file never counts as unchanged. */
const NEVER = '';

/** Content of a file as the index keeps it. */
interface Content {
  segments: string;
  sha256: string;
  size: number;
}

/**
 * Makes the set's objects and the next index's files. Errors of the sink, of the state folder and of the packer pass through, and what
 * `checkpoint` throws, which is called again and again, also in the middle of a large file.
 */
export async function produce(
  options: ProduceOptions,
  sink: ObjectSink,
  onEvent: (event: ProduceEvent) => void,
  progress: Float64Array,
  checkpoint: () => void,
): Promise<ProduceResult> {
  const old = options.parent === undefined ? undefined : new EntriesReader(options.parent.entriesFile);
  const producer = new Producer(options, sink, onEvent, progress, checkpoint);
  try {
    for (const change of compare(options.sources, old, new Set(options.own), options.before)) {
      checkpoint();
      const waiting = producer.take(change);
      if (waiting !== undefined) await waiting;
    }
    return await producer.finish();
  } finally {
    old?.close();
    producer.close();
  }
}

class Producer {
  readonly #options: ProduceOptions;
  readonly #onEvent: (event: ProduceEvent) => void;
  readonly #progress: Float64Array;
  readonly #log: SegmentLog;
  readonly #entries: EntriesWriter;
  readonly #manifest: ManifestWriter;
  readonly #packer: VolumePacker;
  readonly #content: ContentStorer;
  readonly #owners: Owners = readOwners();
  readonly #live = new SegmentSet();
  readonly #givenUp: SegmentSet | undefined;
  readonly #links = new Map<string, Content>();
  #renamed: Map<string, string> | undefined;
  readonly #ordinal: number;
  readonly #base: number;
  readonly #counts = { entries: 0, files: 0, bytes: 0 };
  readonly #changes = { fresh: 0, changed: 0, gone: 0, leftOut: 0 };
  readonly #incomplete = { carried: 0, torn: 0, unreadable: 0, partial: 0 };
  #hasXattrs = false;
  #vanished = 0;

  constructor(
    options: ProduceOptions,
    sink: ObjectSink,
    onEvent: (event: ProduceEvent) => void,
    progress: Float64Array,
    checkpoint: () => void,
  ) {
    this.#options = options;
    this.#onEvent = onEvent;
    this.#progress = progress;
    this.#ordinal = options.seqs.length - 1;
    this.#base = options.base ?? -1;
    this.#log = new SegmentLog(options.logs.base, options.logs.lengths);
    if (options.givenUp.length > 0) {
      const volumes = new Map(options.givenUp.map((g) => [g.seq, new Set(g.volumes)]));
      this.#givenUp = segmentsIn(this.#log, (seq, volume) => volumes.get(seq)?.has(volume) ?? false);
      this.#log.avoid(this.#givenUp.bitmap);
    }
    this.#entries = new EntriesWriter(options.entriesFile);
    this.#manifest = new ManifestWriter(sink, options.limits.level);
    this.#packer = new VolumePacker(sink, volumeName, options.limits);
    this.#content = new ContentStorer(this.#log, this.#packer, options.seq, checkpoint);
  }

  /** Takes one change; the promise, where there is one, must be awaited before the next. */
  take(change: Change): Promise<void> | undefined {
    switch (change.kind) {
      case 'same':
        return this.#same(change.old, change.stat);
      case 'fresh':
        return this.#fresh(change.source, change.path, change.stat, change.old);
      case 'gone':
        if (change.leftOut === undefined) return this.#gone(change.old);
        this.#changes.leftOut++;
        return this.#bury(change.old.source, change.old.entry.path, this.#ordinal);
      case 'still-gone':
        return this.#stillGone(change.old);
      case 'carried':
        return this.#carry(change.old);
      case 'incident':
        this.#onEvent({ incident: change.incident });
        if (!change.incident.carried) this.#incomplete.unreadable++;
        return undefined;
      case 'vanished':
        this.#vanished++;
        return undefined;
      case 'skipped':
        this.#onEvent(skippedEvent(change));
        return undefined;
      case 'emptied':
        this.#onEvent({ emptied: change.path, marker: change.marker, entries: change.entries });
        return undefined;
    }
  }

  async finish(): Promise<ProduceResult> {
    await this.#packer.finish();
    await this.#manifest.finish({
      strategy: this.#options.strategy,
      seq: this.#options.seq,
      id: this.#options.id,
      sources: this.#options.sources.map(({ name, paths }) => ({ name, paths: paths.map(fromText) })),
    });
    const entriesSha256 = this.#entries.finish();
    this.#log.sync();
    const usage = [...usageOf(this.#log, this.#live)]
      .map(([seq, volumes]) => ({ seq, volumes: [...volumes].sort((a, b) => a[0] - b[0]) }))
      .sort((a, b) => a.seq - b.seq);
    return {
      entriesSha256,
      logLengths: this.#log.lengths,
      counts: { ...this.#counts, listed: this.#manifest.listed },
      changes: this.#changes,
      vanished: this.#vanished,
      bytesRead: this.#progress[PROGRESS.bytesRead] as number,
      incomplete: this.#incomplete,
      hasXattrs: this.#hasXattrs || this.#incomplete.partial > 0,
      attributesUnread: !hasAttributes(),
      usage,
    };
  }

  close(): void {
    this.#entries.close();
    this.#log.close();
  }

  #same(old: OldEntry, stat: BigIntStats): Promise<void> | undefined {
    const { entry } = old;
    if (this.#givenUp?.hasAnyOf(entry.segments)) return this.#fresh(old.source, entry.path, stat, old);
    this.#count(stat.isFile(), Number(stat.size));
    this.#live.addRanges(entry.segments);
    this.#entries.line(old.source, old.line);
    return entry.changed > this.#base ? this.#list(old.source, entry) : undefined;
  }

  #gone(old: OldEntry): Promise<void> {
    this.#changes.gone++;
    return this.#bury(old.source, old.entry.path, this.#ordinal);
  }

  #stillGone(old: OldEntry): Promise<void> | undefined {
    return this.#bury(old.source, old.entry.path, old.entry.changed);
  }

  #bury(source: string, path: ByteString, changed: number): Promise<void> {
    this.#entries.line(
      source,
      encodeIndexLine({ path, signature: NEVER, flags: 'g', changed, segments: '', head: '' }),
    );
    if (changed <= this.#base) return Promise.resolve();
    return this.#manifest.entry(source, path, [encodeGone(path, this.#since(changed))]);
  }

  #carry(old: OldEntry): Promise<void> | undefined {
    this.#incomplete.carried++;
    let { entry } = old;
    if (!entry.flags.includes('c')) {
      const signature = entry.flags === '' ? entry.signature : NEVER;
      entry = {
        ...entry,
        signature,
        flags: 'c',
        changed: this.#ordinal,
        head: `${entry.head},"carried":true`,
      };
    }
    if (isMarked(entry.head, 'partial')) this.#incomplete.partial++;
    const size = /,"size":(\d+)/.exec(entry.head)?.[1];
    this.#count(size !== undefined, Number(size ?? 0));
    this.#live.addRanges(entry.segments);
    this.#entries.line(old.source, encodeIndexLine(entry));
    return entry.changed > this.#base ? this.#list(old.source, entry) : undefined;
  }

  async #fresh(
    source: string,
    path: ByteString,
    stat: BigIntStats,
    old: OldEntry | undefined,
  ): Promise<void> {
    const before = old?.entry.flags.includes('g') ? undefined : old;
    const entry = await this.#read(path, stat, before?.entry);
    if (entry === 'gone') {
      this.#vanished++;
      if (before !== undefined) await this.#gone(before);
      else if (old !== undefined) await this.#stillGone(old);
      return;
    }
    if ('error' in entry) {
      const { error } = entry;
      this.#onEvent({ incident: { kind: 'unreadable', path, error, carried: before !== undefined } });
      if (before !== undefined) await this.#carry(before);
      else {
        this.#incomplete.unreadable++;
        if (old !== undefined) await this.#stillGone(old);
      }
      return;
    }
    if (isMarked(entry.head, 'torn')) {
      this.#incomplete.torn++;
      this.#onEvent({ incident: { kind: 'torn', path, carried: false } });
    }
    if (entry.attributesError !== undefined) {
      this.#incomplete.partial++;
      this.#onEvent({ incident: { kind: 'partial', path, error: entry.attributesError, carried: false } });
    }
    const asBefore =
      before !== undefined &&
      before.entry.head === entry.head &&
      before.entry.segments === entry.segments &&
      (before.entry.xattrs ?? '') === entry.xattrs;
    const changed = asBefore ? before.entry.changed : this.#ordinal;
    if (before === undefined) this.#changes.fresh++;
    else if (!asBefore) this.#changes.changed++;
    this.#count(entry.isFile, entry.size);
    this.#live.addRanges(entry.segments);
    const line: IndexEntry = {
      path,
      signature: entry.signature,
      flags: entry.young ? 'r' : entry.attributesError !== undefined ? 'p' : '',
      changed,
      segments: entry.segments,
      head: entry.head,
      ...(entry.xattrs === '' ? {} : { xattrs: entry.xattrs }),
    };
    this.#entries.line(source, encodeIndexLine(line));
    if (changed > this.#base) await this.#list(source, line);
  }

  /** Reads what lstat does not say: a file's content, a link's target, extended attributes. */
  async #read(
    path: ByteString,
    stat: BigIntStats,
    before: IndexEntry | undefined,
  ): Promise<Entry | 'gone' | { error: string }> {
    const now = nowInNs();
    let current = stat;
    const content: Content = { segments: '', sha256: EMPTY_SHA256, size: 0 };
    let torn = false;
    let attributes: ReadAttributes | undefined;
    let target: ByteString | undefined;
    if (stat.isFile()) {
      const known = this.#knownContent(stat, before);
      if (known !== undefined) {
        Object.assign(content, known);
      } else {
        const result = await readFile(path, this.#options.keepAccessTime, async (file, size) => {
          const stored = await this.#content.store(this.#counting(file), size, this.#older(before, stat));
          return stored;
        });
        if (result.kind === 'gone') return 'gone';
        if (result.kind === 'unreadable') return { error: result.error };
        current = result.stat;
        torn = result.torn;
        attributes = result.attributes;
        content.segments = encodeSegments(result.content.segments);
        content.sha256 = result.content.sha256;
        content.size = result.content.length;
        this.#progress[PROGRESS.filesRead]!++;
      }
      if (!torn && !isYoung(current, now)) this.#rememberLink(current, content);
    } else if (stat.isSymbolicLink()) {
      const link = readLink(path);
      if (typeof link !== 'string') return link.gone ? 'gone' : { error: link.error };
      target = link;
    }
    let changing = false;
    if (attributes === undefined) {
      attributes = readAttributes(path);
      const { error } = attributes;
      if (error === 'ENOENT' || error === 'ENOTDIR') return 'gone';
      // Read by its name: something else may have taken it since lstat.
      changing = attributes.xattrs.length > 0 && !isStill(path, stat);
    }
    const metadata = this.#metadata(current, target, torn);
    if (attributes.error !== undefined) metadata.partial = true;
    const entry: Entry = {
      head: fromText(encodeHead({ ...metadata, ...content })),
      segments: content.segments,
      xattrs: fromText(joinXattrs(encodeXattrs(attributes.xattrs))),
      signature: torn ? NEVER : signatureOf(current),
      young: torn || changing || isYoung(current, now),
      isFile: current.isFile(),
      size: content.size,
    };
    if (attributes.error !== undefined) entry.attributesError = attributes.error;
    return entry;
  }

  /**
   * Content that need not be read: none, that of another name of the same inode, or, where something else is to be read again, that
   * of the same stat.
   */
  #knownContent(stat: BigIntStats, before: IndexEntry | undefined): Content | undefined {
    if (stat.size === 0n) return { segments: '', sha256: EMPTY_SHA256, size: 0 };
    if (stat.nlink > 1n) {
      const link = this.#links.get(linkKey(stat));
      if (link !== undefined) return link;
    }
    if ((before?.flags !== 'c' && before?.flags !== 'p') || before.signature !== signatureOf(stat))
      return undefined;
    if (this.#givenUp?.hasAnyOf(before.segments)) return undefined;
    const sha256 = /"sha256":"([0-9a-f]{64})"/.exec(before.head)?.[1];
    return sha256 === undefined ? undefined : { segments: before.segments, sha256, size: Number(stat.size) };
  }

  #rememberLink(stat: BigIntStats, content: Content): void {
    if (stat.nlink < 2n) return;
    if (this.#links.size >= LINKS_KEPT) this.#links.clear();
    this.#links.set(linkKey(stat), { ...content });
  }

  #counting(file: OpenFile): OpenFile {
    return {
      ...file,
      read: (into) => {
        const n = file.read(into);
        this.#progress[PROGRESS.bytesRead]! += n;
        return n;
      },
    };
  }

  /**
   * Earlier versions of a large file: what was under its path, and what had its inode under another. A log that is rotated has both:
   * the one before it, and itself.
   */
  #older(before: IndexEntry | undefined, stat: BigIntStats): OlderVersion {
    return () => {
      const here = before?.segments ?? '';
      const isOther = before?.signature.endsWith(`.${stat.ino}`) !== true;
      const there = isOther ? (this.#byInode(stat.ino) ?? '') : '';
      if (here === '' || there === '') return here || there ? decodeSegments(here || there) : undefined;
      return decodeSegments(`${here},${there}`);
    };
  }

  /** Looks through the parent's index once, when a large file turns up under a new path with new content. */
  #byInode(inode: bigint): string | undefined {
    const { parent } = this.#options;
    if (parent === undefined) return undefined;
    if (this.#renamed === undefined) {
      this.#renamed = new Map();
      const reader = new EntriesReader(parent.entriesFile);
      for (let e = reader.next(); e !== undefined; e = reader.next()) {
        const [type, size, , , ino] = e.signature.split('.');
        if (type === '8' && Number(size) >= LARGE_FILE && ino !== undefined)
          this.#renamed.set(ino, e.segments);
      }
      reader.close();
    }
    return this.#renamed.get(String(inode));
  }

  #metadata(stat: BigIntStats, target: ByteString | undefined, torn: boolean): Metadata {
    const uid = Number(stat.uid);
    const gid = Number(stat.gid);
    const metadata: Metadata = {
      type: typeOf(stat),
      mode: Number(stat.mode) & 0o7777,
      uid,
      gid,
      mtimeNs: stat.mtimeNs,
    };
    const user = this.#owners.user(uid);
    const group = this.#owners.group(gid);
    if (user !== undefined) metadata.user = user;
    if (group !== undefined) metadata.group = group;
    if (target !== undefined) metadata.target = target;
    if (metadata.type === 'char' || metadata.type === 'block') metadata.rdev = deviceNumbers(stat.rdev);
    if (stat.nlink > 1n && metadata.type !== 'dir') metadata.link = linkId(stat);
    if (torn) metadata.torn = true;
    return metadata;
  }

  #count(isFile: boolean, size: number): void {
    this.#counts.entries++;
    this.#progress[PROGRESS.entries]!++;
    if (isFile) {
      this.#counts.files++;
      this.#counts.bytes += size;
    }
  }

  #list(source: string, entry: IndexEntry): Promise<void> {
    const head = textOf(entry.head);
    const xattrs = splitXattrs(textOf(entry.xattrs ?? ''));
    if (xattrs.length > 0 || isMarked(entry.head, 'partial')) this.#hasXattrs = true;
    const since = this.#since(entry.changed);
    return this.#manifest.entry(
      source,
      entry.path,
      encodeEntry(entry.path, since, head, xattrs, this.#extents(entry.segments)),
    );
  }

  #since(changed: number): number {
    return this.#options.seqs[changed] as number;
  }

  /** The extents of a file, neighbours joined. */
  *#extents(segments: string): Generator<Extent> {
    let last: Extent | undefined;
    for (const number of decodeSegments(segments)) {
      for (const e of this.#log.segment(number).extents) {
        if (last !== undefined && continues(last, e)) {
          last.length += e.length;
          continue;
        }
        if (last !== undefined) yield last;
        last = { ...e };
      }
    }
    if (last !== undefined) yield last;
  }
}

/** What an entry's line in the index is made of. */
interface Entry {
  head: ByteString;
  segments: string;
  xattrs: ByteString;
  signature: string;
  young: boolean;
  isFile: boolean;
  size: number;
  /** The system's code, where some attributes could not be read. */
  attributesError?: string;
}

/** Whether a head has a mark, such as `torn`. */
function isMarked(head: string, mark: 'torn' | 'partial'): boolean {
  return head.endsWith(`,"${mark}":true`) || head.includes(`,"${mark}":true,`);
}

function textOf(bytes: ByteString): string {
  const text = toText(bytes);
  if (text === undefined) throw new Error('a line of the index is not UTF-8');
  return text;
}

/** Whether what is at a path is still what lstat said. */
function isStill(path: ByteString, stat: BigIntStats): boolean {
  const now = lstatSync(toFsPath(path), { bigint: true, throwIfNoEntry: false });
  return now !== undefined && signatureOf(now) === signatureOf(stat);
}

function continues(last: Extent, next: Extent): boolean {
  return (
    last.seq === next.seq &&
    last.volume === next.volume &&
    last.position === next.position &&
    (next.seq === 0 || last.offset + last.length === next.offset)
  );
}

/**
 * What all names of one inode have in common, and no two inodes: not its number, which another file system has too, and which is used again
 * while an entry that is carried over still bears it. A device number changes with reboots; the ctime is the inode's own.
 */
function linkId(stat: BigIntStats): string {
  return `${stat.ino}.${stat.ctimeNs}`;
}

/** What a symlink points to, or why that cannot be said. */
function readLink(path: ByteString): ByteString | { gone: true } | { gone: false; error: string } {
  try {
    const target = fromBytes(readlinkSync(toFsPath(path), { encoding: 'buffer' }));
    return target === '' ? { gone: false, error: 'EINVAL' } : target;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    // EINVAL: it is no link any more.
    return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL'
      ? { gone: true }
      : { gone: false, error: code };
  }
}

function linkKey(stat: BigIntStats): string {
  return `${stat.dev}.${signatureOf(stat)}`;
}
