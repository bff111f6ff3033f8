/** Runs TypeScript as a process of its own, for what only a process can show: locks, limits, signals, other rights. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** What Node is told to run TypeScript: 22.15 to 22.17 strips types only when asked to, and what is stripped already is loaded (stripped.ts). */
export const STRIP_TYPES: readonly string[] = [
  ...(process.features.typescript ? [] : ['--experimental-strip-types']),
  `--import=${new URL('load-stripped.js', import.meta.url).href}`,
];

/** Absolute path of a file of the project, given from its root. */
export function project(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}

/** The command line that runs `code`, a module; `args` are its process.argv from 1 on. */
export function scriptCommand(code: string, args: readonly string[] = []): [string, ...string[]] {
  return [
    process.execPath,
    ...STRIP_TYPES,
    '--no-warnings',
    '--input-type=module',
    '--eval',
    code,
    '--',
    ...args,
  ];
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end, at most 60 seconds. */
export async function run(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  const [file = '', ...args] = command;
  return ended(spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 }));
}

/** Waits for the end of a process whose output is piped. */
export async function ended(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr] = [child.stdout, child.stderr].map((s) => (s ? text(s) : Promise.resolve('')));
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const { exitCode: code, signalCode: signal } = child;
  return { code, signal, stdout: (await stdout) ?? '', stderr: (await stderr) ?? '' };
}
