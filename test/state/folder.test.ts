import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStateFolder, removeTemporary, writeDurably } from '../../src/state/folder.ts';
import { project, run, scriptCommand } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const uid = process.geteuid?.() ?? 0;

async function mode(path: string): Promise<number> {
  return (await stat(path)).mode & 0o7777;
}

describe('the state folder', () => {
  test('is made for its owner alone, with the folders above it, and opened again as it is', async () => {
    const state = join(await temporaryFolder(), 'state/holdfast');
    const folder = await openStateFolder(state, 'townhall-web', uid);
    expect(folder).toBe(join(state, 'townhall-web'));
    expect([await mode(state), await mode(folder)]).toEqual([0o700, 0o700]);
    await writeFile(join(folder, 'index'), 'kept');
    expect(await openStateFolder(state, 'townhall-web', uid)).toBe(folder);
    expect(await readFile(join(folder, 'index'), 'utf8')).toBe('kept');
  });

  test('is closed to readers where it was open to them', async () => {
    const state = await temporaryFolder();
    await mkdir(join(state, 'town'), { mode: 0o755 });
    expect(await mode(await openStateFolder(state, 'town', uid))).toBe(0o700);
  });

  test.each([0o770, 0o707, 0o1777])('is refused where others may write in it (%o)', async (bits) => {
    const state = await temporaryFolder();
    await mkdir(join(state, 'town'));
    await chmod(join(state, 'town'), bits);
    await expect(openStateFolder(state, 'town', uid)).rejects.toMatchObject({
      code: 'state',
      path: join(state, 'town'),
      message: expect.stringContaining('can be written by other users'),
    });
    expect(await mode(join(state, 'town'))).toBe(bits);
  });

  test('is refused where all may rename it, but not below a sticky folder such as /tmp', async () => {
    const state = await temporaryFolder();
    await chmod(state, 0o777);
    await expect(openStateFolder(state, 'town', uid)).rejects.toMatchObject({ code: 'state', path: state });
    expect(await readdir(state)).toEqual([]);
    await chmod(state, 0o1777);
    expect(await openStateFolder(state, 'town', uid)).toBe(join(state, 'town'));
  });

  test('is refused where it belongs to another user', async () => {
    const state = await temporaryFolder();
    await openStateFolder(state, 'town', uid);
    const other = openStateFolder(state, 'town', uid + 1);
    await expect(other).rejects.toMatchObject({ code: 'state' });
    await expect(other).rejects.toThrow(new RegExp(`belongs to user ${uid}, not to user ${uid + 1}`));
  });

  test('is refused where it is a file or a link', async () => {
    const state = await temporaryFolder();
    await writeFile(join(state, 'file'), '');
    await mkdir(join(state, 'real'), { mode: 0o700 });
    await symlink(join(state, 'real'), join(state, 'link'));
    for (const name of ['file', 'link']) {
      await expect(openStateFolder(state, name, uid)).rejects.toMatchObject({
        code: 'state',
        message: expect.stringContaining('is not a folder'),
      });
    }
    await expect(openStateFolder(join(state, 'file'), 'town', uid)).rejects.toMatchObject({ code: 'state' });
  });

  test.each(['', '.', '..', 'a/b', 'a\0b'])('has one folder a strategy: %j is a defect', async (name) => {
    const state = await temporaryFolder();
    await expect(openStateFolder(state, name, uid)).rejects.toThrow('BUG');
    expect(await readdir(state)).toEqual([]);
  });
});

describe('a durable write', () => {
  test('gives the file its bytes and its mode, whatever the umask, and leaves nothing else', async () => {
    const folder = await temporaryFolder();
    const before = process.umask(0o077);
    await writeDurably(join(folder, 'public'), Buffer.from('public'), 0o644).finally(() =>
      process.umask(before),
    );
    await writeDurably(join(folder, 'private'), Buffer.alloc(3_000_000, 7), 0o600);
    expect(await readFile(join(folder, 'public'), 'utf8')).toBe('public');
    expect((await readFile(join(folder, 'private'))).equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    expect([await mode(join(folder, 'public')), await mode(join(folder, 'private'))]).toEqual([0o644, 0o600]);
    expect((await readdir(folder)).sort()).toEqual(['private', 'public']);
  });

  test('replaces the old content at once: a reader that looks all the time sees one or the other', async () => {
    const file = join(await temporaryFolder(), 'index');
    const [old, young] = [Buffer.alloc(500_000, 'o'), Buffer.alloc(700_000, 'y')];
    await writeDurably(file, old, 0o600);
    let writing = true;
    const seen = new Set<string>();
    const reader = (async () => {
      while (writing) {
        const bytes = await readFile(file);
        seen.add(bytes.equals(old) ? 'old' : bytes.equals(young) ? 'young' : `a mixture of ${bytes.length}`);
      }
    })();
    for (let i = 0; i < 20; i++) await writeDurably(file, i % 2 ? old : young, 0o600);
    writing = false;
    await reader;
    expect([...seen].sort()).toEqual(['old', 'young']);
  });

  test('fails by name where the folder is not there', async () => {
    const file = join(await temporaryFolder(), 'absent/index');
    await expect(writeDurably(file, Buffer.alloc(1), 0o600)).rejects.toMatchObject({
      code: 'state',
      path: file,
    });
  });

  test('on a full disk says so, keeps the old content and leaves nothing else', async () => {
    const folder = await temporaryFolder();
    const code = `
      import { readdirSync, readFileSync } from 'node:fs';
      import { writeDurably } from ${JSON.stringify(project('src/state/folder.ts'))};
      const [, folder] = process.argv;
      await writeDurably(folder + '/index', Buffer.from('old'), 0o600);
      const result = await writeDurably(folder + '/index', Buffer.alloc(2_000_000), 0o600).then(
        () => ({ code: 'written' }),
        ({ code, message, path }) => ({ code, message, path }),
      );
      const files = readdirSync(folder);
      console.log(JSON.stringify({ ...result, files, content: readFileSync(folder + '/index', 'utf8') }));
    `;
    const mounted = ['sh', '-euc', 'mount -t tmpfs -o size=1m tmpfs "$0"; "$@"', folder];
    const unshared = ['unshare', '--map-root-user', '--mount', ...mounted, ...scriptCommand(code, [folder])];
    const { stdout, stderr } = await run(unshared);
    expect(stderr).toBe('');
    const file = join(folder, 'index');
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'no-space',
      path: file,
      files: ['index'],
      content: 'old',
    });
  });

  test('what a killed one left behind is cleaned up, and nothing else is', async () => {
    const folder = await temporaryFolder();
    const code = `
      import { writeDurably } from ${JSON.stringify(project('src/state/folder.ts'))};
      const [, folder] = process.argv;
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 30 + Math.random() * 20);
      for (;;) await writeDurably(folder + '/index', Buffer.alloc(20_000_000), 0o600);
    `;
    for (let i = 0; i < 40 && !(await readdir(folder)).some((name) => name.startsWith('.')); i++) {
      expect((await run(scriptCommand(code, [folder]))).signal).toBe('SIGKILL');
    }
    expect((await readdir(folder)).some((name) => name.startsWith('.index.tmp-'))).toBe(true);
    for (const name of ['index', 'lock', '.hidden', 'index.tmp-1'])
      await writeFile(join(folder, name), 'kept');
    await removeTemporary(folder);
    expect((await readdir(folder)).sort()).toEqual(['.hidden', 'index', 'index.tmp-1', 'lock']);
  });
});
