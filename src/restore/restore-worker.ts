/** A worker of a restore: writes volumes and checks files, one job after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ByteString } from '../model.ts';
import { OpenFolders } from '../target/open-folders.ts';
import { VolumeMemory } from '../volume/memory.ts';
import { Locks } from '../worker/locks.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { StopFlag } from '../worker/stop.ts';
import { checkFiles } from './check-files.ts';
import type { Job, JobResult, VolumeRows } from './jobs.ts';
import { type WriteOptions, writeVolume } from './write-volume.ts';

/** What the worker is started with. */
export interface WorkerData {
  /** A StopFlag's memory. It is set before `stop` is posted. */
  stop: SharedArrayBuffer;
  /** The memory of Locks, by entry of the plan. */
  locks: SharedArrayBuffer;
}

/** What it writes into, and how. */
export interface TargetData {
  /** The target, by its path and, as all threads have the same open files, by its number. */
  root: ByteString;
  rootFd: number | undefined;
  owner: boolean;
  replace: boolean;
}

/** What it is sent: first of all where to write, then jobs, what it has asked for, and that it is to end. */
export type ToWorker =
  | { kind: 'begin'; target: TargetData }
  | Job
  | { kind: 'rows'; rows: VolumeRows }
  | { kind: 'stop' };

/** What it posts. */
export type FromWorker =
  | { kind: 'progress'; files: number; bytes: number }
  | { kind: 'more' }
  | { kind: 'done'; result: JobResult }
  | { kind: 'failed'; error: PostedError };

/** Progress is posted in steps of about this many bytes, or files. */
const STEP_BYTES = 4 * 1024 * 1024;
const STEP_FILES = 200;

const port = parentPort;
if (port === null) throw new Error('worker is started as a worker only');
const shared = workerData as WorkerData;
const stop = new StopFlag(shared.stop);
const locks = new Locks(shared.locks);

let files = 0;
let bytes = 0;
let options: WriteOptions | undefined;

function optionsFor({ root, rootFd, owner, replace }: TargetData): WriteOptions {
  return {
    folders: new OpenFolders(root, rootFd),
    owner,
    replace,
    locks,
    memory: new VolumeMemory(),
    checkpoint: () => stop.check(),
    onProgress: (moreFiles, moreBytes) => {
      files += moreFiles;
      bytes += moreBytes;
      if (bytes >= STEP_BYTES || files >= STEP_FILES) report();
    },
  };
}

function report(): void {
  post({ kind: 'progress', files, bytes });
  files = 0;
  bytes = 0;
}

/** Hears of the batch that was asked for. */
let onRows: ((rows: VolumeRows) => void) | undefined;

/** Asks for one batch after the other, each while the one before is worked on; what comes for a job that has ended is heard by nobody. */
function askForRows(): () => Promise<VolumeRows> {
  const ask = () =>
    new Promise<VolumeRows>((resolve) => {
      onRows = resolve;
      post({ kind: 'more' });
    });
  let due = ask();
  return async () => {
    const rows = await due;
    if (!rows.last) due = ask();
    return rows;
  };
}

async function perform(job: Job): Promise<JobResult> {
  if (options === undefined) throw new Error('a job came before it was said where to write');
  try {
    return job.kind === 'volume' ? await writeVolume(job, askForRows(), options) : checkFiles(job, options);
  } finally {
    onRows = undefined;
    // A worker may be ended after any job, and what a thread has open is closed by nobody else.
    options.folders.close();
  }
}

function post(message: FromWorker): void {
  port?.postMessage(message);
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') {
    port.close();
    return;
  }
  if (message.kind === 'begin') {
    options = optionsFor(message.target);
    return;
  }
  if (message.kind === 'rows') {
    onRows?.(message.rows);
    return;
  }
  perform(message).then(
    (result) => {
      report();
      post({ kind: 'done', result });
    },
    (error) => post({ kind: 'failed', error: packError(error) }),
  );
});
