/** Lines of one manifest, part after part, checked against one another: order, continuations, extents. Fetches nothing. */
import type { StoredCommit } from '../chain/commits.ts';
import { search, volumeCount } from '../chain/sets.ts';
import { show } from '../format/bytes.ts';
import { CHUNK_LIMIT } from '../format/limits.ts';
import { type Contents, LINE_LIMIT } from '../format/manifest.ts';
import { MalformedManifest, parseLine } from '../format/manifest-parser.ts';
import { comparePaths } from '../format/order.ts';
import { XATTRS_FEATURE, XATTRS_LIMIT } from '../format/xattrs.ts';
import type { ByteString, Entry, ExtendedAttribute, Extent, Gone } from '../model.ts';

/** An entry, or further extents or extended attributes of the entry before it. `continues` says that more of it follows. */
export type ManifestItem<E extends Entry | Gone = Entry | Gone> =
  | { kind: 'entry'; entry: E; continues: boolean }
  | { kind: 'more'; extents: Extent[]; xattrs?: ExtendedAttribute[]; continues: boolean };

const NEWLINE = 0x0a;
/** Weight of the items that are handed out together; see weigh(). */
export const BATCH = 512;
/** What a member of a volume takes at least, and what ends the archive, in bytes. */
const MEMBER = 1024;
const HEADER = 512;

/** What an item counts for in a batch, so that long lists of extents or attributes do not make batches large. */
export function weigh(item: ManifestItem): number {
  const of = item.kind === 'more' ? item : item.entry;
  if (!('extents' in of)) return 1;
  const bytes = of.xattrs?.reduce((sum, { value }) => sum + value.length, 0) ?? 0;
  return 1 + (of.extents.length >>> 4) + (bytes >>> 10);
}

/** Compares entries by source, then by path. */
export function compareKeys(
  a: { source: string; path: ByteString },
  b: { source: string; path: ByteString },
): number {
  if (a.source !== b.source) return compareSources(a.source, b.source);
  return comparePaths(a.path, b.path);
}

/** The lines of one manifest, whose parts are given to it in their order; parts in between may be left out. */
export class ManifestLines {
  readonly #set: StoredCommit;
  readonly #volumes: (seq: number) => Volumes | undefined;
  /** The entry that was read last. */
  #last: Entry | Gone | undefined;
  /** Bytes of its content whose extents have not come yet; undefined unless a continuation is due. */
  #due: number | undefined;
  /** What its attributes amount to so far, where more of them may come; undefined where not. */
  #attributes: { last: ByteString; bytes: number } | undefined;
  /** Whether continuations belong to an entry that stands in a part that was left out. */
  #orphans = false;

  /** `chain`: the sets to which extents may refer, the full first. */
  constructor(set: StoredCommit, chain: readonly StoredCommit[]) {
    this.#set = set;
    this.#volumes = volumesOfChain(set, chain);
  }

  /** To be called where parts were left out before the next one. */
  skipped(): void {
    this.#due = undefined;
    this.#orphans = true;
  }

  /**
   * The items of one part in batches; `listed` is what the contents list says of it: the entry to which its first line
   * belongs, and the number of all its lines. Throws MalformedManifest.
   */
  *read(part: Buffer, listed: Contents['parts'][number]): Generator<ManifestItem[], void> {
    if (part.at(-1) !== NEWLINE) throw new MalformedManifest('it does not end with a whole line');
    const text = decode(part);
    let source: string | undefined;
    let lines = 0;
    let begun = false;
    let batch: ManifestItem[] = [];
    let weight = 0;
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf('\n', at);
      const line = parseLine(bounded(text.slice(at, end)), source);
      at = end + 1;
      lines++;
      if (line.kind === 'source') {
        source = line.source;
        continue;
      }
      if (!begun) this.#checkFirst(line, listed);
      begun = true;
      if (!this.#accept(line)) continue;
      batch.push(line);
      weight += weigh(line);
      if (weight >= BATCH) {
        yield batch;
        batch = [];
        weight = 0;
      }
    }
    if (lines !== listed.lines)
      throw new MalformedManifest(`it has ${lines} lines where ${listed.lines} are listed`);
    if (batch.length > 0) yield batch;
  }

  /** Throws MalformedManifest when a continuation is still due. */
  end(): void {
    if (this.#due !== undefined) throw new MalformedManifest('its last entry is cut short');
  }

  #checkFirst(line: ManifestItem, first: { source: string; path: ByteString }): void {
    const entry = line.kind === 'entry' ? line.entry : this.#orphans ? undefined : this.#last;
    if (entry !== undefined && (entry.source !== first.source || entry.path !== first.path)) {
      throw new MalformedManifest('it does not begin with the entry that the contents list names');
    }
  }

  /** Checks an item; false for one that belongs to an entry which was not read. */
  #accept(line: ManifestItem): boolean {
    if (line.kind === 'more') {
      if (this.#orphans) return false;
      if (this.#due === undefined) throw new MalformedManifest('extents come without their entry');
      if (line.xattrs !== undefined) this.#takeAttributes(line.xattrs, line.continues);
      else this.#account(this.#due, line.extents, line.continues);
      return true;
    }
    const { entry } = line;
    this.#orphans = false;
    if (this.#due !== undefined) throw new MalformedManifest('an entry is cut short by the next');
    if (this.#last !== undefined && compareKeys(this.#last, entry) >= 0) {
      throw new MalformedManifest(`an entry is out of order: ${show(entry.path.slice(0, 80))}`);
    }
    if (entry.since > this.#set.commit.seq) {
      throw new MalformedManifest(`an entry is newer than its manifest: ${show(entry.path.slice(0, 80))}`);
    }
    this.#last = entry;
    if (entry.type === 'gone') return true;
    if (entry.xattrs !== undefined || entry.partial) this.#requireFeature();
    this.#attributes = undefined;
    this.#due = undefined;
    if (entry.xattrs !== undefined && entry.extents.length === 0) {
      this.#due = entry.size;
      this.#attributes = { last: '', bytes: 0 };
      this.#takeAttributes(entry.xattrs, line.continues);
    } else {
      this.#account(entry.size, entry.extents, line.continues);
    }
    return true;
  }

  /** Takes the attributes of a line without extents: after it, more attributes may come, or extents. */
  #takeAttributes(xattrs: readonly ExtendedAttribute[], continues: boolean): void {
    const so = this.#attributes;
    if (so === undefined) throw new MalformedManifest('attributes come where none are due');
    for (const { name, value } of xattrs) {
      if (name <= so.last) throw new MalformedManifest('the attributes of an entry are out of order');
      so.last = name;
      so.bytes += value.length;
    }
    if (so.bytes > XATTRS_LIMIT) throw new MalformedManifest('an entry has too many attributes');
    if (!continues && this.#due !== 0)
      throw new MalformedManifest('the extents of an entry do not sum up to its size');
    if (!continues) this.#due = undefined;
  }

  #requireFeature(): void {
    if (!this.#set.commit.features.includes(XATTRS_FEATURE))
      throw new MalformedManifest('it has extended attributes, which its commit does not announce');
  }

  #account(due: number, extents: readonly Extent[], continues: boolean): void {
    this.#attributes = undefined;
    let left = due;
    for (const extent of extents) {
      left -= extent.length;
      // At once, so that no sum leaves the range in which numbers are exact.
      if (left < 0) throw new MalformedManifest('the extents of an entry exceed its size');
      if (extent.seq !== 0) this.#checkExtent(extent);
    }
    if (continues === (left === 0))
      throw new MalformedManifest('the extents of an entry do not sum up to its size');
    this.#due = continues ? left : undefined;
  }

  #checkExtent({ seq, volume, position, offset, length }: Extent): void {
    const plainSize = this.#volumes(seq)?.(volume);
    if (plainSize === undefined) {
      throw new MalformedManifest(
        `an extent lies in volume ${volume} of set ${seq}, which is not in the chain`,
      );
    }
    if (offset + length > CHUNK_LIMIT || position * MEMBER + HEADER + offset + length + MEMBER > plainSize) {
      throw new MalformedManifest(`an extent lies outside volume ${volume} of set ${seq}`);
    }
  }
}

/** Size of a volume's content by the volume's number; undefined for a volume that there is not. */
type Volumes = (volume: number) => number | undefined;

/** The volumes of the sets of a chain up to and with `set`, each looked up once. */
function volumesOfChain(
  set: StoredCommit,
  chain: readonly StoredCommit[],
): (seq: number) => Volumes | undefined {
  const known = new Map<number, Volumes | undefined>();
  return (seq) => {
    if (known.has(seq)) return known.get(seq);
    const place = search(chain, chain.length, ({ commit }) => commit.seq < seq);
    const found = chain[place]?.commit;
    const usable = found?.seq === seq && seq <= set.commit.seq;
    const volumes = usable ? volumesOfSet(found.objects) : undefined;
    known.set(seq, volumes);
    return volumes;
  };
}

function volumesOfSet(objects: StoredCommit['commit']['objects']): Volumes {
  const count = volumeCount(objects);
  return (volume) => (volume <= count ? objects[volume - 1]?.plainSize : undefined);
}

/** Names of sources come from text in JSON: compared by their UTF-8 bytes. */
function compareSources(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

function decode(part: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(part);
  } catch {
    throw new MalformedManifest('it is not UTF-8');
  }
}

function bounded(line: string): string {
  // A character has at most three bytes for each of its UTF-16 units.
  if (line.length * 3 >= LINE_LIMIT && Buffer.byteLength(line) >= LINE_LIMIT) {
    throw new MalformedManifest(`a line is longer than ${LINE_LIMIT} bytes`);
  }
  return line;
}
