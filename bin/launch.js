// What holdfast.js is to a Node that is called with it. Plain JavaScript that Node 18 understands: it runs the program in dist/ if this Node is new
// enough, and hands over to a newer one otherwise. What the newer one does about its parent is in src/cli/parent.ts.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const self = join(dirname(realpathSync(fileURLToPath(import.meta.url))), 'holdfast.js');
const root = dirname(dirname(self));
const main = join(root, 'dist', 'main.js');
/** Number of the descriptor by which the program notices that this process is gone, see src/cli/parent.ts. */
const PARENT_FD = 'HOLDFAST_PARENT_FD';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'];
/** How long the program has to say that a signal reached it too, in milliseconds. */
const GRACE_MS = 300;
/** For how long an answer is taken as one to a forwarded signal, in milliseconds. */
const ANSWER_MS = 2000;

/** Commands whose threads pass large buffers on. */
const HEAVY = ['backup', 'restore', 'verify'];
const MIB = 1024 * 1024;
/**
 * How the GNU C library is to keep memory: without this each thread gets a heap of its own, from which buffers as large as any that was
 * ever freed are taken, and to which they return for good. It reads these when a process starts. Larger buffers than the second says are given back to the
 * system when they are freed: those of 4 MiB, of which a backup needs one after the other, are kept, for to get them costs a tenth of its time; a restore
 * has several sizes of them, and would need 60 MB more. What is trimmed must be much: a threshold of 2 MiB cost a backup of small files
 * 7 of 21 s of processor time. Large buffers are to have huge pages, where the system gives them to those who ask: on a virtual machine each page that is
 * new can take 15 microseconds, which was an eighth of the time of a restore. What the user has set besides stays as it is. holdfast.js says the same to the shell.
 */
const HUGE_PAGES = 'glibc.malloc.hugetlb=1';
const THRIFTY = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: `${(commandOf() === 'backup' ? 8 : 2) * MIB}`,
  MALLOC_TRIM_THRESHOLD_: `${64 * MIB}`,
  ...([undefined, HUGE_PAGES].includes(process.env.GLIBC_TUNABLES) ? { GLIBC_TUNABLES: HUGE_PAGES } : {}),
};

/** The command that was asked for. */
function commandOf() {
  return process.argv.slice(2).find((word) => !word.startsWith('-'));
}

/** In MiB: the young generation of the main thread, which hands out work, need not grow to three times 16; that of a restore still less. */
function thriftyFlags() {
  return [`--max-semi-space-size=${commandOf() === 'backup' ? 4 : 1}`];
}

/** From when on garbage is looked for often, in milliseconds: what a program loads at its start is none. */
const SETTLED_MS = 1000;

/**
 * How V8 is to look for garbage, in all threads: when a heap has grown by so many percent. The heaps are small, so that it is soon done; by itself
 * V8 lets them double. It reads this number where it reckons the next time, and nowhere else. Said at the start, it would cost each thread a seventh of
 * its own: under such a flag V8 compiles Node's modules anew. What V8 asks for in more than one place must not be changed while threads run.
 */
function collectOften() {
  setFlagsFromString('--heap-growing-percent=20');
}

/** Whether the command is a heavy one, and the user has not said how memory is to be kept. */
function wantsThrift() {
  return HEAVY.includes(commandOf()) && !Object.keys(process.env).some((name) => name.startsWith('MALLOC_'));
}

/** Starts this process over under other settings; returns where that is not possible, which does no harm. */
function startOver() {
  if (process.platform !== 'linux' || process.execve === undefined || !existsSync(process.execPath)) return;
  // Bytes that are not UTF-8 would be lost: as it is, the program can still find them, see src/cli/raw-arguments.ts.
  if (process.argv.some((text) => text.includes('\ufffd'))) return;
  const args = [process.execPath, ...process.execArgv, ...thriftyFlags(), self, ...process.argv.slice(2)];
  process.execve(process.execPath, args, { ...process.env, ...THRIFTY });
}

/** Built-in zstd came with Node 22.15 and 23.8. */
function isNewEnough(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 8) || (major === 22 && minor >= 15);
}

/** Prints one line and ends. */
function refuse(message) {
  process.stderr.write(`holdfast: ${message}\n`);
  process.exitCode = 2;
}

async function run() {
  if (Object.entries(THRIFTY).every(([name, value]) => process.env[name] === value)) {
    // Commands started from here need not see them.
    for (const name of Object.keys(THRIFTY)) delete process.env[name];
  }
  if (HEAVY.includes(commandOf())) setTimeout(collectOften, SETTLED_MS).unref();
  let program;
  try {
    program = await import(pathToFileURL(main).href);
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    refuse(`${error.message.split('\n')[0]}; run \`npm ci\` in ${root}`);
    return;
  }
  process.exitCode = await program.main(process.argv.slice(2));
}

/** Newer Nodes, nearest first: those that came along as a package, then those on PATH. */
function* newerNodes() {
  const owners = [0, process.getuid?.(), statSync(self).uid];
  for (let folder = root; ; folder = dirname(folder)) {
    const node = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
    // Up there may be folders where anyone can write, such as /tmp.
    if (isPackaged(node) && owners.includes(statSync(node).uid)) yield node;
    if (folder === dirname(folder)) break;
  }
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(folder, 'node');
    if (isAbsolute(folder) && existsSync(node) && realpathSync(node) !== process.execPath) {
      const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8', timeout: 5000 });
      if (isNewEnough(stdout ?? '')) yield node;
    }
  }
}

/** Whether this is a Node that is new enough, by its package: asking it would take longer. */
function isPackaged(node) {
  try {
    const { version } = JSON.parse(readFileSync(join(dirname(dirname(node)), 'package.json'), 'utf8'));
    return existsSync(node) && isNewEnough(version);
  } catch {
    return false;
  }
}

/** Runs the program under another Node to its end; rejects when that one cannot be started. */
function handOver(node) {
  return new Promise((resolve, reject) => {
    const thrift = wantsThrift();
    const child = spawn(node, [...(thrift ? thriftyFlags() : []), self, ...process.argv.slice(2)], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      env: { ...process.env, ...(thrift ? THRIFTY : {}), [PARENT_FD]: '3' },
    });
    child.on('error', (error) => child.pid === undefined && reject(error));
    child.once('exit', (code, signal) => resolve({ code, signal }));
    if (child.pid !== undefined) forwardSignals(child);
  });
}

/**
 * Hands signals on, each once: Ctrl-C in a terminal, `timeout` and systemd signal both processes, `kill` only this
 * one. The program answers on the pipe when a signal has reached it; one that it does not answer (and that
 * has not ended it) is sent on.
 */
function forwardSignals(child) {
  const waiting = new Map();
  const answered = new Map();
  const forwarded = new Map();
  const takeRecent = (times, signal, within) => {
    const recent = Date.now() - (times.get(signal) ?? 0) < within;
    times.delete(signal);
    return recent;
  };
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (waiting.has(signal) || takeRecent(answered, signal, GRACE_MS)) return;
      const send = () => {
        waiting.delete(signal);
        forwarded.set(signal, Date.now());
        child.kill(signal);
      };
      waiting.set(signal, setTimeout(send, GRACE_MS));
    });
  }
  const link = child.stdio[3];
  link.setEncoding('latin1');
  link.on('error', () => {});
  link.on('data', (text) => {
    for (const signal of text.split('\n')) {
      if (signal === '' || takeRecent(forwarded, signal, ANSWER_MS)) continue;
      if (waiting.has(signal)) clearTimeout(waiting.get(signal));
      else answered.set(signal, Date.now());
      waiting.delete(signal);
    }
  });
}

/** Ends as the program has ended, so that whoever started this sees no difference. */
function endAs({ code, signal }) {
  if (signal === null) process.exit(code);
  // Node has other plans for SIGUSR1 and SIGPIPE than to end by them.
  const status = 128 + constants.signals[signal];
  if (signal === 'SIGUSR1' || signal === 'SIGPIPE') process.exit(status);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(status), 500);
}

async function start() {
  if (!existsSync(main)) return refuse(`${main} is not there; run \`npm ci --include=dev\` in ${root}`);
  if (isNewEnough(process.versions.node)) {
    // Handed over, it has the settings already; a variable of the hand-over that leaked in from elsewhere costs but memory.
    if (process.env[PARENT_FD] === undefined && wantsThrift()) startOver();
    return run();
  }
  const failed = [];
  // The variable is there only if this Node was taken for a newer one than it is.
  if (process.env[PARENT_FD] === undefined) {
    for (const node of newerNodes()) {
      try {
        return endAs(await handOver(node));
      } catch (error) {
        // Made for another C library, perhaps; the next one may do.
        failed.push(`${node} does not start (${error.code})`);
      }
    }
  }
  return refuse(
    [
      `needs Node 22.15 or newer, but ${process.execPath} is Node ${process.versions.node}`,
      ...failed,
      `run \`npm ci\` in ${root} (on Linux x64 it brings one along), or install one from https://nodejs.org/`,
    ].join('; '),
  );
}

await start();
