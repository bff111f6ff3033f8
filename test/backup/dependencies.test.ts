/** What the next set depends on, in a store whose listings show what is gone. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkContents, checkDependencies } from '../../src/backup/dependencies.ts';
import type { Point } from '../../src/chain/points.ts';
import { volumesOf } from '../../src/format/commit.ts';
import { StrategyNames, setFolder } from '../../src/format/names.ts';
import type { IndexSet } from '../../src/index/header.ts';
import type { StoredObject } from '../../src/store/store.ts';
import { noise } from '../chunk/noise.ts';
import { type FaultyStore, faultyStore } from '../helpers/faulty-store.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeKeys, type QuickKeys } from '../helpers/quick-store.ts';
import { makeFolder } from '../helpers/temporary.ts';
import { BackupHost, newestOf } from './host.ts';

let keys: QuickKeys;
/** Where the host of each test is, so that paths are the same; and the one of which it is a copy. */
let folder: string;
let baseline: string;

beforeAll(async () => {
  keys = await makeKeys();
  folder = join(await makeFolder(), 'host');
  baseline = await makeFolder();
  const host = new BackupHost(folder, keys);
  await host.init();
  for (const name of ['f1', 'f2', 'f3']) {
    write(host, name);
    await host.backup();
  }
  cpSync(folder, baseline, { recursive: true, preserveTimestamps: true });
});

afterAll(async () => {
  for (const path of [join(folder, '..'), baseline]) await rm(path, { recursive: true, force: true });
});

function write(host: BackupHost, name: string): void {
  writeFileSync(join(host.root, name), noise(3000, name));
}

/** A host with three points, each with content of its own that the newest one needs. */
function newHost(): BackupHost {
  rmSync(folder, { recursive: true, force: true });
  cpSync(baseline, folder, { recursive: true, preserveTimestamps: true });
  const host = new BackupHost(folder, keys);
  host.hours = 3;
  return host;
}

/** Takes an object out of the store; what a listing goes on to say of it. */
async function takeAway(host: BackupHost, name: string): Promise<StoredObject> {
  const stat = await host.store.stat(name);
  await host.store.remove([name]);
  return { name, size: stat?.size ?? expect.fail(`${name} is not there`) };
}

/** One name of each kind, all of the first set. */
const KINDS: [string, (host: BackupHost, first: Point) => string][] = [
  ['a volume', ({ names }, first) => names.volume(first, 1)],
  ['a part of a manifest', ({ names }, first) => names.object(first, 'manifest-0000.json.zst.pgp')],
  ['a commit', ({ names }, first) => names.commit(first)],
  ['a signature', ({ names }, first) => names.signature(first)],
];

describe('an object that is gone, and is listed as if it were there', () => {
  test.each(KINDS)('is missed before an incremental, and a full is made: %s', async (_what, nameOf) => {
    const host = newHost();
    const [first] = await host.points();
    const name = nameOf(host, first as Point);
    const ghosts = [await takeAway(host, name)];
    const outcome = await host.backup({ store: faultyStore(host.store, { ghosts }) });
    expect(outcome).toMatchObject({ type: 'full', needsAttention: true });
    expect(outcome.reason).toMatch(/the chain needs .*0000000001-/);
    expect(host.warnings.join()).toContain('0000000001-');
    expect(await host.backup({ store: faultyStore(host.store, { ghosts }) })).toMatchObject({
      type: 'incremental',
      needsAttention: false,
    });
  });

  test.each(KINDS)('is missed before the commit, where it goes meanwhile: %s', async (_what, nameOf) => {
    const host = newHost();
    const [first] = await host.points();
    const name = nameOf(host, first as Point);
    write(host, 'new');
    const store = losing(host, (stored) => (stored.includes('manifest-0000') ? name : undefined));
    await expect(host.backup({ store })).rejects.toMatchObject({
      code: 'store',
      object: name,
      message: expect.stringContaining('nothing was committed'),
    });
    expect((await host.points()).at(-1)?.seq).toBe(3);
    // What is still listed does not mislead the next run either.
    expect(await host.backup({ store: faultyStore(host.store, { ghosts: store.ghosts }) })).toMatchObject({
      type: 'full',
      needsAttention: true,
    });
  });

  test.each([
    ['a volume', /vol-/],
    ['a part of the manifest', /manifest-0001/],
  ])('is missed before the commit, where it is of the set itself: %s', async (_what, pattern) => {
    const host = newHost();
    write(host, 'new');
    for (const requested of ['auto', 'full'] as const) {
      const store = losing(host, (stored) => (pattern.test(stored) ? stored : undefined));
      await expect(host.backup({ store, requested })).rejects.toMatchObject({
        code: 'store',
        object: expect.stringMatching(pattern),
        message: expect.stringContaining('nothing was committed'),
      });
    }
    expect((await host.expectWhole()).length).toBe(3);
    expect(await host.backup()).toMatchObject({ seq: 4, type: 'incremental', needsAttention: false });
    await host.expectWhole();
  });

  test('is no harm where nothing uses it, and then nothing comes to use it', async () => {
    const host = newHost();
    const content = readFileSync(join(host.root, 'f2'));
    rmSync(join(host.root, 'f2'));
    await host.backup();
    const [, second] = await host.points();
    const ghosts = [await takeAway(host, host.names.volume(second as Point, 1))];
    writeFileSync(join(host.root, 'back'), content);
    expect(await host.backup({ store: faultyStore(host.store, { ghosts }) })).toMatchObject({
      type: 'incremental',
    });
    const { commit } = newestOf(await host.points());
    expect(commit.depends.some(({ seq }) => seq === 2)).toBe(false);
    expect(volumesOf(commit).length).toBe(1);
  });
});

/** A store that loses an object, by the name that `lost` gives, when another was stored; its listings show it on. */
function losing(
  host: BackupHost,
  lost: (stored: string) => string | undefined,
): FaultyStore & { ghosts: StoredObject[] } {
  const ghosts: StoredObject[] = [];
  const store = faultyStore(host.store, { ghosts });
  return {
    ...store,
    ghosts,
    async put(name, body, options) {
      await store.put(name, body, options);
      const gone = lost(name);
      if (gone !== undefined && !ghosts.some((ghost) => ghost.name === gone))
        ghosts.push(await takeAway(host, gone));
    },
  };
}

describe('the objects of a long chain', () => {
  const names = new StrategyNames('town');
  const VOLUMES = 500;
  const set: IndexSet = {
    seq: 1,
    id: 'a'.repeat(32),
    commitSha256: 'b'.repeat(64),
    time: '2026-11-22T04:00:00.000Z',
    volumes: Array.from({ length: VOLUMES }, (_, i) => [2, 1, i % 10 === 9 ? 0 : 1]),
    manifests: [2],
  };
  const commits = Promise.resolve({ names: new Set([setFolder(set)]), signed: new Set([setFolder(set)]) });
  const made = { set: { seq: 2, id: 'c'.repeat(32) }, objects: [] };
  const volume = (n: number) => names.volume(set, n);

  /** A store that has all of it, and says how many questions were under way at once. */
  class Asked extends MemoryStore {
    override readonly listingsMayLie: boolean;
    listings = 0;
    underWay = 0;
    most = 0;

    constructor(listingsMayLie: boolean) {
      super();
      this.listingsMayLie = listingsMayLie;
      const objects = set.volumes.map((_, i) => volume(i + 1));
      objects.push(names.object(set, 'manifest-0000.json.zst.pgp'), names.commit(set), names.signature(set));
      for (const name of objects) this.objects.set(name, Buffer.from('xx'));
    }

    override async stat(name: string) {
      this.most = Math.max(this.most, ++this.underWay);
      await new Promise(setImmediate);
      this.underWay--;
      return super.stat(name);
    }

    override list(prefix: string) {
      this.listings++;
      return super.list(prefix);
    }
  }

  test('are asked for one by one where listings may lie, several at once', async () => {
    const store = new Asked(true);
    expect(await checkContents(store, names, [set])).toEqual({ lost: undefined, gone: [] });
    // Commits and signatures are read besides.
    const apart = [names.commit(set), names.signature(set)];
    expect(store.asked.toSorted()).toEqual(
      [...store.objects.keys()].filter((name) => !apart.includes(name)).toSorted(),
    );
    store.asked.length = 0;
    expect(await checkDependencies(store, names, [set], commits, made)).toBe(undefined);
    const unused = set.volumes.flatMap(([, , used], i) => (used === 0 ? volume(i + 1) : []));
    expect(store.asked.toSorted()).toEqual(
      [...store.objects.keys()].filter((name) => !unused.includes(name)).toSorted(),
    );
    expect(store.most).toBe(2 * store.uploads);
    expect(store.listings).toBe(0);
  });

  test('are not asked for where a listing is true', async () => {
    const store = new Asked(false);
    expect(await checkContents(store, names, [set])).toEqual({ lost: undefined, gone: [] });
    expect(await checkDependencies(store, names, [set], commits, made)).toBe(undefined);
    expect(store.asked).toEqual([]);
    expect(store.listings).toBe(2);
  });

  test('are asked for where a true listing does not show them', async () => {
    const store = new Asked(false);
    const none = Promise.resolve({ names: new Set<string>(), signed: new Set<string>() });
    store.objects.delete(names.signature(set));
    expect(await checkDependencies(store, names, [set], none, made)).toBe(names.signature(set));
    expect(store.asked).toEqual([names.commit(set), names.signature(set)]);
  });

  test.each([true, false])(
    'are asked for up to the first that is lost (listings may lie: %s)',
    async (lie) => {
      const store = new Asked(lie);
      for (const lost of [11, 12, 400]) store.objects.delete(volume(lost));
      expect(await checkContents(store, names, [set])).toEqual({ lost: volume(11), gone: [] });
      expect(await checkDependencies(store, names, [set], commits, made)).toBe(volume(11));
      expect(store.asked.length).toBeLessThan(80);
      expect(store.underWay).toBe(0);
    },
  );

  test('may lack what nothing uses: it is told before a run, and not asked for before its commit', async () => {
    const store = new Asked(true);
    for (const unused of [10, 500]) store.objects.delete(volume(unused));
    expect(await checkContents(store, names, [set])).toEqual({
      lost: undefined,
      gone: [{ seq: 1, volumes: [10, 500] }],
    });
    store.asked.length = 0;
    expect(await checkDependencies(store, names, [set], commits, made)).toBe(undefined);
    expect(store.asked).not.toContain(volume(10));
    expect(store.asked).toContain(volume(11));
  });

  test('are lost where they have another size', async () => {
    const store = new Asked(true);
    store.objects.set(volume(3), Buffer.from('xxx'));
    expect(await checkContents(store, names, [set])).toEqual({ lost: volume(3), gone: [] });
    expect(await checkDependencies(store, names, [set], commits, made)).toBe(volume(3));
  });
});
