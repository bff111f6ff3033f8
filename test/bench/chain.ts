/**
 * A chain of many incrementals, by each tool: what they take and store, and what a restore of the last point takes beside that of a fresh
 * full of the same data. Once, not in rounds.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { measureAlone } from './compare.ts';
import { CommandFailed, type Runner } from './measure.ts';
import { LineStream, randomStream } from './random.ts';
import type { Result, Run } from './results.ts';
import { openTarget } from './targets.ts';
import type { Tool } from './tools/tool.ts';
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

/** Results of the works "n incrementals", "restore of the last point", "full of the same", "restore of that". */
export async function chain(options: ChainOptions): Promise<Result[]> {
  const folder = join(options.folder, 'chain');
  const source = join(folder, 'data');
  const count = Math.max(Math.ceil(INCREMENTALS * options.scale), 3);
  mkdirSync(source, { recursive: true });
  const target = await openTarget('directory', folder);
  const results: Result[] = [];
  try {
    const changes = new Changes(source, options.scale);
    changes.makeAll();
    let workers = options.tools.flatMap((tool) => {
      const own = join(folder, tool.name);
      const store = target.store(tool.name);
      const job = tool.job({ folder: own, source, store });
      return job?.incremental ? [{ tool, own, store, job, next: job.incremental, sum: emptyRun() }] : [];
    });
    /** Does it for each tool; one that fails is named, and left out from then on. */
    const forEach = async (
      work: string,
      action: (worker: (typeof workers)[number]) => Promise<Run | undefined>,
    ) => {
      for (const worker of workers) {
        const { tool } = worker;
        const result: Result = {
          set: 'chain',
          target: 'directory',
          work,
          tool: tool.name,
          role: tool.role,
          runs: [],
        };
        try {
          const run = await action(worker);
          if (run === undefined) continue;
          result.runs.push(run);
          options.say(`chain | ${work} | ${tool.name}: ${run.seconds.toFixed(2)} s`);
        } catch (error) {
          if (!(error instanceof CommandFailed)) throw error;
          result.failed = error.message;
          options.say(`chain | ${work} | ${tool.name}: FAILED: ${error.message}`);
          workers = workers.filter((other) => other !== worker);
        }
        results.push(result);
      }
    };
    const restore = async ({ own, job }: (typeof workers)[number], work: string) => {
      const to = join(own, 'restored');
      mkdirSync(to);
      const command = job.restore?.(to);
      if (command === undefined) return undefined;
      const run = await measureAlone(options.runner, command);
      const [found, expected] = [tally(job.restored(to)), tally(source)];
      if (found.bytes !== expected.bytes)
        throw new CommandFailed(`${work}: ${found.bytes} of ${expected.bytes} bytes`);
      rmSync(to, { recursive: true });
      return run;
    };

    await forEach('full', async ({ job }) => {
      for (const command of job.prepare) await options.runner.run(command);
      return measureAlone(options.runner, job.full);
    });
    const sizes = new Map<Tool, number>();
    for (const { tool, store } of workers) sizes.set(tool, await target.size(store));
    for (let i = 0; i < count; i++) {
      changes.makeSome();
      for (const worker of workers) {
        try {
          addTo(worker.sum, await measureAlone(options.runner, worker.next));
        } catch (error) {
          if (!(error instanceof CommandFailed)) throw error;
          await forEach('incrementals', async (other) => {
            if (other === worker) throw error;
            return undefined;
          });
        }
      }
    }
    await forEach(`${count} incrementals, together`, async ({ tool, sum, store }) => ({
      ...sum,
      stored: (await target.size(store)) - (sizes.get(tool) ?? 0),
    }));
    await forEach('restore of the last point', (worker) => restore(worker, 'the last point'));
    await forEach('full of the same', async (worker) => {
      rmSync(worker.own, { recursive: true });
      const job = worker.tool.job({ folder: worker.own, source, store: worker.store });
      if (job === undefined) return undefined;
      worker.job = job;
      for (const command of job.prepare) await options.runner.run(command);
      const run = await measureAlone(options.runner, job.full);
      return { ...run, stored: await target.size(worker.store) };
    });
    await forEach('restore of that', (worker) => restore(worker, 'the fresh full'));
    return results;
  } finally {
    await target.end();
    rmSync(folder, { recursive: true, force: true });
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
