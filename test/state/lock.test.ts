import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { acquireLock } from '../../src/state/lock.ts';
import { project, run, STRIP_TYPES, scriptCommand } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const ME = { command: 'verify', pid: process.pid, started: new Date('2026-11-22T04:19:07.512Z') };

/** Takes the lock argv[1] as argv[2], says how that went, and keeps it until its standard input ends. */
const TAKE = `
  import { acquireLock } from ${JSON.stringify(project('src/state/lock.ts'))};
  import { spawn } from 'node:child_process';
  const [, file, command, withChild] = process.argv;
  const holder = { command, pid: process.pid, started: new Date() };
  const result = await acquireLock(file, holder).then(
    () => ({ code: 'held' }),
    ({ code, message, path }) => ({ code, message, path }),
  );
  if (withChild) {
    const child = spawn('sleep', ['30'], { stdio: 'ignore' });
    result.child = child.pid;
    child.unref();
  }
  console.log(JSON.stringify(result));
  process.stdin.resume();
`;

interface Attempt {
  process: ChildProcess;
  pid: number;
  /** `held`, or the code of the error. */
  code: string;
  message?: string;
  child?: number;
}

/** Starts a process that tries to take the lock, and waits for what it says. */
async function attempt(file: string, command = 'backup', withChild = ''): Promise<Attempt> {
  const [node, ...args] = scriptCommand(TAKE, [file, command, withChild]);
  const child = spawn(node, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { process: child, pid: child.pid ?? 0, ...(JSON.parse(line) as { code: string }) };
}

async function kill9({ process: child }: Attempt): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function lockFile(): Promise<string> {
  return join(await temporaryFolder(), 'lock');
}

test('the second of two processes is told who runs, and gets the lock when the first has ended', async () => {
  const file = await lockFile();
  const first = await attempt(file, 'backup');
  expect(first.code).toBe('held');
  const second = await attempt(file, 'verify');
  expect(second).toMatchObject({ code: 'locked', path: file });
  expect(second.message).toMatch(
    new RegExp(
      `^another run of this strategy is running: backup, pid ${first.pid}, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC; wait for it or end it$`,
    ),
  );
  first.process.stdin?.end();
  await once(first.process, 'exit');
  expect((await attempt(file)).code).toBe('held');
});

test('kill -9 lets the next run in, though the description of the dead one is still there', async () => {
  const file = await lockFile();
  const first = await attempt(file, 'backup');
  await kill9(first);
  expect(await readFile(file, 'utf8')).toContain(`"pid":${first.pid}`);
  const second = await attempt(file, 'restore');
  expect(second.code).toBe('held');
  expect(await readFile(file, 'utf8')).toMatch(
    new RegExp(`^{"command":"restore","pid":${second.pid},.*}\n$`),
  );
});

test('a child process does not inherit the lock: kill -9 of the parent alone lets the next run in', async () => {
  const file = await lockFile();
  const first = await attempt(file, 'backup', 'with child');
  const child = first.child ?? 0;
  onTestFinished(() => void process.kill(child, 'SIGKILL'));
  const open = await Promise.all(
    (await readdir(`/proc/${child}/fd`)).map((fd) => readlink(`/proc/${child}/fd/${fd}`).catch(() => '')),
  );
  expect(open).not.toContain(file);
  expect((await attempt(file)).code).toBe('locked');
  await kill9(first);
  expect((await attempt(file)).code).toBe('held');
  process.kill(child, 0);
});

test('of eight processes that start together exactly one gets the lock, time after time', async () => {
  const file = await lockFile();
  for (let round = 0; round < 3; round++) {
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => attempt(file, `run ${i}`)));
    const codes = all.map(({ code }) => code).sort();
    expect(codes).toEqual(['held', ...Array<string>(7).fill('locked')]);
    const holder = all.find(({ code }) => code === 'held');
    for (const other of all) {
      if (other !== holder) expect(other.message).toContain(`pid ${holder?.pid},`);
    }
    await Promise.all(all.map(kill9));
  }
});

test('a release lets the next in, and once is enough', async () => {
  const file = await lockFile();
  const lock = await acquireLock(file, ME);
  await expect(acquireLock(file, ME)).rejects.toMatchObject({ code: 'locked' });
  await lock.release();
  const next = await acquireLock(file, ME);
  await lock.release();
  await expect(acquireLock(file, ME)).rejects.toMatchObject({ code: 'locked' });
  await next.release();
  expect(await readFile(file, 'utf8')).toBe('');
});

test('worker threads of the holder are kept out like other processes, and do not undo its lock by trying', async () => {
  const file = await lockFile();
  const lock = await acquireLock(file, ME);
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { acquireLock } from ${JSON.stringify(pathToFileURL(project('src/state/lock.ts')))};
    const holder = { command: 'worker', pid: process.pid, started: new Date() };
    const answer = await acquireLock(workerData, holder).then(() => 'held', (error) => error.code);
    parentPort.postMessage(answer);
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const worker = new Worker(url, { workerData: file, execArgv: [...STRIP_TYPES] });
  onTestFinished(async () => void (await worker.terminate()));
  const [answer] = (await once(worker, 'message')) as [string];
  expect(answer).toBe('locked');
  await worker.terminate();
  // Locks of processes, unlike those of open files, would be gone now: the worker has opened and closed the file.
  expect((await attempt(file)).code).toBe('locked');
  await lock.release();
  expect((await attempt(file)).code).toBe('held');
});

test('the file is for its owner alone, also where it was left open to others', async () => {
  const file = await lockFile();
  await (await acquireLock(file, ME)).release();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await chmod(file, 0o666);
  await (await acquireLock(file, ME)).release();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test.each([
  ['nothing', ''],
  ['noise', '\0\xff{"pid":'],
  ['more than a description', 'x'.repeat(100_000)],
  ['a description of another form', '{"pid":"1","command":"backup"}'],
])('a file that holds %s is taken all the same, and described anew', async (_, content) => {
  const file = await lockFile();
  await writeFile(file, content, 'latin1');
  const lock = await acquireLock(file, ME);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
    command: 'verify',
    pid: process.pid,
    started: '2026-11-22T04:19:07.512Z',
    host: hostname(),
  });
  await lock.release();
});

test.each([
  ['unreadable', 'noise'],
  ['forged to break the line', '{"command":"a\\nb","pid":1,"started":"2026-11-22T04:19:07Z","host":"h"}'],
  [
    'of a process that is dead',
    `{"command":"backup","pid":4194303,"started":"2026-11-22T04:19:07Z","host":"${hostname()}"}`,
  ],
])('a lock that is held under a description that is %s is said without it', async (_, content) => {
  const file = await lockFile();
  const lock = await acquireLock(file, ME);
  await writeFile(file, content);
  const second = acquireLock(file, ME);
  await expect(second).rejects.toMatchObject({
    code: 'locked',
    message: `another run of this strategy is running (it holds ${file}); wait for it or end it`,
  });
  await lock.release();
});

test('a holder on another host is named with its host', async () => {
  const file = await lockFile();
  const lock = await acquireLock(file, ME);
  await writeFile(file, '{"command":"backup","pid":1,"started":"2026-11-22T04:19:07Z","host":"web02"}');
  await expect(acquireLock(file, ME)).rejects.toThrow(
    'backup, pid 1 on web02, since 2026-11-22 04:19:07 UTC;',
  );
  await lock.release();
});

test('a link at the name of the lock is refused, and what it stands for is untouched', async () => {
  const file = await lockFile();
  await writeFile(`${file}-other`, 'precious');
  await symlink(`${file}-other`, file);
  await expect(acquireLock(file, ME)).rejects.toMatchObject({ code: 'state', path: file });
  expect(await readFile(`${file}-other`, 'utf8')).toBe('precious');
});

test('where the native part cannot be loaded no lock is pretended: it is said', async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'src/state'), { recursive: true });
  await mkdir(join(folder, 'node_modules'));
  for (const file of ['package.json', 'src/errors.ts', 'src/durable.ts', 'src/state/lock.ts']) {
    await cp(project(file), join(folder, file));
  }
  await symlink(project('node_modules/zod'), join(folder, 'node_modules/zod'));
  const take = TAKE.replace(project('src/state/lock.ts'), join(folder, 'src/state/lock.ts'));
  const { stdout, code } = await run(scriptCommand(take, [join(folder, 'lock'), 'backup']));
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    code: 'state',
    message: expect.stringContaining('fs-native-extensions does not load here (ERR_MODULE_NOT_FOUND)'),
  });
  await expect(stat(join(folder, 'lock'))).rejects.toThrow('ENOENT');
});
