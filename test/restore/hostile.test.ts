/** Manifests with a good signature that want what must not be: by a signer that was taken over, or one whose program erred. */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { getAttribute, listAttributes } from '../../src/linux/xattrs.ts';
import type { Entry } from '../../src/model.ts';
import { file, folder } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { mountTmpfs } from '../source/rights.ts';
import {
  at,
  fileOf,
  makeRestoreKeys,
  memoryRig,
  type RestoreKeys,
  ROOT,
  restoreNewest,
  snapshot,
  symlink,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const CONTENT = Buffer.from('from the backup');
const EXTENT = at(1, 0, CONTENT.length);

function content(path: string, more: Partial<Entry> = {}): Entry {
  return fileOf(path, CONTENT, [EXTENT], more);
}

/** A folder with a target in it that is not there yet, and a victim beside it. */
async function place(): Promise<{ root: string; outside: string; victim: string }> {
  const base = await temporaryFolder();
  const outside = join(base, 'outside');
  mkdirSync(outside);
  const victim = join(outside, 'victim');
  writeFileSync(victim, 'precious', { mode: 0o604 });
  return { root: join(base, 'back'), outside, victim };
}

function expectUntouched(victim: string): void {
  expect(readFileSync(victim, 'utf8')).toBe('precious');
  expect(lstatSync(victim).mode & 0o7777).toBe(0o604);
}

const BAD_PATHS = [
  '../victim',
  '/../outside/victim',
  '/a/../../outside/victim',
  '/a/./b',
  '/a//b',
  '/a/',
  '/..',
  'relative',
  '',
  '/a\0b',
  `/${'x'.repeat(256)}`,
];

for (const path of BAD_PATHS) {
  test(`a path that leads elsewhere is damage, and nothing at all is written: ${JSON.stringify(path).slice(0, 40)}`, async () => {
    const { quick } = memoryRig(keys);
    const text = (_name: string, lines: string) => lines.replaceAll('"/placeholder"', JSON.stringify(path));
    await quick.add({ seq: 1, volumes: [[CONTENT]], entries: [content('/placeholder')], text });
    const { root, victim } = await place();
    await expect(restoreNewest(quick, keys, { target: root })).rejects.toMatchObject({
      code: 'damage',
      object: expect.stringContaining('manifest-'),
    });
    expect(existsSync(root)).toBe(false);
    expectUntouched(victim);
  });
}

test('nothing is written through a symlink of the point: what lies below one is left out and named', async () => {
  const { quick } = memoryRig(keys);
  const { root, outside, victim } = await place();
  const entries = [symlink('/out', outside), content('/out/victim'), content('/out/x/y'), content('/fine')];
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged.map(({ path }) => path)).toEqual(['/out/victim', '/out/x/y']);
  expect(result.restored).toBe(2);
  expect(readlinkSync(join(root, 'out'))).toBe(outside);
  expect(readdirSync(outside)).toEqual(['victim']);
  expectUntouched(victim);
});

test('nothing is written through a symlink that another source of the point brings', async () => {
  for (const [first, second] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const { quick } = memoryRig(keys);
    const { root, outside, victim } = await place();
    const entries = [
      symlink('/x/out', outside, { source: first }),
      content('/x/out/victim', { source: second }),
    ];
    await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
    const result = await restoreNewest(quick, keys, { target: root });
    expect(result.damaged.map(({ path }) => path)).toEqual(['/x/out']);
    expect(lstatSync(join(root, 'x/out')).isDirectory()).toBe(true);
    expectUntouched(victim);
  }
});

test('a file below a file is left out and named', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  await quick.add({
    seq: 1,
    volumes: [[CONTENT]],
    entries: [content('/f'), content('/f/below'), content('/g')],
  });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged.map(({ path }) => path)).toEqual(['/f/below']);
  expect(readdirSync(root)).toEqual(['f', 'g']);
});

test('a path that two sources claim is made once, and named', async () => {
  for (const overwrite of [false, true]) {
    const { quick } = memoryRig(keys);
    const { root } = await place();
    const entries = [
      content('/x/f', { source: 'a' }),
      file('/x/f', 1, [], { source: 'b' }),
      folder('/d', 1, { source: 'a', mode: 0o711 }),
      folder('/d', 1, { source: 'b', mode: 0o777 }),
    ];
    await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
    const result = await restoreNewest(quick, keys, { target: root, overwrite });
    expect(result.damaged.map(({ path }) => path).sort()).toEqual(['/d', '/x/f']);
    expect(readFileSync(join(root, 'x/f')).equals(CONTENT)).toBe(true);
    expect(lstatSync(join(root, 'd')).mode & 0o777).toBe(0o711);
  }
});

test('a path that comes twice in a source is damage, and nothing is written', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  const text = (_name: string, lines: string) => lines.replaceAll('"/g"', '"/f"');
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries: [content('/f'), content('/g')], text });
  await expect(restoreNewest(quick, keys, { target: root })).rejects.toMatchObject({ code: 'damage' });
  expect(existsSync(root)).toBe(false);
});

test('an entry with the name of the marker is left out and named', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  const entries = [symlink('/.holdfast-restore', '/etc/passwd'), content('/f')];
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged.map(({ path }) => path)).toEqual(['/.holdfast-restore']);
  expect(readdirSync(root)).toEqual(['f']);
});

test('links of all kinds that were in the target before are replaced, never followed', async () => {
  const { quick } = memoryRig(keys);
  const { root, outside, victim } = await place();
  mkdirSync(root);
  symlinkSync(outside, join(root, 'folder'));
  symlinkSync(victim, join(root, 'soft'));
  linkSync(victim, join(root, 'hard'));
  linkSync(victim, join(root, 'parts'));
  linkSync(victim, join(root, 'empty'));
  symlinkSync(victim, join(root, 'link'));
  const both = Buffer.concat([CONTENT, CONTENT]);
  const entries = [
    folder('/folder', 1),
    content('/folder/victim'),
    content('/soft'),
    content('/hard', { mode: 0o777 }),
    fileOf('/parts', both, [EXTENT, EXTENT]),
    file('/empty', 1),
    symlink('/link', 'elsewhere'),
    content('/same', { link: 'l' }),
    content('/twin', { link: 'l' }),
  ];
  linkSync(victim, join(root, 'twin'));
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const result = await restoreNewest(quick, keys, { target: root, overwrite: true });
  expect(result).toMatchObject({ restored: entries.length, damaged: [], incomplete: [] });
  expectUntouched(victim);
  expect(readdirSync(outside)).toEqual(['victim']);
  expect(lstatSync(victim).nlink).toBe(1);
  expect(readFileSync(join(root, 'parts')).equals(both)).toBe(true);
  expect(readlinkSync(join(root, 'link'))).toBe('elsewhere');
  expect(lstatSync(join(root, 'folder')).isDirectory()).toBe(true);
});

test('with --overwrite, what the point does not hold stays, and a folder in the way of a file is named', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  mkdirSync(join(root, 'd/full'), { recursive: true });
  mkdirSync(join(root, 'd/void'));
  writeFileSync(join(root, 'd/full/mine'), 'mine', { mode: 0o640 });
  writeFileSync(join(root, 'd/other'), 'other', { mode: 0o640 });
  writeFileSync(join(root, 'd/sub'), 'in the way of a folder');
  const both = Buffer.concat([CONTENT, CONTENT]);
  const entries = [
    content('/d/full'),
    content('/d/void'),
    content('/d/new'),
    content('/d/sub/x'),
    fileOf('/d/parts', both, [EXTENT, EXTENT]),
  ];
  mkdirSync(join(root, 'd/parts/deep'), { recursive: true });
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const result = await restoreNewest(quick, keys, { target: root, overwrite: true });
  expect(result.incomplete.map(({ path }) => path).sort()).toEqual(['/d/full', '/d/parts']);
  expect(result.restored).toBe(3);
  const found = snapshot(root);
  expect(Object.keys(found)).toEqual([
    'd',
    'd/full',
    'd/full/mine',
    'd/new',
    'd/other',
    'd/parts',
    'd/parts/deep',
    'd/sub',
    'd/sub/x',
    'd/void',
  ]);
  expect(readFileSync(join(root, 'd/full/mine'), 'utf8')).toBe('mine');
  expect(found['d/void']).toMatch(/^file 644/);
});

test('extents that lie in no chunk, or go beyond one, lose that file only', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  const other = Buffer.alloc(20_000, 'other');
  const entries = [
    content('/good'),
    fileOf('/none', CONTENT, [at(1, 7, CONTENT.length)]),
    fileOf('/beyond', Buffer.concat([CONTENT, CONTENT]), [at(1, 0, 2 * CONTENT.length)]),
    fileOf('/parts', Buffer.concat([CONTENT, CONTENT]), [EXTENT, at(1, 8, CONTENT.length)]),
    fileOf('/wrong', Buffer.from('another digest'), [at(1, 1, 14)]),
    fileOf('/mixed', Buffer.alloc(20), [at(1, 1, 10), at(1, 1, 10)]),
  ];
  await quick.add({ seq: 1, volumes: [[CONTENT, other]], entries });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged.map(({ path }) => path).sort()).toEqual([
    '/beyond',
    '/mixed',
    '/none',
    '/parts',
    '/wrong',
  ]);
  expect(readdirSync(root)).toEqual(['good']);
  expect([result.restored, result.bytes]).toEqual([1, CONTENT.length]);
});

test('an extent in a volume that the point does not say it depends on loses that file only', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  const one = await quick.add({ seq: 1, volumes: [[CONTENT], [CONTENT]], entries: [content('/a')] });
  await quick.add({
    seq: 2,
    parent: one,
    entries: [{ ...fileOf('/b', CONTENT, [at(2, 0, CONTENT.length)]), since: 2 }],
    depends: [{ seq: 1, id: one.commit.id, volumes: [[1, 1]] }],
  });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged.map(({ path }) => path)).toEqual(['/b']);
  expect(readdirSync(root)).toEqual(['a']);
});

/** Everything that a restore makes in a folder. */
function everyKind(): { volumes: Buffer[][]; entries: Entry[]; both: Buffer } {
  const both = Buffer.concat([CONTENT, CONTENT]);
  const fifo: Entry = { ...folder('/d/pipe', 1), type: 'fifo', mode: 0o666 };
  const entries = [
    folder('/d', 1, { mode: 0o777 }),
    content('/d/empty-not', { mode: 0o4777, link: 'l' }),
    file('/d/empty', 1, [], { mode: 0o777 }),
    fileOf('/d/parts', both, [EXTENT, EXTENT], { mode: 0o777 }),
    symlink('/d/soft', 'x'),
    content('/d/twin', { link: 'l' }),
    fifo,
    folder('/d/sub', 1, { mode: 0o777 }),
    content('/d/sub/victim', { mode: 0o777 }),
  ];
  return { volumes: [[CONTENT]], entries, both };
}

for (const moment of ['restoring', 'finishing']) {
  for (const which of ['d', 'd/sub']) {
    test(`somebody puts a symlink in the place of the folder ${which} before "${moment}": nothing happens behind it`, async () => {
      const { quick } = memoryRig(keys);
      const { root, outside, victim } = await place();
      mkdirSync(root);
      writeFileSync(join(root, 'mine'), 'mine');
      mkdirSync(join(outside, 'sub'), { mode: 0o711 });
      writeFileSync(join(outside, 'sub/victim'), 'precious too', { mode: 0o604 });
      const { volumes, entries } = everyKind();
      await quick.add({ seq: 1, volumes, entries });
      const before = snapshot(outside);
      const swap = (name: string) => {
        if (name !== moment) return;
        renameSync(join(root, which), join(root, 'taken'));
        symlinkSync(which === 'd' ? outside : join(outside, 'sub'), join(root, which));
      };
      const result = await restoreNewest(quick, keys, {
        target: root,
        overwrite: true,
        observer: { phase: swap },
      });
      expect(snapshot(outside)).toEqual(before);
      expectUntouched(victim);
      // It is said that not everything is where it belongs.
      expect(result.incomplete.length).toBeGreaterThan(0);
      expect(lstatSync(join(root, which)).isSymbolicLink()).toBe(true);
    });
  }
}

for (const [what, inPlace] of [
  ['by its path', undefined],
  ['in place', { uid: process.geteuid?.() ?? 0 }],
] as const) {
  test(`somebody puts a symlink in the place of the target, chosen ${what}, after it was looked at`, async () => {
    const { quick } = memoryRig(keys);
    const { root, outside, victim } = await place();
    mkdirSync(root);
    writeFileSync(join(root, 'mine'), 'mine');
    const { volumes, entries } = everyKind();
    await quick.add({ seq: 1, volumes, entries });
    const before = snapshot(outside);
    const onForecast = () => {
      renameSync(root, `${root}-away`);
      symlinkSync(outside, root);
    };
    const wishes = { target: root, overwrite: true, inPlace, observer: { onForecast } };
    const result = await restoreNewest(quick, keys, wishes);
    expect(result).toMatchObject({ restored: entries.length, incomplete: [] });
    expect(snapshot(outside)).toEqual(before);
    expectUntouched(victim);
    expect(readdirSync(`${root}-away`).sort()).toEqual(['d', 'mine']);
  });
}

test('somebody puts a link to another file in the place of one that comes in parts: it is not written to', async () => {
  for (const link of [linkSync, symlinkSync]) {
    const { quick } = memoryRig(keys);
    const { root, victim } = await place();
    mkdirSync(root);
    writeFileSync(join(root, 'mine'), 'mine');
    const { volumes, entries } = everyKind();
    await quick.add({ seq: 1, volumes, entries });
    const swap = (name: string) => {
      if (name !== 'restoring') return;
      renameSync(join(root, 'd/parts'), join(root, 'd/taken'));
      link(victim, join(root, 'd/parts'));
    };
    const result = await restoreNewest(quick, keys, {
      target: root,
      overwrite: true,
      observer: { phase: swap },
    });
    expectUntouched(victim);
    expect(result.incomplete.map(({ path }) => path)).toEqual(['/d/parts']);
  }
});

test('names of one link group that are of different types are never linked to one another', async () => {
  const { quick } = memoryRig(keys);
  const { root, victim } = await place();
  const fifo: Entry = { ...folder('/p', 1), type: 'fifo' };
  const entries = [
    symlink('/a', victim, { link: 'x' }),
    content('/b', { link: 'x' }),
    symlink('/c', victim, { link: 'x' }),
    { ...fifo, link: 'x' },
  ];
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result).toMatchObject({ restored: 4, damaged: [], incomplete: [] });
  expectUntouched(victim);
  expect(readFileSync(join(root, 'b')).equals(CONTENT)).toBe(true);
  expect(lstatSync(join(root, 'p')).isFIFO()).toBe(true);
});

test('attributes, times and device numbers that this system does not have are named, and the rest comes back', async () => {
  const { quick } = memoryRig(keys);
  const { root } = await place();
  const xattrs = (...names: string[]) => ({
    xattrs: names.map((name) => ({ name, value: Buffer.from('x') })),
  });
  const disk: Entry = { ...folder('/disk', 1), type: 'block', rdev: [2 ** 50, 2 ** 50] };
  const entries = [
    disk,
    folder('/dir', 1, xattrs('nonsense')),
    content('/f', xattrs('user.', 'user.good', 'zzz.none')),
    content('/g', { xattrs: [{ name: 'system.posix_acl_access', value: Buffer.from('no ACL') }] }),
    content('/late', { mtimeNs: 10n ** 29n }),
    content('/early', { mtimeNs: -(10n ** 29n) }),
    symlink('/s', 'x', { mtimeNs: 10n ** 29n, ...xattrs('user.not-on-links') }),
  ];
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const result = await restoreNewest(quick, keys, { target: root });
  expect(result.damaged).toEqual([]);
  const said = Object.fromEntries(result.incomplete.map(({ path, problem }) => [path, problem]));
  expect(said).toEqual({
    '/disk': 'cannot be made (EINVAL)',
    '/dir': 'extended attributes could not be set',
    '/f': 'extended attributes could not be set',
    '/g': 'ACL could not be set',
    '/late': 'modification time could not be set',
    '/early': 'modification time could not be set',
    '/s': 'extended attributes and modification time could not be set',
  });
  expect(listAttributes(join(root, 'f'))).toEqual(['user.good']);
  for (const name of ['f', 'g', 'late', 'early'])
    expect(readFileSync(join(root, name)).equals(CONTENT)).toBe(true);
});

test.runIf(ROOT)(
  'attributes that fill many lines come back, of files in parts, folders, links and pipes',
  async () => {
    const { quick } = memoryRig(keys);
    const base = await temporaryFolder();
    mountTmpfs(join(base, 'memory'), 'size=256m');
    const root = join(base, 'memory/back');
    const many = Array.from({ length: 12 }, (_, i) => ({
      name: `trusted.${100 + i}`,
      value: Buffer.alloc(65_536 - i, i + 1),
    }));
    const both = Buffer.concat([CONTENT, CONTENT]);
    const pipe: Entry = { ...folder('/pipe', 1), type: 'fifo' };
    const entries = [
      folder('/dir', 1, { xattrs: many }),
      fileOf('/parts', both, [EXTENT, EXTENT], { xattrs: many }),
      content('/whole', { xattrs: many.slice(1) }),
      file('/void', 1, [], { xattrs: many.slice(2) }),
      symlink('/link', 'x', { xattrs: many.slice(3) }),
      { ...pipe, xattrs: many.slice(4) },
    ];
    // Cut so that a part begins between the lines of one entry.
    await quick.add({ seq: 1, volumes: [[CONTENT]], entries, linesPerPart: 3 });
    const result = await restoreNewest(quick, keys, { target: root });
    expect(result).toMatchObject({ restored: entries.length, incomplete: [], damaged: [] });
    for (const { path, xattrs = [] } of entries) {
      const place = join(root, path);
      expect(listAttributes(place)).toEqual(xattrs.map(({ name }) => name));
      for (const { name, value } of xattrs) expect(getAttribute(place, name)?.equals(value)).toBe(true);
    }
    expect(readFileSync(join(root, 'parts')).equals(both)).toBe(true);
  },
);
