/** The files of the index in a state folder: which is current, which is pending, and how one takes the other's place. */
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../durable.ts';
import { writeDurably } from '../state/folder.ts';
import { stateError } from './append-log.ts';
import { digestFile } from './digest-file.ts';
import { encodeHeader, type IndexHeader, readHeader } from './header.ts';

const CURRENT = 'index.json';
const NEXT = 'index.next.json';

/** What there is to start from. */
export type FoundIndex = IndexHeader | 'absent' | { unusable: string };

export class IndexFiles {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** What tells the current index, whole or not, from any other that takes its place; undefined where there is none. Throws `state`. */
  identity(): string | undefined {
    const file = this.path(CURRENT);
    try {
      const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
      return stat && `${stat.ino}.${stat.mtimeNs}.${stat.ctimeNs}`;
    } catch (cause) {
      throw stateError(file, cause);
    }
  }

  /** The current index, its files checked against the header. Reads the entries file once, to digest it. */
  current(): FoundIndex {
    const header = readHeader(this.path(CURRENT));
    if (header === 'absent' || 'unusable' in header) return header;
    if (digestFile(this.path(header.entries.file)) !== header.entries.sha256) {
      return { unusable: `${header.entries.file} is missing or corrupt` };
    }
    for (const [ending, length] of Object.entries({
      segments: header.logs.segments,
      extents: header.logs.extents,
      blocks: header.logs.blocks,
    })) {
      const name = `${header.logs.base}.${ending}`;
      if ((statSync(this.path(name), { throwIfNoEntry: false })?.size ?? -1) < length) {
        return { unusable: `${name} is missing or cut short` };
      }
    }
    return header;
  }

  /** The index of a commit that was about to be made when the last run ended. */
  pending(): FoundIndex {
    return readHeader(this.path(NEXT));
  }

  /** Durably writes down the index of a commit that is about to be made. */
  async writePending(header: IndexHeader): Promise<void> {
    await writeDurably(this.path(NEXT), encodeHeader(header), 0o600);
  }

  /** The commit was made: its index becomes the current one. */
  async promote(): Promise<void> {
    renameSync(this.path(NEXT), this.path(CURRENT));
    await syncFolder(this.folder);
  }

  /** The commit was not made. */
  dropPending(): void {
    rmSync(this.path(NEXT), { force: true });
  }

  /** Gives up the index: the next set will be a full under a new writer. */
  discard(): void {
    rmSync(this.path(NEXT), { force: true });
    rmSync(this.path(CURRENT), { force: true });
    this.removeStale();
  }

  /** Removes files of chains and points that no header speaks of any more. */
  removeStale(): void {
    const kept = new Set<string>();
    for (const name of [CURRENT, NEXT]) {
      const header = readHeader(this.path(name));
      if (header === 'absent' || 'unusable' in header) continue;
      kept.add(header.entries.file);
      for (const ending of ['segments', 'extents', 'blocks']) kept.add(`${header.logs.base}.${ending}`);
    }
    for (const name of readdirSync(this.folder)) {
      if (/^(entries|chain)-[0-9a-f]{32}(\.|$)/.test(name) && !kept.has(name))
        rmSync(this.path(name), { force: true });
    }
  }
}
