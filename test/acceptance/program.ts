/**
 * The built program as its users run it: a process of its own without a terminal, on a machine that is one temporary folder. Shares no
 * code with the program.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { differences, record, type Snapshot } from '../demo/snapshot.ts';
import { type Ended, ended, project } from '../helpers/script.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';

/** The executable. */
export const HOLDFAST = project('bin/holdfast.js');

/** No command of this suite takes that long; one that does is ended. */
const LONGEST_MS = 60_000;

/** How a command is run. */
export interface RunOptions {
  /** Variables besides those of the machine; undefined takes one away. */
  env?: NodeJS.ProcessEnv;
  /** Current folder; that of the machine, where none is given. */
  cwd?: string;
  /** Without the power to read what the file's mode forbids: root has it, and would read everything. */
  ordinary?: true;
  /** By how many milliseconds the clock that the program sees is ahead of the true one. */
  clockAhead?: number;
  /** The Node that starts the program, where it is not called by its name. */
  node?: string;
  /** What runs the command line, which is added to it. */
  command?: readonly string[];
}

/** The last line of `backup --json`. */
export interface Summary {
  event: 'summary';
  point: { seq: number; id: string; type: 'full' | 'incremental'; time: string };
  reason: string;
  entries: number;
  bytesRead: number;
  bytesStored: number;
  seconds: number;
  incomplete: { path: string; pathBase64?: string; kind: string; error?: string; carried: boolean }[];
}

/** An element of `points --json`. */
export interface ListedPoint {
  seq: number;
  id: string;
  type: 'full' | 'incremental';
  time: string;
  entries: number;
  bytesStored: number;
  whole: boolean;
}

/** A machine that is backed up, and the client machine beside it, with one strategy named `town`. */
export class Machine {
  readonly folder: string;
  /** What is backed up: a folder. */
  readonly source: string;
  readonly store: string;
  readonly state: string;
  /** Public and secret key without a passphrase; only the first is what the strategy names. */
  readonly publicKey: string;
  readonly secretKey: string;
  #restores = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.source = join(folder, 'source');
    this.store = join(folder, 'store');
    this.state = join(folder, 'state');
    this.publicKey = join(folder, 'keys/public.asc');
    this.secretKey = join(folder, 'keys/secret.asc');
  }

  /**
   * A machine with keys, a strategy, an empty source and an empty store; `init` has not been run. It goes with the running test,
   * unless it is put into a `folder`.
   */
  static async prepare(strategy: StrategyParts = {}, folder?: string): Promise<Machine> {
    const machine = new Machine(folder ?? (await temporaryFolder()));
    keyPair ??= makeKeyPair();
    const { publicKey, secretKey } = await keyPair;
    for (const made of ['source', 'store', 'keys']) mkdirSync(join(machine.folder, made));
    writeFileSync(machine.publicKey, publicKey);
    writeFileSync(machine.secretKey, secretKey, { mode: 0o600 });
    machine.writeStrategy(strategy);
    return machine;
  }

  /** As prepare(), and `init` has been run. */
  static async make(strategy: StrategyParts = {}, folder?: string): Promise<Machine> {
    const machine = await Machine.prepare(strategy, folder);
    await machine.well('init');
    return machine;
  }

  /** A machine that was there before, in another folder: a clone of it, or the same one set back. */
  static in(folder: string): Machine {
    return new Machine(folder);
  }

  /** Writes the strategy file, or another one beside it; returns its path. */
  writeStrategy(parts: StrategyParts = {}, name = 'holdfast.yaml'): string {
    const { paths = [this.source], store = { directory: this.store }, recipients = [this.publicKey] } = parts;
    const strategy = {
      name: 'town',
      sources: [{ name: 'all', paths, ...parts.source }],
      store,
      recipients,
      ...parts.more,
    };
    const file = join(this.folder, name);
    // JSON is YAML.
    writeFileSync(file, `${JSON.stringify(strategy, null, 2)}\n`);
    return file;
  }

  /** A file or folder of the source. */
  at(path: string): string {
    return join(this.source, path);
  }

  write(path: string, content: string | Uint8Array): void {
    writeFileSync(this.at(path), content);
  }

  /** Starts `holdfast` with these arguments, in a session without a terminal. */
  start(args: readonly string[], options: RunOptions = {}): ChildProcess {
    const node = options.node === undefined ? [] : [options.node];
    const command = [...(options.command ?? []), ...node, HOLDFAST, ...args];
    const words = options.ordinary && process.geteuid?.() === 0 ? [...POWERLESS, ...command] : command;
    const [file = '', ...rest] = words;
    return spawn(file, rest, {
      cwd: options.cwd ?? this.folder,
      env: { ...this.environment(), ...clock(options.clockAhead), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A session of its own: nothing that is asked for can be answered.
      detached: true,
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
    });
  }

  /** The environment of the machine's commands, with which strategy and state are found. */
  environment(): NodeJS.ProcessEnv {
    const ours = (name: string) => /^(HOLDFAST|OS|ST)_/.test(name) || name === 'STATE_DIRECTORY';
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours(name)));
    return { ...env, HOLDFAST_STATE_DIR: this.state };
  }

  /** Runs `holdfast` to its end. */
  async run(...args: string[]): Promise<Ended> {
    return this.runAs({}, ...args);
  }

  async runAs(options: RunOptions, ...args: string[]): Promise<Ended> {
    return ended(this.start(args, options));
  }

  /** Runs it, makes sure that it ended with 0, and returns what it answered. */
  async well(...args: string[]): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(...args);
    expect(code ?? signal, `holdfast ${args.join(' ')}\n${stderr}`).toBe(0);
    return stdout;
  }

  /** A backup that must end with `code`; what it summed up. */
  async backup(code = 0, ...args: string[]): Promise<Summary> {
    const result = await this.run('backup', '--json', ...args);
    expect(result.code ?? result.signal, result.stderr).toBe(code);
    return lastLine(result.stdout) as Summary;
  }

  async points(): Promise<ListedPoint[]> {
    return JSON.parse(await this.well('points', '--json')) as ListedPoint[];
  }

  /** Restores into a new folder, which must go well, and returns it. */
  async restore(at: number | string, ...args: string[]): Promise<string> {
    return this.restoreEnding(0, at, ...args);
  }

  /** As restore(), and it must end with `code`: 3 for a point that the backup could not read as it was. */
  async restoreEnding(code: number, at: number | string, ...args: string[]): Promise<string> {
    this.#restores++;
    const to = join(this.folder, `restored-${this.#restores}`);
    const words = ['restore', '--secret-key', this.secretKey, '--at', String(at), '--to', to, ...args];
    const ran = await this.run(...words);
    expect(ran.code ?? ran.signal, `holdfast ${words.join(' ')}\n${ran.stderr}`).toBe(code);
    return to;
  }

  /** What the source is now, to be compared later. */
  recordSource(): Snapshot {
    return record(this.source);
  }

  /** Makes sure that a point brings back a source exactly as it was recorded. */
  async expectRestored(at: number | string, expected: Snapshot): Promise<void> {
    const to = await this.restore(at);
    expect(differences(expected, record(join(to, this.source))), `point ${at}`).toEqual([]);
  }

  /** Folders of sets in the store that hold an object, named after seq and id. */
  sets(): string[] {
    const folder = join(this.store, 'town/sets');
    const hasObject = (set: string) => readdirSync(join(folder, set)).some((name) => name.endsWith('.pgp'));
    return readdirSync(folder).filter(hasObject).sort();
  }

  /** Names of the commits in the store without their ends: those sets that exist. */
  commits(): string[] {
    const names = readdirSync(join(this.store, 'town/commits')).filter((name) => name.endsWith('.json'));
    return names.map((name) => name.replace(/\.json$/, '')).sort();
  }
}

/** The key pair of all machines of a test file, by keygen. */
let keyPair: Promise<{ publicKey: Buffer; secretKey: Buffer }> | undefined;

async function makeKeyPair(): Promise<{ publicKey: Buffer; secretKey: Buffer }> {
  const folder = await makeFolder();
  try {
    const who = ['--name', 'test-only', '--email', 'it@example.invalid'];
    await Machine.in(folder).well('keygen', ...who, '--out', folder, '--no-passphrase');
    const [publicKey, secretKey] = ['public.asc', 'secret.asc'].map((name) =>
      readFileSync(join(folder, name)),
    );
    return { publicKey: publicKey as Buffer, secretKey: secretKey as Buffer };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Parts of a strategy that differ from the usual. */
export interface StrategyParts {
  paths?: string[];
  /** Further keys of the source. */
  source?: Record<string, unknown>;
  store?: Record<string, unknown>;
  recipients?: string[];
  /** Further keys of the strategy. */
  more?: Record<string, unknown>;
}

/** Variables that make every Date of the program another one. */
function clock(ahead: number | undefined): NodeJS.ProcessEnv {
  if (ahead === undefined) return {};
  const module = `globalThis.Date = class extends Date {
    constructor(...parts) { super(...(parts.length === 0 ? [new.target.now()] : parts)); }
    static now() { return super.now() + ${ahead}; }
  };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` };
}

/** Root without its capabilities is bound by modes as anybody is. */
const POWERLESS = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'];

/** The JSON lines of an output; fails where one is none. */
export function jsonLines(output: string): Record<string, unknown>[] {
  expect(output === '' || output.endsWith('\n'), 'the output ends in mid-line').toBe(true);
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export function lastLine(output: string): unknown {
  return jsonLines(output).at(-1);
}

/** Makes sure that a command was refused with this code, by one line on standard error that says so much. */
export function expectRefused({ code, signal, stdout, stderr }: Ended, expected: number, says: RegExp): void {
  expect(code ?? signal, stderr).toBe(expected);
  expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
  expect(stderr).toMatch(says);
  expect(stdout).toBe('');
}

/** Does something that must leave a folder as it is, but for the lock, which says who holds it. */
export async function leavesAlone<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = record(folder);
  const result = await work();
  const changed = differences(before, record(folder)).filter((line) => !/^\/state\/town\/lock: /.test(line));
  expect(changed).toEqual([]);
  return result;
}

/** Bytes that do not compress, the same for a seed each time. */
export function noise(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = (seed * 2 + 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = Math.imul(x, 0x9e3779b1);
  }
  return Buffer.from(words.buffer, 0, length);
}

/** Waits until something is so, for at most 20 seconds. */
export async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !isSo(); await sleep(2)) {
    if (Date.now() > end) throw new Error(`waited in vain until ${isSo}`);
  }
}

/** Runs a command that is not Holdfast, and returns what it prints; throws when it fails. */
export function tool(command: string, args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync(command, args, {
    ...(input === undefined ? {} : { input }),
    maxBuffer: 1 << 28,
    timeout: LONGEST_MS,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
}
