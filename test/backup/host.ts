/** A host that is backed up for real, into a folder, and what its store holds afterwards. */
import { createHash, hash } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type BackupOptions, type BackupOutcome, backup } from '../../src/backup.ts';
import { loadCommits, type StoredCommit } from '../../src/chain/commits.ts';
import { neededObjects, type Point, toPoints } from '../../src/chain/points.ts';
import { loadRecipient } from '../../src/crypto/recipients.ts';
import { type CommitObject, volumesOf } from '../../src/format/commit.ts';
import { StrategyNames } from '../../src/format/names.ts';
import { readPoint } from '../../src/manifest/merge.ts';
import type { Entry } from '../../src/model.ts';
import { WriterRecord } from '../../src/state/writer.ts';
import { directoryStore } from '../../src/store/directory.ts';
import type { Store } from '../../src/store/store.ts';
import type { PathsSource, Strategy } from '../../src/strategy/strategy.ts';
import { unpackVolume } from '../../src/volume/unpack.ts';
import type { QuickKeys } from '../helpers/quick-store.ts';
import type { SeenEntry, Snapshot } from './producing.ts';

/** The moment of the first run; each further one is an hour later. */
const START = Date.parse('2026-11-22T04:00:00Z');

export class BackupHost {
  readonly folder: string;
  readonly keys: QuickKeys;
  readonly names = new StrategyNames('town');
  readonly root: string;
  readonly warnings: string[] = [];
  strategy: Strategy;
  signer;
  /** Public-key files of the recipients. */
  recipients: string[];
  hours = 0;

  /** `folder` holds everything: the source in `root`, the store in `store`, the state in `state`. */
  constructor(folder: string, keys: QuickKeys) {
    this.folder = folder;
    this.keys = keys;
    this.root = join(folder, 'root');
    this.signer = keys.signer;
    for (const name of ['root', 'store', 'state'])
      mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
    this.recipients = [join(folder, 'it.asc')];
    writeFileSync(this.recipients[0] as string, keys.publicArmored);
    this.strategy = {
      file: join(folder, 'holdfast.yaml'),
      name: 'town',
      sources: [source('www', [this.root])],
      store: { kind: 'directory', directory: join(folder, 'store'), prefix: '' },
      recipients: this.recipients,
      schedule: { full: { kind: 'never' } },
      signer: [],
      volume: { size: 1 << 20, compression: 3 },
      positions: new Map(),
    };
  }

  get store(): Store {
    return directoryStore(join(this.folder, 'store'));
  }

  /** Puts the signer's public key into the store, as init does. */
  async init(signer = this.signer): Promise<void> {
    const bytes = Buffer.from(signer.publicArmored);
    await this.store.put(this.names.key(signer.fingerprint), [bytes], {
      md5: createHash('md5').update(bytes).digest('hex'),
    });
  }

  async options(change: Partial<BackupOptions> = {}): Promise<BackupOptions> {
    const now = new Date(START + this.hours++ * 3_600_000);
    const stateFolder = join(this.folder, 'state');
    return {
      strategy: this.strategy,
      store: this.store,
      stateFolder,
      writer: await WriterRecord.open(stateFolder),
      signer: this.signer,
      recipients: await Promise.all(this.recipients.map((file) => loadRecipient(file, now))),
      requested: 'auto',
      keepAccessTime: true,
      own: [stateFolder, join(this.folder, 'store')],
      tool: 'holdfast test',
      now: () => now,
      signal: new AbortController().signal,
      onWarning: (text) => this.warnings.push(text),
      onEvent: () => {},
      onPlan: () => {},
      onProgress: () => {},
      ...change,
    };
  }

  async backup(change: Partial<BackupOptions> = {}): Promise<BackupOutcome> {
    this.warnings.length = 0;
    return backup(await this.options(change));
  }

  /** The points that a reader finds who trusts this host's signer. */
  async points(trusted = [this.signer.fingerprint]): Promise<Point[]> {
    const { commits, rejected } = await loadCommits(this.store, this.names, { pinned: trusted });
    return toPoints(commits, rejected);
  }

  /** Checks that each point's chain is whole, and that all that it needs is in the store, to the byte. */
  async expectWhole(trusted?: string[]): Promise<Point[]> {
    const points = await this.points(trusted);
    const seen = new Set<string>();
    for (const point of points) {
      expect(point.problem).toBeUndefined();
      for (const { set, object } of neededObjects(point)) {
        const name = this.names.object(set.commit, object.name);
        if (seen.has(name)) continue;
        seen.add(name);
        const bytes = await this.store.get(name, object.size);
        expect(bytes && hash('sha256', bytes), `${name}, which point ${point.seq} needs`).toBe(object.sha256);
      }
    }
    return points;
  }

  /** A point as it would be restored: its manifests and volumes are fetched, opened and checked. */
  async restored(point: Point): Promise<Snapshot> {
    const key = this.keys.secret;
    const entries: Entry[] = [];
    for await (const batch of readPoint({ store: this.store, names: this.names, key }, point)) {
      for (const item of batch) {
        if (item.kind === 'entry') entries.push(item.entry);
        else entries.at(-1)?.extents.push(...item.extents);
      }
    }
    const volumes = new Map<string, Buffer[]>();
    const chunks = async (seq: number, volume: number): Promise<Buffer[]> => {
      const known = volumes.get(`${seq}/${volume}`);
      if (known !== undefined) return known;
      const { commit } = point.find(seq) as StoredCommit;
      const object = this.names.volume(commit, volume);
      const found: Buffer[] = [];
      const { size, plainSize } = volumesOf(commit)[volume - 1] as CommitObject;
      const bytes = (await this.store.get(object, size)) as Uint8Array;
      await unpackVolume(
        bytes,
        key,
        { object, plainSize },
        { take: (_n, _digest, chunk) => void found.push(Buffer.from(chunk)) },
      );
      volumes.set(`${seq}/${volume}`, found);
      return found;
    };
    const snapshot: Snapshot = new Map();
    for (const { source, path, type, mode, uid, gid, mtimeNs, target, link, extents, sha256 } of entries) {
      const seen: SeenEntry = { type, mode, uid, gid, mtimeNs };
      if (type === 'file') {
        const pieces: Buffer[] = [];
        for (const { seq, volume, position, offset, length } of extents) {
          const chunk = seq === 0 ? Buffer.alloc(length) : (await chunks(seq, volume))[position];
          pieces.push((chunk as Buffer).subarray(offset, offset + length));
        }
        seen.content = Buffer.concat(pieces);
        expect(hash('sha256', seen.content)).toBe(sha256);
      }
      if (target !== undefined) seen.target = target;
      if (link !== undefined) seen.inode = link;
      snapshot.set(`${source} ${path}`, seen);
    }
    return snapshot;
  }

  /** Names of all objects of sets that no commit lists. */
  async remains(): Promise<string[]> {
    const { commits } = await loadCommits(this.store, this.names, 'keys-in-store');
    const listed = new Set(
      commits.flatMap(({ commit }) => commit.objects.map(({ name }) => this.names.object(commit, name))),
    );
    for (const { name } of commits) listed.add(name).add(`${name}.asc`);
    const found: string[] = [];
    for (const folder of [this.names.sets, this.names.commits]) {
      for await (const { name } of this.store.list(folder)) if (!listed.has(name)) found.push(name);
    }
    return found;
  }

  /** Another host that begins with everything that this one has: a clone, or what an image of it was set back to. */
  copy(folder: string): BackupHost {
    cpSync(this.folder, folder, { recursive: true, preserveTimestamps: true });
    const other = new BackupHost(folder, this.keys);
    other.hours = this.hours;
    return other;
  }
}

export function source(name: string, paths: string[], more: Partial<PathsSource> = {}): PathsSource {
  return { kind: 'paths', name, paths, exclude: [], allowEmpty: false, ...more };
}

export function newestOf(points: readonly Point[]): StoredCommit {
  const point = points.at(-1);
  if (point === undefined) throw new Error('there is no point');
  return point.commit;
}
