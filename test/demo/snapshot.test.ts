import {
  chmodSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../helpers/temporary.ts';
import { differences, record } from './snapshot.ts';

const AT = 1_700_000_000.5;

let folder: string;

/** Gives everything one and the same time, so that a test finds just what it changed. */
function settle(): void {
  for (const name of ['a', 'b', 'one', 'two', 'sub', '']) {
    if (existsSync(join(folder, name))) utimesSync(join(folder, name), AT, AT);
  }
  lutimesSync(join(folder, 'link'), AT, AT);
}

beforeEach(async () => {
  folder = await temporaryFolder();
  writeFileSync(join(folder, 'a'), 'first');
  writeFileSync(join(folder, 'b'), 'other');
  writeFileSync(join(folder, 'one'), 'x');
  linkSync(join(folder, 'one'), join(folder, 'two'));
  symlinkSync('a', join(folder, 'link'));
  mkdirSync(join(folder, 'sub'));
  settle();
});

test('a folder that was not changed shows no difference', () => {
  expect(differences(record(folder), record(folder))).toEqual([]);
});

test.each<[string, () => void, RegExp]>([
  ['other bytes of the same length', () => writeFileSync(join(folder, 'a'), 'FIRST'), /^\/a: sha256 is /],
  ['another mode', () => chmodSync(join(folder, 'a'), 0o640), /^\/a: mode is 416, was 420/],
  ['another mode of a folder', () => chmodSync(join(folder, 'sub'), 0o700), /^\/sub: mode is /],
  ['another target', () => relink('b'), /^\/link: target is b, was a$/],
  ['a missing file', () => unlinkSync(join(folder, 'a')), /^\/a: is missing$/],
  ['a file too many', () => writeFileSync(join(folder, 'new'), ''), /^\/new: was not there$/],
  ['a file made a folder', () => remake('a'), /^\/a: type is dir, was file/],
  ['a hard link made a copy', () => split('two'), /^\/two: link is undefined, was \/one/],
])('%s is found', (_what, change, line) => {
  const before = record(folder);
  change();
  settle();
  expect(differences(before, record(folder))).toContainEqual(expect.stringMatching(line));
});

test('a time that differs by a microsecond is found, of a symlink too', () => {
  const before = record(folder);
  utimesSync(join(folder, 'b'), AT, AT + 2e-6);
  lutimesSync(join(folder, 'link'), AT, AT + 2e-6);
  expect(differences(before, record(folder)).map((line) => line.split(' ', 2).join(' '))).toEqual([
    '/b: mtime',
    '/link: mtime',
  ]);
});

test('two files that changed places are found', () => {
  const before = record(folder);
  renameSync(join(folder, 'a'), join(folder, 'c'));
  renameSync(join(folder, 'b'), join(folder, 'a'));
  renameSync(join(folder, 'c'), join(folder, 'b'));
  settle();
  expect(differences(before, record(folder))).toHaveLength(2);
});

function relink(target: string): void {
  unlinkSync(join(folder, 'link'));
  symlinkSync(target, join(folder, 'link'));
}

function remake(name: string): void {
  rmSync(join(folder, name));
  mkdirSync(join(folder, name));
}

function split(name: string): void {
  rmSync(join(folder, name));
  writeFileSync(join(folder, name), 'x');
}
