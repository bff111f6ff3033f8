/** The workers of a restore: jobs are spread over them, one at a time to each. */
import type { Worker } from 'node:worker_threads';
import { startWorker, unpackError } from '../worker/start.ts';
import type { Job, JobResult } from './jobs.ts';
import type { FromWorker, WorkerData } from './worker.ts';

interface Task {
  job: Job;
  resolve: (result: JobResult) => void;
  reject: (error: Error) => void;
}

export class WorkerPool {
  readonly #data: WorkerData;
  readonly #width: number;
  readonly #onProgress: (files: number, bytes: number) => void;
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Task>();
  readonly #queue: Task[] = [];
  #onRoom: (() => void)[] = [];

  /** `width`: how many workers at most; each is started when it is first needed. */
  constructor(data: WorkerData, width: number, onProgress: (files: number, bytes: number) => void) {
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

  /** Has a job done; its ciphertext is given away. Rejects with what ends the restore. */
  run(job: Job): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the workers, whatever they are doing. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#workers.length < this.#width ? this.#start() : undefined);
      if (worker === undefined) return;
      const task = this.#queue.shift() as Task;
      this.#busy.set(worker, task);
      worker.postMessage(task.job, task.job.kind === 'volume' ? movable(task.job.ciphertext) : []);
    }
  }

  #start(): Worker {
    const worker = startWorker('worker', import.meta.url, this.#data);
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'progress') this.#onProgress(message.files, message.bytes);
      else if (message.kind === 'done') this.#free(worker)?.resolve(message.result);
      else this.#free(worker)?.reject(unpackError(message.error));
    });
    worker.on('error', (error: Error) => {
      const task = this.#busy.get(worker);
      this.#busy.delete(worker);
      task?.reject(error);
      this.#wake();
    });
    this.#workers.push(worker);
    return worker;
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

/** The buffer of some bytes, where it holds nothing else: moving it instead of copying spares 32 MiB for each worker. */
function movable(bytes: Uint8Array): ArrayBuffer[] {
  const spare = bytes.buffer.byteLength - bytes.byteLength;
  return bytes.byteOffset === 0 && spare <= 1 && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
}
