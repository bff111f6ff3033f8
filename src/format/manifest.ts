/** Lines of a manifest and its contents list, as the writer encodes them (docs/format.md, section 5). */
import type { ByteString, Entry, Extent } from '../model.ts';
import { toBytes, toJson } from './bytes.ts';
import { XATTRS_TEXT } from './xattrs.ts';

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
/** Names of users and groups are no longer. */
export const OWNER_NAME_LIMIT = 256;

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

/** Components of a path, each after its slash: none is empty, `.`, `..`, holds NUL, or is longer than COMPONENT_LIMIT. */
const COMPONENTS = new RegExp(`^(?:/(?!\\.{0,2}(?:/|$))[^/\\0]{1,${COMPONENT_LIMIT}})+$`);

/** Whether a path is absolute and made of plain components only. */
export function isSafePath(path: ByteString): boolean {
  return path === '/' || COMPONENTS.test(path);
}

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
