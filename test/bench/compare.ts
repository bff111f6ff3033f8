/** One data set in one kind of store: all works by all tools in turn, round by round. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, CommandFailed, type Measured, type Runner } from './measure.ts';
import type { Result, Run } from './results.ts';
import type { DataSet, Making } from './sets.ts';
import { openTarget, type Target, type TargetName } from './targets.ts';
import { fetched } from './tools/holdfast.ts';
import type { Container, Job, Tool } from './tools/tool.ts';
import { oneFile, type Tally, tally } from './tree.ts';
import { commandOf, isOfEverything, isStoring, type Work } from './works.ts';

/** What is compared, and where. */
export interface Comparison {
  set: DataSet;
  making: Making;
  target: TargetName;
  tools: readonly Tool[];
  rounds: number;
  /** A folder for everything that comes and goes. */
  folder: string;
  runner: Runner;
  say(line: string): void;
}

/** A tool at work in one round. */
interface Worker {
  tool: Tool;
  job: Job;
  store: string | Container;
  stored: number;
  folder: string;
}

/** A result for each tool and work, works first. A tool that fails once is left out of the rounds that come. */
export async function compare(comparison: Comparison): Promise<Result[]> {
  const { set, making, target, rounds, runner } = comparison;
  const results = new Results(comparison);
  const expected = tally(making.folder);
  const file = set.works.includes('restore one file') ? oneFile(making.folder) : '';
  const kept = join(comparison.folder, `${set.name}-${target}-restored`);
  rmSync(kept, { recursive: true, force: true });
  for (let round = 0; round < rounds; round++) {
    const folder = join(comparison.folder, `${set.name}-${target}`);
    // What a run that was killed may have left.
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const place = await openTarget(target, folder);
    try {
      if (set.works.includes('incremental')) await set.reset?.(making);
      await readAll(runner, making.folder);
      const workers = await prepare(comparison, place, folder, results);
      if (round % 2 === 1) workers.reverse();
      for (const work of set.works) {
        if (work === 'incremental') await set.change?.(making);
        for (const worker of workers) {
          if (results.hasFailed(worker.tool)) continue;
          const to = join(worker.folder, RESTORED[work] ?? 'none');
          const command = commandOf(worker.job, { work, to, file });
          if (command === undefined) continue;
          await results.add(worker.tool, work, expected.bytes, async () => {
            const run = await measured(comparison, place, worker, { work, to, command });
            if (work === 'restore') isSame(tally(worker.job.restored(to)), expected);
            if (work === 'restore one file') {
              const found = readFileSync(worker.job.restoredOne?.(file, to) ?? to);
              if (!found.equals(readFileSync(join(making.folder, file))))
                throw new CommandFailed(`${file} came back otherwise`);
            }
            return run;
          });
        }
      }
    } finally {
      await place.end();
      if (hasRoomFor(comparison.folder, KEPT * expected.bytes)) keepRestored(folder, kept, round);
      rmSync(folder, { recursive: true, force: true });
    }
  }
  rmSync(kept, { recursive: true, force: true });
  return results.all();
}

/** Where works that restore put it, in the folder of the tool. */
const RESTORED: Partial<Record<Work, string>> = { restore: 'restored', 'restore one file': 'one-file' };
/** So many times the data must be free for what was restored in a round to be kept. */
const KEPT = 12;

function hasRoomFor(folder: string, bytes: number): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize > bytes;
}

/** Moves what was restored out of the way. It is deleted after the last round: ext4 takes long to make files where many were deleted in the minutes before. */
function keepRestored(folder: string, kept: string, round: number): void {
  mkdirSync(kept, { recursive: true });
  for (const tool of readdirSync(folder)) {
    const restored = join(folder, tool, 'restored');
    if (existsSync(restored)) renameSync(restored, join(kept, `${round}-${tool}`));
  }
}

async function prepare(
  { tools, making, runner }: Comparison,
  place: Target,
  folder: string,
  results: Results,
): Promise<Worker[]> {
  const workers: Worker[] = [];
  for (const tool of tools) {
    if (results.hasFailed(tool)) continue;
    const store = place.store(tool.name);
    const own = join(folder, tool.name);
    const job = tool.job({ folder: own, source: making.folder, store });
    if (job === undefined) continue;
    await results.attempt(tool, 'full', async () => {
      for (const command of job.prepare) await runner.run(command);
      workers.push({ tool, job, store, folder: own, stored: 0 });
    });
  }
  return workers;
}

async function measured(
  { runner }: Comparison,
  place: Target,
  worker: Worker,
  { work, to, command }: { work: Work; to: string; command: Command },
): Promise<Run> {
  if (work.startsWith('restore')) mkdirSync(to);
  const run = await measureAlone(runner, command);
  if (isStoring(work)) {
    const size = await place.size(worker.store);
    run.stored = size - worker.stored;
    worker.stored = size;
  }
  return run;
}

/** Measures when what was written before is on the disk. */
export async function measureAlone(runner: Runner, command: Command): Promise<Run> {
  await runner.run({ words: ['sync'] });
  const { output, ...run }: Measured = await runner.run(command);
  const got = fetched(output);
  if (got === undefined) return run;
  return { ...run, note: `fetches ${(got.bytes / 1e6).toFixed(1)} MB in ${got.volumes} volumes` };
}

/** Brings a folder's content into the page cache; tar reads nothing when its output is /dev/null itself. */
async function readAll(runner: Runner, folder: string): Promise<void> {
  await runner.run({ words: ['/bin/sh', '-c', 'tar -cf - -C "$1" . | cat >/dev/null', 'sh', folder] });
}

/** Throws CommandFailed unless what was restored is as much as there was. */
export function isSame(found: Tally, expected: Tally): void {
  if (found.entries !== expected.entries || found.bytes !== expected.bytes) {
    throw new CommandFailed(
      `restored ${found.entries} entries with ${found.bytes} bytes, of ${expected.entries} with ${expected.bytes}`,
    );
  }
}

/** Results as they come, by work and tool. */
class Results {
  readonly #comparison: Comparison;
  readonly #byWork = new Map<Work, Map<Tool, Result>>();
  readonly #failed = new Set<Tool>();

  constructor(comparison: Comparison) {
    this.#comparison = comparison;
    for (const work of comparison.set.works) this.#byWork.set(work, new Map());
  }

  hasFailed(tool: Tool): boolean {
    return this.#failed.has(tool);
  }

  async add(tool: Tool, work: Work, bytes: number, action: () => Promise<Run>): Promise<void> {
    await this.attempt(tool, work, async () => {
      const run = await action();
      const result = this.#of(tool, work);
      result.runs.push(run);
      if (isOfEverything(work)) result.bytes = bytes;
      this.#say(tool, work, `${run.seconds.toFixed(2)} s, ${Math.round(run.peak / 1e6)} MB`);
    });
  }

  /** Notes a failure of the tool; others go on. */
  async attempt(tool: Tool, work: Work, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      this.#failed.add(tool);
      this.#of(tool, work).failed = error.message;
      this.#say(tool, work, `FAILED: ${error.message}`);
    }
  }

  all(): Result[] {
    return [...this.#byWork.values()].flatMap((byTool) => [...byTool.values()]);
  }

  #of(tool: Tool, work: Work): Result {
    const { set, target } = this.#comparison;
    const byTool = this.#byWork.get(work) ?? new Map<Tool, Result>();
    const result = byTool.get(tool) ?? {
      ...{ set: set.name, target, work, tool: tool.name, role: tool.role },
      runs: [],
    };
    byTool.set(tool, result);
    return result;
  }

  #say(tool: Tool, work: Work, what: string): void {
    const { set, target, say } = this.#comparison;
    say(`${set.name} | ${target} | ${work} | ${tool.name}: ${what}`);
  }
}
