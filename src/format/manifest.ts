/** Lines of a manifest and its contents list: encoded by the writer, parsed strictly by readers (docs/format.md, section 5). */
import { z } from 'zod';
import type { ByteString, Entry, ExtendedAttribute, Extent, Gone } from '../model.ts';
import { fromJson, fromText, show, toBytes, toJson } from './bytes.ts';
import { parseXattrs, XATTRS_TEXT, xattrsSchema } from './xattrs.ts';

export const MANIFEST_VERSION = 1;
/** A writer cuts a part at this many bytes of plaintext. */
export const PART_SIZE = 4 * 1024 * 1024;
/** A reader refuses a part with more plaintext than this. */
export const PART_LIMIT = 8 * 1024 * 1024;
/** No line is longer, in bytes. */
export const LINE_LIMIT = 1024 * 1024;
/** No line holds more extents. */
export const EXTENTS_PER_LINE = 1000;
/** No component of a path is longer, in bytes. */
export const COMPONENT_LIMIT = 255;
const OWNER_NAME_LIMIT = 256;

/** A line of a manifest, parsed. */
export type ManifestLine =
  | { kind: 'source'; source: string }
  | { kind: 'entry'; entry: Entry | Gone; continues: boolean }
  | { kind: 'more'; extents: Extent[]; xattrs?: ExtendedAttribute[]; continues: boolean };

/** Where the parts of a manifest begin. */
export interface Contents {
  strategy: string;
  seq: number;
  id: string;
  sources: { name: string; paths: ByteString[] }[];
  parts: { source: string; path: ByteString; lines: number }[];
}

/** The text of a source line, with its newline. */
export function encodeSource(source: string): string {
  return `${JSON.stringify({ source })}\n`;
}

/** The text of a deletion, with its newline. */
export function encodeGone(path: ByteString, since: number): string {
  return `${JSON.stringify({ ...toJson('path', path), type: 'gone', since })}\n`;
}

/**
 * The text of an entry's head: everything of its line but path, `since`, extended attributes and extents. It is what the index keeps, so that a
 * line can be made again without parsing it.
 */
export function encodeHead(entry: Omit<Entry, 'source' | 'path' | 'since' | 'extents' | 'xattrs'>): string {
  const head: Record<string, unknown> = {
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
  };
  // Names only help people: one that readers would refuse is left out, so that it does not cost the point.
  if (entry.user !== undefined && isOwnerName(entry.user)) head.user = entry.user;
  if (entry.group !== undefined && isOwnerName(entry.group)) head.group = entry.group;
  head.mtime = entry.mtimeNs.toString();
  if (entry.target !== undefined) Object.assign(head, toJson('target', entry.target));
  if (entry.rdev !== undefined) head.rdev = entry.rdev;
  if (entry.link !== undefined) head.link = entry.link;
  if (entry.carried) head.carried = true;
  if (entry.torn) head.torn = true;
  if (entry.partial) head.partial = true;
  if (entry.type === 'file') {
    head.size = entry.size;
    head.sha256 = entry.sha256;
  }
  const text = JSON.stringify(head);
  return text.slice(1, -1);
}

function isOwnerName(name: string): boolean {
  return name.length <= OWNER_NAME_LIMIT && name.isWellFormed();
}

/**
 * The lines of an entry, each with its newline: from its head (encodeHead), its extended attributes (encodeXattrs) and its extents,
 * which are drawn as needed, so that a file of any size costs no more memory than a line.
 */
export function* encodeEntry(
  path: ByteString,
  since: number,
  head: string,
  xattrs: readonly string[],
  extents: Iterable<Extent>,
): Generator<string> {
  const key = JSON.stringify(toJson('path', path)).slice(1, -1);
  let line = `{${key},"since":${since},${head}`;
  let comma = ',';
  let batch: string[] = [];
  let length = 0;
  for (const xattr of xattrs) {
    if (length > 0 && length + xattr.length > XATTRS_TEXT) {
      yield `${line}${comma}"xattrs":[${batch.join(',')}],"continues":true}\n`;
      line = '{';
      comma = '';
      batch = [];
      length = 0;
    }
    batch.push(xattr);
    length += xattr.length + 1;
  }
  if (batch.length > 0) line += `${comma}"xattrs":[${batch.join(',')}]`;
  // Extents stand in the entry line, or in lines of their own.
  const isContinued = comma === '';
  comma = ',';
  batch = [];
  for (const extent of extents) {
    if (batch.length === 0 && isContinued && line !== '{') {
      yield `${line},"continues":true}\n`;
      line = '{';
      comma = '';
    }
    if (batch.length === EXTENTS_PER_LINE) {
      yield `${line}${comma}"extents":[${batch.join(',')}],"continues":true}\n`;
      line = '{';
      comma = '';
      batch = [];
    }
    batch.push(encodeExtent(extent));
  }
  yield batch.length === 0 ? `${line}}\n` : `${line}${comma}"extents":[${batch.join(',')}]}\n`;
}

function encodeExtent(e: Extent): string {
  if (e.seq === 0) return `[${e.length}]`;
  const whole = `${e.seq},${e.volume},${e.position},${e.length}`;
  return e.offset === 0 ? `[${whole}]` : `[${whole},${e.offset}]`;
}

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const positive = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const id32 = z.int().min(0).max(0xffffffff);
const extent = z.union([
  z.tuple([positive, positive, count, positive]),
  z.tuple([positive, positive, count, positive, positive]),
  z.tuple([positive]),
]);
const extents = z.array(extent).min(1).max(EXTENTS_PER_LINE);
const pathKeys = { path: z.string().optional(), path64: z.string().optional() };

const metadata = {
  ...pathKeys,
  since: positive,
  mode: z.int().min(0).max(0o7777),
  uid: id32,
  gid: id32,
  user: z.string().max(OWNER_NAME_LIMIT).optional(),
  group: z.string().max(OWNER_NAME_LIMIT).optional(),
  mtime: z.string().regex(/^(0|-?[1-9]\d{0,29})$/),
  link: z.string().max(64).optional(),
  carried: z.literal(true).optional(),
  torn: z.literal(true).optional(),
  partial: z.literal(true).optional(),
  xattrs: xattrsSchema.optional(),
  continues: z.literal(true).optional(),
};

const lineSchema = z.union([
  z.discriminatedUnion('type', [
    z.object({
      ...metadata,
      type: z.literal('file'),
      size: count,
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      extents: extents.optional(),
    }),
    z.object({ ...metadata, type: z.enum(['dir', 'fifo', 'socket']) }),
    z.object({
      ...metadata,
      type: z.literal('symlink'),
      target: z.string().optional(),
      target64: z.string().optional(),
    }),
    z.object({ ...metadata, type: z.enum(['char', 'block']), rdev: z.tuple([count, count]) }),
    z.object({ ...pathKeys, type: z.literal('gone'), since: positive }),
  ]),
  z.strictObject({ source: z.string().min(1).max(64) }),
  z.strictObject({ extents, continues: z.literal(true).optional() }),
  z.strictObject({ xattrs: xattrsSchema, continues: z.literal(true).optional() }),
]);

/** What is wrong with a line or contents list; whoever knows the object's name turns it into an error. */
export class MalformedManifest extends Error {}

/** Parses one line (without its newline). `source` is the one in force. Throws MalformedManifest. */
export function parseLine(text: string, source: string | undefined): ManifestLine {
  const result = lineSchema.safeParse(parseJson(text));
  if (!result.success) throw new MalformedManifest(`a line is malformed: ${begin(fromText(text))}`);
  const line = result.data;
  if ('source' in line) return { kind: 'source', source: line.source };
  if (!('type' in line)) {
    const continues = line.continues === true;
    if ('xattrs' in line)
      return { kind: 'more', extents: [], xattrs: readXattrs(line.xattrs, text), continues };
    return { kind: 'more', extents: line.extents.map(toExtent), continues };
  }
  if (source === undefined) throw new MalformedManifest('an entry comes before any source');
  const path = checkedPath(line.path, line.path64);
  if (line.type === 'gone') {
    return { kind: 'entry', entry: { source, path, since: line.since, type: 'gone' }, continues: false };
  }
  const entry: Entry = {
    source,
    path,
    since: line.since,
    type: line.type,
    mode: line.mode,
    uid: line.uid,
    gid: line.gid,
    mtimeNs: BigInt(line.mtime),
    size: 0,
    extents: [],
  };
  if (line.user !== undefined) entry.user = line.user;
  if (line.group !== undefined) entry.group = line.group;
  if (line.link !== undefined) entry.link = line.link;
  if (line.carried) entry.carried = true;
  if (line.torn) entry.torn = true;
  if (line.partial) entry.partial = true;
  if (line.xattrs !== undefined) entry.xattrs = readXattrs(line.xattrs, text);
  if (line.type === 'symlink') entry.target = checkedTarget(line.target, line.target64);
  if (line.type === 'char' || line.type === 'block') entry.rdev = line.rdev;
  const continues = line.continues === true;
  if (line.type !== 'file') return { kind: 'entry', entry, continues };
  entry.size = line.size;
  entry.sha256 = line.sha256;
  if (line.extents !== undefined) entry.extents = line.extents.map(toExtent);
  return { kind: 'entry', entry, continues };
}

function readXattrs(listed: z.infer<typeof xattrsSchema>, line: string): ExtendedAttribute[] {
  const xattrs = parseXattrs(listed);
  if (xattrs === undefined) throw new MalformedManifest(`a line is malformed: ${begin(fromText(line))}`);
  return xattrs;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedManifest('the contents list is not UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MalformedManifest(`a line is not JSON: ${begin(fromText(text))}`);
  }
}

/** As much of a text as an error can quote. */
function begin(text: ByteString): string {
  return show(text.slice(0, 80));
}

function toExtent(e: z.infer<typeof extent>): Extent {
  if (e.length === 1) return { seq: 0, volume: 0, position: 0, offset: 0, length: e[0] };
  return { seq: e[0], volume: e[1], position: e[2], length: e[3], offset: e[4] ?? 0 };
}

function checkedTarget(text: string | undefined, base64: string | undefined): ByteString {
  const target = fromJson(text, base64);
  if (target === undefined || target === '' || target.includes('\0')) {
    throw new MalformedManifest('a link has no usable target');
  }
  return target;
}

/** The path of a line, if it is one that may be written below a target (section 5.2). */
function checkedPath(text: string | undefined, base64: string | undefined): ByteString {
  const path = fromJson(text, base64);
  if (path === undefined || !isSafePath(path)) {
    throw new MalformedManifest(`a path is not allowed: ${begin(path ?? '')}`);
  }
  return path;
}

/** Whether a path is absolute and made of plain components only. */
export function isSafePath(path: ByteString): boolean {
  if (path === '/') return true;
  if (!path.startsWith('/') || path.includes('\0')) return false;
  for (const component of path.slice(1).split('/')) {
    if (component === '' || component === '.' || component === '..' || component.length > COMPONENT_LIMIT) {
      return false;
    }
  }
  return true;
}

const contentsSchema = z.object({
  format: z.literal('holdfast-manifest'),
  version: z.literal(MANIFEST_VERSION),
  strategy: z.string(),
  seq: positive,
  id: z.string().regex(/^[0-9a-f]{32}$/),
  sources: z.array(
    z.object({ name: z.string(), paths: z.array(z.union([z.string(), z.object({ path64: z.string() })])) }),
  ),
  parts: z.array(z.object({ source: z.string(), ...pathKeys, lines: positive })),
});

/** The bytes of a contents list. */
export function encodeContents(contents: Contents): Buffer {
  const json = {
    format: 'holdfast-manifest',
    version: MANIFEST_VERSION,
    strategy: contents.strategy,
    seq: contents.seq,
    id: contents.id,
    sources: contents.sources.map(({ name, paths }) => ({
      name,
      paths: paths.map((path) => {
        const { path: text } = toJson('path', path);
        return text ?? { path64: toBytes(path).toString('base64') };
      }),
    })),
    parts: contents.parts.map(({ source, path, lines }) => ({ source, ...toJson('path', path), lines })),
  };
  return Buffer.from(`${JSON.stringify(json)}\n`, 'utf8');
}

/** Parses a contents list. Throws MalformedManifest. */
export function parseContents(bytes: Uint8Array): Contents {
  const result = contentsSchema.safeParse(parseJson(decode(bytes)));
  if (!result.success) throw new MalformedManifest('the contents list is malformed');
  const { strategy, seq, id, sources, parts } = result.data;
  return {
    strategy,
    seq,
    id,
    sources: sources.map(({ name, paths }) => ({
      name,
      paths: paths.map((p) =>
        typeof p === 'string' ? checkedPath(p, undefined) : checkedPath(undefined, p.path64),
      ),
    })),
    parts: parts.map((p) => ({ source: p.source, path: checkedPath(p.path, p.path64), lines: p.lines })),
  };
}
