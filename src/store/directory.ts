/**
 * A store in a folder: one file for each object, at its name. Files appear whole or not at all, and links are
 * never followed below the root; who may write in that folder is the business of its owner.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder, writeAll } from '../durable.ts';
import { systemCode } from '../errors.ts';
import { DirectoryFaults } from './directory-faults.ts';
import { DirectoryFolders, temporaryName } from './directory-folders.ts';
import { isComponent, splitName, splitPrefix } from './object-name.ts';
import type { GetOptions, ListOptions, ObjectStat, PutOptions, Store, StoredObject } from './store.ts';
import type { Throttle } from './throttle.ts';

/** Bytes that are written or read at a time, so that hashing one piece goes on beside the writing of it. */
const PIECE = 1 << 20;
/** How many files of a folder are looked at together in a listing. */
const LOOKS = 32;
/** O_NONBLOCK: opening a FIFO that someone put there must not wait for a writer. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** What opening says when a folder on the way is not what it was. */
const WAY_LOST = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * The store in the folder `root`, which must exist when the store is used; with a `prefix` (`a/b`) all names live
 * below that folder of it, which is made when needed, and what is written is kept below the rate of `throttle`. Folders are made 0700, files 0600. Names that no object
 * can have (`..`, empty components, control characters, `.tmp-…`) are defects and throw a plain Error.
 */
export function directoryStore(root: string, prefix = '', throttle?: Throttle): Store {
  const inner = prefix.replace(/\/$/, '');
  return new DirectoryStore(root, inner === '' ? [] : splitName(inner), throttle);
}

class DirectoryStore implements Store {
  readonly label: string;
  readonly uploads = 1;
  /** A listing reads the folders themselves. */
  readonly listingsMayLie = false;
  readonly knowsMd5 = false;
  readonly #prefix: string[];
  readonly #throttle: Throttle | undefined;
  readonly #faults: DirectoryFaults;
  readonly #folders: DirectoryFolders;
  /** Outermost folders in which the temporary files of dead runs were looked for. */
  readonly #swept = new Set<string>();

  constructor(root: string, prefix: string[], throttle: Throttle | undefined) {
    this.#throttle = throttle;
    this.label = `directory:${join(root, ...prefix)}`;
    this.#prefix = prefix;
    this.#faults = new DirectoryFaults(this.label, root);
    this.#folders = new DirectoryFolders(root, this.#faults);
  }

  async check(): Promise<void> {
    await this.#folders.checkReadable();
  }

  async prepare(): Promise<void> {
    // The folder itself is never made: a disk that is not mounted would be taken for an empty store.
    await this.check();
  }

  async put(name: string, body: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const parts = this.#parts(name);
    const folder = parts.slice(0, -1);
    await this.#folders.checkRoot();
    const temporary = this.#folders.path([...folder, temporaryName()]);
    try {
      const handle = await this.#create(folder, temporary);
      try {
        const seen = options.crc32 === undefined ? md5Check(options.md5) : crc32Check(options.crc32);
        await writeBody(handle, body, this.#throttle, seen);
        if (!seen.isRight()) {
          throw this.#faults.error(
            'store',
            `${name} arrived with another digest than it was sent with; try again`,
            name,
          );
        }
        await handle.sync();
        await this.#sweepOnce(parts, handle);
      } finally {
        await handle.close();
      }
      await rename(temporary, this.#folders.path(parts));
      await syncFolder(this.#folders.path(folder));
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw this.#faults.failure(error, `${name} cannot be stored`, name);
    }
  }

  async get(name: string, limit: number, { place }: GetOptions = {}): Promise<Uint8Array | undefined> {
    return this.#read(name, 'recently', async (handle, size) => {
      if (size > limit) {
        const message = `${name} has ${size} bytes where at most ${limit} can be right; put back the right object`;
        throw this.#faults.error('damage', message, name);
      }
      // One byte more than expected is asked for, so that a file that grows meanwhile is noticed.
      const bytes = place?.(size + 1) ?? Buffer.allocUnsafeSlow(size + 1);
      let length = 0;
      while (length <= size) {
        const { bytesRead } = await handle.read(bytes, length, size + 1 - length, null);
        length += bytesRead;
        // The kernel gives less than was asked for at the end of a file; a file system of its own make may do so elsewhere.
        if (bytesRead === 0 || length === size) break;
      }
      if (length === size) return bytes.subarray(0, size);
      const message = `${name} was written to while it was read; find out what else writes in this folder`;
      throw this.#faults.error('damage', message, name);
    });
  }

  async stat(name: string): Promise<ObjectStat | undefined> {
    return this.#read(name, 'now', async (handle) => {
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafeSlow(PIECE);
      let size = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, PIECE, null);
        if (bytesRead === 0) return { size, sha256: hash.digest('hex') };
        hash.update(buffer.subarray(0, bytesRead));
        size += bytesRead;
      }
    });
  }

  async *list(prefix: string, { namesOnly = false }: ListOptions = {}): AsyncIterable<StoredObject> {
    const parts = [...this.#prefix, ...splitPrefix(prefix)];
    await this.#folders.checkRoot();
    if (await this.#folders.has(parts)) yield* this.#walk(this.#folders.path(parts), prefix, namesOnly);
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#remove(name);
  }

  async #remove(name: string): Promise<void> {
    const parts = this.#parts(name);
    const folder = parts.slice(0, -1);
    await this.#folders.checkRoot();
    if (!(await this.#folders.has(folder, name))) return;
    try {
      await unlink(this.#folders.path(parts));
      await syncFolder(this.#folders.path(folder));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw this.#faults.failure(error, `${name} cannot be removed`, name);
    }
    await this.#folders.removeEmpty(folder, this.#prefix.length);
  }

  async close(): Promise<void> {
    // Nothing is held open between calls.
  }

  #parts(name: string): string[] {
    return [...this.#prefix, ...splitName(name)];
  }

  /** Sweeps the outermost folder of an object's name (that of its strategy), at the first put into it. */
  async #sweepOnce(parts: readonly string[], written: FileHandle): Promise<void> {
    const depth = this.#prefix.length + 1;
    const folder = parts[depth - 1];
    if (folder === undefined || depth === parts.length || this.#swept.has(folder)) return;
    this.#swept.add(folder);
    await this.#folders.sweep(parts.slice(0, depth), (await written.stat()).mtimeMs);
  }

  /** Creates a file, and its folder where that is not there yet. */
  async #create(folder: readonly string[], file: string): Promise<FileHandle> {
    for (let tries = 3; ; tries--) {
      await this.#folders.ensure(folder);
      try {
        return await open(file, 'wx', 0o600);
      } catch (error) {
        // A removal beside this put may have taken the folder away as empty.
        if (systemCode(error) !== 'ENOENT' || tries === 0) throw error;
        this.#folders.forget();
        await this.#folders.checkRoot();
      }
    }
  }

  /** Opens an object and hands on its handle and size; undefined when there is none. `looked`: when the folders on the way must have been looked at. */
  async #read<T>(
    name: string,
    looked: 'now' | 'recently',
    use: (handle: FileHandle, size: number) => Promise<T>,
  ): Promise<T | undefined> {
    const parts = this.#parts(name);
    const folder = parts.slice(0, -1);
    if (!(await this.#folders.lead(folder, name, looked))) return undefined;
    try {
      const handle = await open(this.#folders.path(parts), READ);
      try {
        const found = await handle.stat();
        if (!found.isFile()) throw this.#faults.notFile(name);
        return await use(handle, found.size);
      } finally {
        await handle.close();
      }
    } catch (error) {
      const code = systemCode(error);
      // Or a folder on the way has changed, or the disk was unmounted since: then it is not the object that is missing.
      if (WAY_LOST.has(code ?? '') && !(await this.#folders.lead(folder, name, 'now'))) return undefined;
      if (code === 'ENOENT') return undefined;
      if (code === 'ELOOP') throw this.#faults.link(this.#folders.path(parts), name);
      // A socket.
      if (code === 'ENXIO') throw this.#faults.notFile(name);
      throw this.#faults.failure(error, `${name} cannot be read`, name);
    }
  }

  async *#walk(folder: string, prefix: string, namesOnly: boolean): AsyncIterable<StoredObject> {
    let entries: FolderEntry[];
    try {
      entries = await readFolder(folder);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw this.#faults.failure(error, `${folder} cannot be listed`);
    }
    for (let i = 0; i < entries.length; i += LOOKS) {
      const group = entries.slice(i, i + LOOKS);
      const sizes = namesOnly
        ? undefined
        : await Promise.all(group.map((entry) => this.#size(folder, entry)));
      for (const [k, { name, isFolder }] of group.entries()) {
        const size = namesOnly ? 0 : sizes?.[k];
        if (isFolder) yield* this.#walk(join(folder, name), `${prefix}${name}/`, namesOnly);
        else if (size !== undefined) yield { name: prefix + name, size };
      }
    }
  }

  /** Size of a file; undefined for folders and for what has vanished. */
  async #size(folder: string, entry: FolderEntry): Promise<number | undefined> {
    if (entry.isFolder) return undefined;
    const path = join(folder, entry.name);
    try {
      const found = await lstat(path);
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw this.#faults.failure(error, `${path} cannot be read`);
    }
  }
}

/** Sees the bytes of a body pass, and tells in the end whether they were the right ones. */
interface Check {
  update(bytes: Uint8Array): void;
  isRight(): boolean;
}

function md5Check(expected: string | undefined): Check {
  const hash = createHash('md5');
  return {
    update: (bytes) => hash.update(bytes),
    isRight: () => expected === undefined || hash.digest('hex') === expected,
  };
}

function crc32Check(expected: number): Check {
  let sum = 0;
  return {
    update: (bytes) => {
      sum = crc32(bytes, sum);
    },
    isRight: () => sum === expected,
  };
}

/** Writes the pieces of a body one after the other, and checks them. */
async function writeBody(
  handle: FileHandle,
  body: readonly Uint8Array[],
  throttle: Throttle | undefined,
  check: Check,
): Promise<void> {
  const step = throttle?.step ?? PIECE;
  for (const bytes of body) {
    for (let start = 0; start < bytes.length; start += step) {
      const piece = bytes.subarray(start, start + step);
      await throttle?.pass(piece.length);
      const written = writeAll(handle, piece);
      check.update(piece);
      await written;
    }
  }
}

interface FolderEntry {
  name: string;
  isFolder: boolean;
}

/**
 * The files and folders of one folder that a listing can name, ordered by their bytes; folders count with their
 * slash, so that a walk yields full names in order (`a-b`, `a/x`, `ab`).
 */
async function readFolder(folder: string): Promise<FolderEntry[]> {
  const entries: (FolderEntry & { key: string })[] = [];
  // Read as Latin-1, one character a byte: strings compare by UTF-16, which is not the order of UTF-8.
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'latin1' })) {
    const isFolder = entry.isDirectory();
    if (!isFolder && !entry.isFile()) continue;
    const name = Buffer.from(entry.name, 'latin1').toString('utf8');
    // What is not valid UTF-8 comes back with replacement characters, as other bytes: no object has such a name.
    if (!isComponent(name) || Buffer.from(name).toString('latin1') !== entry.name) continue;
    entries.push({ name, isFolder, key: isFolder ? `${entry.name}/` : entry.name });
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}
