import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rootToWaitFor } from '../../src/backup/awaited-root.ts';
import { lookAtRoots, ownFolders } from '../../src/backup/roots.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { ComparedSource } from '../../src/index/compare.ts';
import { EntriesWriter, encodeIndexLine } from '../../src/index/entries-file.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { asNobody } from '../source/rights.ts';

function sourceOf(paths: string[], more: Partial<ComparedSource> = {}): ComparedSource {
  return { name: 'www', paths, exclude: [], allowEmpty: false, ...more };
}

function faultOf(work: () => unknown): HoldfastError {
  try {
    work();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('the roots of the sources', () => {
  test('may be files and folders; those that are missing or empty are named', async () => {
    const folder = await temporaryFolder();
    const path = (name: string) => join(folder, name);
    for (const name of ['full', 'empty']) mkdirSync(path(name));
    writeFileSync(path('full/x'), '');
    const names = ['full', 'full/x', 'empty', 'none', 'full/x/none'];
    expect(lookAtRoots([sourceOf(names.map(path))]).absent).toEqual([
      { source: 'www', path: path('empty'), isEmpty: true },
      { source: 'www', path: path('none'), isEmpty: false },
      { source: 'www', path: path('full/x/none'), isEmpty: false },
    ]);
    expect(lookAtRoots([sourceOf([path('empty')], { allowEmpty: true })]).absent).toEqual([]);
  });

  test('that are all missing are an error that names them', async () => {
    const folder = await temporaryFolder();
    const paths = [join(folder, 'a'), join(folder, 'b\nc')];
    const error = faultOf(() => lookAtRoots(paths.map((path) => sourceOf([path]))));
    expect(error).toMatchObject({ code: 'source-missing' });
    expect(error.message).toContain(join(folder, 'a'));
    expect(error.message).not.toContain('\n');
  });

  test('that are symlinks are refused, and what they stand for is named', async () => {
    const folder = await temporaryFolder();
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', join(folder, 'link'));
    symlinkSync('nowhere', join(folder, 'broken'));
    const error = faultOf(() => lookAtRoots([sourceOf([join(folder, 'link')])]));
    expect(error).toMatchObject({
      code: 'strategy',
      message: expect.stringContaining(`write ${join(folder, 'real')} instead`),
    });
    expect(faultOf(() => lookAtRoots([sourceOf([join(folder, 'broken')])]))).toMatchObject({
      code: 'strategy',
    });
    // A link on the way is none of the root's.
    mkdirSync(join(folder, 'real/inner'));
    expect(lookAtRoots([sourceOf([join(folder, 'link/inner')], { allowEmpty: true })]).absent).toEqual([]);
  });

  test('that cannot be looked at are there: the walk says what is wrong', async () => {
    const folder = await temporaryFolder();
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, 'closed/inner'), { recursive: true });
    chmodSync(join(folder, 'closed'), 0o700);
    for (const name of ['closed', 'closed/inner']) {
      expect(await asNobody(() => lookAtRoots([sourceOf([join(folder, name)])]).absent)).toEqual([]);
    }
  });
});

describe("Holdfast's own folders", () => {
  test('are left out where they lie in a source, whatever links lead there, and only there', async () => {
    const folder = await temporaryFolder();
    for (const name of ['root/state', 'elsewhere', 'root-b'])
      mkdirSync(join(folder, name), { recursive: true });
    symlinkSync('root', join(folder, 'link'));
    const { dev, ino } = statSync(join(folder, 'root/state'));
    const sources = [sourceOf([join(folder, 'root')])];
    const own = (...names: string[]) =>
      ownFolders(
        names.map((name) => join(folder, name)),
        sources,
      );
    expect(own('root/state', 'elsewhere', 'none', 'root-b')).toEqual([`${dev}:${ino}`]);
    expect(own('link/state')).toEqual([`${dev}:${ino}`]);
    // The folder around a source is not in it.
    expect(ownFolders([folder], sources)).toEqual([]);
  });
});

describe('a full waits', () => {
  async function entriesFile(paths: Record<string, string>): Promise<string> {
    const file = join(await temporaryFolder(), 'entries');
    const writer = new EntriesWriter(file);
    for (const [path, flags] of Object.entries(paths)) {
      writer.line('www', encodeIndexLine({ path, signature: '', flags, changed: 0, segments: '', head: '' }));
    }
    writer.finish();
    return file;
  }

  test('for a root of which the point has more than is there now, and for no other', async () => {
    const file = await entriesFile({
      '/a': '',
      '/a/x': '',
      '/b': '',
      '/c': 'g',
      '/c/x': 'g',
      '/d': '',
      '/d/x': 'g',
      '/e': 'c',
    });
    const waits = (path: string, isEmpty: boolean, source = 'www') =>
      rootToWaitFor([{ source, path, isEmpty }], file, []) === path;
    expect(waits('/a', false)).toBe(true);
    expect(waits('/a', true)).toBe(true);
    expect(waits('/b', false)).toBe(true);
    expect(waits('/b', true)).toBe(false);
    expect(waits('/c', false)).toBe(false);
    expect(waits('/d', true)).toBe(false);
    expect(waits('/e', false)).toBe(true);
    expect(waits('/f', false)).toBe(false);
    expect(waits('/a', false, 'other')).toBe(false);
    expect(rootToWaitFor([], '/nowhere', [])).toBeUndefined();
  });
});
