import { execFileSync } from 'node:child_process';
import { linkSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { beforeEach, expect, test } from 'vitest';
import { getAttribute, setAttribute } from '../../src/linux/xattrs.ts';
import { type Attributes, setLinkAttributes, setNodeAttributes } from '../../src/target/attributes.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const ROOT = process.geteuid?.() === 0;

/** Some that whoever runs the tests can set; extended ones only as root. */
function attributes(more: Partial<Attributes> = {}): Attributes {
  const [uid, gid] = ROOT ? [1234, 4321] : [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const xattrs = ROOT ? [{ name: 'trusted.test', value: Buffer.from('value') }] : [];
  return {
    mode: 0o640,
    uid,
    gid,
    time: { seconds: 1_000_000_000, nanoseconds: 123_456_789 },
    xattrs,
    ...more,
  };
}

let base: string;

beforeEach(async () => {
  base = await temporaryFolder();
});

function expectSet(path: string, { uid, gid, xattrs }: Attributes): void {
  const status = lstatSync(path, { bigint: true });
  expect([Number(status.uid), Number(status.gid)]).toEqual([uid, gid]);
  expect(status.mtimeNs).toBe(1_000_000_000_123_456_789n);
  for (const { name, value } of xattrs) expect(getAttribute(path, name)).toEqual(value);
  if (ROOT) expect(getAttribute(path, 'trusted.other')).toBeUndefined();
}

test('a symlink gets what belongs to it, and what it leads to gets nothing', () => {
  const [link, file] = [join(base, 'link'), join(base, 'file')];
  writeFileSync(file, 'content', { mode: 0o604 });
  const before = lstatSync(file, { bigint: true });
  symlinkSync('file', link);
  if (ROOT) setAttribute(link, 'trusted.other', Buffer.from('x'));
  expect(setLinkAttributes(link, attributes(), ROOT)).toBe(0);
  expectSet(link, attributes());
  expect(lstatSync(file, { bigint: true })).toEqual(before);
});

test('a named pipe gets what belongs to it, and nobody waits for another end', () => {
  const pipe = join(base, 'pipe');
  execFileSync('mkfifo', [pipe]);
  if (ROOT) setAttribute(pipe, 'trusted.other', Buffer.from('x'));
  expect(setNodeAttributes(pipe, attributes(), ROOT)).toBe(0);
  expectSet(pipe, attributes());
  expect(lstatSync(pipe).mode & 0o7777).toBe(0o640);
});

test('what somebody has put in the place of a pipe or a symlink is left alone', () => {
  const [file, folder, link] = [join(base, 'file'), join(base, 'folder'), join(base, 'link')];
  writeFileSync(file, 'a program of his', { mode: 0o755 });
  mkdirSync(folder);
  symlinkSync('file', link);
  const taken = join(base, 'taken');
  execFileSync('mkfifo', [taken]);
  linkSync(taken, join(base, 'pipe'));
  const all = [file, folder, link, taken].map((path) => lstatSync(path, { bigint: true }));
  const set = attributes({ mode: 0o4755 });
  for (const path of [file, folder, link, join(base, 'pipe')])
    expect(() => setNodeAttributes(path, set, ROOT)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  for (const path of [file, folder, join(base, 'pipe')])
    expect(() => setLinkAttributes(path, set, ROOT)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  expect([file, folder, link, taken].map((path) => lstatSync(path, { bigint: true }))).toEqual(all);
});
