/**
 * A chain of many incrementals, by each tool: what they take and store, and what a restore of the last point takes beside that of a fresh
 * full of the same data. Once, not in rounds.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isSame, measureAlone } from './compare.ts';
import { CommandFailed, type Runner } from './measure.ts';
import { LineStream, randomStream } from './random.ts';
import type { Result, Run } from './results.ts';
import { openTarget } from './targets.ts';
import type { Container, Job, Tool } from './tools/tool.ts';
import { tally } from './tree.ts';

const INCREMENTALS = 200;
const FILES = 2000;
/** Characters of each file. */
const FILE = 12_000;
/** Blocks of the one large file, and their bytes. */
const BLOCKS = 40_000;
const BLOCK = 4096;

/** What it is made of, for the reader of the table. */
export const CHAIN = `${FILES} files of 12 kB and one of 164 MB; each incremental after a change of 0.5 % of the files and 0.1 % of the blocks of the large one; without rounds`;

/** What one call needs. */
export interface ChainOptions {
  runner: Runner;
  folder: string;
  tools: readonly Tool[];
  scale: number;
  say(line: string): void;
}

/** A tool at work on the chain. */
interface Worker {
  tool: Tool;
  folder: string;
  store: string | Container;
  job: Job;
  /** All incrementals so far. */
  sum: Run;
  /** Bytes in the store after the full. */
  begun: number;
}

/** Results of the works "full", "n incrementals, together", "restore of the last point", "full of the same", "restore of that". */
export async function chain(options: ChainOptions): Promise<Result[]> {
  const folder = join(options.folder, 'chain');
  const source = join(folder, 'data');
  const count = Math.max(Math.ceil(INCREMENTALS * options.scale), 3);
  const { runner } = options;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(source, { recursive: true });
  const target = await openTarget('directory', folder);
  try {
    const changes = new Changes(source, options.scale);
    changes.makeAll();
    const crew = new Crew(options.say);
    for (const tool of options.tools) {
      const own = { folder: join(folder, tool.name), store: target.store(tool.name) };
      const job = tool.job({ ...own, source });
      if (job?.incremental) crew.workers.push({ tool, ...own, job, sum: emptyRun(), begun: 0 });
    }
    const full = async (worker: Worker) => {
      for (const command of worker.job.prepare) await runner.run(command);
      const run = await measureAlone(runner, worker.job.full);
      worker.begun = await target.size(worker.store);
      return { ...run, stored: worker.begun };
    };
    const together = `${count} incrementals, together`;
    await crew.each('full', full);
    for (let i = 0; i < count; i++) {
      changes.makeSome();
      await crew.each(together, async ({ job, sum }) => {
        const command = job.incremental?.();
        if (command !== undefined) addTo(sum, await measureAlone(runner, command));
        return undefined;
      });
    }
    await crew.each(together, async ({ sum, store, begun }) => ({
      ...sum,
      stored: (await target.size(store)) - begun,
    }));
    await crew.each('restore of the last point', (worker) => restore(runner, worker, source));
    await crew.each('full of the same', async (worker) => {
      rmSync(worker.folder, { recursive: true });
      const { folder, store } = worker;
      worker.job = worker.tool.job({ folder, store, source }) ?? worker.job;
      return full(worker);
    });
    await crew.each('restore of that', (worker) => restore(runner, worker, source));
    return crew.results;
  } finally {
    await target.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function restore(runner: Runner, { folder, job }: Worker, source: string): Promise<Run | undefined> {
  const to = join(folder, 'restored');
  mkdirSync(to);
  const command = job.restore?.(to);
  if (command === undefined) return undefined;
  const run = await measureAlone(runner, command);
  isSame(tally(job.restored(to)), tally(source));
  rmSync(to, { recursive: true });
  return run;
}

/** The tools that have not failed yet, and what they have done. */
class Crew {
  workers: Worker[] = [];
  readonly results: Result[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Lets each do it in turn. What gives no run leaves no result; one that fails is named, and left out from then on. */
  async each(work: string, action: (worker: Worker) => Promise<Run | undefined>): Promise<void> {
    for (const worker of this.workers) {
      const { name, role } = worker.tool;
      const result: Result = { set: 'chain', target: 'directory', work, tool: name, role, runs: [] };
      try {
        const run = await action(worker);
        if (run === undefined) continue;
        result.runs.push(run);
        this.#say(`chain | ${work} | ${name}: ${run.seconds.toFixed(2)} s`);
      } catch (error) {
        if (!(error instanceof CommandFailed)) throw error;
        result.failed = error.message;
        this.#say(`chain | ${work} | ${name}: FAILED: ${error.message}`);
        this.workers = this.workers.filter((other) => other !== worker);
      }
      this.results.push(result);
    }
  }
}

function emptyRun(): Run {
  return { seconds: 0, cpu: 0, peak: 0, peakOfAll: 0 };
}

function addTo(sum: Run, run: Run): void {
  sum.seconds += run.seconds;
  sum.cpu += run.cpu;
  sum.peak = Math.max(sum.peak, run.peak);
  sum.peakOfAll = Math.max(sum.peakOfAll, run.peakOfAll);
}

/** The data, and its changes: the same in every run. */
class Changes {
  readonly #folder: string;
  readonly #files: number;
  readonly #blocks: number;
  readonly #text = new LineStream('chain');
  readonly #random = randomStream('chain');

  constructor(folder: string, scale: number) {
    this.#folder = folder;
    this.#files = Math.ceil(FILES * scale);
    this.#blocks = Math.ceil(BLOCKS * scale);
  }

  makeAll(): void {
    for (let i = 0; i < this.#files; i++) this.#writeFile(i);
    const fd = openSync(join(this.#folder, 'large'), 'w');
    for (let i = 0; i < this.#blocks; i++) writeSync(fd, this.#text.next(BLOCK));
    closeSync(fd);
  }

  makeSome(): void {
    for (let i = 0; i < this.#files * 0.005; i++) this.#writeFile(this.#pick(this.#files));
    const fd = openSync(join(this.#folder, 'large'), 'r+');
    for (let i = 0; i < this.#blocks * 0.001; i++) {
      writeSync(fd, this.#random(BLOCK), 0, BLOCK, this.#pick(this.#blocks) * BLOCK);
    }
    closeSync(fd);
  }

  #writeFile(i: number): void {
    writeFileSync(join(this.#folder, `file-${i}`), this.#text.next(FILE));
  }

  #pick(limit: number): number {
    return this.#text.number() % limit;
  }
}
