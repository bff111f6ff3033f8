/** Lines of a manifest and its contents list, parsed strictly (docs/format.md, section 5). Apart from their encoding: threads that write need no schema. */
import { z } from 'zod';
import type { ByteString, Entry, ExtendedAttribute, Extent, Gone } from '../model.ts';
import { fromJson, fromText, show } from './bytes.ts';
import {
  type Contents,
  EXTENTS_PER_LINE,
  isSafePath,
  MANIFEST_VERSION,
  OWNER_NAME_LIMIT,
} from './manifest.ts';
import { parseXattrs, xattrsSchema } from './xattrs-parser.ts';

/** A line of a manifest, parsed. */
export type ManifestLine =
  | { kind: 'source'; source: string }
  | { kind: 'entry'; entry: Entry | Gone; continues: boolean }
  | { kind: 'more'; extents: Extent[]; xattrs?: ExtendedAttribute[]; continues: boolean };

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
