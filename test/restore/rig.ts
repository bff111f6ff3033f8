/** What the tests of restore share: a store whose sets they make, and a restore of its newest point. */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadCommits } from '../../src/chain/commits.ts';
import { type Point, toPoints } from '../../src/chain/points.ts';
import { type SecretKey, unlockSecretKey } from '../../src/crypto/secret-key.ts';
import { Selection } from '../../src/manifest/select.ts';
import type { Entry, Extent } from '../../src/model.ts';
import { WorkerPool } from '../../src/restore/pool.ts';
import { type RestoreObserver, type RestoreRequest, type RestoreResult, restore } from '../../src/restore.ts';
import type { Store } from '../../src/store/store.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { file, makeKeys, type QuickKeys, QuickStore } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

/** Whether owners can be set here, and file systems mounted. */
export const ROOT = process.getuid?.() === 0;

/** Some owner that whoever runs the tests can set. */
export function owner(uid: number, gid: number): { uid: number; gid: number } {
  return ROOT ? { uid, gid } : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

/** A folder to restore into that is not there yet, in a new folder; both go when the test has ended, whatever their modes. */
export async function newTarget(): Promise<string> {
  const base = await temporaryFolder();
  onTestFinished(() => void execFileSync('chmod', ['-R', 'u+rwX', base]));
  return join(base, 'back');
}

/** Keys that all tests of one file use. */
export interface RestoreKeys extends QuickKeys {
  plain: SecretKey;
}

export async function makeRestoreKeys(): Promise<RestoreKeys> {
  const keys = await makeKeys();
  const plain = await unlockSecretKey(Buffer.from(keys.secretArmored), 'secret', async () => undefined);
  return { ...keys, plain };
}

/** Gives away copies, since a restore moves what it gets to its workers. */
class GenerousStore extends MemoryStore {
  override async get(name: string, limit: number): Promise<Uint8Array | undefined> {
    const bytes = await super.get(name, limit);
    return bytes && Uint8Array.from(bytes);
  }
}

/** A fresh store in memory. */
export function memoryRig(keys: RestoreKeys): { memory: MemoryStore; quick: QuickStore } {
  const memory = new GenerousStore();
  return { memory, quick: new QuickStore(memory, keys) };
}

export async function newestPoint(quick: QuickStore, store: Store = quick.store): Promise<Point> {
  const loaded = await loadCommits(store, quick.names, 'keys-in-store', 'needed');
  return toPoints(loaded.commits, loaded.rejected).at(-1) as Point;
}

export type Wishes = Partial<RestoreRequest> & {
  target: string;
  observer?: Partial<RestoreObserver>;
  pool?: WorkerPool;
};

/** As many workers as a restore of much has: what is restored here is small. */
class FullPool extends WorkerPool {
  override prepare(): void {
    super.prepare(Number.POSITIVE_INFINITY);
  }
}

/** Restores the newest point, all of it, with owners where that is possible, unless `wishes` says otherwise. */
export async function restoreNewest(
  quick: QuickStore,
  keys: RestoreKeys,
  wishes: Wishes,
): Promise<RestoreResult> {
  const { observer, pool = new FullPool(), ...request } = wishes;
  const store = request.store ?? quick.store;
  return restore(
    {
      store,
      names: quick.names,
      point: await newestPoint(quick),
      pointName: 'the point',
      secret: keys.plain,
      paths: [],
      selection: request.paths === undefined ? undefined : new Selection(request.paths),
      overwrite: false,
      owner: ROOT,
      owners: undefined,
      impliedMode: 0o755,
      signal: new AbortController().signal,
      ...request,
    },
    { onForecast: () => {}, phase: () => {}, total: () => {}, advance: () => {}, ...observer },
    pool,
  );
}

export function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** A stretch of a chunk. */
export function at(volume: number, position: number, length: number, offset = 0, seq = 1): Extent {
  return { seq, volume, position, offset, length };
}

/** A hole. */
export function hole(length: number): Extent {
  return { seq: 0, volume: 0, position: 0, offset: 0, length };
}

/** A file of one set with that content, which the extents must amount to. */
export function fileOf(path: string, content: Buffer, extents: Extent[], more: Partial<Entry> = {}): Entry {
  return file(path, 1, extents, { sha256: sha256(content), size: content.length, ...more });
}

export function symlink(path: string, target: string, more: Partial<Entry> = {}): Entry {
  const { sha256: _none, ...entry } = file(path, 1);
  return { ...entry, type: 'symlink', mode: 0o777, target, ...more };
}

/** Everything below a folder, as text to compare: kind, mode and content by path. */
export function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string) => {
    for (const name of readdirSync(join(folder, path)).sort()) {
      const place = join(path, name);
      const status = lstatSync(join(folder, place));
      const mode = (status.mode & 0o7777).toString(8);
      if (status.isDirectory()) {
        found[place] = `dir ${mode}`;
        visit(place);
      } else if (status.isSymbolicLink()) {
        found[place] = `link ${readlinkSync(join(folder, place))}`;
      } else if (!status.isFile()) {
        found[place] = `special ${mode}`;
      } else {
        found[place] = `file ${mode} ${sha256(readFileSync(join(folder, place))).slice(0, 16)}`;
      }
    }
  };
  visit('');
  return found;
}
