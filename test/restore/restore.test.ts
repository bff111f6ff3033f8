import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../src/model.ts';
import type { Forecast } from '../../src/restore.ts';
import { file, folder, gone } from '../helpers/quick-store.ts';
import {
  at,
  fileOf,
  hole,
  makeRestoreKeys,
  memoryRig,
  newestPoint,
  newTarget,
  owner,
  type RestoreKeys,
  ROOT,
  restoreNewest,
  symlink,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const SMALL = Buffer.from('a small file');
const PACK = Buffer.from('0123456789abcdefghij');
const BIG = [Buffer.alloc(700_000, 'one'), Buffer.alloc(300_000, 'two'), Buffer.alloc(500_000, 'three')];

test('everything comes back: content, mode, owner, time, links', async () => {
  const { quick } = memoryRig(keys);
  const sparse = Buffer.concat([
    BIG[0] as Buffer,
    Buffer.alloc(5_000_000),
    PACK.subarray(3, 9),
    Buffer.alloc(4096),
  ]);
  const entries: Entry[] = [
    folder('/srv', 1, { mode: 0o711, ...owner(5, 6), mtimeNs: 1_000_000_000_000_000_000n }),
    fileOf('/srv/small', SMALL, [at(1, 0, SMALL.length)], { mode: 0o4755, ...owner(1234, 4321) }),
    fileOf('/srv/part', PACK.subarray(5, 15), [at(1, 1, 10, 5)], { mode: 0o600, mtimeNs: -1_500_000_000n }),
    fileOf('/srv/big', Buffer.concat(BIG), [at(1, 2, 700_000), at(2, 0, 300_000), at(2, 1, 500_000)], {
      mode: 0o640,
      ...owner(99, 98),
    }),
    fileOf('/srv/sparse', sparse, [at(1, 2, 700_000), hole(5_000_000), at(1, 1, 6, 3), hole(4096)]),
    fileOf('/srv/hole', Buffer.alloc(1_000_000), [hole(1_000_000)]),
    file('/srv/empty', 1, [], { mode: 0o444, mtimeNs: 5_000_000_000n }),
    symlink('/srv/link', '../etc/pass wd', { ...owner(7, 8), mtimeNs: 77_000_000_000n }),
    symlink('/srv/dangling', '/nowhere/at/all'),
    folder('/srv/closed', 1, { mode: 0o500 }),
    fileOf('/srv/closed/in', SMALL, [at(1, 0, SMALL.length)]),
    fileOf('/srv/one', SMALL, [at(1, 0, SMALL.length)], { link: 'x' }),
    fileOf('/srv/other', SMALL, [at(1, 0, SMALL.length)], { link: 'x' }),
    fileOf('/srv/latin\xe9', SMALL, [at(1, 0, SMALL.length)]),
  ];
  await quick.add({ seq: 1, volumes: [[SMALL, PACK, BIG[0] as Buffer], BIG.slice(1)], entries });
  const root = await newTarget();
  const result = await restoreNewest(quick, keys, { target: root });

  expect(result).toMatchObject({ restored: entries.length, damaged: [], incomplete: [], lost: [] });
  expect(readFileSync(join(root, 'srv/big')).equals(Buffer.concat(BIG))).toBe(true);
  expect(readFileSync(join(root, 'srv/sparse')).equals(sparse)).toBe(true);
  expect(lstatSync(join(root, 'srv/sparse')).blocks * 512).toBeLessThan(1_000_000);
  expect(readFileSync(join(root, 'srv/hole')).equals(Buffer.alloc(1_000_000))).toBe(true);
  expect(readFileSync(join(root, 'srv/part'), 'utf8')).toBe('56789abcde');
  expect(readFileSync(Buffer.from(`${root}/srv/latin\xe9`, 'latin1')).equals(SMALL)).toBe(true);
  expect(readlinkSync(join(root, 'srv/link'))).toBe('../etc/pass wd');
  expect(readlinkSync(join(root, 'srv/dangling'))).toBe('/nowhere/at/all');
  expect(lstatSync(join(root, 'srv/one')).ino).toBe(lstatSync(join(root, 'srv/other')).ino);
  expect(lstatSync(join(root, 'srv/one')).nlink).toBe(2);
  for (const entry of entries) {
    const status = lstatSync(Buffer.from(`${root}${entry.path}`, 'latin1'), { bigint: true });
    if (entry.type !== 'symlink') expect(Number(status.mode) & 0o7777).toBe(entry.mode);
    if (ROOT) expect([Number(status.uid), Number(status.gid)]).toEqual([entry.uid, entry.gid]);
    const off = status.mtimeNs - entry.mtimeNs;
    expect(off < 1000n && off > -1000n, `${entry.path} ${off}`).toBe(true);
  }
  expect(readdirSync(root)).toEqual(['srv']);
});

test('a folder that is no entry, and the target, get the usual mode', async () => {
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, entries: [file('/srv/www/empty', 1)] });
  const root = await newTarget();
  await restoreNewest(quick, keys, { target: root, impliedMode: 0o750 });
  for (const path of ['', 'srv', 'srv/www']) expect(lstatSync(join(root, path)).mode & 0o7777).toBe(0o750);
});

test('the root of a file system comes back as the target itself', async () => {
  const { quick } = memoryRig(keys);
  const entries = [folder('/', 1, { mode: 0o751, mtimeNs: 3_000_000_000n }), file('/empty', 1)];
  await quick.add({ seq: 1, entries });
  const root = await newTarget();
  await restoreNewest(quick, keys, { target: root });
  const status = lstatSync(root);
  expect([status.mode & 0o7777, status.mtimeMs, readdirSync(root)]).toEqual([0o751, 3000, ['empty']]);
});

test('only volumes that are needed are fetched, each once, and the forecast said so', async () => {
  const { quick, memory } = memoryRig(keys);
  const one = await quick.add({
    seq: 1,
    volumes: [[SMALL], [PACK], BIG],
    entries: [
      fileOf('/srv/a', SMALL, [at(1, 0, SMALL.length)]),
      fileOf('/srv/b', PACK, [at(2, 0, PACK.length)]),
      fileOf('/srv/c', BIG[1] as Buffer, [at(3, 1, 300_000)]),
      fileOf('/srv/d', BIG[0] as Buffer, [at(3, 0, 700_000)]),
    ],
  });
  const fresh = Buffer.from('fresh');
  await quick.add({
    seq: 2,
    parent: one,
    volumes: [[fresh]],
    entries: [gone('/srv/b', 2), { ...fileOf('/srv/a', fresh, [at(1, 0, 5, 0, 2)]), since: 2 }],
    depends: [{ seq: 1, id: one.commit.id, volumes: [[3, 3]] }],
  });
  memory.fetched.length = 0;
  const root = await newTarget();
  let forecast: Forecast | undefined;
  await restoreNewest(quick, keys, {
    target: root,
    observer: {
      onForecast: (told) => {
        forecast = told;
        expect(existsSync(root)).toBe(false);
      },
    },
  });
  const volumes = memory.fetched.filter((name) => name.includes('/vol-'));
  expect(volumes.map((name) => name.replace(/-[0-9a-f]{32}/, ''))).toEqual([
    'town/sets/0000000001/vol-000003.tar.zst.pgp',
    'town/sets/0000000002/vol-000001.tar.zst.pgp',
  ]);
  const download = volumes.reduce((sum, name) => sum + (memory.objects.get(name)?.length ?? 0), 0);
  expect(forecast).toMatchObject({ entries: 3, bytes: 1_000_005, volumes: 2, download, resumed: false });
  expect(readdirSync(join(root, 'srv'))).toEqual(['a', 'c', 'd']);
  expect(readFileSync(join(root, 'srv/a'), 'utf8')).toBe('fresh');
});

test('paths and globs bring back only what they name', async () => {
  const { quick } = memoryRig(keys);
  const entries = ['/etc/a.conf', '/etc/b.txt', '/srv/www/index.html', '/srv/www/x/y'].map((path) =>
    file(path, 1),
  );
  await quick.add({ seq: 1, entries });
  const root = await newTarget();
  const result = await restoreNewest(quick, keys, { target: root, paths: ['/etc/*.conf', '/srv/www/x'] });
  expect(result.restored).toBe(2);
  expect([readdirSync(join(root, 'etc')), readdirSync(join(root, 'srv/www'))]).toEqual([['a.conf'], ['x']]);
});

test('a path that the point does not hold is refused, and nothing is written', async () => {
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, entries: [file('/srv/a', 1)] });
  const root = await newTarget();
  const attempt = restoreNewest(quick, keys, { target: root, paths: ['/srv/a', '/srv/b'] });
  await expect(attempt).rejects.toMatchObject({
    code: 'no-path',
    message: expect.stringContaining('/srv/b'),
  });
  expect(existsSync(root)).toBe(false);
});

test('a target with something in it is refused before the store is asked for anything', async () => {
  const { quick, memory } = memoryRig(keys);
  await quick.add({ seq: 1, entries: [file('/srv/a', 1)] });
  const root = await newTarget();
  mkdirSync(root);
  writeFileSync(join(root, 'mine'), 'mine');
  const point = await newestPoint(quick);
  memory.fetched.length = 0;
  const attempt = restoreNewest(quick, keys, { target: root, point });
  await expect(attempt).rejects.toMatchObject({ code: 'target-not-empty' });
  expect(readdirSync(root)).toEqual(['mine']);
  expect(memory.fetched.filter((name) => name.includes('/sets/'))).toEqual([]);
});

test('pipes, sockets and devices come back as far as this user may make them', async () => {
  const { quick } = memoryRig(keys);
  const special = (path: string, type: Entry['type']): Entry => ({
    ...folder(path, 1, owner(4242, 4343)),
    type,
    mode: 0o640,
  });
  const entries = [
    special('/dev/pipe', 'fifo'),
    special('/dev/log', 'socket'),
    { ...special('/dev/tty', 'char'), rdev: [0x123, 0x12345] },
    { ...special('/dev/sda', 'block'), rdev: [8, 0] },
  ] as Entry[];
  await quick.add({ seq: 1, entries });
  const root = await newTarget();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.incomplete.map(({ path }) => path)).toEqual(ROOT ? [] : ['/dev/sda', '/dev/tty']);
  for (const { path, type, uid, gid, mtimeNs, rdev } of entries) {
    if (!ROOT && rdev !== undefined) continue;
    const status = lstatSync(join(root, path), { bigint: true });
    const is = {
      fifo: status.isFIFO(),
      socket: status.isSocket(),
      char: status.isCharacterDevice(),
      block: status.isBlockDevice(),
    };
    expect(is).toMatchObject({ [type]: true });
    expect(status).toMatchObject({ uid: BigInt(uid), gid: BigInt(gid), mtimeNs });
    expect(status.mode & 0o7777n).toBe(0o640n);
    // glibc's gnu_dev_makedev(): major 0x123, minor 0x12345; major 8, minor 0.
    if (rdev !== undefined) expect(status.rdev).toBe(type === 'char' ? 0x12312345n : 0x800n);
  }
});

test('what the backup could only carry over, or read in pieces, is noted', async () => {
  const { quick } = memoryRig(keys);
  await quick.add({
    seq: 1,
    entries: [file('/a', 1, [], { carried: true }), file('/b', 1, [], { torn: true })],
  });
  const result = await restoreNewest(quick, keys, { target: await newTarget() });
  expect(result.doubtful.map(({ path }) => path)).toEqual(['/a', '/b']);
  expect(result).toMatchObject({ restored: 2, incomplete: [], damaged: [] });
});

test('names of one hard-link group whose contents differ become files of their own', async () => {
  const { quick } = memoryRig(keys);
  const entries = [
    fileOf('/a', SMALL, [at(1, 0, SMALL.length)], { link: 'x' }),
    fileOf('/b', PACK, [at(1, 1, PACK.length)], { link: 'x' }),
  ];
  await quick.add({ seq: 1, volumes: [[SMALL, PACK]], entries });
  const root = await newTarget();
  expect(await restoreNewest(quick, keys, { target: root })).toMatchObject({ restored: 2, damaged: [] });
  expect(readFileSync(join(root, 'b')).equals(PACK)).toBe(true);
});

test('the secret key of somebody else is refused, and nothing is written', async () => {
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, entries: [file('/srv/a', 1)] });
  const root = await newTarget();
  const { plain } = await makeRestoreKeys();
  await expect(restoreNewest(quick, keys, { target: root, secret: plain })).rejects.toMatchObject({
    code: 'key',
  });
  expect(existsSync(root)).toBe(false);
});

test('a file with more names than the file system allows comes back under all of them, and the copies are named', async () => {
  const { quick } = memoryRig(keys);
  // ext4 allows 65,000.
  const entries = Array.from({ length: 65_001 }, (_, i) =>
    fileOf(`/many/${i}`, SMALL, [at(1, 0, SMALL.length)], { link: 'x' }),
  );
  await quick.add({ seq: 1, volumes: [[SMALL]], entries, linesPerPart: 15_000 });
  const root = await newTarget();
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result).toMatchObject({ restored: entries.length, damaged: [] });
  const first = lstatSync(join(root, 'many/0')).ino;
  const copies = entries
    .filter(({ path }) => lstatSync(join(root, path)).ino !== first)
    .map(({ path }) => path);
  expect(result.incomplete.map(({ path }) => path).sort()).toEqual(copies.sort());
  for (const path of copies) expect(readFileSync(join(root, path)).equals(SMALL)).toBe(true);
});
