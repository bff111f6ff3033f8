/** How long programs take to start: each prints its version; Holdfast besides where a Node is called with it, and where that hands over to a newer one. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { project } from '../helpers/script.ts';
import type { Command, Runner } from './measure.ts';
import type { Result } from './results.ts';
import type { Tool } from './tools/tool.ts';

/** A start is short, and its time spreads: more rounds than elsewhere. */
const ROUNDS = 15;

/** A result for each tool. `old` is a Node that is too old to run Holdfast itself. */
export async function startUp(
  runner: Runner,
  tools: readonly Tool[],
  old: { path: string; version: string } | undefined,
): Promise<Result[]> {
  const started: { result: Result; command: Command }[] = [];
  const add = (work: string, { name, role }: Tool, command: Command) =>
    started.push({
      result: { set: 'start-up', target: '–', work, tool: name, role, runs: [] },
      command,
    });
  for (const tool of tools) {
    if (tool.role === 'pipeline') continue;
    add('--version', tool, tool.version);
    if (tool.role !== 'holdfast') continue;
    const words = [project('bin/holdfast.js'), '--version'];
    add(`--version, under Node ${process.versions.node}`, tool, { words: [process.execPath, ...words] });
    if (old === undefined) continue;
    add(`--version, handed over from Node ${old.version}`, tool, { words: [old.path, ...words] });
  }
  // Once unmeasured, so that everything is in the page cache.
  for (const { command } of started) await runner.run(command);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { result, command } of round % 2 === 1 ? started.toReversed() : started) {
      const { output: _, ...run } = await runner.run(command);
      result.runs.push(run);
    }
  }
  return started.map(({ result }) => result);
}

/** The first Node on `path` that is older than 22. */
export function oldNode(path: string): { path: string; version: string } | undefined {
  for (const folder of path.split(delimiter)) {
    const node = join(folder, 'node');
    if (!existsSync(node) || realpathSync(node) === process.execPath) continue;
    const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
    const version = (stdout ?? '').trim().replace(/^v/, '');
    if (Number.parseInt(version, 10) < 22) return { path: node, version };
  }
  return undefined;
}
