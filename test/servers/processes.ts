/**
 * Processes of the servers that tests run: started with a log of their own, awaited until they listen, stopped by their ids. None of
 * them outlives the process that started it, even if that is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { whoListens } from './ports.ts';

/** Far more than any start takes, even on a busy machine. */
const START_MS = 100_000;
/** How long a server has to end by itself. */
const END_MS = 5_000;
/** How much of a log an error shows, in characters. */
const SHOWN = 4_000;

/** A server did not come up. `clash`: because another process has its port. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted';
  readonly clash: boolean;

  constructor(message: string, clash = false) {
    super(message);
    this.clash = clash;
  }
}

export interface ProcessOptions {
  command: readonly [string, ...string[]];
  /** Everything of the environment that it gets, besides PATH and LANG. */
  env?: Readonly<Record<string, string>>;
  /** The file that its output is appended to. */
  log: string;
  /** Given to its standard input. */
  input?: string;
}

export interface ServerProcess {
  readonly pid: number;
  /** Ends it, and returns when it has ended. */
  stop(): Promise<void>;
}

/** Starts a server that listens on `port` in its first process, and returns when it does. */
export async function startProcess(options: ProcessOptions & { port: number }): Promise<ServerProcess> {
  const { port, log } = options;
  const name = options.command[0];
  const child = begin(options);
  const pid = child.pid ?? 0;
  const stop = () => end(child);
  const deadline = Date.now() + START_MS;
  while (!hasEnded(child)) {
    const who = whoListens(port, pid);
    if (who === 'pid') return { pid, stop };
    if (who === 'else') {
      await stop();
      throw new NotStarted(`${name}: another process listens on its port ${port}`, true);
    }
    if (Date.now() > deadline) {
      await stop();
      throw new NotStarted(`${name} does not listen after ${START_MS / 1000} s:\n${tail(log)}`);
    }
    await sleep(50);
  }
  throw new NotStarted(`${name} ended while it started:\n${tail(log)}`, whoListens(port, pid) === 'else');
}

/** Runs a command to its end. */
export async function runCommand(options: ProcessOptions): Promise<void> {
  const child = begin(options);
  if (!hasEnded(child)) await once(child, 'exit');
  if (child.exitCode !== 0) {
    const [name, ...args] = options.command;
    throw new NotStarted(`${[name, ...args].join(' ')} failed:\n${tail(options.log)}`);
  }
}

/**
 * Starts it in a process group of its own, so that Ctrl-C reaches only who started it. `setpriv` has the kernel kill it when that one
 * dies. It becomes the command, so the id stays; nothing here may change its user afterwards, which would undo the arrangement (prctl(2)).
 */
function begin({ command, env, log, input }: ProcessOptions): ChildProcess {
  const output = openSync(log, 'a', 0o600);
  try {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', output, output],
      detached: true,
    });
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    return child;
  } finally {
    closeSync(output);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(timer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function tail(log: string): string {
  const text = readFileSync(log, 'utf8');
  return text.length > SHOWN ? `… ${text.slice(-SHOWN)}` : text;
}
