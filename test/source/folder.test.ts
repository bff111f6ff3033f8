import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fromText, toFsPath } from '../../src/format/bytes.ts';
import { BY_PATH, type FolderReader, folderReader, hasNoNames } from '../../src/source/folder.ts';
import type { Names } from '../../src/source/names.ts';
import { selection } from '../../src/source/select.ts';
import { walk } from '../../src/source/walk.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const READERS: [string, FolderReader][] = [
  ['by open descriptors', folderReader()],
  ['by paths', BY_PATH],
];
const NOTHING = new Set<string>();

function all(names: Names): string[] {
  const list: string[] = [];
  for (let next = names.next(); next !== undefined; next = names.next()) list.push(next);
  return list;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe.each(READERS)('a folder, looked at %s,', (_how, reader) => {
  test.each([
    ['small', 0n],
    ['large', 1n << 30n],
  ])('and taken for a %s one is listed in order, and searched', async (_, size) => {
    const folder = fromText(await temporaryFolder());
    const given = [
      'b',
      'a',
      'B',
      'a b',
      '...',
      '..a',
      fromText('ä'),
      Buffer.of(0xff, 0x61).toString('latin1'),
      'n'.repeat(255),
      ...Array.from({ length: 2500 }, (_x, i) => `file ${(i * 7) % 2503}`),
    ];
    for (const one of given) writeFileSync(toFsPath(`${folder}/${one}`), '');
    const opened = reader.open(folder, size, new Set(['B', 'file 7', 'absent']));
    expect(all(opened.names)).toEqual([...given].sort());
    expect([...opened.found].sort()).toEqual(['B', 'file 7']);
    opened.close();
  });

  test.each([0n, 1n << 30n])('that is not there, or is none, is refused as node:fs does', async (size) => {
    const folder = await temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const open = (path: string) => () => reader.open(fromText(path), size, NOTHING);
    expect(open(join(folder, 'absent'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(open(join(folder, 'file'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    expect(open(`/${'x'.repeat(5000)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
  });

  test('gives what lstat says of all that is in it: open, closed, and by the way from the root', async () => {
    const root = await temporaryFolder();
    const at = (name: string) => join(root, name);
    writeFileSync(at('file'), 'x'.repeat(10_000));
    for (const [name, time] of [
      ['old', '1901-01-01 00:00:00.000000001 UTC'],
      ['file', '2040-02-03 04:05:06.999999999 UTC'],
      // Beyond what 64 bits of nanoseconds hold.
      ['late', '2300-01-01 00:00:00.5 UTC'],
    ] as const) {
      execFileSync('touch', ['-d', time, at(name)]);
    }
    execFileSync('truncate', ['-s', '5T', at('sparse')]);
    execFileSync('ln', [at('file'), at('name')]);
    execFileSync('chown', ['4000000000:3999999999', at('old')]);
    execFileSync('chmod', ['7751', at('old')]);
    mkdirSync(at('dir'));
    symlinkSync('file', at('link'));
    execFileSync('mkfifo', [at('fifo')]);
    execFileSync('mknod', [at('disk'), 'b', '4095', '1048575']);
    execFileSync('mknod', [at('null'), 'c', '1', '3']);
    const opened = reader.open(fromText(root), 0n, NOTHING);
    const names = all(opened.names);
    expect(names).toHaveLength(10);
    const compare = () => {
      for (const name of names) {
        const wanted = lstatSync(at(name), { bigint: true });
        for (const stat of [opened.lstat(name, at(name)), reader.lstat(at(name))]) {
          for (const key of [
            ...(['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev'] as const),
            ...(['size', 'blocks', 'mtimeNs', 'ctimeNs'] as const),
          ])
            expect([name, key, stat[key]]).toEqual([name, key, wanted[key]]);
          expect(stat.isFile()).toBe(wanted.isFile());
          expect(stat.isDirectory()).toBe(wanted.isDirectory());
          expect(stat.isSymbolicLink()).toBe(wanted.isSymbolicLink());
        }
      }
    };
    compare();
    opened.close();
    opened.close();
    compare();
    expect(() => opened.lstat('absent', at('absent'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => reader.lstat(at('file/below'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
  });

  test('leaves no descriptor open, however its walk ends', async () => {
    const root = await temporaryFolder();
    const deep = Array.from({ length: 150 }, (_, i) => `d${i}`).join('/');
    mkdirSync(join(root, deep), { recursive: true });
    writeFileSync(join(root, 'd0', 'z'), '');
    const options = { selection: selection({ exclude: [] }), own: NOTHING, reader };
    const before = openDescriptors();
    let most = 0;
    const paths: string[] = [];
    for (const { path } of walk(root, options)) {
      most = Math.max(most, openDescriptors() - before);
      paths.push(path);
    }
    expect(paths).toHaveLength(152);
    expect(paths.at(-1)).toBe(join(root, 'd0', 'z'));
    expect(most).toBeLessThanOrEqual(64);
    expect(openDescriptors()).toBe(before);
    let steps = 0;
    for (const _ of walk(root, options)) if (++steps === 100) break;
    expect(openDescriptors()).toBe(before);
    const stopped = new Error('stopped');
    const stopping = walk(root, {
      ...options,
      checkpoint() {
        if (++steps === 120) throw stopped;
      },
    });
    expect(() => [...stopping]).toThrow(stopped);
    expect(openDescriptors()).toBe(before);
  });
});

test('an open folder stays the one that it was, and a link in its place is not followed', async () => {
  const root = await temporaryFolder();
  const secret = join(root, 'secret');
  mkdirSync(join(root, 'data/inner'), { recursive: true });
  mkdirSync(join(secret, 'inner'), { recursive: true });
  writeFileSync(join(secret, 'inner', 'key'), '');
  const data = fromText(join(root, 'data'));
  const opened = folderReader().open(data, 0n, NOTHING);
  expect(opened.lstat('inner', `${data}/inner`).isDirectory()).toBe(true);
  renameSync(join(root, 'data'), join(root, 'moved'));
  symlinkSync(secret, join(root, 'data'));
  const inner = opened.open('inner', `${data}/inner`, 0n, NOTHING);
  expect(all(inner.names)).toEqual([]);
  inner.close();
  rmSync(join(root, 'moved/inner'), { recursive: true });
  symlinkSync(join(secret, 'inner'), join(root, 'moved/inner'));
  expect(() => opened.open('inner', `${data}/inner`, 0n, NOTHING)).toThrow(
    expect.objectContaining({ code: 'ENOTDIR' }),
  );
  opened.close();
});

test('a folder is seen to be empty or not', async () => {
  const folder = await temporaryFolder();
  expect(hasNoNames(fromText(folder))).toBe(true);
  writeFileSync(join(folder, 'file'), '');
  expect(hasNoNames(fromText(folder))).toBe(false);
});
