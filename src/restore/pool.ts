/** The workers of a restore: jobs are spread over them, one at a time to each. */
import type { Worker } from 'node:worker_threads';
import { startWorker, unpackError } from '../worker/start.ts';
import { endOf, StopFlag } from '../worker/stop.ts';
import type { Job, JobResult, VolumeRows } from './jobs.ts';
import type { FromWorker, ToWorker, WorkerData } from './worker.ts';

interface Task {
  job: () => Job;
  rows: Iterator<VolumeRows, void>;
  resolve: (result: JobResult) => void;
  reject: (error: Error) => void;
}

/** What a worker leaves to the garbage collector is small and dies at once. */
const YOUNG_MIB = 3;

export class WorkerPool {
  readonly #data: Omit<WorkerData, 'stop'>;
  readonly #stop = new StopFlag();
  readonly #width: number;
  readonly #onProgress: (files: number, bytes: number) => void;
  readonly #workers: { worker: Worker; ended: Promise<void> }[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Task>();
  readonly #queue: Task[] = [];
  #onRoom: (() => void)[] = [];
  #isClosed = false;

  /** `width`: how many workers at most; each is started when it is first needed. */
  constructor(
    data: Omit<WorkerData, 'stop'>,
    width: number,
    onProgress: (files: number, bytes: number) => void,
  ) {
    this.#data = data;
    this.#width = width;
    this.#onProgress = onProgress;
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
    const data: WorkerData = { ...this.#data, stop: this.#stop.memory };
    const worker = startWorker('worker', import.meta.url, data, YOUNG_MIB);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'progress') this.#onProgress(message.files, message.bytes);
      else if (message.kind === 'more') this.#sendRows(worker);
      else if (message.kind === 'done') this.#free(worker)?.resolve(message.result);
      else this.#free(worker)?.reject(unpackError(message.error));
    });
    worker.on('error', (error: Error) => {
      const task = this.#busy.get(worker);
      this.#busy.delete(worker);
      task?.reject(error);
      this.#wake();
    });
    this.#workers.push({ worker, ended: endOf(worker) });
    return worker;
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
