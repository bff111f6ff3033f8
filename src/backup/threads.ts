/** The threads of a backup, which may be started before it is known what they are to do: by then they have loaded what they need. */
import type { Worker } from 'node:worker_threads';
import { startWorker, unpackError } from '../worker/start.ts';
import { endOf, StopFlag } from '../worker/stop.ts';
import { Gate } from './gate.ts';
import type { ToProducer } from './produce-worker.ts';
import type { SlabsMemory } from './slabs.ts';
import { newWalkMemory, type WalkMemory, wakeWalk } from './walk-batches.ts';
import type { FromWalker, ToWalker, WalkerData } from './walk-worker.ts';

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

/** A sealer, which is told what to do by messages: see ToSealWorker. `slabs`: what content comes in. */
export function startSealer(slabs: SlabsMemory): Thread {
  const worker = startWorker('seal-worker', import.meta.url, slabs);
  return { worker, ended: endOf(worker) };
}

/** A walker, which waits to be told what to walk. It ends when it has gone through all of it, or is stopped. */
export interface WalkerThread extends Thread {
  /** What it finds. */
  walked: WalkMemory;
  /** Resolves with what went wrong in it, if anything does. */
  failure: Promise<Error>;
  /** Lets it go through the sources. Only the first time counts. */
  walk(what: ToWalker): void;
  stop(): void;
}

export function startWalker(): WalkerThread {
  const gate = new Gate();
  const stop = new StopFlag();
  const walked = newWalkMemory();
  const data: WalkerData = { gate: gate.memory, stop: stop.memory, walked };
  const worker = startWorker('walk-worker', import.meta.url, data);
  const failure = new Promise<Error>((resolve) => {
    worker.on('error', resolve);
    worker.on('message', ({ failed }: FromWalker) => resolve(unpackError(failed)));
  });
  let isTold = false;
  return {
    worker,
    ended: endOf(worker),
    walked,
    failure,
    walk(what) {
      if (isTold) return;
      isTold = true;
      worker.postMessage(what);
      gate.open();
    },
    stop() {
      stop.set();
      wakeWalk(walked);
      gate.open();
    },
  };
}

/** A walker that is ready, and soon a producer. Whoever takes one ends it. */
export class ReadyThreads {
  #producer: ProducerThread | undefined;
  #walker: WalkerThread | undefined = startWalker();
  /** Resolves when a walker that was of no use is no more. */
  #walkerEnded: Promise<void> | undefined;

  /** To be called once, when the walker has its work: to start both at the same time delays the walk, for two cores have three threads to start then. */
  readyProducer(): void {
    this.#producer ??= startProducer();
  }

  /** The producer; undefined when it was taken before, or has not been started. */
  takeProducer(): ProducerThread | undefined {
    const thread = this.#producer;
    this.#producer = undefined;
    return thread;
  }

  /** Lets the walker begin; resolves when it has gone through all of it, or was stopped. */
  walk(what: ToWalker): Promise<void> {
    this.#walker?.walk(what);
    return this.#walker?.ended ?? Promise.resolve();
  }

  /** The walker; undefined when it was taken before. */
  takeWalker(): WalkerThread | undefined {
    const thread = this.#walker;
    this.#walker = undefined;
    return thread;
  }

  /** Ends the walker, which is of no use: it can be taken no more. */
  dropWalker(): void {
    const walker = this.takeWalker();
    walker?.stop();
    this.#walkerEnded = walker?.ended;
  }

  /** Ends those that nobody has taken. */
  async close(): Promise<void> {
    const producer = this.takeProducer();
    producer?.tell({ kind: 'stop' });
    if (this.#walker !== undefined) this.dropWalker();
    await Promise.all([producer?.ended, this.#walkerEnded]);
  }
}
