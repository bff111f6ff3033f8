/**
 * A chain of many incrementals, by each tool: what they take and store, and what a restore of the last point takes beside that of a fresh
 * full of the same data. Once, not in rounds, but for the restores.
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

/** Restores of each kind: they are short, and their ratio is what counts. */
const RESTORES = 3;

/** Chains, by where their changes are: in all of the data, most of which has changed in the end, or in a tenth of it. */
export const CHAINS = [
  { name: 'chain', share: 1 },
  { name: 'narrow-chain', share: 0.1 },
] as const;

export type Chain = (typeof CHAINS)[number];

/** What it is made of, for the reader of the table. */
export function describeChain({ share }: Chain): string {
  const where = share < 1 ? `, all within the same ${share * 100} % of both` : '';
  return `${FILES} files of 12 kB and one of 164 MB; each incremental after a change of 0.5 % of the files and 0.1 % of the blocks of the large one${where}; without rounds, but of ${RESTORES} restores the median`;
}

/** What one call needs. */
export interface ChainOptions {
  chain: Chain;
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
export async function measureChain(options: ChainOptions): Promise<Result[]> {
  const { name, share } = options.chain;
  const folder = join(options.folder, name);
  const source = join(folder, 'data');
  const count = Math.max(Math.ceil(INCREMENTALS * options.scale), 3);
  const { runner } = options;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(source, { recursive: true });
  const target = await openTarget('directory', folder);
  try {
    const changes = new Changes(source, options.scale, share);
    changes.makeAll();
    const crew = new Crew(name, options.say);
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
    const restoring = (worker: Worker) => restore(runner, worker, source);
    await crew.each('restore of the last point', restoring, RESTORES);
    await crew.each('full of the same', async (worker) => {
      rmSync(worker.folder, { recursive: true });
      const { folder, store } = worker;
      worker.job = worker.tool.job({ folder, store, source }) ?? worker.job;
      return full(worker);
    });
    await crew.each('restore of that', restoring, RESTORES);
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
  readonly #set: string;
  readonly #say: (line: string) => void;

  constructor(set: string, say: (line: string) => void) {
    this.#set = set;
    this.#say = say;
  }

  /** Lets each do it in turn, so many times. What gives no run leaves no result; one that fails is named, and left out from then on. */
  async each(work: string, action: (worker: Worker) => Promise<Run | undefined>, times = 1): Promise<void> {
    const set = this.#set;
    for (const worker of this.workers) {
      const { name, role } = worker.tool;
      const result: Result = { set, target: 'directory', work, tool: name, role, runs: [] };
      try {
        for (let i = 0; i < times; i++) {
          const run = await action(worker);
          if (run === undefined) break;
          result.runs.push(run);
          this.#say(`${set} | ${work} | ${name}: ${run.seconds.toFixed(2)} s`);
        }
        if (result.runs.length === 0) continue;
      } catch (error) {
        if (!(error instanceof CommandFailed)) throw error;
        result.failed = error.message;
        this.#say(`${set} | ${work} | ${name}: FAILED: ${error.message}`);
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
  readonly #share: number;
  readonly #text = new LineStream('chain');
  readonly #random = randomStream('chain');

  /** `share`: the part of the files and of the large one's blocks that changes, from the first on. */
  constructor(folder: string, scale: number, share: number) {
    this.#folder = folder;
    this.#share = share;
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
    return this.#text.number() % Math.ceil(limit * this.#share);
  }
}
