/** Sets that are made in memory, one upon the other, and the points that their manifests describe. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ProduceEvent,
  type ProduceOptions,
  type ProduceResult,
  produce,
} from '../../src/backup/produce.ts';
import { PROGRESS_LENGTH } from '../../src/backup/progress.ts';
import { sha256 } from '../../src/chunk/digest.ts';
import { fromBytes, toBytes } from '../../src/format/bytes.ts';
import { baseOf } from '../../src/format/commit.ts';
import { type ManifestLine, parseContents, parseLine } from '../../src/format/manifest-parser.ts';
import { manifestName, volumeName } from '../../src/format/names.ts';
import { compareNames, comparePaths, joinPath } from '../../src/format/order.ts';
import type { ComparedSource, Walker } from '../../src/index/compare.ts';
import type { ByteString, Entry, Gone } from '../../src/model.ts';
import { chunksOf, MemorySink } from './memory-sink.ts';

/** A set that was made. */
export interface MadeSet {
  seq: number;
  result: ProduceResult;
  events: ProduceEvent[];
  sink: MemorySink;
  /** Chunks of its volumes. */
  volumes: { name: string; bytes: Buffer }[][];
  /** What its manifest lists. */
  listed: (Entry | Gone)[];
  parts: { source: string; path: ByteString; lines: number }[];
}

/** What a source looks like on disk at some time: by `source path`. */
export type Snapshot = Map<string, SeenEntry>;

export interface SeenEntry {
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  content?: Buffer;
  target?: ByteString;
  /** Device and inode, where it has several names. */
  inode?: string;
}

export class ProducingHost {
  readonly folder: string;
  sources: ComparedSource[];
  readonly sets: MadeSet[] = [];
  /** Numbers of sets go up in steps, as after runs that were not committed. */
  readonly seqs: number[] = [];
  keepAccessTime = true;
  #parent: { entriesFile: string; live: number } | undefined;
  #lengths = { segments: 0, extents: 0, blocks: 0 };
  #step = 0;

  /** `folder` is the state folder. */
  constructor(folder: string, sources: (Pick<ComparedSource, 'name' | 'paths'> & Partial<ComparedSource>)[]) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.sources = sources.map((source) => ({ exclude: [], allowEmpty: false, ...source }));
  }

  /** Makes the next set: a full the first time, then incrementals. */
  async run(
    options: Partial<Pick<ProduceOptions, 'givenUp' | 'limits' | 'own'>> & {
      sink?: MemorySink;
      walker?: Walker;
    } = {},
  ): Promise<MadeSet> {
    const ordinal = this.sets.length;
    const seq = (this.seqs.at(-1) ?? 4) + 1 + (ordinal % 3);
    const { sink = new MemorySink(), walker, ...others } = options;
    const events: ProduceEvent[] = [];
    const entriesFile = join(this.folder, `entries-${++this.#step}`);
    const result = produce(
      {
        strategy: 'town',
        seq,
        id: seq.toString(16).padStart(32, '0'),
        sources: this.sources,
        own: [],
        parent: this.#parent,
        before: undefined,
        seqs: [...this.seqs, seq],
        base: baseOf(ordinal),
        logs: { base: join(this.folder, 'chain'), lengths: this.#lengths, blockSecret: 'b5'.repeat(32) },
        entriesFile,
        givenUp: [],
        limits: { size: 1 << 20, plainSize: 1 << 24, level: 1 },
        keepAccessTime: this.keepAccessTime,
        ...others,
      },
      sink,
      (event) => events.push(event),
      new Float64Array(PROGRESS_LENGTH),
      () => {},
      walker,
    );
    const made: MadeSet = { seq, result, events, sink, volumes: volumesOf(sink), ...manifestOf(sink) };
    this.#parent = { entriesFile, live: result.counts.entries };
    this.#lengths = result.logLengths;
    this.seqs.push(seq);
    this.sets.push(made);
    return made;
  }

  /** What exists at the point with this ordinal, by the rule of docs/format.md, section 5. */
  point(ordinal = this.sets.length - 1): Map<string, Entry> {
    const found = new Map<string, Entry | Gone>();
    for (let n: number | null = ordinal; n !== null; n = baseOf(n)) {
      for (const entry of this.sets[n]?.listed ?? []) {
        const key = keyOf(entry);
        if (!found.has(key)) found.set(key, entry);
      }
    }
    return new Map([...found].filter((pair): pair is [string, Entry] => pair[1].type !== 'gone'));
  }

  /** The content of a file of a point, from its extents. */
  content(entry: Entry): Buffer {
    const content = Buffer.concat(
      entry.extents.map(({ seq, volume, position, offset, length }) => {
        if (seq === 0) return Buffer.alloc(length);
        const chunk = this.sets[this.seqs.indexOf(seq)]?.volumes[volume - 1]?.[position];
        if (chunk === undefined) throw new Error(`no chunk ${seq}/${volume}/${position} for ${entry.path}`);
        if (offset + length > chunk.bytes.length) throw new Error(`${entry.path} reaches beyond its chunk`);
        return chunk.bytes.subarray(offset, offset + length);
      }),
    );
    if (content.length !== entry.size) throw new Error(`${entry.path} has another size`);
    if (sha256(content) !== entry.sha256) throw new Error(`${entry.path} has another digest`);
    return content;
  }

  /** A point as it would be restored. */
  restored(ordinal?: number): Snapshot {
    const snapshot: Snapshot = new Map();
    for (const [key, entry] of this.point(ordinal)) {
      const { type, mode, uid, gid, mtimeNs, target, link } = entry;
      const seen: SeenEntry = { type, mode, uid, gid, mtimeNs };
      if (type === 'file') seen.content = this.content(entry);
      if (target !== undefined) seen.target = target;
      if (link !== undefined) seen.inode = link;
      snapshot.set(key, seen);
    }
    return snapshot;
  }

  /** What is on disk now. */
  seen(): Snapshot {
    const snapshot: Snapshot = new Map();
    for (const { name, paths } of this.sources) {
      for (const root of paths) look(name, fromBytes(Buffer.from(root)), snapshot);
    }
    return snapshot;
  }

  /** Volumes, as `seq/volume`, that a point's extents name. */
  volumesOfPoint(ordinal?: number): string[] {
    const used = new Set<string>();
    for (const { extents } of this.point(ordinal).values()) {
      for (const { seq, volume } of extents) if (seq > 0) used.add(`${seq}/${volume}`);
    }
    return [...used].sort();
  }
}

/** Volumes, as `seq/volume`, that a result says its point uses. */
export function volumesOfUsage({ usage }: ProduceResult): string[] {
  return usage.flatMap(({ seq, volumes }) => volumes.map(([volume]) => `${seq}/${volume}`)).sort();
}

/** Two snapshots agree when all entries do, and the same ones are names of one inode. */
export function normalised(snapshot: Snapshot): unknown[] {
  const groups = new Map<string, number>();
  return [...snapshot]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { inode, content, ...rest }]) => {
      if (inode !== undefined && !groups.has(inode)) groups.set(inode, groups.size);
      return {
        key,
        ...rest,
        mtimeNs: String(rest.mtimeNs),
        content: content === undefined ? undefined : `${content.length} ${sha256(content)}`,
        group: inode === undefined ? undefined : groups.get(inode),
      };
    });
}

/** The events that are incidents, as `kind path`. */
export function incidentsOf({ events }: MadeSet): string[] {
  return events.flatMap((e) =>
    'incident' in e ? [`${e.incident.kind} ${e.incident.path}${e.incident.carried ? ' carried' : ''}`] : [],
  );
}

export function keyOf({ source, path }: { source: string; path: ByteString }): string {
  return `${source} ${path}`;
}

/** Adds what is on disk at and below a path. */
export function look(source: string, path: ByteString, into: Snapshot): void {
  const stat = lstatSync(toBytes(path), { bigint: true });
  const types: Record<string, string> = {
    8: 'file',
    4: 'dir',
    10: 'symlink',
    1: 'fifo',
    12: 'socket',
    2: 'char',
    6: 'block',
  };
  const type = types[String(stat.mode >> 12n)] as string;
  const seen: SeenEntry = {
    type,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs,
  };
  if (type === 'file') seen.content = readFileSync(toBytes(path));
  if (type === 'symlink') seen.target = fromBytes(readlinkSync(toBytes(path), { encoding: 'buffer' }));
  if (type !== 'dir' && stat.nlink > 1n) seen.inode = `${stat.dev} ${stat.ino}`;
  into.set(`${source} ${path}`, seen);
  if (type !== 'dir') return;
  for (const name of readdirSync(toBytes(path), { encoding: 'buffer' }))
    look(source, joinPath(path, fromBytes(name)), into);
}

function volumesOf(sink: MemorySink): MadeSet['volumes'] {
  return sink.names('vol-').map((name, i) => {
    if (name !== volumeName(i + 1)) throw new Error(`${name} is out of order`);
    const chunks = chunksOf(sink.content(name));
    if (chunks.length === 0) throw new Error(`${name} is empty`);
    for (const chunk of chunks)
      if (sha256(chunk.bytes) !== chunk.name) throw new Error('a chunk has a wrong name');
    return chunks;
  });
}

/** The manifest of a set, read strictly: every rule of docs/format.md, section 5.1, is checked. */
function manifestOf(sink: MemorySink): Pick<MadeSet, 'listed' | 'parts'> {
  const { parts } = parseContents(sink.content(manifestName(0)));
  const listed: (Entry | Gone)[] = [];
  if (sink.names('manifest-').length !== parts.length + 1)
    throw new Error('the contents list names other parts');
  let continues = false;
  for (const [i, part] of parts.entries()) {
    const text = sink.content(manifestName(i + 1)).toString('utf8');
    if (!text.endsWith('\n')) throw new Error('a part does not end with a line');
    const lines = text.slice(0, -1).split('\n');
    if (lines.length !== part.lines)
      throw new Error(`part ${i + 1} has ${lines.length} lines, not ${part.lines}`);
    let source: string | undefined;
    let isFirst = true;
    for (const line of lines) {
      if (Buffer.byteLength(line) >= 1 << 20) throw new Error('a line is too long');
      const parsed: ManifestLine = parseLine(line, source);
      if (parsed.kind === 'source') {
        source = parsed.source;
        continue;
      }
      if (parsed.kind === 'more') {
        const last = listed.at(-1);
        if (!continues || last === undefined || last.type === 'gone')
          throw new Error('a line continues nothing');
        last.extents.push(...parsed.extents);
      } else {
        if (continues) throw new Error('an entry is not continued');
        const last = listed.at(-1);
        if (last !== undefined && order(last, parsed.entry) >= 0) throw new Error('entries are out of order');
        listed.push(parsed.entry);
      }
      continues = parsed.continues;
      const entry = listed.at(-1) as Entry | Gone;
      if (isFirst && (entry.path !== part.path || entry.source !== part.source))
        throw new Error('a part begins elsewhere');
      isFirst = false;
    }
  }
  if (continues) throw new Error('the last entry is not continued');
  return { listed, parts };
}

function order(a: Entry | Gone, b: Entry | Gone): number {
  return compareNames(a.source, b.source) || comparePaths(a.path, b.path);
}
