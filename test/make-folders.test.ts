import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolders } from '../src/make-folders.ts';
import { temporaryFolder } from './helpers/temporary.ts';

test('what is missing is made, and the topmost of it is named', async () => {
  const root = await temporaryFolder();
  mkdirSync(join(root, 'a'));
  expect(makeFolders(join(root, 'a/b/c'), 0o700)).toBe(join(root, 'a/b'));
  expect(statSync(join(root, 'a/b')).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, 'a/b/c')).mode & 0o777).toBe(0o700);
  expect(makeFolders(join(root, 'a/b/c'))).toBeUndefined();
  symlinkSync('a', join(root, 'link'));
  expect(makeFolders(join(root, 'link'))).toBeUndefined();
  expect(makeFolders(join(root, 'link/d'))).toBe(join(root, 'link/d'));
  expect(readdirSync(join(root, 'a')).sort()).toEqual(['b', 'd']);
});

test('what stands in the way is an error', async () => {
  const root = await temporaryFolder();
  writeFileSync(join(root, 'file'), '');
  symlinkSync('nowhere', join(root, 'dangling'));
  expect(() => makeFolders(join(root, 'file'))).toThrow('EEXIST');
  expect(() => makeFolders(join(root, 'file/in'))).toThrow('ENOTDIR');
  expect(() => makeFolders(join(root, 'dangling'))).toThrow('EEXIST');
  expect(() => makeFolders(join(root, 'dangling/in'))).toThrow('EEXIST');
});

test.runIf(process.platform === 'linux')(
  'where no folder can be made it ends, too',
  { timeout: 10_000 },
  () => {
    expect(() => makeFolders('/proc/holdfast-test/in')).toThrow('ENOENT');
  },
);
