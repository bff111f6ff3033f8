/** Entries as what tells one version of a path from another: content by its digest, extended attributes by one digest of all. Compares nothing. */
import { createHash, type Hash } from 'node:crypto';
import type { ByteString, Entry, ExtendedAttribute, Gone } from '../model.ts';
import type { ManifestItem } from './lines.ts';

/** An entry without its place and without what it is made of. */
export interface Version extends Omit<Entry, 'source' | 'path' | 'since' | 'extents' | 'xattrs'> {
  /** Stands for all extended attributes; NO_ATTRIBUTES where there are none, undefined where they are not known. */
  attributes?: string;
}

/** What a manifest says of a path. */
export interface Stated {
  source: string;
  path: ByteString;
  since: number;
  /** Undefined for a deletion. */
  version: Version | undefined;
}

/** Stands for no extended attributes at all. */
export const NO_ATTRIBUTES = '';

/** The paths of a manifest or of a point, in batches. However many extents or attributes an entry has, they are not held. */
export async function* readVersions(
  batches: AsyncIterable<readonly ManifestItem<Entry | Gone>[]>,
): AsyncGenerator<Stated[], void> {
  let open: Stated | undefined;
  let attributes = new AttributesDigest();
  for await (const batch of batches) {
    const ended: Stated[] = [];
    for (const item of batch) {
      if (item.kind === 'entry') {
        open = stated(item.entry);
        attributes = new AttributesDigest();
        if (item.entry.type !== 'gone') attributes.take(item.entry.xattrs ?? []);
      } else {
        attributes.take(item.xattrs ?? []);
      }
      if (item.continues || open === undefined) continue;
      if (open.version !== undefined) open.version.attributes = attributes.end();
      ended.push(open);
      open = undefined;
    }
    if (ended.length > 0) yield ended;
  }
}

function stated(entry: Entry | Gone): Stated {
  const { source, path, since } = entry;
  if (entry.type === 'gone') return { source, path, since, version: undefined };
  const { source: _s, path: _p, since: _n, extents: _e, xattrs: _x, ...version } = entry;
  return { source, path, since, version };
}

/** What stands for a whole list of attributes, in the order of their names. */
export function digestOfAttributes(xattrs: readonly ExtendedAttribute[]): string {
  const digest = new AttributesDigest();
  digest.take(xattrs);
  return digest.end();
}

/** The same of a list that comes piece by piece. */
class AttributesDigest {
  #hash: Hash | undefined;

  take(xattrs: readonly ExtendedAttribute[]): void {
    for (const { name, value } of xattrs) {
      this.#hash ??= createHash('sha256');
      // No name has a NUL, so that no two lists give the same bytes.
      this.#hash.update(`${name}\0${value.length}\0`, 'latin1').update(value);
    }
  }

  end(): string {
    return this.#hash?.digest('hex') ?? NO_ATTRIBUTES;
  }
}
