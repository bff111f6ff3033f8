/** Describes the machine and the versions of what is measured. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { project } from '../helpers/script.ts';
import { CommandFailed, type Runner } from './measure.ts';
import type { Tool } from './tools/tool.ts';

/** What the figures depend on, by name. `folder` is the work folder. */
export function describeMachine(folder: string): Record<string, string> {
  const { 1: device = '?', 2: type = '?' } = lastLine('df', ['--output=target,source,fstype', folder]);
  return {
    cores: String(availableParallelism()),
    CPU: cpus()[0]?.model.trim() ?? '?',
    memory: `${(totalmem() / (1 << 30)).toFixed(1)} GiB`,
    system: `${systemName()}, Linux ${release()}`,
    'file system': `${type} on ${device}`,
    'load before': `${(loadavg()[0] ?? 0).toFixed(2)} (mean of one minute; above 0.5 other programs were at work)`,
    Node: process.versions.node,
    Holdfast: commit(),
  };
}

/** What a tool says that it is; undefined where it does not run. */
export async function versionOf(runner: Runner, { version }: Tool): Promise<string | undefined> {
  try {
    return (await runner.run(version)).output.trim();
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return undefined;
  }
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '?';
  } catch {
    return '?';
  }
}

/** The commit that was built, where this is a checkout. */
function commit(): string {
  const git = (...args: string[]) =>
    spawnSync('git', ['-C', project('.'), ...args], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const head = git('rev-parse', '--short', 'HEAD');
  if (head === '') return 'not a checkout';
  return git('status', '--porcelain', '--', 'src', 'bin') === ''
    ? `commit ${head}`
    : `commit ${head}, changed`;
}

function lastLine(program: string, args: string[]): string[] {
  return execFileSync(program, args, { encoding: 'utf8' }).trim().split('\n').at(-1)?.split(/\s+/) ?? [];
}
