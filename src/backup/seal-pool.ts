/** The sealing workers: objects are spread over them, each object to one. */
import type { Worker } from 'node:worker_threads';
import { startWorker, unpackError } from '../worker/start.ts';
import type { FromSealer, SealedObject, SealerData, ToSealer } from './seal-worker.ts';

export type { SealedObject } from './seal-worker.ts';

/** One object that is being sealed. */
export interface Sealing {
  /** Hands on the next piece, which lies in the given slot of the producer. */
  write(piece: Uint8Array, slot: number): void;
  /** Ends the object; resolves with the ciphertext. */
  end(): Promise<SealedObject>;
}

interface Lane {
  worker: Worker;
  /** Resolves when the worker is no more. */
  ended: Promise<void>;
  /** Objects that were begun here and are not sealed yet, oldest first. */
  queue: Job[];
  /** Whether pieces of its newest object are still to come. */
  isOpen: boolean;
}

interface Job {
  onTaken: (slot: number) => void;
  sealed: Promise<SealedObject>;
  resolve: (object: SealedObject) => void;
}

export class SealPool {
  readonly #data: SealerData;
  readonly #width: number;
  readonly #lanes: Lane[] = [];
  #onFailure: (error: Error) => void = () => {};

  /** `width`: how many workers at most; each is started when it is first needed. */
  constructor(data: SealerData, width: number) {
    this.#data = data;
    this.#width = width;
  }

  /** Who hears of a worker that failed. Nothing that is under way will end then. */
  set onFailure(listener: (error: Error) => void) {
    this.#onFailure = listener;
  }

  /** Begins an object whose ciphertext goes to `memory`; `onTaken` hears which slots have been worked off. */
  open(memory: SharedArrayBuffer, onTaken: (slot: number) => void): Sealing {
    const lane = this.#lane();
    let resolve: (object: SealedObject) => void = () => {};
    const sealed = new Promise<SealedObject>((r) => {
      resolve = r;
    });
    lane.queue.push({ onTaken, sealed, resolve });
    lane.isOpen = true;
    send(lane.worker, { kind: 'begin', memory });
    return {
      write: (piece, slot) => send(lane.worker, { kind: 'piece', slot, piece }),
      end: () => {
        send(lane.worker, { kind: 'end' });
        lane.isOpen = false;
        return sealed;
      },
    };
  }

  /**
   * Ends the workers, whatever is being sealed. They are told, not terminated: Node aborts the whole process when a thread is
   * terminated while a key is being generated in it, as each message for a Curve25519 key needs one.
   */
  async close(): Promise<void> {
    for (const { worker } of this.#lanes) send(worker, { kind: 'stop' });
    await Promise.all(this.#lanes.map(({ ended }) => ended));
  }

  /**
   * An idle worker, else a new one, else the one with the shortest queue. Never one whose newest object has not ended: pieces of two
   * objects would mix. So at most `width` objects can be open at once.
   */
  #lane(): Lane {
    const idle = this.#lanes.find(({ queue }) => queue.length === 0);
    if (idle !== undefined) return idle;
    if (this.#lanes.length < this.#width) return this.#start();
    const closed = this.#lanes.filter(({ isOpen }) => !isOpen);
    if (closed.length === 0) throw new Error('more objects are open than there are sealing workers');
    return closed.reduce((a, b) => (b.queue.length < a.queue.length ? b : a));
  }

  #start(): Lane {
    const worker = startWorker('seal-worker', import.meta.url, this.#data);
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const lane: Lane = { worker, ended, queue: [], isOpen: false };
    lane.worker.on('message', (message: FromSealer) => {
      const job = lane.queue[0] as Job;
      if (message.kind === 'taken') {
        job.onTaken(message.slot);
      } else if (message.kind === 'sealed') {
        lane.queue.shift();
        job.resolve(message.object);
      } else {
        this.#onFailure(unpackError(message.error));
      }
    });
    lane.worker.on('error', (error) => this.#onFailure(error));
    this.#lanes.push(lane);
    return lane;
  }
}

function send(worker: Worker, message: ToSealer): void {
  worker.postMessage(message);
}
