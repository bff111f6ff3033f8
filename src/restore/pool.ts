/** The workers of a restore: jobs are spread over them, one at a time to each. */
import type { Worker } from 'node:worker_threads';
import { Locks } from '../worker/locks.ts';
import { startWorker, unpackError } from '../worker/start.ts';
import { endOf, StopFlag } from '../worker/stop.ts';
import type { Job, JobResult, VolumeRows } from './jobs.ts';
import type { FromWorker, TargetData, ToWorker, WorkerData } from './restore-worker.ts';

interface Task {
  job: () => Job;
  rows: Iterator<VolumeRows, void>;
  resolve: (result: JobResult) => void;
  reject: (error: Error) => void;
}

/** What a worker leaves to the garbage collector is small and dies at once. */
const YOUNG_MIB = 3;

/** Workers at most. */
const WIDTH = 2;

/**
 * A second worker is worth its start, and that two get into each other's way, for so many bytes, of volumes and of the content that comes out of them; or for so many files. Found on two
 * virtual processors with 180 + 180 MB and 64 + 373 MB (one takes a tenth less time), 90 + 408 MB in 29,000 files (a twentieth more) and 300 + 963 MB (a quarter more).
 */
const WORTH_BYTES = 480e6;
const WORTH_FILES = 10_000;

/** How many workers a restore of so much is to have. */
export function workersFor(work: {
  volumes: number;
  download: number;
  bytes: number;
  files: number;
}): number {
  const isMuch = work.download + work.bytes >= WORTH_BYTES || work.files >= WORTH_FILES;
  return Math.min(work.volumes, isMuch ? WIDTH : 1);
}

/** Workers may be started before it is known what they are to write, and where: by then they have loaded what they need. */
export class WorkerPool {
  readonly #stop = new StopFlag();
  readonly #locks = new Locks();
  #target: TargetData | undefined;
  #onProgress: (files: number, bytes: number) => void = () => {};
  readonly #workers: { worker: Worker; ended: Promise<void> }[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Task>();
  readonly #queue: Task[] = [];
  #onRoom: (() => void)[] = [];
  #width = WIDTH;
  #isClosed = false;
  #failure: Error | undefined;

  /** Starts workers, so that there are `count`, as far as there may be so many; no more are started later, but for one where there is none. */
  prepare(count: number): void {
    this.#width = Math.max(1, Math.min(count, WIDTH));
    while (this.#workers.length < Math.min(count, WIDTH) && !this.#isClosed) this.#idle.push(this.#start());
  }

  /** Says what they write into; to be called before the first job. */
  begin(target: TargetData, onProgress: (files: number, bytes: number) => void): void {
    this.#target = target;
    this.#onProgress = onProgress;
    for (const { worker } of this.#workers) send(worker, { kind: 'begin', target });
  }

  /** Resolves when a job would be begun at once. */
  async room(): Promise<void> {
    while (this.#queue.length > 0 || this.#busy.size >= this.#width) {
      await new Promise<void>((resolve) => this.#onRoom.push(resolve));
    }
  }

  /**
   * Has a job done, which is made when its turn has come. `rows`: what a volume brings. Rejects with what ends the restore, and after close().
   */
  run(job: () => Job, rows: Iterator<VolumeRows, void> = NONE): Promise<JobResult> {
    // What ended late must not start another worker.
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isClosed) return Promise.reject(new Error('a pool of workers was used after its end'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, rows, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the workers, whatever they are doing: between two chunks, or two pieces of a file. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stop.set();
    for (const { worker } of this.#workers) send(worker, { kind: 'stop' });
    await Promise.all(this.#workers.map(({ ended }) => ended));
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#workers.length < this.#width ? this.#start() : undefined);
      if (worker === undefined) return;
      const task = this.#queue.shift() as Task;
      this.#busy.set(worker, task);
      send(worker, task.job());
    }
  }

  #start(): Worker {
    const data: WorkerData = { stop: this.#stop.memory, locks: this.#locks.memory };
    const worker = startWorker('restore-worker', import.meta.url, data, YOUNG_MIB);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'progress') this.#onProgress(message.files, message.bytes);
      else if (message.kind === 'more') this.#sendRows(worker);
      else if (message.kind === 'done') this.#free(worker)?.resolve(message.result);
      else this.#free(worker)?.reject(unpackError(message.error));
    });
    worker.on('error', (error: Error) => this.#fail(worker, error));
    this.#workers.push({ worker, ended: endOf(worker) });
    if (this.#target !== undefined) send(worker, { kind: 'begin', target: this.#target });
    return worker;
  }

  /** A worker has died, with whatever it was doing, or before it had anything to do: nothing more is done. */
  #fail(worker: Worker, error: Error): void {
    this.#failure ??= error;
    const task = this.#busy.get(worker);
    this.#busy.delete(worker);
    for (const { reject } of [...(task === undefined ? [] : [task]), ...this.#queue.splice(0)]) reject(error);
    this.#wake();
  }

  #sendRows(worker: Worker): void {
    const rows = this.#busy.get(worker)?.rows.next().value;
    if (rows !== undefined) send(worker, { kind: 'rows', rows });
  }

  #free(worker: Worker): Task | undefined {
    const task = this.#busy.get(worker);
    this.#busy.delete(worker);
    this.#idle.push(worker);
    this.#dispatch();
    this.#wake();
    return task;
  }

  #wake(): void {
    const waiting = this.#onRoom;
    this.#onRoom = [];
    for (const resolve of waiting) resolve();
  }
}

const NONE: Iterator<VolumeRows, void> = [].values();

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}
