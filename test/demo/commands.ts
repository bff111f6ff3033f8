/** Runs the commands of the demonstration as a person would, and shows each with what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The executable, by its absolute path. */
export const HOLDFAST = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));

/** What a command came to. */
export interface Ran {
  output: string;
  seconds: number;
}

/** A command that did not end as it should have. */
export class CommandFailed extends Error {}

/** Runs commands in one folder, one after the other. */
export class Commands {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  #running: ChildProcess | undefined;
  #killed = false;

  /** `env` without what would send Holdfast elsewhere than the commands say. */
  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    const ours = (name: string) => name.startsWith('HOLDFAST_') || name === 'STATE_DIRECTORY';
    this.#env = Object.fromEntries(Object.entries(env).filter(([name]) => !ours(name)));
  }

  /** Shows and runs `holdfast` with these arguments; `output` is all that it says. Throws CommandFailed unless it ends with 0. */
  async holdfast(...args: string[]): Promise<Ran> {
    print(`\n  $ ${line(['holdfast', ...args])}`);
    // A shell gives both outputs one way out, so that they come in the order in which they were written.
    const ran = await this.#run(
      '/bin/sh',
      ['-c', 'exec "$@" 2>&1', 'sh', process.execPath, HOLDFAST, ...args],
      args,
    );
    for (const said of ran.output.split('\n')) if (said !== '') print(`    ${said}`);
    return ran;
  }

  /** As holdfast(), but shows nothing, and `output` is the answer alone: for figures. */
  async quietly(...args: string[]): Promise<Ran> {
    return this.#run(process.execPath, [HOLDFAST, ...args], args);
  }

  /** Ends the command that is running, and lets no other begin. */
  kill(): void {
    this.#killed = true;
    this.#running?.kill('SIGTERM');
  }

  async #run(program: string, words: string[], args: readonly string[]): Promise<Ran> {
    // Lets signals in that came while the demonstration was at work itself.
    await setImmediate();
    if (this.#killed) throw new CommandFailed('interrupted');
    const started = performance.now();
    const child = spawn(program, words, {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 600_000,
    });
    this.#running = child;
    const ended = once(child, 'close');
    const output = await text(child.stdout);
    const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
    this.#running = undefined;
    if (code === 0) return { output, seconds: (performance.now() - started) / 1000 };
    throw new CommandFailed(`${line(['holdfast', ...args])}\nended with ${code ?? signal}:\n${output}`);
  }
}

/** Writes a line to the person who watches. */
export function print(said = ''): void {
  process.stdout.write(`${said}\n`);
}

/** A command line that a shell takes, broken before options where it is long. */
function line(words: readonly string[]): string {
  const parts: string[] = [];
  for (const word of words) {
    const quoted = /^[\w./:@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
    const last = parts.at(-1);
    if (last === undefined || word.startsWith('-') || last.length > 60) parts.push(quoted);
    else parts[parts.length - 1] = `${last} ${quoted}`;
  }
  let shown = '';
  let width = 0;
  for (const part of parts) {
    const breaks = width > 0 && width + part.length > 92;
    shown += breaks ? ` \\\n        ${part}` : `${shown === '' ? '' : ' '}${part}`;
    width = breaks ? part.length : width + part.length + 1;
  }
  return shown;
}
