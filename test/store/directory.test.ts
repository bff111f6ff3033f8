import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { directoryStore } from '../../src/store/directory.ts';
import { project, run, scriptCommand } from '../helpers/script.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { listed, md5, put, statOf, storeContract } from './contract.ts';

storeContract('directory', async () => {
  const root = await makeFolder();
  return { store: directoryStore(root), cleanup: () => rm(root, { recursive: true }) };
});

storeContract('directory with a prefix', async () => {
  const root = await makeFolder();
  await mkdir(join(root, 'elsewhere'));
  await writeFile(join(root, 'elsewhere', 'a'), 'not below the prefix');
  return { store: directoryStore(root, 'region/web01'), cleanup: () => rm(root, { recursive: true }) };
});

/** Everything below a folder, files and folders, by name. */
async function everything(root: string): Promise<string[]> {
  return (await readdir(root, { recursive: true })).sort();
}

describe('files of a directory store', () => {
  test('an object is the file of its name, for its owner alone, and so are the folders', async () => {
    const root = await temporaryFolder();
    await put(directoryStore(root, 'web01'), 'town/commits/1.json', 'commit');
    expect(await readFile(join(root, 'web01/town/commits/1.json'), 'utf8')).toBe('commit');
    expect((await stat(join(root, 'web01/town/commits/1.json'))).mode & 0o777).toBe(0o600);
    for (const folder of ['web01', 'web01/town', 'web01/town/commits']) {
      expect((await stat(join(root, folder))).mode & 0o777).toBe(0o700);
    }
    expect(await everything(root)).toHaveLength(4);
  });

  test('the label names the folder, with the prefix', async () => {
    expect(directoryStore('/var/backups/holdfast').label).toBe('directory:/var/backups/holdfast');
    expect(directoryStore('/var/backups', 'web01/').label).toBe('directory:/var/backups/web01');
    expect(() => directoryStore('/var/backups', '../etc')).toThrow('BUG');
  });

  test.each([{ md5: md5() }, { crc32: 0 }])('a refused body leaves no temporary file: %o', async (check) => {
    const root = await temporaryFolder();
    const refused = directoryStore(root).put('town/a', [randomBytes(3_000_000)], check);
    await expect(refused).rejects.toMatchObject({ code: 'store' });
    expect(await everything(root)).toEqual(['town']);
  });

  test('a body in pieces passes with its CRC-32', async () => {
    const store = directoryStore(await temporaryFolder());
    const body = randomBytes(3_000_000);
    const pieces = [body.subarray(0, 17), body.subarray(17, 2_000_000), body.subarray(2_000_000)];
    await store.put('town/a', pieces, { crc32: crc32(body) });
    expect(await store.stat('town/a')).toEqual(statOf(store, body));
  });

  test('a file that stands where a folder must be is named, and left alone', async () => {
    const root = await temporaryFolder();
    const store = directoryStore(root);
    await put(store, 'town', 'in the way');
    await expect(put(store, 'town/a', 'x')).rejects.toThrow(`${root}/town stands where a folder must be`);
    expect(await readFile(join(root, 'town'), 'utf8')).toBe('in the way');
  });

  test('folders that removals leave empty are removed, as far as the store reaches', async () => {
    const root = await temporaryFolder();
    const store = directoryStore(root, 'web01');
    await put(store, 'town/sets/1/a', 'a');
    await put(store, 'town/sets/2/a', 'a');
    await store.remove(['town/sets/1/a']);
    expect(await everything(root)).toEqual([
      'web01',
      'web01/town',
      'web01/town/sets',
      'web01/town/sets/2',
      'web01/town/sets/2/a',
    ]);
    await store.remove(['town/sets/2/a']);
    expect(await everything(root)).toEqual(['web01']);
  });

  test('puts into a folder that removals keep emptying all succeed', async () => {
    const root = await temporaryFolder();
    const [store, other] = [directoryStore(root), directoryStore(root)];
    for (let i = 0; i < 50; i++) {
      await put(store, 'town/last', 'x');
      await Promise.all([put(store, `town/${i}`, 'x'), other.remove(['town/last'])]);
      await other.remove([`town/${i}`]);
    }
    expect(await listed(store, '')).toEqual([]);
  });

  test('temporary files are not listed; the next put of the strategy removes those of dead runs, and nothing else', async () => {
    const root = await temporaryFolder();
    const id = '0d5c3a52-7a59-4b8c-9a8e-6f1d2c3b4a50';
    const kept = [`town/.tmp-${id}`, 'town/old-object', 'town/.tmp-of-something-else', `other/.tmp-${id}`];
    const left = `town/sets/dead/.tmp-${id}`;
    await mkdir(join(root, 'town/sets/dead'), { recursive: true });
    await mkdir(join(root, 'other'));
    const twoDaysAgo = new Date(Date.now() - 2 * 24 * 3600 * 1000);
    for (const file of [...kept, left]) {
      await writeFile(join(root, file), file);
      if (file !== kept[0]) await utimes(join(root, file), twoDaysAgo, twoDaysAgo);
    }
    const store = directoryStore(root);
    expect(await listed(store, '')).toEqual([{ name: 'town/old-object', size: 15 }]);
    expect(await everything(root)).toContain(left);
    await put(store, 'town/new', 'x');
    const folders = ['other', 'town', 'town/sets', 'town/sets/dead'];
    expect(await everything(root)).toEqual([...folders, ...kept, 'town/new'].sort());
  });

  test('stat reads every byte: a file changed in place, size and times kept, has another digest', async () => {
    const root = await temporaryFolder();
    const store = directoryStore(root);
    const body = randomBytes(2_500_000);
    await put(store, 'town/vol', body);
    const before = await stat(join(root, 'town/vol'));
    body[2_400_000] = (body[2_400_000] ?? 0) ^ 1;
    await writeFile(join(root, 'town/vol'), body);
    await utimes(join(root, 'town/vol'), before.atime, before.mtime);
    expect(await store.stat('town/vol')).toEqual(statOf(store, body));
  });

  test('a truncated object is seen with its new size', async () => {
    const root = await temporaryFolder();
    const store = directoryStore(root);
    await put(store, 'town/vol', '0123456789');
    await truncate(join(root, 'town/vol'), 4);
    expect(await store.stat('town/vol')).toMatchObject({ size: 4 });
    expect(await listed(store, '')).toEqual([{ name: 'town/vol', size: 4 }]);
  });
});

describe('what is no object', () => {
  test('links are neither listed nor followed, as files or as folders, and are named', async () => {
    const [root, outside] = [await temporaryFolder(), await temporaryFolder()];
    await writeFile(join(outside, 'secret'), 'secret');
    await mkdir(join(root, 'town'));
    await symlink(join(outside, 'secret'), join(root, 'town/file'));
    await symlink(join(root, 'nowhere'), join(root, 'town/dangling'));
    await symlink(outside, join(root, 'town/folder'));
    const store = directoryStore(root);
    expect(await listed(store, '')).toEqual([]);
    for (const name of ['town/file', 'town/dangling', 'town/folder/secret', 'town/folder']) {
      const error = { code: 'damage', object: name, message: expect.stringContaining('symbolic link') };
      await expect(store.get(name, 100)).rejects.toMatchObject(error);
      await expect(store.stat(name)).rejects.toMatchObject(error);
    }
    await expect(listed(store, 'town/folder/')).rejects.toMatchObject({ code: 'damage' });
    await expect(put(store, 'town/folder/new', 'x')).rejects.toMatchObject({ code: 'damage' });
    await expect(store.remove(['town/folder/secret'])).rejects.toMatchObject({ code: 'damage' });
    expect(await readdir(outside)).toEqual(['secret']);
  });

  test('a put replaces a link, not what the link stands for', async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, 'other'), 'other');
    await symlink(join(root, 'other'), join(root, 'a'));
    await put(directoryStore(root), 'a', 'object');
    expect(await readFile(join(root, 'a'), 'utf8')).toBe('object');
    expect(await readFile(join(root, 'other'), 'utf8')).toBe('other');
  });

  test('a put replaces the name, not the bytes that another name shares', async () => {
    const root = await temporaryFolder();
    const store = directoryStore(root);
    await put(store, 'a', 'first');
    await link(join(root, 'a'), join(root, 'kept'));
    await put(store, 'a', 'second');
    expect(await readFile(join(root, 'kept'), 'utf8')).toBe('first');
  });

  test('a FIFO, a socket and a folder at the name of an object are damage, and nothing waits for them', async () => {
    const root = await temporaryFolder();
    execFileSync('mkfifo', [join(root, 'fifo')]);
    await mkdir(join(root, 'folder'));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    const store = directoryStore(root);
    for (const name of ['fifo', 'socket', 'folder']) {
      const error = { code: 'damage', object: name, message: expect.stringContaining('not a regular file') };
      await expect(store.get(name, 100)).rejects.toMatchObject(error);
      await expect(store.stat(name)).rejects.toMatchObject(error);
    }
    expect(await listed(store, '')).toEqual([]);
    await new Promise((resolve) => server.close(resolve));
  });

  test('files whose names no object can have are not listed', async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, 'object'), 'x');
    await writeFile(join(root, 'new\nline'), 'x');
    await writeFile(Buffer.concat([Buffer.from(`${root}/broken-`), Buffer.from([0xff, 0xfe])]), 'x');
    expect(await listed(directoryStore(root), '')).toEqual([{ name: 'object', size: 1 }]);
  });
});

describe('a root that cannot be used', () => {
  test('an absent root is refused by every operation, says to mount it, or create it if it is to be a new store, and is not made', async () => {
    const root = join(await temporaryFolder(), 'not', 'mounted');
    const store = directoryStore(root, 'web01');
    const error = {
      code: 'store-absent',
      message: expect.stringMatching(`${root}.*mount it, or create it if it is to be a new store`),
    };
    await expect(store.check()).rejects.toMatchObject(error);
    await expect(put(store, 'a', 'x')).rejects.toMatchObject(error);
    await expect(store.get('a', 1)).rejects.toMatchObject(error);
    await expect(store.stat('a')).rejects.toMatchObject(error);
    await expect(listed(store, '')).rejects.toMatchObject(error);
    await expect(store.remove(['a'])).rejects.toMatchObject(error);
    await expect(stat(root)).rejects.toThrow('ENOENT');
  });

  test('a root that is a file is no store', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(directoryStore(file).check()).rejects.toMatchObject({ code: 'store-absent' });
  });

  test('a folder on the way that is replaced while much is read is what it is then', async () => {
    const root = await temporaryFolder();
    const store = directoryStore(root);
    await put(store, 'town/sets/1/a', 'x');
    expect(await store.get('town/sets/1/a', 1)).toHaveLength(1);
    await rename(join(root, 'town/sets/1'), join(root, 'town/elsewhere'));
    expect(await store.get('town/sets/1/a', 1)).toBeUndefined();
    await writeFile(join(root, 'town/sets/1'), '');
    expect(await store.get('town/sets/1/a', 1)).toBeUndefined();
    await rm(join(root, 'town/sets/1'));
    await symlink('1', join(root, 'town/sets/1'));
    await expect(store.get('town/sets/1/a', 1)).rejects.toMatchObject({
      code: 'damage',
      message: expect.stringContaining(`${join(root, 'town/sets/1')} is a symbolic link`),
    });
  });

  test('a root that vanishes later is noticed, also where an empty folder stands in its place', async () => {
    const root = join(await temporaryFolder(), 'mount');
    await mkdir(root);
    const store = directoryStore(root);
    await put(store, 'town/a', 'x');
    expect(await store.get('town/a', 1)).toHaveLength(1);
    expect(await store.get('town/none', 1)).toBeUndefined();
    await rename(root, `${root}-away`);
    for (const name of ['town/a', 'town/none', 'town/sets/1/a', 'village/a', 'a'])
      await expect(store.get(name, 1), name).rejects.toMatchObject({ code: 'store-absent' });
    await expect(store.stat('town/keys/a')).rejects.toMatchObject({ code: 'store-absent' });
    await expect(store.get('town/a', 1)).rejects.toMatchObject({ code: 'store-absent' });
    await expect(put(store, 'town/b', 'x')).rejects.toMatchObject({ code: 'store-absent' });
    await mkdir(root);
    await expect(put(store, 'town/b', 'x')).rejects.toMatchObject({ code: 'store-absent' });
    await expect(store.get('town/a', 1)).rejects.toMatchObject({ code: 'store-absent' });
    await expect(listed(store, '')).rejects.toMatchObject({ code: 'store-absent' });
    expect(await readdir(root)).toEqual([]);
    await rm(root, { recursive: true });
    await rename(`${root}-away`, root);
    await put(store, 'town/b', 'x');
    expect(await listed(store, '')).toHaveLength(2);
  });
});

/** Puts `size` bytes into the store at argv[1] and prints what came of it, and what the folder then holds. */
const PUT = `
  import { createHash } from 'node:crypto';
  import { readdirSync } from 'node:fs';
  import { directoryStore } from ${JSON.stringify(project('src/store/directory.ts'))};
  const [, root, size] = process.argv;
  const body = Buffer.alloc(Number(size), 1);
  const md5 = createHash('md5').update(body).digest('hex');
  const result = await directoryStore(root).put('town/vol', [body], { md5 }).then(
    () => ({ code: 'stored' }),
    ({ code, message, object }) => ({ code, message, object }),
  );
  console.log(JSON.stringify({ ...result, files: readdirSync(root, { recursive: true }).sort() }));
`;

/** Runs a shell script in mount and user namespaces of its own; `"$@"` in it runs PUT. Nothing of it is left. */
async function putWithMounts(script: string, root: string, size: number): Promise<Record<string, unknown>> {
  const command = scriptCommand(PUT, [root, String(size)]);
  const shell = ['sh', '-euc', script, root, ...command];
  const ended = await run(['unshare', '--map-root-user', '--mount', ...shell]);
  expect(ended.stderr).toBe('');
  return JSON.parse(ended.stdout) as Record<string, unknown>;
}

describe('a disk that refuses', () => {
  test('a full disk is said, with store and object, and the temporary file is removed', async () => {
    const root = await temporaryFolder();
    const result = await putWithMounts('mount -t tmpfs -o size=1m tmpfs "$0"; "$@"', root, 2_000_000);
    expect(result).toMatchObject({ code: 'no-space', object: 'town/vol', files: ['town'] });
    expect(result.message).toContain(root);
    expect(result.message).toMatch(/town\/vol cannot be stored: no room left/);
  });

  test('a disk mounted read-only is said, with what to do', async () => {
    const root = await temporaryFolder();
    const result = await putWithMounts('mount -t tmpfs -o ro tmpfs "$0"; "$@"', root, 10);
    expect(result).toMatchObject({ code: 'store', object: 'town/vol', files: [] });
    expect(result.message).toContain('mounted read-only; mount it for writing');
  });

  test('a folder without write permission is said, with what to do', async () => {
    const root = await temporaryFolder();
    await chmod(root, 0o500);
    // Root writes everywhere unless it goes without this capability.
    const weaken = 'setpriv --bounding-set -dac_override --inh-caps -dac_override "$@"';
    const result = await putWithMounts(weaken, root, 10);
    expect(result).toMatchObject({ code: 'store', object: 'town/vol', files: [] });
    expect(result.message).toMatch(/permission denied; give this user rights/);
  });
});

test('listing takes no memory for the content of other folders', async () => {
  const root = await temporaryFolder();
  const store = directoryStore(root);
  for (const set of ['1', '2', '3']) await put(store, `town/sets/${set}/vol`, set);
  const objects = store.list('town/')[Symbol.asyncIterator]();
  expect((await objects.next()).value).toEqual({ name: 'town/sets/1/vol', size: 1 });
  await put(store, 'town/sets/2/vol-2', 'later');
  const rest: string[] = [];
  for (let next = await objects.next(); !next.done; next = await objects.next()) rest.push(next.value.name);
  expect(rest).toEqual(['town/sets/2/vol', 'town/sets/2/vol-2', 'town/sets/3/vol']);
});
