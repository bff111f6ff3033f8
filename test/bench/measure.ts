/** Runs a command and says what it took: wall and processor time, peak memory of all its processes. One command at a time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { MARK, Members } from './members.ts';

/** How often the processes are looked at: less often later, so that the looking takes nothing from a long command. */
const LOOK_MS = 10;
const LATER_LOOK_MS = 25;
const LATER_MS = 2000;
/** So much of a command's output is kept. */
const KEPT = 64 << 10;
/** Runs what follows, and then writes to descriptor 3 what time(7) its children have taken. */
const TIMED = '"$@" 3>&-; code=$?; times >&3; exit $code';

/** A command line; `env` comes on top of what all commands get. */
export interface Command {
  words: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
}

/** What a command took. */
export interface Measured {
  /** Wall time, in seconds. */
  seconds: number;
  /** User and system time of all processes, in seconds. */
  cpu: number;
  /** Highest sum of the peak resident sizes (VmHWM) of processes that lived at the same time, in bytes. */
  peak: number;
  /** Sum of the peak resident sizes of all processes, whether they lived at the same time or not, in bytes. */
  peakOfAll: number;
  /** The end of what it wrote to standard output and standard error. */
  output: string;
}

/** A command that did not end with 0. */
export class CommandFailed extends Error {}

/** The measuring was stopped. */
export class Interrupted extends Error {}

/** Runs commands in a work folder. */
export class Runner {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  #running: ChildProcess | undefined;
  #stopped = false;

  /** `env` is all of the environment that commands get. */
  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#env = env;
  }

  /** Throws CommandFailed with the end of the output, or Interrupted. */
  async run(command: Command): Promise<Measured> {
    await this.pause();
    const mark = randomUUID();
    const log = openSync(join(this.#folder, 'output'), 'w+', 0o600);
    try {
      const started = performance.now();
      const child = spawn('/bin/sh', ['-c', TIMED, 'sh', ...command.words], {
        cwd: command.cwd ?? this.#folder,
        env: { ...this.#env, ...command.env, [MARK]: mark },
        stdio: ['ignore', log, log, 'pipe'],
        detached: true,
      });
      this.#running = child;
      const ended = once(child, 'exit');
      const times = text(child.stdio[3] as Readable);
      const members = new Members(child.pid ?? 0, mark);
      let timer = setInterval(() => members.look(), LOOK_MS);
      const later = setTimeout(() => {
        clearInterval(timer);
        timer = setInterval(() => members.look(), LATER_LOOK_MS);
      }, LATER_MS);
      const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
      const seconds = (performance.now() - started) / 1000;
      clearTimeout(later);
      clearInterval(timer);
      this.#running = undefined;
      const cpu = (await members.endLeftovers()) + childrensTime(await times);
      const output = endOf(log);
      if (this.#stopped) throw new Interrupted('interrupted');
      if (code !== 0) {
        throw new CommandFailed(
          `${command.words.join(' ')} ended with ${code ?? signal}: ${output.trim().slice(-2000)}`,
        );
      }
      return { seconds, cpu, peak: members.peak, peakOfAll: members.ofAll, output };
    } finally {
      closeSync(log);
    }
  }

  /** Lets signals in where work goes on for long outside of commands; throws Interrupted. */
  async pause(): Promise<void> {
    await setImmediate();
    if (this.#stopped) throw new Interrupted('interrupted');
  }

  /** Ends the command that runs, with all of its group, and lets no other begin. */
  stop(): void {
    this.#stopped = true;
    const pid = this.#running?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
  }
}

/** The second line of `times` in a POSIX shell, in seconds; 0 where the shell was killed before it wrote. */
function childrensTime(written: string): number {
  const [, line = ''] = written.split('\n');
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, m, s]) => sum + Number(m) * 60 + Number(s),
    0,
  );
}

function endOf(log: number): string {
  const { size } = fstatSync(log);
  const kept = Buffer.alloc(Math.min(size, KEPT));
  readSync(log, kept, 0, kept.length, size - kept.length);
  return kept.toString('utf8');
}
