/** What of a source is left out besides what patterns say: folders with a marker in them, large files, other file systems. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { fromText, toFsPath } from '../format/bytes.ts';
import { joinPath } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { Patterns } from '../select/patterns.ts';

/** What a strategy says of a source, as plain data. */
export interface SelectionRules {
  exclude: readonly string[];
  include?: readonly string[];
  /** Names of files whose presence leaves out what is in their folder. */
  excludeIfPresent?: readonly string[];
  /** Whether folders with a valid CACHEDIR.TAG are such folders. */
  excludeCaches?: boolean;
  /** Whether other file systems are left out. True unless it is said. */
  oneFileSystem?: boolean;
  /** Larger files are left out; in bytes. */
  excludeLargerThan?: number;
}

/** The same, made ready. */
export interface Selection {
  patterns: Patterns;
  markers: ReadonlySet<ByteString>;
  caches: boolean;
  oneFileSystem: boolean;
  largerThan: number;
}

/** Makes rules ready. */
export function selection(rules: SelectionRules): Selection {
  return {
    patterns: new Patterns(rules.exclude, rules.include),
    markers: new Set((rules.excludeIfPresent ?? []).map(fromText)),
    caches: rules.excludeCaches ?? false,
    oneFileSystem: rules.oneFileSystem ?? true,
    largerThan: rules.excludeLargerThan ?? Number.POSITIVE_INFINITY,
  };
}

/** Name and beginning of the file by which a folder is known as a cache (Cache Directory Tagging Specification, bford.info/cachedir). */
export const CACHE_TAG = 'CACHEDIR.TAG';
const CACHE_SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';

/** Names that may leave out what else is in their folder. */
export function markersOf({ markers, caches }: Selection): ReadonlySet<ByteString> {
  return caches ? new Set([...markers, CACHE_TAG]) : markers;
}

/** Those of some names in a folder that leave out what else is in it; undefined for none. */
export function markersAmong(
  { markers, caches }: Selection,
  folder: ByteString,
  names: readonly ByteString[],
): ReadonlySet<ByteString> | undefined {
  if (markers.size === 0 && !caches) return undefined;
  const found = names.filter(
    (name) => markers.has(name) || (caches && name === CACHE_TAG && isCacheTag(joinPath(folder, name))),
  );
  return found.length === 0 ? undefined : new Set(found);
}

/** Whether a file is a valid cache tag: a regular file with the signature at its beginning. One that cannot be read is none. */
export function isCacheTag(path: ByteString): boolean {
  try {
    const fd = openSync(
      toFsPath(path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    try {
      if (!fstatSync(fd).isFile()) return false;
      const start = Buffer.alloc(CACHE_SIGNATURE.length);
      const length = readSync(fd, start, 0, start.length, 0);
      return length === start.length && start.toString('latin1') === CACHE_SIGNATURE;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}
