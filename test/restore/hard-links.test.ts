/** Further names of files: each in its own place, however deep the first one lies. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../src/model.ts';
import { file, folder } from '../helpers/quick-store.ts';
import {
  at,
  fileOf,
  makeRestoreKeys,
  memoryRig,
  newTarget,
  type RestoreKeys,
  restoreNewest,
  symlink,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const DEEP = Buffer.from('deep');
const FLAT = Buffer.from('flat');

/** The folders of a path, the outermost first. */
function chain(path: string): string[] {
  const names = path.slice(1).split('/');
  return names.map((_, i) => `/${names.slice(0, i + 1).join('/')}`);
}

/** A file 21 folders deep, whose other name lies in a folder at the top; between them many folders, each with two names of one file. */
const ABOVE = chain(`/aaa/${Array.from({ length: 20 }, (_, i) => `d${i + 1}`).join('/')}`);

function deepAndFlat(): Entry[] {
  const entries: Entry[] = ABOVE.map((path) => folder(path, 1));
  entries.push(fileOf(`${ABOVE.at(-1)}/f`, DEEP, [at(1, 0, DEEP.length)], { link: 'deep' }));
  for (let i = 10; i < 40; i++) {
    entries.push(folder(`/m${i}`, 1));
    for (const name of ['x', 'y'])
      entries.push(fileOf(`/m${i}/${name}`, FLAT, [at(1, 1, FLAT.length)], { link: `m${i}` }));
  }
  entries.push(folder('/zzz', 1));
  entries.push(fileOf('/zzz/g', DEEP, [at(1, 0, DEEP.length)], { link: 'deep' }));
  return entries;
}

/** Trees in each of which all files are those of the first, as `cp -al` makes them; the deepest files come first. */
function linkedTrees(): Entry[] {
  const entries: Entry[] = [];
  for (let day = 0; day < 6; day++) {
    for (const [i, path] of chain(`/daily.${day}${'/d'.repeat(20)}`).entries()) {
      entries.push(folder(path, 1));
      entries.push(fileOf(`${path}/z`, FLAT, [at(1, 1, FLAT.length)], { link: `z${i}` }));
    }
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function pointOf(entries: Entry[]) {
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, volumes: [[DEEP, FLAT]], entries });
  return quick;
}

/** Makes sure that each name is there, and means the inode that it is to mean. */
function expectLinked(root: string, entries: readonly Entry[]): void {
  const inodes = new Map<string, number>();
  const names = entries.filter(({ type }) => type === 'file');
  for (const { path, link, size } of names) {
    const status = lstatSync(join(root, path));
    expect([path, status.isFile(), status.size]).toEqual([path, true, size]);
    const known = inodes.get(link ?? path) ?? status.ino;
    inodes.set(link ?? path, known);
    expect([path, status.ino]).toEqual([path, known]);
    expect([path, status.nlink]).toEqual([path, names.filter((other) => other.link === link).length]);
  }
  expect(new Set(inodes.values()).size).toBe(inodes.size);
}

for (const [what, make] of [
  ['a file that lies deep', deepAndFlat],
  ['trees that were linked to one another', linkedTrees],
] as const) {
  test(`further names are made where they belong, of ${what}`, async () => {
    const entries = make();
    const quick = await pointOf(entries);
    const target = await newTarget();
    expect(await restoreNewest(quick, keys, { target })).toMatchObject({
      restored: entries.length,
      incomplete: [],
    });
    expectLinked(target, entries);
  });

  test(`they take the place of what is there, and of nothing else, of ${what}`, async () => {
    const entries = make();
    const quick = await pointOf(entries);
    const target = await newTarget();
    const folders = entries.filter(({ type }) => type === 'dir');
    const own = new Set(entries.map(({ path }) => path));
    const others: string[] = [];
    for (const { path } of folders) {
      mkdirSync(join(target, path), { recursive: true });
      for (const name of ['a', 'g', 'other', 'z']) {
        writeFileSync(join(target, path, name), `was in ${path}`);
        if (!own.has(`${path}/${name}`)) others.push(`${path}/${name}`);
      }
    }
    const result = await restoreNewest(quick, keys, { target, overwrite: true });
    expect(result).toMatchObject({ restored: entries.length, incomplete: [] });
    expectLinked(target, entries);
    for (const path of others)
      expect(readFileSync(join(target, path), 'utf8')).toBe(`was in ${path.slice(0, path.lastIndexOf('/'))}`);
  });

  test(`they are made by a restore that goes on after an interruption, of ${what}`, async () => {
    const entries = make();
    const quick = await pointOf(entries);
    const target = await newTarget();
    const end = new AbortController();
    const phase = (name: string) => name === 'finishing' && end.abort();
    const interrupted = restoreNewest(quick, keys, { target, signal: end.signal, observer: { phase } });
    await expect(interrupted).rejects.toMatchObject({ code: 'interrupted' });
    expect(await restoreNewest(quick, keys, { target })).toMatchObject({
      restored: entries.length,
      incomplete: [],
    });
    expectLinked(target, entries);
  });
}

/** Each kind of thing under four names, of which the first is in /a, the next in /b, and so on. */
function fourNames(): Entry[] {
  const both = Buffer.concat([DEEP, FLAT]);
  const names = ['a', 'b', 'c', 'd'].map((name) => `/${name}`);
  const fifo = (path: string): Entry => ({ ...folder(path, 1), type: 'fifo', mode: 0o600, link: 'fifo' });
  return names.flatMap((name) => [
    folder(name, 1),
    file(`${name}/empty`, 1, [], { link: 'empty', mode: 0o640 }),
    fifo(`${name}/fifo`),
    fileOf(`${name}/parts`, both, [at(1, 0, DEEP.length), at(2, 0, FLAT.length)], { link: 'parts' }),
    symlink(`${name}/soft`, 'elsewhere', { link: 'soft' }),
    fileOf(`${name}/whole`, DEEP, [at(1, 0, DEEP.length)], { link: 'whole', mode: 0o640 }),
  ]);
}

const KINDS = ['empty', 'fifo', 'parts', 'soft', 'whole'];

test('where a first name cannot be made, the content comes under the next that can, and the others are links to it', async () => {
  const entries = fourNames();
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, volumes: [[DEEP], [FLAT]], entries });
  const target = await newTarget();
  // A folder that is not empty gives way to nothing.
  for (const name of KINDS)
    for (const place of [`a/${name}/in/the/way`, `c/${name}/in/the/way`])
      mkdirSync(join(target, place), { recursive: true });
  const result = await restoreNewest(quick, keys, { target, overwrite: true });
  expect(result.damaged).toEqual([]);
  const named = result.incomplete.map(({ path }) => path).sort();
  expect(named).toEqual(['a', 'c'].flatMap((name) => KINDS.map((kind) => `/${name}/${kind}`)));
  expect(result).toMatchObject({ restored: entries.length - named.length, bytes: 12 });
  expect(readFileSync(join(target, 'b/whole'), 'utf8')).toBe('deep');
  expect(readFileSync(join(target, 'b/parts'), 'utf8')).toBe('deepflat');
  expect(readFileSync(join(target, 'b/empty'), 'utf8')).toBe('');
  expect(readlinkSync(join(target, 'b/soft'))).toBe('elsewhere');
  expect(lstatSync(join(target, 'b/fifo')).isFIFO()).toBe(true);
  expect(lstatSync(join(target, 'b/whole')).mode & 0o7777).toBe(0o640);
  for (const kind of KINDS) {
    const [one, other] = ['b', 'd'].map((name) => lstatSync(join(target, name, kind)));
    expect([kind, one?.ino, one?.nlink]).toEqual([kind, other?.ino, 2]);
    expect(existsSync(join(target, 'a', kind, 'in/the/way'))).toBe(true);
  }
});

test('a name that stands in and cannot be made either leaves it to the one after it', async () => {
  const entries = fourNames();
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, volumes: [[DEEP], [FLAT]], entries });
  const target = await newTarget();
  for (const name of KINDS)
    for (const folder of ['a', 'b', 'c']) mkdirSync(join(target, folder, name, 'x'), { recursive: true });
  const result = await restoreNewest(quick, keys, { target, overwrite: true });
  expect(result.incomplete.map(({ path }) => path).sort()).toEqual(
    ['a', 'b', 'c'].flatMap((name) => KINDS.map((kind) => `/${name}/${kind}`)),
  );
  expect(readFileSync(join(target, 'd/whole'), 'utf8')).toBe('deep');
  expect(readFileSync(join(target, 'd/parts'), 'utf8')).toBe('deepflat');
  for (const kind of KINDS) expect([kind, lstatSync(join(target, 'd', kind)).nlink]).toEqual([kind, 1]);
});
