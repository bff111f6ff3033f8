/** The sealing worker: a sealer in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { type FromSealer, Sealer, type ToSealer } from './sealer.ts';
import type { SlabsMemory } from './slabs.ts';

/** What it is sent: what a sealer is told; `stop` at any moment. It is started with the memory of the slabs. */
export type ToSealWorker = ToSealer | { kind: 'stop' };

const port = parentPort;
if (port === null) throw new Error('seal-worker is started as a worker only');
let isStopped = false;
const post = (message: FromSealer) => {
  if (!isStopped) port.postMessage(message);
};
const sealer = new Sealer(workerData as SlabsMemory, post);

port.on('message', (message: ToSealWorker) => {
  if (message.kind === 'stop') {
    isStopped = true;
    port.close();
    return;
  }
  sealer.tell(message);
});
