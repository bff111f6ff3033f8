/**
 * Makes the content of a set: compares the sources with the parent's index, stores what is new, and writes manifest and next index
 * in the same pass. Runs in a worker; knows neither keys nor store, only the sink that its objects go to.
 */
import { fromText, toText } from '../format/bytes.ts';
import { encodeEntry, encodeGone } from '../format/manifest.ts';
import { volumeName } from '../format/names.ts';
import { type Change, type ComparedSource, compare, type OldEntry, type Walker } from '../index/compare.ts';
import {
  decodeSegments,
  EntriesReader,
  EntriesWriter,
  encodeIndexLine,
  type IndexEntry,
  splitXattrs,
} from '../index/entries-file.ts';
import { isMountEntry, MOUNT_FLAG } from '../index/mounts.ts';
import { SegmentLog, type SegmentLogLengths } from '../index/segment-log.ts';
import { hasAttributes } from '../linux/xattrs.ts';
import type { ByteString, Extent } from '../model.ts';
import type { SeenRoot } from '../source/seen-root.ts';
import type { Stat } from '../source/stat.ts';
import { walk } from '../source/walk.ts';
import { type PackLimits, VolumePacker } from '../volume/pack.ts';
import type { ObjectSink } from '../volume/sink.ts';
import { ContentStorer } from './content.ts';
import { EntryReader, isMarked, NEVER } from './entry.ts';
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
  /** Where the chain's segment logs lie, how much of them counts, and the secret of its digests of blocks (hex). */
  logs: { base: string; lengths: SegmentLogLengths; blockSecret: string };
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

/**
 * Makes the set's objects and the next index's files. Errors of the sink, of the state folder and of the packer pass through, and what
 * `checkpoint` throws, which is called again and again, also in the middle of a large file. `walker` walks the sources, in this thread unless it is said otherwise.
 */
export function produce(
  options: ProduceOptions,
  sink: ObjectSink,
  onEvent: (event: ProduceEvent) => void,
  progress: Float64Array,
  checkpoint: () => void,
  walker: Walker = (_source, root, options) => walk(root, { ...options, checkpoint }),
): ProduceResult {
  const old = options.parent === undefined ? undefined : new EntriesReader(options.parent.entriesFile);
  const producer = new Producer(options, sink, onEvent, progress, checkpoint);
  try {
    for (const change of compare(options.sources, old, new Set(options.own), options.before, walker)) {
      checkpoint();
      producer.take(change);
    }
    return producer.finish();
  } finally {
    old?.close();
    producer.close();
  }
}

type Fresh = Omit<Extract<Change, { kind: 'fresh' }>, 'kind'>;

class Producer {
  readonly #options: ProduceOptions;
  readonly #onEvent: (event: ProduceEvent) => void;
  readonly #progress: Float64Array;
  readonly #log: SegmentLog;
  readonly #entries: EntriesWriter;
  readonly #manifest: ManifestWriter;
  readonly #packer: VolumePacker;
  readonly #reader: EntryReader;
  readonly #live = new SegmentSet();
  readonly #givenUp: SegmentSet | undefined;
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
    this.#reader = new EntryReader({
      content: new ContentStorer(this.#log, this.#packer, options.seq, options.logs.blockSecret, checkpoint),
      keepAccessTime: options.keepAccessTime,
      entriesFile: options.parent?.entriesFile,
      givenUp: this.#givenUp,
      progress,
    });
  }

  take(change: Change): void {
    switch (change.kind) {
      case 'same':
        this.#same(change.old, change.stat, change.root);
        break;
      case 'fresh':
        this.#fresh(change, change.isMount ? MOUNT_FLAG : '');
        break;
      case 'gone':
        if (change.leftOut === undefined) {
          this.#gone(change.old);
        } else {
          this.#changes.leftOut++;
          this.#bury(change.old.source, change.old.entry.path, this.#ordinal);
        }
        break;
      case 'still-gone':
        this.#stillGone(change.old);
        break;
      case 'carried':
        this.#carry(change.old);
        break;
      case 'incident':
        this.#onEvent({ incident: change.incident });
        if (!change.incident.carried) this.#incomplete.unreadable++;
        break;
      case 'vanished':
        this.#vanished++;
        break;
      case 'skipped':
        this.#onEvent(skippedEvent(change));
        break;
      case 'emptied':
        this.#onEvent({ emptied: change.path, marker: change.marker, entries: change.entries });
        break;
    }
  }

  finish(): ProduceResult {
    this.#packer.finish();
    this.#manifest.finish({
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

  #same(old: OldEntry, stat: Stat, root: SeenRoot): void {
    const { entry } = old;
    if (this.#givenUp?.hasAnyOf(entry.segments)) {
      this.#fresh({ source: old.source, path: entry.path, stat, old, root });
      return;
    }
    this.#count(stat.isFile(), Number(stat.size));
    this.#live.addRanges(entry.segments);
    this.#entries.copy(old.source, old.lines);
    if (entry.changed > this.#base) this.#list(old.source, entry);
  }

  #gone(old: OldEntry): void {
    this.#changes.gone++;
    this.#bury(old.source, old.entry.path, this.#ordinal);
  }

  #stillGone(old: OldEntry): void {
    this.#bury(old.source, old.entry.path, old.entry.changed);
  }

  #bury(source: string, path: ByteString, changed: number): void {
    this.#entries.line(
      source,
      encodeIndexLine({ path, signature: NEVER, flags: 'g', changed, segments: '', head: '' }),
    );
    if (changed > this.#base) this.#manifest.entry(source, path, [encodeGone(path, this.#since(changed))]);
  }

  #carry(old: OldEntry): void {
    this.#incomplete.carried++;
    let { entry } = old;
    if (!entry.flags.includes('c')) {
      const signature = entry.flags === '' ? entry.signature : NEVER;
      entry = {
        ...entry,
        signature,
        flags: isMountEntry(entry) ? `c${MOUNT_FLAG}` : 'c',
        changed: this.#ordinal,
        head: `${entry.head},"carried":true`,
      };
    }
    if (isMarked(entry.head, 'partial')) this.#incomplete.partial++;
    const size = /,"size":(\d+)/.exec(entry.head)?.[1];
    this.#count(size !== undefined, Number(size ?? 0));
    this.#live.addRanges(entry.segments);
    this.#entries.line(old.source, encodeIndexLine(entry));
    if (entry.changed > this.#base) this.#list(old.source, entry);
  }

  #fresh({ source, path, stat, old, root }: Fresh, mark = ''): void {
    const before = old?.entry.flags.includes('g') ? undefined : old;
    let entry = this.#reader.read(path, stat, before?.entry);
    // With its root, nothing has been deleted: see walk().
    if (entry === 'gone' && !root.isThere()) entry = { error: 'ENOENT' };
    if (entry === 'gone') {
      this.#vanished++;
      if (before !== undefined) this.#gone(before);
      else if (old !== undefined) this.#stillGone(old);
      return;
    }
    if ('error' in entry) {
      const { error } = entry;
      this.#onEvent({ incident: { kind: 'unreadable', path, error, carried: before !== undefined } });
      if (before !== undefined) this.#carry(before);
      else {
        this.#incomplete.unreadable++;
        if (old !== undefined) this.#stillGone(old);
      }
      return;
    }
    if (entry.torn) {
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
      flags: `${entry.young ? 'r' : entry.attributesError !== undefined ? 'p' : ''}${mark}`,
      changed,
      segments: entry.segments,
      head: entry.head,
      ...(entry.xattrs === '' ? {} : { xattrs: entry.xattrs }),
    };
    this.#entries.line(source, encodeIndexLine(line));
    if (changed > this.#base) this.#list(source, line);
  }

  #count(isFile: boolean, size: number): void {
    this.#counts.entries++;
    this.#progress[PROGRESS.entries]!++;
    if (isFile) {
      this.#counts.files++;
      this.#counts.bytes += size;
    }
  }

  #list(source: string, entry: IndexEntry): void {
    const head = textOf(entry.head);
    const xattrs = splitXattrs(textOf(entry.xattrs ?? ''));
    if (xattrs.length > 0 || isMarked(entry.head, 'partial')) this.#hasXattrs = true;
    const since = this.#since(entry.changed);
    this.#manifest.entry(
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

function textOf(bytes: ByteString): string {
  const text = toText(bytes);
  if (text === undefined) throw new Error('a line of the index is not UTF-8');
  return text;
}

function continues(last: Extent, next: Extent): boolean {
  return (
    last.seq === next.seq &&
    last.volume === next.volume &&
    last.position === next.position &&
    (next.seq === 0 || last.offset + last.length === next.offset)
  );
}
