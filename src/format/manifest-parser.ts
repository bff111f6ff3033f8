/** Lines of a manifest and its contents list, parsed strictly (docs/format.md, section 5). Apart from their encoding: threads that write need no schema. */
import { z } from 'zod';
import type { ByteString, Entry, EntryType, ExtendedAttribute, Extent, Gone } from '../model.ts';
import { fromJson, fromText, show } from './bytes.ts';
import {
  integerOf,
  type JsonObject,
  listOf,
  markOf,
  matchOf,
  objectOf,
  optionalTextOf,
  strictObjectOf,
  textOf,
  UnfitValue,
} from './fields.ts';
import {
  type Contents,
  EXTENTS_PER_LINE,
  isSafePath,
  MANIFEST_VERSION,
  OWNER_NAME_LIMIT,
} from './manifest.ts';
import { parseXattrs } from './xattrs-parser.ts';

/** A line of a manifest, parsed. */
export type ManifestLine =
  | { kind: 'source'; source: string }
  | { kind: 'entry'; entry: Entry | Gone; continues: boolean }
  | { kind: 'more'; extents: Extent[]; xattrs?: ExtendedAttribute[]; continues: boolean };

const MTIME = /^(0|-?[1-9]\d{0,29})$/;
const SHA256 = /^[0-9a-f]{64}$/;
const MOST_MODE = 0o7777;
const MOST_ID = 0xffffffff;
const LINK_LIMIT = 64;
const SOURCE_LIMIT = 64;
const SOURCE_KEYS: ReadonlySet<string> = new Set(['source']);
const EXTENTS_KEYS: ReadonlySet<string> = new Set(['extents', 'continues']);
const XATTRS_KEYS: ReadonlySet<string> = new Set(['xattrs', 'continues']);

/** What is wrong with a line or contents list; whoever knows the object's name turns it into an error. */
export class MalformedManifest extends Error {}

/** Parses one line (without its newline). `source` is the one in force. Throws MalformedManifest. */
export function parseLine(text: string, source: string | undefined): ManifestLine {
  const value = parseJson(text);
  try {
    return lineOf(objectOf(value), source);
  } catch (error) {
    if (!(error instanceof UnfitValue)) throw error;
    throw new MalformedManifest(`a line is malformed: ${begin(fromText(text))}`);
  }
}

function lineOf(line: JsonObject, source: string | undefined): ManifestLine {
  if ('type' in line) return entryOf(line, source);
  if ('source' in line) {
    const name = textOf(strictObjectOf(line, SOURCE_KEYS).source, SOURCE_LIMIT);
    if (name === '') throw new UnfitValue();
    return { kind: 'source', source: name };
  }
  if ('xattrs' in line) {
    const { xattrs, continues } = strictObjectOf(line, XATTRS_KEYS);
    return { kind: 'more', extents: [], xattrs: parseXattrs(xattrs), continues: markOf(continues) };
  }
  const { extents, continues } = strictObjectOf(line, EXTENTS_KEYS);
  return { kind: 'more', extents: extentsOf(extents), continues: markOf(continues) };
}

function entryOf(line: JsonObject, source: string | undefined): ManifestLine {
  const text = optionalTextOf(line.path);
  const base64 = optionalTextOf(line.path64);
  const since = integerOf(line.since, 1);
  if (line.type === 'gone') {
    const at = placeOf(source, text, base64);
    return { kind: 'entry', entry: { ...at, since, type: 'gone' }, continues: false };
  }
  const type = typeOf(line.type);
  const metadata = {
    mode: integerOf(line.mode, 0, MOST_MODE),
    uid: integerOf(line.uid, 0, MOST_ID),
    gid: integerOf(line.gid, 0, MOST_ID),
    mtimeNs: BigInt(matchOf(line.mtime, MTIME)),
    size: type === 'file' ? integerOf(line.size, 0) : 0,
    extents: type === 'file' && line.extents !== undefined ? extentsOf(line.extents) : [],
  };
  const user = optionalTextOf(line.user, OWNER_NAME_LIMIT);
  const group = optionalTextOf(line.group, OWNER_NAME_LIMIT);
  const link = optionalTextOf(line.link, LINK_LIMIT);
  const sha256 = type === 'file' ? matchOf(line.sha256, SHA256) : undefined;
  const rdev = type === 'char' || type === 'block' ? deviceOf(line.rdev) : undefined;
  const xattrs = line.xattrs === undefined ? undefined : parseXattrs(line.xattrs);
  const continues = markOf(line.continues);
  const carried = markOf(line.carried);
  const torn = markOf(line.torn);
  const partial = markOf(line.partial);
  const target = type === 'symlink' ? targetOf(line.target, line.target64) : undefined;

  const entry: Entry = { ...placeOf(source, text, base64), since, type, ...metadata };
  if (user !== undefined) entry.user = user;
  if (group !== undefined) entry.group = group;
  if (link !== undefined) entry.link = link;
  if (carried) entry.carried = true;
  if (torn) entry.torn = true;
  if (partial) entry.partial = true;
  if (xattrs !== undefined) entry.xattrs = xattrs;
  if (target !== undefined) entry.target = target;
  if (rdev !== undefined) entry.rdev = rdev;
  if (sha256 !== undefined) entry.sha256 = sha256;
  return { kind: 'entry', entry, continues };
}

function typeOf(value: unknown): EntryType {
  switch (value) {
    case 'file':
    case 'dir':
    case 'symlink':
    case 'fifo':
    case 'socket':
    case 'char':
    case 'block':
      return value;
    default:
      throw new UnfitValue();
  }
}

function deviceOf(value: unknown): [number, number] {
  const [major, minor] = listOf(value, 2, 2);
  return [integerOf(major, 0), integerOf(minor, 0)];
}

function extentsOf(value: unknown): Extent[] {
  return listOf(value, 1, EXTENTS_PER_LINE).map(extentOf);
}

function extentOf(value: unknown): Extent {
  const [first, volume, position, length, offset] = listOf(value, 1, 5);
  const count = (value as unknown[]).length;
  if (count === 1) return { seq: 0, volume: 0, position: 0, offset: 0, length: integerOf(first, 1) };
  return {
    seq: integerOf(first, 1),
    volume: integerOf(volume, 1),
    position: integerOf(position, 0),
    offset: count === 5 ? integerOf(offset, 1) : 0,
    length: integerOf(length, 1),
  };
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

/** Where a symlink leads. */
function targetOf(text: unknown, base64: unknown): ByteString {
  const target = fromJson(optionalTextOf(text), optionalTextOf(base64));
  if (target === undefined || target === '' || target.includes('\0')) {
    throw new MalformedManifest('a link has no usable target');
  }
  return target;
}

/** Source and path of an entry. */
function placeOf(
  source: string | undefined,
  text: string | undefined,
  base64: string | undefined,
): { source: string; path: ByteString } {
  if (source === undefined) throw new MalformedManifest('an entry comes before any source');
  return { source, path: checkedPath(text, base64) };
}

/** The path of a line, if it is one that may be written below a target (section 5.2). */
function checkedPath(text: string | undefined, base64: string | undefined): ByteString {
  const path = fromJson(text, base64);
  if (path === undefined || !isSafePath(path)) {
    throw new MalformedManifest(`a path is not allowed: ${begin(path ?? '')}`);
  }
  return path;
}

const positive = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

const contentsSchema = z.object({
  format: z.literal('holdfast-manifest'),
  version: z.literal(MANIFEST_VERSION),
  strategy: z.string(),
  seq: positive,
  id: z.string().regex(/^[0-9a-f]{32}$/),
  sources: z.array(
    z.object({ name: z.string(), paths: z.array(z.union([z.string(), z.object({ path64: z.string() })])) }),
  ),
  parts: z.array(
    z.object({
      source: z.string(),
      path: z.string().optional(),
      path64: z.string().optional(),
      lines: positive,
    }),
  ),
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
