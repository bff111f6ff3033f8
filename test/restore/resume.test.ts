import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { HoldfastError } from '../../src/errors.ts';
import type { Entry } from '../../src/model.ts';
import type { Forecast } from '../../src/restore.ts';
import { directoryStore } from '../../src/store/directory.ts';
import { MARKER_NAME, readMarker } from '../../src/target/marker.ts';
import { faultyStore } from '../helpers/faulty-store.ts';
import { file, folder, QuickStore } from '../helpers/quick-store.ts';
import { project, STRIP_TYPES } from '../helpers/script.ts';
import {
  at,
  fileOf,
  makeRestoreKeys,
  memoryRig,
  newestPoint,
  newTarget,
  type RestoreKeys,
  restoreNewest,
  symlink,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const VOLUMES = 12;

/** A point of 12 volumes: of each, two files, and a part of one that lies in all of them. */
function plan(): { seq: number; volumes: Buffer[][]; entries: Entry[] } {
  const volumes: Buffer[][] = [];
  const entries: Entry[] = [folder('/d', 1, { mode: 0o550 }), symlink('/d/link', 'target')];
  const pieces: Buffer[] = [];
  for (let v = 1; v <= VOLUMES; v++) {
    const [one, part] = [Buffer.alloc(20_000, `one ${v} `), Buffer.alloc(30_000, `part ${v} `)];
    volumes.push([one, part]);
    pieces.push(part);
    entries.push(fileOf(`/d/one-${v}`, one, [at(v, 0, one.length)], { link: `l${v}`, mode: 0o400 }));
    entries.push(fileOf(`/d/two-${v}`, one, [at(v, 0, one.length)], { link: `l${v}`, mode: 0o400 }));
  }
  const all = pieces.map((part, i) => at(i + 1, 1, part.length));
  entries.push(fileOf('/d/parts', Buffer.concat(pieces), all), file('/d/empty', 1), file('/on/the/way', 1));
  return { seq: 1, volumes, entries };
}

function expectAllBack(root: string): void {
  const { volumes, entries } = plan();
  const inside = entries.filter(({ path }) => path.startsWith('/d/')).map(({ path }) => path.slice(3));
  expect(readdirSync(join(root, 'd')).sort()).toEqual(inside.sort());
  const modes = ['', 'd', 'on', 'on/the'].map((path) => lstatSync(join(root, path)).mode & 0o777);
  expect(modes).toEqual([0o755, 0o550, 0o755, 0o755]);
  for (const [i, [one]] of volumes.entries()) {
    expect(readFileSync(join(root, `d/one-${i + 1}`)).equals(one as Buffer)).toBe(true);
    expect(readFileSync(join(root, `d/two-${i + 1}`)).equals(one as Buffer)).toBe(true);
  }
  expect(
    readFileSync(join(root, 'd/parts')).equals(Buffer.concat(volumes.map(([, part]) => part as Buffer))),
  ).toBe(true);
  expect(existsSync(join(root, MARKER_NAME))).toBe(false);
}

function volumesIn(log: readonly string[]): number {
  return log.filter((line) => line.includes('/vol-')).length;
}

/** Restores argv[2] (a store) with the key argv[3] into argv[4], slowly. A file of its own, since workers cannot do with --eval. */
const SLOW = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { loadCommits } from ${JSON.stringify(project('src/chain/commits.ts'))};
  import { toPoints } from ${JSON.stringify(project('src/chain/points.ts'))};
  import { loadSecretKey } from ${JSON.stringify(project('src/crypto/secret-key.ts'))};
  import { StrategyNames } from ${JSON.stringify(project('src/format/names.ts'))};
  import { restore } from ${JSON.stringify(project('src/restore.ts'))};
  import { directoryStore } from ${JSON.stringify(project('src/store/directory.ts'))};
  const [, , folder, keyFile, target] = process.argv;
  const store = directoryStore(folder, '');
  const get = store.get.bind(store);
  store.get = async (name, limit) => {
    if (name.includes('/vol-')) await sleep(100);
    return get(name, limit);
  };
  const names = new StrategyNames('town');
  const { commits, rejected } = await loadCommits(store, names, 'keys-in-store');
  const secret = await loadSecretKey(keyFile, async () => undefined);
  const request = { store, names, point: toPoints(commits, rejected).at(-1), pointName: 'p', secret, target, paths: [], selection: undefined,
    overwrite: false, owner: true, impliedMode: 0o755, signal: new AbortController().signal };
  const nothing = () => {};
  await restore(request, { onForecast: nothing, phase: nothing, total: nothing, advance: nothing });
`;

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !what(); i++) await sleep(5);
  expect(what()).toBe(true);
}

test('after kill -9 in the middle the same restore goes on, and fetches again only what was not finished', async () => {
  const root = await newTarget();
  const base = dirname(root);
  const store = directoryStore(join(base, 'store'), '');
  mkdirSync(join(base, 'store'));
  const quick = new QuickStore(store, keys);
  await quick.add(plan());
  writeFileSync(join(base, 'secret.asc'), keys.secretArmored, { mode: 0o600 });
  const script = join(base, 'slow.mjs');
  writeFileSync(script, SLOW);
  const args = [...STRIP_TYPES, '--no-warnings', script, join(base, 'store'), join(base, 'secret.asc'), root];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: 'inherit' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await until(() => (readMarker(root)?.volumes.size ?? 0) >= 4);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const done = readMarker(root)?.volumes.size ?? 0;
  expect(done).toBeGreaterThanOrEqual(4);
  expect(done).toBeLessThan(VOLUMES);

  const watched = faultyStore(store);
  let forecast: Forecast | undefined;
  const onForecast = (told: Forecast) => {
    forecast = told;
  };
  const result = await restoreNewest(quick, keys, { target: root, store: watched, observer: { onForecast } });
  expect(forecast).toMatchObject({ resumed: true, volumes: VOLUMES - done });
  expect(volumesIn(watched.log)).toBe(VOLUMES - done);
  expect(result).toMatchObject({ restored: plan().entries.length, damaged: [], incomplete: [] });
  expectAllBack(root);
});

/** Leaves a restore that broke off at the N-th object it asked for. */
async function broken(root: string, at: number): Promise<QuickStore> {
  const { quick, memory } = memoryRig(keys);
  await quick.add(plan());
  const store = faultyStore(memory, { at, mode: 'error-on', counted: ['get'] });
  const attempt = restoreNewest(quick, keys, { target: root, store, point: await newestPoint(quick) });
  await expect(attempt).rejects.toMatchObject({ code: 'store' });
  return quick;
}

test('a store that fails at any moment leaves a restore that goes on to its end', async () => {
  for (let at = 1; at <= 2 + VOLUMES; at += 3) {
    const root = await newTarget();
    const quick = await broken(root, at);
    expect(await restoreNewest(quick, keys, { target: root })).toMatchObject({ damaged: [], incomplete: [] });
    expectAllBack(root);
  }
});

test('what was changed or removed meanwhile is noticed, and brought anew', async () => {
  const root = await newTarget();
  const quick = await broken(root, 2 + 9);
  const done = [...(readMarker(root)?.volumes ?? [])].map((volume) => volume.split('/')[1]);
  expect(done.length).toBeGreaterThanOrEqual(4);
  for (const volume of done) chmodSync(join(root, `d/one-${volume}`), 0o600);
  rmSync(join(root, `d/one-${done[0]}`));
  truncateSync(join(root, `d/one-${done[1]}`), 100);
  writeFileSync(join(root, `d/one-${done[2]}`), Buffer.alloc(20_000, 'changed'));
  writeFileSync(join(root, 'd/parts'), Buffer.alloc(12 * 30_000, 'changed'));
  rmSync(join(root, 'd/empty'));
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result).toMatchObject({ restored: plan().entries.length, damaged: [], incomplete: [] });
  expectAllBack(root);
});

test('a restore that is told to end says that it can go on, and goes on', async () => {
  const { quick } = memoryRig(keys);
  await quick.add(plan());
  const root = await newTarget();
  const controller = new AbortController();
  const observer = { advance: () => controller.abort() };
  const attempt = restoreNewest(quick, keys, { target: root, signal: controller.signal, observer });
  await expect(attempt).rejects.toMatchObject({
    code: 'interrupted',
    message: expect.stringContaining('goes on where it stopped'),
  });
  expect(await restoreNewest(quick, keys, { target: root })).toMatchObject({ damaged: [], incomplete: [] });
  expectAllBack(root);
});

test('an interrupted restore that may overwrite does not write into what it had not reached', async () => {
  const root = await newTarget();
  const base = dirname(root);
  mkdirSync(join(root, 'd'), { recursive: true });
  const victim = join(base, 'victim');
  writeFileSync(victim, Buffer.alloc(12 * 30_000, 'precious'));
  linkSync(victim, join(root, 'd/parts'));
  const { quick, memory } = memoryRig(keys);
  await quick.add(plan());
  const point = await newestPoint(quick);
  // Ended before files in parts are made: the marker is there, and nothing else.
  const controller = new AbortController();
  const observer = { phase: (name: string) => name.includes('folders') && controller.abort() };
  const wishes = { target: root, overwrite: true, point };
  const attempt = restoreNewest(quick, keys, { ...wishes, signal: controller.signal, observer });
  await expect(attempt).rejects.toBeInstanceOf(HoldfastError);
  expect(readMarker(root)).toMatchObject({ overwrite: true, prepared: false });
  memory.fetched.length = 0;
  expect(await restoreNewest(quick, keys, { target: root, point })).toMatchObject({
    damaged: [],
    incomplete: [],
  });
  expectAllBack(root);
  expect(readFileSync(victim).equals(Buffer.alloc(12 * 30_000, 'precious'))).toBe(true);
});

test('a file that was complete, but of which nothing is noted, is made anew: its mode may forbid that it is written', async () => {
  const { quick } = memoryRig(keys);
  const [a, b, c] = ['a', 'b', 'c'].map((text) => Buffer.alloc(5000, text)) as [Buffer, Buffer, Buffer];
  const parts = fileOf('/parts', Buffer.concat([a, b]), [at(1, 0, a.length), at(1, 1, b.length)], {
    mode: 0o400,
  });
  // What is wrong in a volume keeps it from being noted.
  const wrong = fileOf('/wrong', c, [at(1, 2, c.length)], { sha256: '0'.repeat(64) });
  await quick.add({
    seq: 1,
    volumes: [[a, b, c], [c]],
    entries: [parts, fileOf('/z', c, [at(2, 0, c.length)]), wrong],
  });
  const target = await newTarget();
  const get = quick.store.get.bind(quick.store);
  const failing = Object.assign(Object.create(quick.store), {
    get: async (name: string, limit: number) => {
      if (!name.includes('vol-000002')) return get(name, limit);
      while ((lstatSync(join(target, 'parts'), { throwIfNoEntry: false })?.mode ?? 0) % 0o1000 !== 0o400)
        await sleep(5);
      throw new HoldfastError('store', 'the store is away');
    },
  });
  await expect(restoreNewest(quick, keys, { target, store: failing })).rejects.toThrow('away');
  // Held open, so that its number is not used again.
  const fd = openSync(join(target, 'parts'), 'r');
  onTestFinished(() => closeSync(fd));
  const result = await restoreNewest(quick, keys, { target });
  expect([result.restored, result.damaged.map(({ path }) => path)]).toEqual([2, ['/wrong']]);
  const { ino, mode } = lstatSync(join(target, 'parts'));
  expect([ino === fstatSync(fd).ino, mode & 0o777]).toEqual([false, 0o400]);
  expect(readFileSync(join(target, 'parts')).equals(Buffer.concat([a, b]))).toBe(true);
});
