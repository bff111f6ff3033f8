/** The walking worker: goes through the sources, ahead of the producer. It never turns its event loop. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type PostedError, packError } from '../worker/start.ts';
import { StopFlag, Stopped } from '../worker/stop.ts';
import { Gate } from './gate.ts';
import { type WalkedSources, walkAll } from './walk-ahead.ts';
import { type WalkMemory, WalkWriter } from './walk-batches.ts';

/** What the worker is started with: memory that it shares. */
export interface WalkerData {
  gate: SharedArrayBuffer;
  /** A StopFlag's memory: where it is set when the gate opens, nothing is walked. */
  stop: SharedArrayBuffer;
  walked: WalkMemory;
}

/** What it is sent, once, before the gate is opened. */
export type ToWalker = WalkedSources;

/** What it posts, where it cannot go on: an error of the program, for what a walk meets is told as found. */
export interface FromWalker {
  failed: PostedError;
}

const port = parentPort;
if (port === null) throw new Error('walk-worker is started as a worker only');
const { gate, stop, walked } = workerData as WalkerData;
const flag = new StopFlag(stop);
new Gate(gate).wait();
try {
  flag.check();
  const { message } = receiveMessageOnPort(port) as { message: ToWalker };
  const writer = new WalkWriter(walked, flag);
  for (const record of walkAll(message, () => flag.check())) writer.write(record);
  writer.end();
} catch (error) {
  if (!(error instanceof Stopped)) port.postMessage({ failed: packError(error) } satisfies FromWalker);
}
port.close();
