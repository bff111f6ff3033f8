import {
  chmodSync,
  closeSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { beforeEach, expect, test } from 'vitest';
import { openInPlace, type WayOptions } from '../../src/target/in-place.ts';
import { openedPath } from '../../src/target/opened.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const UID = process.geteuid?.() ?? 0;

let base: string;

beforeEach(async () => {
  base = await temporaryFolder();
  chmodSync(base, 0o755);
  mkdirSync(join(base, 'real/deep'), { recursive: true });
  chmodSync(join(base, 'real'), 0o755);
});

/** Where the way to a folder leads; undefined where it is not there. */
async function led(path: string, options: Partial<WayOptions> = {}): Promise<string | undefined> {
  const fd = openInPlace(path, { uid: UID, ...options });
  if (fd === undefined) return undefined;
  try {
    return await readlink(openedPath(fd));
  } finally {
    closeSync(fd);
  }
}

test('a plain way is gone to its end', async () => {
  expect(await led('/')).toBe('/');
  expect(await led(join(base, 'real/deep'))).toBe(join(base, 'real/deep'));
});

test('links that only root or the user can have put there are followed, as the kernel does', async () => {
  symlinkSync('real', join(base, 'relative'));
  symlinkSync(join(base, 'relative/deep/.'), join(base, 'absolute'));
  symlinkSync('../relative/../absolute', join(base, 'real/twice'));
  expect(await led(join(base, 'relative/deep'))).toBe(join(base, 'real/deep'));
  expect(await led(join(base, 'absolute'))).toBe(join(base, 'real/deep'));
  expect(await led(join(base, 'real/twice'))).toBe(join(base, 'real/deep'));
});

test('a link in a folder in which others may write is refused, and so is one in any folder below that', async () => {
  symlinkSync('deep', join(base, 'real/link'));
  symlinkSync('..', join(base, 'real/deep/up'));
  expect(await led(join(base, 'real/link'))).toBe(join(base, 'real/deep'));
  for (const mode of [0o777, 0o775, 0o1777]) {
    chmodSync(join(base, 'real'), mode);
    expect(await led(join(base, 'real/deep'))).toBe(join(base, 'real/deep'));
    expect(() => openInPlace(join(base, 'real/link'), { uid: UID })).toThrow(
      expect.objectContaining({
        code: 'usage',
        message: expect.stringContaining(`${join(base, 'real/link')} is a symlink to deep`),
      }),
    );
  }
  chmodSync(join(base, 'real'), 0o777);
  expect(() => openInPlace(join(base, 'real/deep/up'), { uid: UID })).toThrow(/restore with --to/);
  // In a sticky folder, others can take nothing away that is not theirs, and bring in no folder in which only its owner writes.
  chmodSync(join(base, 'real'), 0o1777);
  expect(await led(join(base, 'real/deep/up/deep'))).toBe(join(base, 'real/deep'));
});

test('a link of somebody else is refused, and one in a folder of somebody else', async () => {
  symlinkSync('deep', join(base, 'real/link'));
  const { uid } = lstatSync(join(base, 'real/link'));
  // Where root runs the tests, all is root's, which anybody trusts.
  if (uid === 0) {
    lchownSync(join(base, 'real/link'), 65534, 65534);
    expect(() => openInPlace(join(base, 'real/link'), { uid: 0 })).toThrow(/is a symlink/);
    expect(await led(join(base, 'real/link'), { uid: 65534 })).toBe(join(base, 'real/deep'));
    lchownSync(join(base, 'real/link'), 0, 0);
    lchownSync(join(base, 'real'), 65534, 65534);
    expect(() => openInPlace(join(base, 'real/link'), { uid: 0 })).toThrow(/is a symlink/);
  } else {
    expect(() => openInPlace(join(base, 'real/link'), { uid: uid + 1 })).toThrow(/is a symlink/);
  }
});

test('links that lead in a circle are refused', () => {
  symlinkSync('two', join(base, 'one'));
  symlinkSync('one', join(base, 'two'));
  expect(() => openInPlace(join(base, 'one/x'), { uid: UID })).toThrow(
    expect.objectContaining({ code: 'usage' }),
  );
});

test('what is not there is made when that is wanted, but not what a link means', async () => {
  const path = join(base, 'real/new/er');
  expect(await led(path)).toBeUndefined();
  expect(existsSync(join(base, 'real/new'))).toBe(false);
  expect(await led(path, { make: 0o700 })).toBe(path);
  expect(lstatSync(path).mode & 0o7777).toBe(0o700);
  symlinkSync('gone', join(base, 'dangling'));
  expect(() => openInPlace(join(base, 'dangling/x'), { uid: UID, make: 0o700 })).toThrow(
    expect.objectContaining({ code: 'ENOENT' }),
  );
  expect(existsSync(join(base, 'gone'))).toBe(false);
});

test('what is no folder is an error', () => {
  writeFileSync(join(base, 'file'), '');
  for (const path of ['file', 'file/x'])
    expect(() => openInPlace(join(base, path), { uid: UID })).toThrow(
      expect.objectContaining({ code: 'ENOTDIR' }),
    );
});
