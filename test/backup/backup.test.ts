import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginWalk } from '../../src/backup/begin-walk.ts';
import { ReadyThreads } from '../../src/backup/threads.ts';
import { type BackupOutcome, backup, dryRun } from '../../src/backup.ts';
import type { Point } from '../../src/chain/points.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { openHost } from '../../src/cli/host.ts';
import { sign } from '../../src/crypto/signer.ts';
import { HoldfastError } from '../../src/errors.ts';
import { volumesOf } from '../../src/format/commit.ts';
import { readHeader } from '../../src/index/header.ts';
import { init } from '../../src/init.ts';
import { WriterRecord } from '../../src/state/writer.ts';
import type { Store } from '../../src/store/store.ts';
import type { PathsSource } from '../../src/strategy/strategy.ts';
import { noise } from '../chunk/noise.ts';
import { faultyStore } from '../helpers/faulty-store.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeKeys, type QuickKeys, QuickStore } from '../helpers/quick-store.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { mountTmpfs, unmount } from '../source/rights.ts';
import { BackupHost, newestOf, source } from './host.ts';
import { look, normalised, type Snapshot } from './producing.ts';

const KIB = 1024;

let keys: QuickKeys;
/** Where all hosts of this file are, one after the other, so that paths are the same; and hosts that were made before. */
let folder: string;
let baselines: string;

beforeAll(async () => {
  keys = await makeKeys();
  folder = join(await makeFolder(), 'host');
  baselines = await makeFolder();
});

afterAll(async () => {
  for (const path of [join(folder, '..'), baselines]) await rm(path, { recursive: true, force: true });
});

/** A host with a store and some files, and as many points as asked for: file `f<n>` comes with the n-th. */
async function newHost(points = 0): Promise<BackupHost> {
  rmSync(folder, { recursive: true, force: true });
  const baseline = join(baselines, `${points}`);
  if (existsSync(baseline)) cpSync(baseline, folder, { recursive: true, preserveTimestamps: true });
  const host = new BackupHost(folder, keys);
  host.hours = points;
  if (existsSync(baseline)) return host;
  if (points === 0) {
    await host.init();
    write(host, 'kept', 'kept');
  } else {
    const earlier = await newHost(points - 1);
    write(earlier, `f${points}`, noise(3 * KIB, `f${points}`));
    await earlier.backup();
  }
  cpSync(folder, baseline, { recursive: true, preserveTimestamps: true });
  return host;
}

function write(host: BackupHost, name: string, content: string | Buffer): void {
  mkdirSync(join(host.root, name, '..'), { recursive: true });
  writeFileSync(join(host.root, name), content);
}

async function faultOf(work: Promise<unknown>): Promise<HoldfastError> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (e: unknown) => e,
  );
  if (error instanceof HoldfastError) return error;
  throw error;
}

function seen(root: string): Snapshot {
  const snapshot: Snapshot = new Map();
  look('www', root, snapshot);
  return snapshot;
}

/** Everything in a folder, to the byte. */
function contentsOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [
        join(parentPath, name),
        readFileSync(join(parentPath, name)).toString('base64'),
      ]),
  );
}

/** A store that calls back before (or after) each operation of a kind. */
function watched(
  store: Store,
  hooks: { beforePut?: (name: string) => unknown; afterPut?: (name: string) => unknown },
): Store {
  return {
    ...store,
    label: store.label,
    uploads: store.uploads,
    check: () => store.check(),
    prepare: () => store.prepare(),
    get: (name, limit) => store.get(name, limit),
    stat: (name) => store.stat(name),
    list: (prefix) => store.list(prefix),
    remove: (names) => store.remove(names),
    close: () => store.close(),
    async put(name, body, options) {
      await hooks.beforePut?.(name);
      await store.put(name, body, options);
      await hooks.afterPut?.(name);
    },
  };
}

describe('backups', () => {
  test('make points that restore to what was there at their times', async () => {
    const host = await newHost();
    const snapshots: unknown[][] = [];
    const steps = [
      () => write(host, 'large', noise(900 * KIB, 'large')),
      () => {
        const content = readFileSync(join(host.root, 'large'));
        noise(100, 'changed').copy(content, 400 * KIB);
        write(host, 'large', content);
        write(host, 'd/inner', 'x');
        linkSync(join(host.root, 'kept'), join(host.root, 'd/kept too'));
      },
      () => {
        renameSync(join(host.root, 'large'), join(host.root, 'd/renamed'));
        symlinkSync('d/renamed', join(host.root, 'large'));
        execFileSync('sh', [
          '-c',
          'cd "$0" && chmod 2750 d && chown 12:34 kept && touch -d 1999-12-31T23:59:59.123456 kept',
          host.root,
        ]);
      },
      () => rmSync(join(host.root, 'd'), { recursive: true }),
    ];
    for (const step of steps) {
      step();
      snapshots.push(normalised(seen(host.root)));
      const { needsAttention } = await host.backup();
      expect(needsAttention).toBe(false);
      expect(host.warnings).toEqual([]);
    }
    const points = await host.expectWhole();
    expect(points.map(({ seq, type }) => `${seq} ${type}`)).toEqual([
      '1 full',
      '2 incremental',
      '3 incremental',
      '4 incremental',
    ]);
    for (const [i, point] of points.entries()) {
      expect(normalised(await host.restored(point))).toEqual(snapshots[i]);
    }
    expect(await host.remains()).toEqual([]);
  });

  test('of which the walk began before the rest was looked at are of that time, and hold what was there then', async () => {
    const host = await newHost();
    write(host, 'd/kept', 'x');
    write(host, 'changed', 'x');
    await sleep(40);
    const folders = { stateFolder: join(host.folder, 'state'), own: [join(host.folder, 'state')] };
    const begun = new Date('2026-11-22T04:30:00Z');
    const threads = new ReadyThreads();
    // There is nothing yet to compare with: a full walks by itself.
    expect(beginWalk(threads, host.strategy, folders, () => begun)).toBeUndefined();
    expect(await host.backup({ threads })).toMatchObject({ type: 'full' });
    await threads.close();
    write(host, 'changed', 'xx');
    write(host, 'new', 'x');
    await sleep(40);
    const others = new ReadyThreads();
    const walk = beginWalk(others, host.strategy, folders, () => begun);
    const started = walk?.confirm();
    expect(started).toBe(begun);
    await walk?.over;
    // The walk has passed here: this is for the next point.
    write(host, 'late', 'x');
    const outcome = await host.backup({ threads: others, started });
    await others.close();
    expect(outcome).toMatchObject({ type: 'incremental', time: begun });
    expect(outcome.made.result).toMatchObject({ changes: { fresh: 1, changed: 2, gone: 0 } });
    const points = await host.expectWhole();
    const restored = await host.restored(points.at(-1) as Point);
    expect([...restored.keys()].map((key) => key.slice(key.lastIndexOf('root')))).toEqual([
      'root',
      'root/changed',
      'root/d',
      'root/d/kept',
      'root/kept',
      'root/new',
    ]);
    const later = await host.backup();
    expect(later.made.result.changes).toMatchObject({ fresh: 1 });
  });

  test('are of no walk that began before another run had ended', async () => {
    const host = await newHost();
    await host.backup();
    const folders = { stateFolder: join(host.folder, 'state'), own: [join(host.folder, 'state')] };
    const threads = new ReadyThreads();
    const walk = beginWalk(threads, host.strategy, folders, () => new Date());
    await walk?.over;
    write(host, 'between', 'x');
    await host.backup();
    expect(walk?.confirm()).toBeUndefined();
    const outcome = await host.backup({ threads });
    await threads.close();
    expect(outcome.made.result.changes).toMatchObject({ fresh: 0, gone: 0 });
  });

  test('end with an error where the thread that walks has one', async () => {
    const host = await newHost();
    await host.backup();
    const threads = new ReadyThreads();
    threads.walk({
      sources: [{ name: 'www', paths: [host.root], exclude: [7 as unknown as string] }],
      own: [],
    });
    await expect(host.backup({ threads })).rejects.toThrow();
    await threads.close();
    expect(await host.backup()).toMatchObject({ type: 'incremental' });
    await host.expectWhole();
  });

  test('that find nothing changed make a point all the same, and read and store next to nothing', async () => {
    const host = await newHost(1);
    await host.backup();
    const outcome = await host.backup();
    expect(outcome).toMatchObject({
      seq: 3,
      type: 'incremental',
      needsAttention: false,
      made: { result: { bytesRead: 0 } },
    });
    expect(volumesOf(newestOf(await host.points()).commit)).toEqual([]);
    expect(outcome.bytesStored).toBeLessThan(2 * KIB);
  });

  test('say in their commits what their points need, and from whom they descend', async () => {
    const host = await newHost(4);
    const points = await host.expectWhole();
    const commits = points.map(({ commit }) => commit.commit);
    expect(commits.map(({ ordinal, base }) => [ordinal, base])).toEqual([
      [0, null],
      [1, 0],
      [2, 0],
      [3, 2],
    ]);
    expect(commits.at(-1)?.depends.map(({ seq, volumes }) => [seq, volumes])).toEqual([
      [1, [[1, 1]]],
      [2, [[1, 1]]],
      [3, [[1, 1]]],
    ]);
    expect(new Set(commits.map(({ writer }) => writer)).size).toBe(1);
    expect(commits.every(({ succeeds, previous }) => succeeds === null && previous === null)).toBe(true);
    const full = await host.backup({ requested: 'full' });
    const { commit } = newestOf(await host.expectWhole());
    expect(commit).toMatchObject({
      seq: full.seq,
      ordinal: 0,
      depends: [],
      previous: { seq: 4 },
      succeeds: null,
      writer: commits[0]?.writer,
    });
  });

  test('leave only what belongs to the newest point in the state folder', async () => {
    const host = await newHost(3);
    await host.backup({ requested: 'full' });
    const names = readdirSync(join(host.folder, 'state')).map((name) => name.replace(/-[0-9a-f]{32}/, '-ID'));
    expect(names.sort()).toEqual([
      'chain-ID.blocks',
      'chain-ID.extents',
      'chain-ID.segments',
      'entries-ID',
      'index.json',
      'writer.json',
    ]);
  });

  test('digest blocks with a secret that their chain keeps, and no other has', async () => {
    const host = await newHost(1);
    write(host, 'large', noise(600 * KIB, 'large'));
    const secretNow = () => {
      const header = readHeader(join(host.folder, 'state/index.json'));
      if (header === 'absent' || 'unusable' in header) throw new Error('there is no index');
      return header.logs.blockSecret;
    };
    const first = secretNow();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    // Of 32 bytes of chance, hardly ever fewer than 20 differ.
    expect(new Set(Buffer.from(first, 'hex')).size).toBeGreaterThan(15);
    await host.backup();
    expect(secretNow()).toBe(first);
    await host.backup({ requested: 'full' });
    expect(secretNow()).not.toBe(first);
  });

  test('are numbered upwards whatever the clock says', async () => {
    const host = await newHost(1);
    const [now, year] = [host.hours, 365 * 24];
    for (const hours of [now + year, now + 1, now + 2 * year, now + 2]) {
      host.hours = hours;
      await host.backup();
    }
    const points = await host.expectWhole();
    expect(points.map(({ seq, type }) => `${seq} ${type}`)).toEqual([
      '1 full',
      ...[2, 3, 4, 5].map((n) => `${n} incremental`),
    ]);
  });

  test('tried out change nothing, in the store or in the state', async () => {
    const host = await newHost(2);
    write(host, 'new', '12345');
    write(host, 'kept', 'changed');
    rmSync(join(host.root, 'f1'));
    const before = contentsOf(host.folder);
    const paths: string[] = [];
    const result = await dryRun(await host.options(), ({ path, as }) =>
      paths.push(`${as} ${path.slice(host.root.length)}`),
    );
    expect(result).toMatchObject({ type: 'incremental', survey: { fresh: 1, gone: 1, incidents: [] } });
    expect(paths).toContain('new /new');
    expect(paths).toContain('gone /f1');
    expect(paths).toContain('changed /kept');
    expect(result.survey.bytes).toBeGreaterThanOrEqual(12);
    expect(contentsOf(host.folder)).toEqual(before);
    const full = await dryRun(await host.options({ requested: 'full' }), () => {});
    expect(full).toMatchObject({ type: 'full', survey: { fresh: 4, changed: 0, gone: 0 } });
  });
});

describe('a full is made instead of an incremental, with the reason', () => {
  async function expectFull(
    host: BackupHost,
    reason: RegExp,
    needsAttention: boolean,
  ): Promise<BackupOutcome> {
    const outcome = await host.backup();
    expect(outcome).toMatchObject({ type: 'full', reason: expect.stringMatching(reason), needsAttention });
    return outcome;
  }

  test('when it is due', async () => {
    const host = await newHost(2);
    host.strategy = { ...host.strategy, schedule: { full: { kind: 'every', length: 24 * 3_600_000 } } };
    expect((await host.backup()).type).toBe('incremental');
    host.hours += 24;
    await expectFull(host, /full is daily/, false);
    await host.expectWhole();
  });

  test('when the index is gone, or cannot be used, which is said', async () => {
    const host = await newHost(2);
    rmSync(join(host.folder, 'state/index.json'));
    await expectFull(host, /no index/, false);
    await host.backup();
    writeFileSync(join(host.folder, 'state/index.json'), 'garbage');
    await expectFull(host, /corrupt/, true);
    expect(host.warnings).toEqual([expect.stringContaining('discarded')]);
    expect((await host.backup()).type).toBe('incremental');
    expect((await host.expectWhole()).length).toBe(6);
  });

  test('when the index turns out to be corrupt only in the middle of the run', async () => {
    const host = await newHost(2);
    const state = join(host.folder, 'state');
    const file = readdirSync(state).find((name) => name.endsWith('.segments')) as string;
    const bytes = readFileSync(join(state, file));
    bytes[10] = (bytes[10] as number) ^ 1;
    writeFileSync(join(state, file), bytes);
    await expectFull(host, /corrupt/, true);
    expect(host.warnings).toEqual([expect.stringContaining('a full is made instead')]);
    expect((await host.backup()).type).toBe('incremental');
    expect((await host.expectWhole()).length).toBe(4);
    expect(await host.remains()).toEqual([]);
  });

  test('when the recipients change', async () => {
    const host = await newHost(2);
    const other = await makeKeys();
    writeFileSync(join(host.folder, 'other.asc'), other.publicArmored);
    host.recipients = [...host.recipients, join(host.folder, 'other.asc')];
    await expectFull(host, /recipients/, false);
    expect((await host.backup()).type).toBe('incremental');
    const { commit } = newestOf(await host.expectWhole());
    expect(commit.recipients).toEqual([keys.recipient, other.recipient]);
  });

  test.each([
    ['a volume', /vol-000001/],
    ['a manifest', /manifest-0000/],
    ['the commit of an earlier set', /commits\/0000000001-[0-9a-f]{32}\.json$/],
    ['the signature of an earlier set', /commits\/0000000001-[0-9a-f]{32}\.json\.asc$/],
  ])('when %s that the chain needs is gone or cut short', async (_what, pattern) => {
    for (const how of ['gone', 'cut'] as const) {
      const host = await newHost(2);
      const folder = join(host.folder, 'store');
      const path = Object.keys(contentsOf(folder)).find(
        (name) => pattern.test(name) && /0000000001-/.test(name),
      ) as string;
      // Of commits no size is known; readers find out.
      if (how === 'cut' && path.includes('/commits/')) continue;
      if (how === 'gone') rmSync(path);
      else writeFileSync(path, readFileSync(path).subarray(1));
      await expectFull(host, /the chain needs .*0000000001-/, true);
      expect(host.warnings.join()).toContain('0000000001-');
      expect((await host.backup()).type).toBe('incremental');
    }
  });

  test('when a stranger has put a signature in the place of that of an earlier set', async () => {
    const host = await newHost(2);
    const { name } = ((await host.points())[0] as Point).commit;
    const bytes = await host.store.get(name, 1 << 20);
    const signature = await sign(bytes as Uint8Array, keys.stranger, new Date());
    await new QuickStore(host.store, keys).put(`${name}.asc`, signature);
    await expectFull(host, /the chain needs .*0000000001-/, true);
    expect((await host.backup()).type).toBe('incremental');
  });

  test('when the newest point has gone from the store', async () => {
    const host = await newHost(3);
    const { name } = newestOf(await host.points());
    await host.store.remove([name]);
    await host.store.remove([`${name}.asc`]);
    await expectFull(host, /no longer holds point 3/, true);
    await host.expectWhole();
  });

  test('but not when what is gone is used by nothing, and then nothing comes to use it', async () => {
    const host = await newHost(2);
    const content = readFileSync(join(host.root, 'f2'));
    rmSync(join(host.root, 'f2'));
    await host.backup();
    const [, second] = await host.points();
    await host.store.remove([host.names.volume(second as never, 1)]);
    write(host, 'back', content);
    expect(await host.backup()).toMatchObject({ type: 'incremental' });
    const { commit } = newestOf(await host.points());
    expect(commit.depends.some(({ seq }) => seq === 2)).toBe(false);
    expect(volumesOf(commit).length).toBe(1);
  });

  test('but not when listings lag behind: what they leave out is asked for', async () => {
    const host = await newHost(2);
    const [first, second] = await host.points();
    for (const hidden of [
      (name: string) => name.startsWith(second?.commit.name as string),
      (name: string) => name.includes(first?.id as string),
    ]) {
      const outcome = await host.backup({ store: faultyStore(host.store, { hidden }) });
      expect(outcome).toMatchObject({ type: 'incremental', needsAttention: false });
    }
    expect((await host.expectWhole()).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  test('and is refused when an incremental was demanded', async () => {
    const host = await newHost(0);
    expect(await faultOf(host.backup({ requested: 'incremental' }))).toMatchObject({ code: 'usage' });
    expect(await host.remains()).toEqual([]);
  });
});

describe('a full that is due', () => {
  async function dueHost(): Promise<BackupHost> {
    const host = await newHost(0);
    host.strategy = { ...host.strategy, schedule: { full: { kind: 'every', length: 3_600_000 } } };
    return host;
  }

  test('waits while a root is away whose last version only the chain holds', async () => {
    const host = await dueHost();
    const data = join(host.folder, 'data');
    mkdirSync(data);
    writeFileSync(join(data, 'x'), 'x');
    host.strategy = { ...host.strategy, sources: [source('www', [host.root, data])] };
    await host.backup();
    for (const away of ['missing', 'empty']) {
      renameSync(data, `${data}-away`);
      if (away === 'empty') mkdirSync(data);
      host.hours += 24;
      expect(await host.backup()).toMatchObject({
        type: 'incremental',
        needsAttention: true,
        reason: expect.stringContaining(data),
      });
      rmSync(data, { recursive: true, force: true });
      renameSync(`${data}-away`, data);
    }
    host.hours += 24;
    expect((await host.backup()).type).toBe('full');
    await host.expectWhole();
  });

  test('waits while a file system below a root is not mounted, and its content stays in the points', async () => {
    const host = await dueHost();
    const mnt = join(host.root, 'mnt');
    mountTmpfs(mnt);
    writeFileSync(join(mnt, 'x'), 'precious');
    host.strategy = { ...host.strategy, sources: [source('www', [host.root], { oneFileSystem: false })] };
    await host.backup();
    unmount(mnt);
    for (let run = 0; run < 2; run++) {
      host.hours += 24;
      expect(await host.backup()).toMatchObject({ type: 'incremental', needsAttention: true });
      const point = (await host.expectWhole()).at(-1) as Point;
      expect((await host.restored(point)).get(`www ${mnt}/x`)?.content?.toString()).toBe('precious');
    }
    const [www] = host.strategy.sources as [PathsSource];
    host.strategy = { ...host.strategy, sources: [{ ...www, allowEmpty: true }] };
    await host.backup();
    const point = (await host.expectWhole()).at(-1) as Point;
    expect((await host.restored(point)).has(`www ${mnt}/x`)).toBe(false);
  });

  test('does not wait for a root of which the chain holds no more than is there', async () => {
    const host = await dueHost();
    const [empty, never] = [join(host.folder, 'empty'), join(host.folder, 'never')];
    mkdirSync(empty);
    host.strategy = { ...host.strategy, sources: [source('www', [host.root, empty, never])] };
    await host.backup();
    host.hours += 24;
    expect((await host.backup()).type).toBe('full');
  });
});

describe('a point needs attention', () => {
  test('when something could not be read, or is missing', async () => {
    const host = await newHost(1);
    host.strategy = { ...host.strategy, sources: [source('www', [host.root, join(host.folder, 'none')])] };
    const outcome = await host.backup();
    expect(outcome).toMatchObject({
      needsAttention: true,
      made: { result: { incomplete: { unreadable: 1 } } },
    });
    expect(newestOf(await host.expectWhole()).commit.incomplete).toEqual({
      carried: 0,
      torn: 0,
      unreadable: 1,
    });
  });

  test('when more than half of everything has gone', async () => {
    const host = await newHost(0);
    for (let i = 0; i < 40; i++) write(host, `many/${i}`, `${i}`);
    await host.backup();
    for (let i = 0; i < 30; i++) rmSync(join(host.root, `many/${i}`));
    expect(await host.backup()).toMatchObject({ needsAttention: true });
    expect(host.warnings).toEqual([expect.stringContaining('30 of 43 entries have gone')]);
    expect((await host.backup()).needsAttention).toBe(false);
  });

  test('but not when it was the strategy that left it out, which hides no real loss either, in a full or not', async () => {
    for (const requested of ['incremental', 'full'] as const) {
      const host = await newHost(0);
      for (let i = 0; i < 40; i++) write(host, `many/${i}`, `${i}`);
      for (let i = 0; i < 20; i++) write(host, `few/${i}`, `${i}`);
      await host.backup();
      const before = host.strategy;
      host.strategy = { ...before, sources: [source('www', [host.root], { exclude: ['many/'] })] };
      expect(await host.backup({ requested }), requested).toMatchObject({ needsAttention: false });
      host.strategy = before;
      await host.backup();
      host.strategy = { ...before, sources: [source('www', [host.root], { excludeIfPresent: ['.no'] })] };
      write(host, 'many/.no', '');
      for (let i = 0; i < 18; i++) rmSync(join(host.root, `few/${i}`));
      const outcome = await host.backup({ requested });
      expect(outcome).toMatchObject({ needsAttention: true });
      if (requested === 'incremental')
        expect(outcome.made.result.changes).toMatchObject({ gone: 18, leftOut: 40 });
      const gone = requested === 'full' ? 17 : 18;
      expect(host.warnings).toEqual([expect.stringContaining(`${gone} of 24 entries have gone`)]);
      expect((await host.backup()).needsAttention).toBe(false);
    }
  });
});

describe('two that write', () => {
  test('are noticed when one is a clone of the other: nothing is lost, and one has to stop', async () => {
    const host = await newHost(2);
    const clone = host.copy(join(await temporaryFolder(), 'clone'));
    // Both write to one store.
    rmSync(join(clone.folder, 'store'), { recursive: true });
    symlinkSync(join(host.folder, 'store'), join(clone.folder, 'store'));
    await host.backup();
    const outcome = await clone.backup();
    expect(outcome).toMatchObject({ seq: 4, type: 'full', needsAttention: true });
    expect(clone.warnings.join()).toContain('another one writes here');
    const before = await host.expectWhole();
    const [, , third, fourth] = before.map(({ commit }) => commit.commit);
    expect(fourth).toMatchObject({ succeeds: third?.writer, previous: { seq: 3 } });
    expect(fourth?.writer).not.toBe(third?.writer);

    expect(await faultOf(host.backup())).toMatchObject({ code: 'two-writers' });
    expect((await clone.backup()).type).toBe('incremental');
    expect(await faultOf(host.backup())).toMatchObject({ code: 'two-writers' });
    expect((await host.expectWhole()).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);

    // The one that is to go on is told so.
    const stateFolder = join(host.folder, 'state');
    await init({
      name: 'town',
      store: host.store,
      stateFolder,
      writer: await WriterRecord.open(stateFolder),
      signerFile: await signerFile(host),
      adopt: keys.signer.fingerprint,
      now: new Date(),
    });
    expect(await host.backup()).toMatchObject({ seq: 6, type: 'full' });
    expect(await faultOf(clone.backup())).toMatchObject({ code: 'two-writers' });
    await host.expectWhole();
  });

  test('are noticed when the machine was set back to an earlier state', async () => {
    const host = await newHost(2);
    const earlier = host.copy(join(await temporaryFolder(), 'earlier'));
    write(host, 'later', 'later');
    await host.backup();
    await host.backup();
    rmSync(join(host.folder, 'state'), { recursive: true });
    renameSync(join(earlier.folder, 'state'), join(host.folder, 'state'));
    expect(await host.backup()).toMatchObject({ seq: 5, type: 'full', needsAttention: true });
    expect((await host.backup()).type).toBe('incremental');
    expect((await host.expectWhole()).length).toBe(6);
  });

  test('at the same time: the one that comes second commits nothing', async () => {
    const host = await newHost(2);
    const [, second] = await host.points();
    const quick = new QuickStore(host.store, keys);
    const meanwhile = {
      afterPut: (name: string) =>
        name.includes('manifest-0000') && quick.add({ seq: 3, parent: second?.commit as never }),
    };
    const error = await faultOf(host.backup({ store: watched(host.store, meanwhile) }));
    expect(error).toMatchObject({ code: 'two-writers', message: expect.stringContaining('point 3') });
    expect((await host.points()).length).toBe(3);
  });
});

describe('a signer', () => {
  test('that the store does not know is told to run init', async () => {
    const host = new BackupHost(await temporaryFolder(), keys);
    expect(await faultOf(host.backup())).toMatchObject({ code: 'not-initialised' });
  });

  test('does not go on after points of another one that it has not adopted; after that it does, with a full', async () => {
    const host = await newHost(2);
    host.signer = keys.stranger;
    await host.init();
    expect(await faultOf(host.backup())).toMatchObject({
      code: 'foreign-signer',
      message: expect.stringContaining('--adopt'),
    });
    const writer = await WriterRecord.open(join(host.folder, 'state'));
    await writer.adopt(keys.signer.fingerprint);
    expect(await host.backup()).toMatchObject({ seq: 3, type: 'full' });
    expect((await host.backup()).type).toBe('incremental');
    const both = [keys.signer.fingerprint, keys.stranger.fingerprint];
    expect((await host.expectWhole(both)).length).toBe(4);
  });
});

describe('what the store does while a backup runs', () => {
  test.each([
    ['a volume of its own', (name: string) => name.includes('vol-')],
    ['a part of its own manifest', (name: string) => name.includes('manifest-0001')],
  ])('is seen before the commit: it lost %s', async (_what, isLost) => {
    const host = await newHost(2);
    write(host, 'new', 'new');
    const loses = watched(host.store, { afterPut: (name) => isLost(name) && host.store.remove([name]) });
    for (const requested of ['auto', 'full'] as const) {
      expect(await faultOf(host.backup({ store: loses, requested }))).toMatchObject({
        code: 'store',
        message: expect.stringContaining('nothing was committed'),
      });
    }
    expect((await host.expectWhole()).length).toBe(2);
    expect(await host.backup()).toMatchObject({ seq: 3, type: 'incremental' });
    expect(await host.remains()).toEqual([]);
    await host.expectWhole();
  });

  test('is seen before the commit: it lost something of an earlier set', async () => {
    const host = await newHost(2);
    const [first] = await host.points();
    const volume = host.names.volume(first as never, 1);
    const loses = watched(host.store, {
      afterPut: (name) => name.includes('manifest-0000') && host.store.remove([volume]),
    });
    const error = await faultOf(host.backup({ store: loses }));
    expect(error).toMatchObject({
      code: 'store',
      object: volume,
      message: expect.stringContaining('nothing was committed'),
    });
    expect(await host.backup()).toMatchObject({ type: 'full', needsAttention: true });
  });

  test('is seen after the commit: it does not read back', async () => {
    const host = await newHost(2);
    const spoil = async (name: string) => {
      if (!name.endsWith('.json.asc')) return;
      const bytes = Buffer.from('other');
      await host.store.put(name, [bytes], { md5: '795f3202b17cb6bc3d4b771d8c6c9eaf' });
    };
    const error = await faultOf(host.backup({ store: watched(host.store, { afterPut: spoil }) }));
    expect(error).toMatchObject({ code: 'store', message: expect.stringContaining('does not read back') });
  });
});

describe('the state folder', () => {
  test('that has no room left fails the run, and no point: with room again the next one is an incremental', async () => {
    const host = await newHost(0);
    const state = join(host.folder, 'state');
    mountTmpfs(state, 'size=160k,mode=700');
    await host.backup();
    write(host, 'large', noise(12 * 1024 * KIB, 'large'));
    expect(await faultOf(host.backup())).toMatchObject({
      code: 'no-space',
      message: expect.stringContaining(state),
    });
    expect((await host.expectWhole()).length).toBe(1);
    execFileSync('mount', ['-o', 'remount,size=16m', state]);
    expect(await host.backup()).toMatchObject({ seq: 2, type: 'incremental', needsAttention: false });
    await host.expectWhole();
    expect(await host.remains()).toEqual([]);
  });

  test('is for one run at a time: a second one is told which one holds it', async () => {
    const host = await newHost(0);
    const config = join(host.folder, 'holdfast.yaml');
    const strategy = `name: town
sources: [{ name: www, paths: [${host.root}] }]
store: { directory: ${join(host.folder, 'store')} }
recipients: [it.asc]
`;
    writeFileSync(config, strategy);
    const context = { env: {}, cwd: host.folder, now: () => new Date() } as unknown as CliContext;
    const open = () =>
      openHost({ config, stateDir: join(host.folder, 'states') }, context, { command: 'backup' });
    const first = await open();
    expect(await faultOf(open())).toMatchObject({
      code: 'locked',
      message: expect.stringContaining(`backup, pid ${process.pid}`),
    });
    await first.close();
    await (await open()).close();
  });
});

describe('a run that ended early', () => {
  test('by a signal commits nothing, and the next one removes what it left and makes an incremental', async () => {
    const host = await newHost(2);
    for (let i = 0; i < 5; i++) write(host, `large ${i}`, noise(600 * KIB, `large ${i}`));
    const controller = new AbortController();
    const store = watched(host.store, { afterPut: () => controller.abort() });
    expect(await faultOf(host.backup({ store, signal: controller.signal }))).toMatchObject({
      code: 'interrupted',
    });
    expect((await host.remains()).length).toBeGreaterThan(0);
    expect((await host.expectWhole()).length).toBe(2);
    expect(await host.backup()).toMatchObject({ seq: 3, type: 'incremental', needsAttention: false });
    expect(await host.remains()).toEqual([]);
    await host.expectWhole();
  });

  test('before it began does nothing at all', async () => {
    const host = await newHost(1);
    expect(await faultOf(host.backup({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'interrupted',
    });
    expect((await host.points()).length).toBe(1);
  });

  test('after its commit was stored has made its point: its index is taken up', async () => {
    const host = await newHost(2);
    write(host, 'new', noise(2 * KIB, 'new'));
    const store = watched(host.store, {
      afterPut: (name) => {
        if (name.endsWith('.json')) throw new HoldfastError('store', 'the answer was lost');
      },
    });
    await faultOf(host.backup({ store }));
    expect(existsSync(join(host.folder, 'state/index.next.json'))).toBe(true);
    expect((await host.expectWhole()).length).toBe(3);
    const outcome = await host.backup();
    expect(outcome).toMatchObject({ seq: 4, type: 'incremental', needsAttention: false });
    expect(host.warnings).toEqual([]);
    expect(volumesOf(newestOf(await host.expectWhole()).commit)).toEqual([]);
    expect(existsSync(join(host.folder, 'state/index.next.json'))).toBe(false);
  });

  test.each(['beforePut', 'afterPut'] as const)(
    "around its commit (%s) is settled in no store but the host's",
    async (when) => {
      const host = await newHost(2);
      write(host, 'new', noise(2 * KIB, 'new'));
      const failing = watched(host.store, {
        [when]: (name: string) => {
          if (name.endsWith('.json')) throw new HoldfastError('store', 'no answer');
        },
      });
      await faultOf(host.backup({ store: failing }));
      const state = contentsOf(join(host.folder, 'state'));
      expect(Object.keys(state).join()).toContain('index.next.json');
      const empty = new MemoryStore();
      expect(await faultOf(host.backup({ store: empty }))).toMatchObject({ code: 'not-initialised' });
      expect(contentsOf(join(host.folder, 'state'))).toEqual(state);
      expect(empty.objects.size).toBe(0);
      expect(await host.backup()).toMatchObject({ type: 'incremental', needsAttention: false });
      await host.expectWhole();
    },
  );

  test('before its commit was stored has made none: its index is dropped', async () => {
    const host = await newHost(2);
    write(host, 'new', noise(2 * KIB, 'new'));
    const store = watched(host.store, {
      beforePut: (name) => {
        if (name.endsWith('.json')) throw new HoldfastError('store', 'no answer');
      },
    });
    await faultOf(host.backup({ store }));
    expect(existsSync(join(host.folder, 'state/index.next.json'))).toBe(true);
    const before = contentsOf(host.folder);
    expect((await dryRun(await host.options(), () => {})).type).toBe('incremental');
    expect(contentsOf(host.folder)).toEqual(before);
    expect(await host.backup()).toMatchObject({ seq: 3, type: 'incremental', needsAttention: false });
    expect(await host.remains()).toEqual([]);
    expect(volumesOf(newestOf(await host.expectWhole()).commit).length).toBe(1);
  });

  test('leaves alone what another run stored', async () => {
    const host = await newHost(2);
    const foreign = host.names.object({ seq: 3, id: 'f'.repeat(32) }, 'vol-000001.tar.zst.pgp');
    await new QuickStore(host.store, keys).put(foreign, 'x');
    await host.backup();
    expect(await host.remains()).toEqual([foreign]);
    expect(await backup(await host.options())).toMatchObject({ seq: 4 });
  });
});

async function signerFile(host: BackupHost): Promise<string> {
  const file = join(host.folder, 'signer.asc');
  writeFileSync(file, host.signer.key.armor(), { mode: 0o600 });
  return file;
}
