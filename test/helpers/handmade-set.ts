/**
 * Makes small stores by hand, straight from docs/format.md: with gpg, zlib's zstd and a tar header of its own, and with none of
 * the program's code, so that a mistake shared by writer and reader shows.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import type { TestKeyring } from './test-keys.ts';

/** A chunk that some set has stored. */
export interface Chunk {
  seq: number;
  volume: number;
  position: number;
  bytes: Buffer;
}

/** A piece of a file: a whole chunk, a stretch of one, or a hole. */
export type Piece = Chunk | { of: Chunk; offset: number; length: number } | { hole: number };

/** What is said of an entry besides its kind and content. */
export interface Attributes {
  mode?: number;
  uid?: number;
  gid?: number;
  user?: string;
  mtime?: bigint;
  link?: string;
  carried?: true;
  torn?: true;
}

/** An entry as it has to come back. */
export interface Expected {
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtime: bigint;
  /** Files: the content. */
  content?: Buffer;
  /** Symlinks: where it points to. */
  target?: Buffer;
  link?: string;
}

/** Everything that exists at a point, by path (Latin-1). */
export type Tree = Map<string, Expected>;

/** Deviations from the specification, for tests of what readers refuse. */
export interface Deviations {
  /** Changes the commit before it is encoded. */
  commit?: (commit: Record<string, unknown>) => void;
  /** Changes the lines of each entry. */
  lines?: (lines: string[]) => string[];
  /** Changes a sealed object before its digests are taken. */
  sealed?: (name: string, sealed: Buffer) => Buffer;
  /** Changes an object's zstd frame before it is encrypted. */
  frame?: (name: string, content: Buffer, frame: Buffer) => Buffer;
  /** Changes the archive of a volume. */
  archive?: (volume: number, archive: Buffer) => Buffer;
  /** Lines of a manifest in one part. */
  linesPerPart?: number;
  /** Leaves out the signature. */
  unsigned?: true;
}

interface Listed {
  source: string;
  path: Buffer;
  seq: number;
  ordinal: number;
  /** Lines without newlines, in which SINCE stands for the seq. */
  lines: string[];
  expected: Expected | undefined;
  /** Volumes that hold its content, as `seq/volume`. */
  volumes: Set<string>;
}

interface StoredObject {
  name: string;
  size: number;
  plainSize: number;
  md5: string;
  sha256: string;
}

interface CommittedSet {
  seq: number;
  id: string;
  ordinal: number;
  commitSha256: string;
}

const EXTENTS_PER_LINE = 1000;
const DEFAULT_TIME = 1_700_000_000_123_456_789n;

/** A store with one strategy. Sets are made one after the other. */
export class HandmadeStore {
  readonly folder: string;
  readonly strategy: string;
  readonly keys: TestKeyring;
  readonly recipients: string[];
  signer: string;
  /** What exists now, gone entries of the chain included. */
  readonly listed = new Map<string, Listed>();
  readonly sets: CommittedSet[] = [];
  readonly writer = 'b'.repeat(32);

  constructor(folder: string, strategy: string, keys: TestKeyring, recipients: string[], signer: string) {
    this.folder = folder;
    this.strategy = strategy;
    this.keys = keys;
    this.recipients = recipients;
    this.signer = signer;
    this.write(`keys/${signer}.asc`, keys.exportPublic(signer));
  }

  /** Begins a set. A full forgets what was before. */
  begin(type: 'full' | 'incremental'): HandmadeSet {
    if (type === 'full') this.listed.clear();
    return new HandmadeSet(this, type);
  }

  path(name: string): string {
    return join(this.folder, this.strategy, name);
  }

  write(name: string, bytes: Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), bytes);
  }

  /** Signs as if at the moment at which the commits say that they were finished: a day's difference would be odd. */
  sign(bytes: Buffer): Buffer {
    const then = ['--faked-system-time', '20261122T023100'];
    return this.keys.gpg([...then, '--armor', '--local-user', this.signer, '--detach-sign'], bytes);
  }
}

/** A set while it is made. */
export class HandmadeSet {
  readonly store: HandmadeStore;
  readonly type: 'full' | 'incremental';
  readonly seq: number;
  readonly id: string;
  readonly ordinal: number;
  source = 'www';
  #volumes: Chunk[][] = [[]];

  constructor(store: HandmadeStore, type: 'full' | 'incremental') {
    this.store = store;
    this.type = type;
    const last = store.sets.at(-1);
    this.seq = (last?.seq ?? 0) + 1;
    this.ordinal = type === 'full' ? 0 : (last?.ordinal ?? 0) + 1;
    this.id = createHash('md5').update(`${store.strategy} ${this.seq}`).digest('hex');
  }

  /** Name of one of its objects below the strategy's folder. */
  object(name: string): string {
    return `sets/${setFolder(this)}/${name}`;
  }

  /** Stores a chunk in the current volume. */
  chunk(bytes: Buffer | string): Chunk {
    const volume = this.#volumes.length;
    const chunks = this.#volumes[volume - 1] as Chunk[];
    const chunk = { seq: this.seq, volume, position: chunks.length, bytes: Buffer.from(bytes) };
    chunks.push(chunk);
    return chunk;
  }

  nextVolume(): void {
    this.#volumes.push([]);
  }

  file(path: string | Buffer, pieces: readonly Piece[], attributes: Attributes = {}): void {
    const content = Buffer.concat(pieces.map(bytesOf));
    const extents = pieces.map(extentOf);
    const head = { size: content.length, sha256: sha256(content) };
    const first = extents.slice(0, EXTENTS_PER_LINE);
    const rest: object[] = [];
    for (let i = EXTENTS_PER_LINE; i < extents.length; i += EXTENTS_PER_LINE) {
      rest.push({
        extents: extents.slice(i, i + EXTENTS_PER_LINE),
        continues: i + EXTENTS_PER_LINE < extents.length,
      });
    }
    const own = first.length === 0 ? head : { ...head, extents: first, continues: rest.length > 0 };
    this.#list(path, 'file', own, attributes, { content }, rest);
    const { volumes } = this.#find(path);
    for (const piece of pieces) {
      if ('hole' in piece) continue;
      const { seq, volume } = 'of' in piece ? piece.of : piece;
      volumes.add(`${seq}/${volume}`);
    }
  }

  dir(path: string | Buffer, attributes: Attributes = {}): void {
    this.#list(path, 'dir', {}, { mode: 0o755, ...attributes });
  }

  symlink(path: string | Buffer, target: string | Buffer, attributes: Attributes = {}): void {
    const bytes = Buffer.from(target);
    this.#list(path, 'symlink', inJson('target', bytes), { mode: 0o777, ...attributes }, { target: bytes });
  }

  fifo(path: string | Buffer, attributes: Attributes = {}): void {
    this.#list(path, 'fifo', {}, attributes);
  }

  device(
    path: string | Buffer,
    type: 'char' | 'block',
    rdev: [number, number],
    attributes: Attributes = {},
  ): void {
    this.#list(path, type, { rdev }, attributes);
  }

  socket(path: string | Buffer, attributes: Attributes = {}): void {
    this.#list(path, 'socket', {}, attributes);
  }

  gone(path: string | Buffer): void {
    const bytes = Buffer.from(path);
    this.#put(
      bytes,
      [JSON.stringify({ type: 'gone', ...inJson('path', bytes), since: this.seq })],
      undefined,
    );
  }

  /** Seals and stores everything, the commit last; what exists at the new point. */
  commit(deviations: Deviations = {}): Tree {
    const objects = this.#volumes
      .filter((chunks) => chunks.length > 0)
      .map((chunks, i) => {
        const archive = tar(chunks);
        const name = `vol-${String(i + 1).padStart(6, '0')}.tar.zst.pgp`;
        return this.#seal(name, deviations.archive?.(i + 1, archive) ?? archive, deviations);
      });
    const entries = this.#listing();
    const parts = this.#parts(entries, deviations);
    const contents = {
      format: 'holdfast-manifest',
      version: 1,
      strategy: this.store.strategy,
      seq: this.seq,
      id: this.id,
      sources: [{ name: 'www', paths: ['/srv'] }],
      parts: parts.map(({ source, path, lines }) => ({
        source,
        ...inJson('path', path),
        lines: lines.length,
      })),
    };
    objects.push(this.#seal('manifest-0000.json.zst.pgp', Buffer.from(JSON.stringify(contents)), deviations));
    for (const [i, { lines }] of parts.entries()) {
      const name = `manifest-${String(i + 1).padStart(4, '0')}.jsonl.zst.pgp`;
      objects.push(this.#seal(name, Buffer.from(lines.map((l) => `${l}\n`).join('')), deviations));
    }
    this.#commit(objects, entries.length, deviations);
    return this.#tree();
  }

  #list(
    path: string | Buffer,
    type: string,
    own: object,
    attributes: Attributes,
    expected: Partial<Expected> = {},
    rest: readonly object[] = [],
  ): void {
    const bytes = Buffer.from(path);
    const { mode = 0o644, uid = 0, gid = 0, mtime = DEFAULT_TIME, link, ...others } = attributes;
    const metadata = {
      mode,
      uid,
      gid,
      mtime: String(mtime),
      ...(link === undefined ? {} : { link }),
      ...others,
    };
    // Another order of keys than the program's, and a key that no reader knows.
    const line = { type, ...inJson('path', bytes), ...metadata, future: [1], ...own, since: this.seq };
    const lines = [line, ...rest].map((l) => JSON.stringify(l).replace(',"continues":false', ''));
    this.#put(bytes, lines, {
      type,
      mode,
      uid,
      gid,
      mtime,
      ...(link === undefined ? {} : { link }),
      ...expected,
    });
  }

  #put(path: Buffer, lines: string[], expected: Expected | undefined): void {
    const { source, seq, ordinal } = this;
    this.store.listed.set(`${source}\0${path.toString('latin1')}`, {
      source,
      path,
      seq,
      ordinal,
      lines,
      expected,
      volumes: new Set(),
    });
  }

  #find(path: string | Buffer): Listed {
    return this.store.listed.get(`${this.source}\0${Buffer.from(path).toString('latin1')}`) as Listed;
  }

  /** What the manifest of this set lists: all that changed after the base (docs/format.md, section 5). */
  #listing(): Listed[] {
    const base = this.ordinal & (this.ordinal - 1);
    return [...this.store.listed.values()]
      .filter((l) => (this.ordinal === 0 ? l.expected !== undefined : l.ordinal > base))
      .sort(inOrder);
  }

  #parts(entries: Listed[], { lines: change, linesPerPart = 7 }: Deviations): Part[] {
    const parts: Part[] = [];
    let part: Part | undefined;
    for (const { source, path, lines } of entries) {
      for (const line of change?.(lines) ?? lines) {
        if (part === undefined || part.lines.length >= linesPerPart) {
          part = { source, path, lines: [], inForce: undefined };
          parts.push(part);
        }
        // A part may begin in the middle of an entry, and then needs no source line before the next one.
        if (part.inForce !== source && line.includes('"type"')) {
          part.lines.push(JSON.stringify({ source }));
          part.inForce = source;
        }
        part.lines.push(line);
      }
    }
    return parts;
  }

  #seal(name: string, content: Buffer, deviations: Deviations): StoredObject {
    const params = { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_windowLog]: 23 };
    const compressed = zstdCompressSync(content, { params });
    const frame = deviations.frame?.(name, content, compressed) ?? compressed;
    const message = seal(this.store.keys, this.store.recipients, frame);
    const sealed = deviations.sealed?.(name, message) ?? message;
    this.store.write(this.object(name), sealed);
    const md5 = createHash('md5').update(sealed).digest('hex');
    return { name, size: sealed.length, plainSize: content.length, md5, sha256: sha256(sealed) };
  }

  #commit(objects: StoredObject[], listed: number, deviations: Deviations): void {
    const { store, seq, id, type, ordinal } = this;
    const last = store.sets.at(-1);
    const previous = last && { seq: last.seq, id: last.id, commitSha256: last.commitSha256 };
    const living = [...store.listed.values()].filter((l) => l.expected !== undefined);
    const files = living.filter((l) => l.expected?.type === 'file');
    const commit: Record<string, unknown> = {
      format: 'holdfast-commit',
      version: 1,
      features: [],
      strategy: store.strategy,
      seq,
      id,
      type,
      ordinal,
      base: type === 'full' ? null : ordinal & (ordinal - 1),
      parent: type === 'full' ? null : previous,
      previous: (type === 'full' && previous) || null,
      writer: store.writer,
      succeeds: null,
      time: `2026-11-22T02:30:00.${String(seq).padStart(3, '0')}Z`,
      finished: `2026-11-22T02:31:00.${String(seq).padStart(3, '0')}Z`,
      tool: 'by hand',
      recipients: store.recipients,
      objects,
      depends: type === 'full' ? [] : this.#depends(living),
      counts: {
        entries: living.length,
        files: files.length,
        bytes: files.reduce((n, l) => n + (l.expected?.content?.length ?? 0), 0),
        listed,
      },
      incomplete: { carried: 0, torn: 0, unreadable: 0 },
    };
    deviations.commit?.(commit);
    const bytes = Buffer.from(JSON.stringify(commit));
    const name = `commits/${setFolder(this)}.json`;
    if (!deviations.unsigned) store.write(`${name}.asc`, store.sign(bytes));
    store.write(name, bytes);
    store.sets.push({ seq, id, ordinal, commitSha256: sha256(bytes) });
  }

  #depends(living: readonly Listed[]): object[] {
    const volumes = new Map<number, Set<number>>();
    for (const used of living.flatMap((l) => [...l.volumes])) {
      const [seq = 0, volume = 0] = used.split('/').map(Number);
      if (seq !== this.seq) volumes.set(seq, (volumes.get(seq) ?? new Set()).add(volume));
    }
    return [...volumes.keys()]
      .sort((a, b) => a - b)
      .map((seq) => {
        const numbers = [...(volumes.get(seq) ?? [])].sort((a, b) => a - b);
        const id = this.store.sets.find((s) => s.seq === seq)?.id;
        return { seq, id, volumes: ranges(numbers) };
      });
  }

  #tree(): Tree {
    const tree: Tree = new Map();
    for (const { path, expected } of this.store.listed.values()) {
      if (expected !== undefined) tree.set(path.toString('latin1'), expected);
    }
    return tree;
  }
}

interface Part {
  source: string;
  path: Buffer;
  lines: string[];
  inForce: string | undefined;
}

/** Encrypts a frame as section 3 demands. */
export function seal(keys: TestKeyring, recipients: readonly string[], frame: Buffer): Buffer {
  const to = recipients.flatMap((r) => ['--recipient', r]);
  const shape = ['--rfc4880', '--cipher-algo', 'AES256', '--compress-algo', 'none', '--set-filename', ''];
  return keys.gpg([...shape, ...to, '--encrypt'], frame);
}

function setFolder({ seq, id }: { seq: number; id: string }): string {
  return `${String(seq).padStart(10, '0')}-${id}`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function bytesOf(piece: Piece): Buffer {
  if ('hole' in piece) return Buffer.alloc(piece.hole);
  return 'of' in piece ? piece.of.bytes.subarray(piece.offset, piece.offset + piece.length) : piece.bytes;
}

function extentOf(piece: Piece): number[] {
  if ('hole' in piece) return [piece.hole];
  if (!('of' in piece)) return [piece.seq, piece.volume, piece.position, piece.bytes.length];
  const { of: chunk, offset, length } = piece;
  return [chunk.seq, chunk.volume, chunk.position, length, ...(offset === 0 ? [] : [offset])];
}

function inJson(key: string, bytes: Buffer): object {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? { [key]: text } : { [`${key}64`]: bytes.toString('base64') };
}

function inOrder(a: Listed, b: Listed): number {
  if (a.source !== b.source) return Buffer.compare(Buffer.from(a.source), Buffer.from(b.source));
  const [left, right] = [components(a.path), components(b.path)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = Buffer.compare(left[i] as Buffer, right[i] as Buffer);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function components(path: Buffer): Buffer[] {
  const text = path.toString('latin1').slice(1);
  return text === '' ? [] : text.split('/').map((c) => Buffer.from(c, 'latin1'));
}

function ranges(numbers: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const n of numbers) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === n - 1) last[1] = n;
    else found.push([n, n]);
  }
  return found;
}

/** A POSIX ustar archive of chunks, each named by its SHA-256. */
export function tar(chunks: readonly { bytes: Buffer }[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { bytes } of chunks) {
    blocks.push(
      tarHeader(sha256(bytes), bytes.length),
      bytes,
      Buffer.alloc((512 - (bytes.length % 512)) % 512),
    );
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  header.write(name, 0, 'latin1');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write('        0', 148, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
