/** The threads of a backup, which may be started before it is known what they are to do: by then they have loaded what they need. */
import type { Worker } from 'node:worker_threads';
import { startWorker } from '../worker/start.ts';
import { endOf } from '../worker/stop.ts';
import { Gate } from './gate.ts';
import type { ToProducer } from './produce-worker.ts';
import type { ToSealer } from './seal-worker.ts';

/** A thread that runs until it has been told to stop, or has done what it was told. */
export interface Thread {
  worker: Worker;
  /** Resolves when it is no more. */
  ended: Promise<void>;
}

/** A producer, which waits for the one message that it is sent. */
export interface ProducerThread extends Thread {
  tell(message: ToProducer): void;
}

export function startProducer(): ProducerThread {
  const gate = new Gate();
  const worker = startWorker('produce-worker', import.meta.url, gate.memory);
  return {
    worker,
    ended: endOf(worker),
    tell(message) {
      worker.postMessage(message);
      gate.open();
    },
  };
}

export function startSealer(): Thread {
  const worker = startWorker('seal-worker', import.meta.url, undefined);
  return { worker, ended: endOf(worker) };
}

/** A producer and a sealer that are ready. Whoever takes one ends it. */
export class ReadyThreads {
  #producer: ProducerThread | undefined = startProducer();
  #sealer: Thread | undefined = startSealer();

  /** The producer; undefined when it was taken before. */
  takeProducer(): ProducerThread | undefined {
    const thread = this.#producer;
    this.#producer = undefined;
    return thread;
  }

  /** The sealer; undefined when it was taken before. */
  takeSealer(): Thread | undefined {
    const thread = this.#sealer;
    this.#sealer = undefined;
    return thread;
  }

  /** Ends those that nobody has taken. */
  async close(): Promise<void> {
    const producer = this.takeProducer();
    const sealer = this.takeSealer();
    producer?.tell({ kind: 'stop' });
    sealer?.worker.postMessage({ kind: 'stop' } satisfies ToSealer);
    await Promise.all([producer?.ended, sealer?.ended]);
  }
}
