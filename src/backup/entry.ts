/** Reads one entry for the set: what lstat does not say of it, and what its lines in index and manifest are made of. */
import { lstatSync, readlinkSync } from 'node:fs';
import { LARGE_FILE } from '../chunk/cut.ts';
import { EMPTY_SHA256 } from '../chunk/digest.ts';
import { systemCode } from '../errors.ts';
import { fromBytes, fromText, toFsPath } from '../format/bytes.ts';
import { encodeHead } from '../format/manifest.ts';
import { encodeXattrs } from '../format/xattrs.ts';
import { signatureOf } from '../index/compare.ts';
import {
  decodeSegments,
  EntriesReader,
  encodeSegments,
  type IndexEntry,
  joinXattrs,
} from '../index/entries-file.ts';
import { unpackDevice } from '../linux/device-number.ts';
import { type Owners, readOwners } from '../linux/owners.ts';
import type { ByteString, Metadata } from '../model.ts';
import { type ReadAttributes, readAttributes } from '../source/attributes.ts';
import { type OpenFile, readFile } from '../source/read.ts';
import type { Stat } from '../source/stat.ts';
import { typeOf } from '../source/stat-entry.ts';
import { isYoung, nowInNs } from '../source/young.ts';
import type { ContentStorer, OlderVersion } from './content.ts';
import { PROGRESS } from './progress.ts';
import type { SegmentSet } from './usage.ts';

/** What an entry's line in the index is made of. */
export interface ReadEntry {
  head: ByteString;
  segments: string;
  xattrs: ByteString;
  signature: string;
  young: boolean;
  torn: boolean;
  isFile: boolean;
  size: number;
  /** The system's code, where some attributes could not be read. */
  attributesError?: string;
}

/** Signature of a torn file, and of what is not there: it never counts as unchanged. */
export const NEVER = '';

/** Content of a file as the index keeps it. */
interface Content {
  segments: string;
  sha256: string;
  size: number;
}

/** A hard link's other name is looked up here before its content is read again; bounded, for a miss costs only a read. */
const LINKS_KEPT = 100_000;

export interface EntryReaderOptions {
  /** Where contents of files go. */
  content: ContentStorer;
  /** Whether access times can be left alone. */
  keepAccessTime: boolean;
  /** The parent's entries, for an incremental. */
  entriesFile: string | undefined;
  /** Segments that must be stored anew. */
  givenUp: SegmentSet | undefined;
  /** See PROGRESS. */
  progress: Float64Array;
}

export class EntryReader {
  readonly #options: EntryReaderOptions;
  readonly #progress: Float64Array;
  readonly #owners: Owners = readOwners();
  readonly #links = new Map<string, Content>();
  #renamed: Map<string, string> | undefined;

  constructor(options: EntryReaderOptions) {
    this.#options = options;
    this.#progress = options.progress;
  }

  /** Reads what lstat does not say: a file's content, a link's target, extended attributes. `before` is what the index has of it. */
  read(path: ByteString, stat: Stat, before: IndexEntry | undefined): ReadEntry | 'gone' | { error: string } {
    const now = nowInNs();
    let current = stat;
    const content: Content = { segments: '', sha256: EMPTY_SHA256, size: 0 };
    let torn = false;
    let attributes: ReadAttributes | undefined;
    let target: ByteString | undefined;
    if (stat.isFile()) {
      const known = this.#knownContent(stat, before);
      if (known !== undefined) {
        Object.assign(content, known);
      } else {
        const isLarge = stat.size >= LARGE_FILE;
        const older = isLarge ? this.#older(before, stat) : undefined;
        const { content: storer, keepAccessTime } = this.#options;
        const result = readFile(
          path,
          keepAccessTime,
          (file, size) => storer.store(this.#counting(file), size, older),
          // A large one may well grow while it is read, and then its first look must count.
          isLarge ? undefined : stat,
        );
        if (result.kind === 'gone') return 'gone';
        if (result.kind === 'unreadable') return { error: result.error };
        current = result.stat;
        torn = result.torn;
        attributes = result.attributes;
        content.segments = encodeSegments(result.content.segments);
        content.sha256 = result.content.sha256;
        content.size = result.content.length;
        this.#progress[PROGRESS.filesRead]!++;
      }
      if (!torn && !isYoung(current, now)) this.#rememberLink(current, content);
    } else if (stat.isSymbolicLink()) {
      const link = readLink(path);
      if (typeof link !== 'string') return link.gone ? 'gone' : { error: link.error };
      target = link;
    }
    let changing = false;
    if (attributes === undefined) {
      attributes = readAttributes(path);
      const { error } = attributes;
      if (error === 'ENOENT' || error === 'ENOTDIR') return 'gone';
      // Read by its name: something else may have taken it since lstat.
      changing = attributes.xattrs.length > 0 && !isStill(path, stat);
    }
    const metadata = this.#metadata(current, target, torn);
    if (attributes.error !== undefined) metadata.partial = true;
    const entry: ReadEntry = {
      head: fromText(encodeHead({ ...metadata, ...content })),
      segments: content.segments,
      xattrs: fromText(joinXattrs(encodeXattrs(attributes.xattrs))),
      signature: torn ? NEVER : signatureOf(current),
      young: torn || changing || isYoung(current, now),
      torn,
      isFile: current.isFile(),
      size: content.size,
    };
    if (attributes.error !== undefined) entry.attributesError = attributes.error;
    return entry;
  }

  /**
   * Content that need not be read: none, that of another name of the same inode, or, where something else is to be read again, that
   * of the same stat.
   */
  #knownContent(stat: Stat, before: IndexEntry | undefined): Content | undefined {
    if (stat.size === 0n) return { segments: '', sha256: EMPTY_SHA256, size: 0 };
    if (stat.nlink > 1n) {
      const link = this.#links.get(linkKey(stat));
      if (link !== undefined) return link;
    }
    if ((before?.flags !== 'c' && before?.flags !== 'p') || before.signature !== signatureOf(stat))
      return undefined;
    if (this.#options.givenUp?.hasAnyOf(before.segments)) return undefined;
    const sha256 = /"sha256":"([0-9a-f]{64})"/.exec(before.head)?.[1];
    return sha256 === undefined ? undefined : { segments: before.segments, sha256, size: Number(stat.size) };
  }

  #rememberLink(stat: Stat, content: Content): void {
    if (stat.nlink < 2n) return;
    if (this.#links.size >= LINKS_KEPT) this.#links.clear();
    this.#links.set(linkKey(stat), { ...content });
  }

  #counting(file: OpenFile): OpenFile {
    return {
      ...file,
      read: (into) => {
        const n = file.read(into);
        this.#progress[PROGRESS.bytesRead]! += n;
        return n;
      },
    };
  }

  /**
   * Earlier versions of a large file: what was under its path, and what had its inode under another. A log that is rotated has both:
   * the one before it, and itself.
   */
  #older(before: IndexEntry | undefined, stat: Stat): OlderVersion {
    return () => {
      const here = before?.segments ?? '';
      const isOther = before?.signature.endsWith(`.${stat.ino}`) !== true;
      const there = isOther ? (this.#byInode(stat.ino) ?? '') : '';
      if (here === '' || there === '') return here || there ? decodeSegments(here || there) : undefined;
      return decodeSegments(`${here},${there}`);
    };
  }

  /** Looks through the parent's index once, when a large file turns up under a new path with new content. */
  #byInode(inode: bigint): string | undefined {
    const { entriesFile } = this.#options;
    if (entriesFile === undefined) return undefined;
    if (this.#renamed === undefined) {
      this.#renamed = new Map();
      const reader = new EntriesReader(entriesFile);
      for (let e = reader.next(); e !== undefined; e = reader.next()) {
        const [type, size, , , ino] = e.signature.split('.');
        if (type === '8' && Number(size) >= LARGE_FILE && ino !== undefined)
          this.#renamed.set(ino, e.segments);
      }
      reader.close();
    }
    return this.#renamed.get(String(inode));
  }

  #metadata(stat: Stat, target: ByteString | undefined, torn: boolean): Metadata {
    const uid = Number(stat.uid);
    const gid = Number(stat.gid);
    const metadata: Metadata = {
      type: typeOf(stat),
      mode: Number(stat.mode) & 0o7777,
      uid,
      gid,
      mtimeNs: stat.mtimeNs,
    };
    const user = this.#owners.user(uid);
    const group = this.#owners.group(gid);
    if (user !== undefined) metadata.user = user;
    if (group !== undefined) metadata.group = group;
    if (target !== undefined) metadata.target = target;
    if (metadata.type === 'char' || metadata.type === 'block') metadata.rdev = unpackDevice(stat.rdev);
    if (stat.nlink > 1n && metadata.type !== 'dir') metadata.link = linkId(stat);
    if (torn) metadata.torn = true;
    return metadata;
  }
}

/** Whether a head has a mark, such as `torn`. */
export function isMarked(head: string, mark: 'torn' | 'partial'): boolean {
  return head.endsWith(`,"${mark}":true`) || head.includes(`,"${mark}":true,`);
}

/** Whether what is at a path is still what lstat said. */
function isStill(path: ByteString, stat: Stat): boolean {
  const now = lstatSync(toFsPath(path), { bigint: true, throwIfNoEntry: false });
  return now !== undefined && signatureOf(now) === signatureOf(stat);
}

/**
 * What all names of one inode have in common, and no two inodes: not its number, which another file system has too, and which is used again
 * while an entry that is carried over still bears it. A device number changes with reboots; the ctime is the inode's own.
 */
function linkId(stat: Stat): string {
  return `${stat.ino}.${stat.ctimeNs}`;
}

/** What a symlink points to, or why that cannot be said. */
function readLink(path: ByteString): ByteString | { gone: true } | { gone: false; error: string } {
  try {
    const target = fromBytes(readlinkSync(toFsPath(path), { encoding: 'buffer' }));
    return target === '' ? { gone: false, error: 'EINVAL' } : target;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    // EINVAL: it is no link any more.
    return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL'
      ? { gone: true }
      : { gone: false, error: code };
  }
}

function linkKey(stat: Stat): string {
  return `${stat.dev}.${signatureOf(stat)}`;
}
