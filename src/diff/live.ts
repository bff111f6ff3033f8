/** The sources of a strategy as they are now, in the form in which a point is read. Stores nothing. */
import { readlinkSync } from 'node:fs';
import { EMPTY_SHA256, RunningDigest } from '../chunk/digest.ts';
import { systemCode } from '../errors.ts';
import { fromBytes, toFsPath } from '../format/bytes.ts';
import type { ComparedSource } from '../index/compare.ts';
import { hasAttributes } from '../linux/xattrs.ts';
import type { Wanted } from '../manifest/select.ts';
import { digestOfAttributes, type Version } from '../manifest/versions.ts';
import type { ByteString } from '../model.ts';
import { readAttributes } from '../source/attributes.ts';
import { readFile } from '../source/read.ts';
import { rootsInOrder } from '../source/roots.ts';
import { selection } from '../source/select.ts';
import type { Stat } from '../source/stat.ts';
import { statEntry } from '../source/stat-entry.ts';
import { type Found, walk } from '../source/walk.ts';
import type { Side } from './merge.ts';

/** How to look at the sources. */
export interface LiveOptions {
  /** What is looked at; all, where it is undefined. */
  wanted: Wanted | undefined;
  /** Folders of Holdfast's own, as `device:inode`. */
  own: ReadonlySet<string>;
  /** Whether an access time may be left alone. */
  keepAccessTime: boolean;
}

/** Everything that a backup would find now, in order of source and path; what cannot be read as `unknown`. */
export function* liveEntries(sources: readonly ComparedSource[], options: LiveOptions): Generator<Side> {
  for (const { source, root } of rootsInOrder(sources)) {
    for (const found of walk(root, { selection: selection(source), own: options.own })) {
      const side = sideOf(source.name, found);
      if (side === undefined) continue;
      if (options.wanted?.matches(side.path) === false) continue;
      options.wanted?.mark?.(side.path);
      yield side;
    }
  }
}

function sideOf(source: string, found: Found): Side | undefined {
  const { path } = found;
  switch (found.kind) {
    case 'entry': {
      const target = found.stat.isSymbolicLink() ? targetOf(path) : undefined;
      if (typeof target === 'object') return { source, path, unknown: target.error };
      return withAttributes({ source, path, version: versionOf(found.stat, target) });
    }
    case 'unlistable':
    case 'unreadable':
      return { source, path, unknown: found.error };
    default:
      return undefined;
  }
}

/** With its extended attributes, as a backup reads them; undefined when it has gone meanwhile. */
function withAttributes(side: Side & { version: Version }): Side | undefined {
  if (!hasAttributes()) return side;
  const { xattrs, error } = readAttributes(side.path);
  if (error === 'ENOENT' || error === 'ENOTDIR') return undefined;
  if (error !== undefined) return { ...side, attributesError: error };
  return { ...side, version: { ...side.version, attributes: digestOfAttributes(xattrs) } };
}

function versionOf(stat: Stat, target: ByteString | undefined): Version {
  const metadata = statEntry(stat);
  const isFile = metadata.type === 'file';
  return {
    ...metadata,
    size: isFile ? Number(stat.size) : 0,
    ...(target === undefined ? {} : { target }),
    ...(isFile && stat.size === 0n ? { sha256: EMPTY_SHA256 } : {}),
  };
}

function targetOf(path: ByteString): ByteString | { error: string } {
  try {
    return fromBytes(readlinkSync(toFsPath(path), { encoding: 'buffer' }));
  } catch (error) {
    return { error: systemCode(error) ?? 'error' };
  }
}

const PIECE = 1024 * 1024;

/** The SHA-256 of a file as it is now; the system's code where it cannot be read, `gone` where it is no file any more. */
export async function digestOfFile(
  path: ByteString,
  keepAccessTime: boolean,
): Promise<{ sha256: string } | { error: string }> {
  const buffer = Buffer.allocUnsafe(PIECE);
  const result = readFile(path, keepAccessTime, (file, size) => {
    const digest = new RunningDigest();
    let length = 0;
    while (length < size) {
      const read = file.read(buffer.subarray(0, Math.min(PIECE, size - length)));
      if (read === 0) break;
      digest.update(buffer.subarray(0, read));
      length += read;
    }
    return { length, sha256: digest.hex() };
  });
  if (result.kind === 'read') return { sha256: result.content.sha256 };
  return { error: result.kind === 'gone' ? 'gone' : result.error };
}
