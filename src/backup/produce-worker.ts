/** The producer's worker: runs produce(), and posts its objects piece by piece to the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ObjectSink, ObjectWriter } from '../volume/sink.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { StopFlag } from '../worker/stop.ts';
import { type ProduceEvent, type ProduceOptions, type ProduceResult, produce } from './produce.ts';
import { FREE_SLOTS, SLOT } from './slots.ts';

/** What the worker is started with. */
export interface ProducerData {
  options: ProduceOptions;
  /** Shared memory of the running figures. */
  progress: SharedArrayBuffer;
  /** A StopFlag's memory. It is set before `stop` is posted. */
  stop: SharedArrayBuffer;
  /** Objects that may be on their way at once. */
  objectsInFlight: number;
  /** Memory for pieces that wait for sealing. */
  pieces: SharedArrayBuffer;
}

/** What the worker posts. */
export type FromProducer =
  | { kind: 'open'; key: number; name: string }
  | { kind: 'piece'; key: number; slot: number; piece: Uint8Array }
  | { kind: 'end'; key: number; plainSize: number }
  | { kind: 'event'; event: ProduceEvent }
  | { kind: 'done'; result: ProduceResult }
  | { kind: 'failed'; error: PostedError };

/** What it is told: a slot is free again, one object is stored, or that it is to end. */
export type ToProducer = { kind: 'taken'; slot: number } | { kind: 'stored' } | { kind: 'stop' };

/** A piece outside the slots: the slots were all taken. */
const NO_SLOT = -1;

const port = parentPort;
if (port === null) throw new Error('produce-worker is started as a worker only');
const data = workerData as ProducerData;
const stop = new StopFlag(data.stop);

/** Sends objects to the main thread, and waits while too much is on its way. */
class PortSink implements ObjectSink {
  #objects = 0;
  #key = 0;
  readonly #free = Array.from({ length: data.pieces.byteLength / SLOT }, (_, i) => i);
  readonly #slots = this.#free.length;
  #wake: (() => void) | undefined;

  async open(name: string): Promise<ObjectWriter> {
    while (this.#objects >= data.objectsInFlight) await this.#change();
    this.#objects++;
    const key = ++this.#key;
    post({ kind: 'open', key, name });
    return {
      write: (piece) => {
        for (let at = 0; at < piece.length; at += SLOT) this.#piece(key, piece.subarray(at, at + SLOT));
      },
      ready: async () => {
        while (this.#free.length < Math.min(FREE_SLOTS, this.#slots)) await this.#change();
      },
      end: async (plainSize) => post({ kind: 'end', key, plainSize }),
    };
  }

  hear(message: ToProducer): void {
    if (message.kind === 'stored') this.#objects--;
    else if (message.kind === 'taken' && message.slot !== NO_SLOT) this.#free.push(message.slot);
    this.#wake?.();
  }

  /** Copies a piece to where the sealing worker reads it: zlib uses its buffers again. */
  #piece(key: number, piece: Uint8Array): void {
    const slot = this.#free.pop() ?? NO_SLOT;
    const copy =
      slot === NO_SLOT
        ? new Uint8Array(piece.length)
        : new Uint8Array(data.pieces, slot * SLOT, piece.length);
    copy.set(piece);
    post({ kind: 'piece', key, slot, piece: copy });
  }

  async #change(): Promise<void> {
    stop.check();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    stop.check();
  }
}

function post(message: FromProducer): void {
  port?.postMessage(message);
}

const sink = new PortSink();
port.on('message', (message: ToProducer) => sink.hear(message));
produce(
  data.options,
  sink,
  (event) => post({ kind: 'event', event }),
  new Float64Array(data.progress),
  () => stop.check(),
)
  .then(
    (result) => post({ kind: 'done', result }),
    (error) => post({ kind: 'failed', error: packError(error) }),
  )
  .finally(() => port.close());
