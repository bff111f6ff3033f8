/** Extended attributes, ACLs and capabilities in what compares points and in archives: diff, find, restore --tar, by the built program. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { compareTrees, makeTree, shell } from './faithful-tree.ts';
import { jsonLines, Machine } from './program.ts';

const ROOT = process.geteuid?.() === 0;
/** Runs the program where the native part cannot be loaded. */
const WITHOUT_KOFFI = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`import { Module } from 'node:module';
const load = Module._load;
Module._load = (name, ...rest) => { if (name === 'koffi') throw new Error('none here'); return load(name, ...rest); };`)}`,
};

let machine: Machine;

/** Three points: with an attribute, with another value and an ACL, and the same again. */
beforeAll(async () => {
  machine = await Machine.make({}, await makeFolder());
  mkdirSync(machine.at('folder'));
  for (const name of ['file', 'folder/in', 'other']) machine.write(name, name);
  shell(machine.source, 'setfattr -n user.a -v 1 file; setfattr -n user.a -v 1 folder; ln -s file link');
  await machine.backup();
  shell(machine.source, 'setfattr -n user.a -v 2 file; setfacl -d -m u:1:rx folder; setfacl -m u:1:r other');
  await machine.backup();
  await machine.backup();
});

const run = (...args: string[]) =>
  machine.run(args[0] as string, '--secret-key', machine.secretKey, ...args.slice(1));
const lines = (out: string) => out.replaceAll(machine.source, '').split('\n').slice(0, -1);

describe('diff', () => {
  test('says where attributes and ACLs differ between points, and that they are metadata', async () => {
    const { code, stdout } = await run('diff', '1', '2');
    expect(code).toBe(0);
    expect(lines(stdout)).toEqual(['m /file  (xattrs)', 'm /folder  (xattrs)', 'm /other  (xattrs)']);
    expect(await run('diff', '2', '3')).toMatchObject({ code: 0, stdout: '' });
    const [line] = jsonLines((await run('diff', '--json', '2', '1', machine.at('file'))).stdout);
    expect(line).toMatchObject({ change: 'metadata', fields: ['xattrs'] });
  });

  test('says where those of the machine differ from a point, with --checksum too', async () => {
    for (const more of [[], ['--checksum']]) {
      expect(await run('diff', 'latest', ...more)).toMatchObject({ code: 0, stdout: '' });
      const old = await run('diff', '1', ...more);
      expect(lines(old.stdout)).toEqual(['m /file  (xattrs)', 'm /folder  (xattrs)', 'm /other  (xattrs)']);
    }
  });

  test('leaves them out and says so once, with 3, where this machine cannot read them', async () => {
    const args = ['diff', '--secret-key', machine.secretKey, '1'];
    const { code, stdout, stderr } = await machine.runAs({ env: WITHOUT_KOFFI }, ...args);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr.match(/extended attributes and ACLs are not compared: .*koffi/g)).toHaveLength(1);
    // What two points have needs nothing of this machine.
    const between = await machine.runAs({ env: WITHOUT_KOFFI }, ...args, '2');
    expect(between.code).toBe(0);
    expect(lines(between.stdout)).toHaveLength(3);
  });
});

test('find takes what differs in attributes alone for another version', async () => {
  const { stdout } = await run('find', machine.at('file'));
  expect(lines(stdout).map((line) => line.slice(0, 4).trim())).toEqual(['1', '2-3']);
});

describe('restore --tar', () => {
  test('gives GNU tar all attributes, ACLs and capabilities, and all names of links and special files', async () => {
    const other = await Machine.make();
    const tree = other.at('tree');
    makeTree(tree, ROOT);
    // tar cannot carry it, and makes of holes what it likes.
    shell(tree, 'rm special/socket; rm -r sparse; touch -d "2020-02-02 02:02:02.5" special .');
    shell(
      tree,
      "setfattr -n 'user.100% = x' -v 'a=b' attrs/file; touch -d '2020-02-02 02:02:02.5' attrs/file",
    );
    await other.backup();
    const tar = join(other.folder, 'a.tar');
    const child = other.start(['restore', '--tar', '--secret-key', other.secretKey]);
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    writeFileSync(tar, Buffer.concat(pieces));
    const to = await temporaryFolder();
    execFileSync('tar', ['-C', to, '--xattrs', '--xattrs-include=*', '-xpf', tar], { stdio: 'pipe' });
    expect(compareTrees(tree, `${to}${tree}`)).toEqual([]);
  });

  // A disk gives an entry one block of attributes; a tmpfs gives root many, which are more than one line of a manifest.
  test.runIf(ROOT)(
    'carries more attributes than a line of a manifest holds, and diff sees the last',
    async () => {
      const mount = await temporaryFolder();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', mount]);
      onTestFinished(() => void execFileSync('umount', [mount]));
      const many = (last: string) =>
        execFileSync('python3', [
          '-c',
          `import os
for i in range(20): os.setxattr('${mount}/file', 'trusted.%02d' % i, bytes([i]) * 40000)
os.setxattr('${mount}/file', 'trusted.99', b'${last}')`,
        ]);
      writeFileSync(join(mount, 'file'), 'content');
      many('one');
      const other = await Machine.make({ paths: [mount] });
      await other.backup();
      const child = other.start(['restore', '--tar', '--secret-key', other.secretKey]);
      const pieces: Buffer[] = [];
      child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
      expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
      const out = await temporaryFolder();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', out]);
      onTestFinished(() => void execFileSync('umount', [out]));
      execFileSync('tar', ['-C', out, '--xattrs', '--xattrs-include=*', '-xp'], {
        input: Buffer.concat(pieces),
      });
      const attributes = (file: string) =>
        shell('/', `getfattr --absolute-names -h -d -m - -e hex '${file}' | tail -n +2`);
      expect(attributes(`${out}${mount}/file`)).toBe(attributes(join(mount, 'file')));
      many('two');
      const { stdout } = await other.run('diff', '--secret-key', other.secretKey, 'latest');
      expect(stdout).toBe(`m ${mount}/file  (xattrs)\n`);
    },
  );
});
