/** The producer's worker: runs produce(), and posts its objects piece by piece to the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ObjectSink, ObjectWriter } from '../volume/sink.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { type ProduceEvent, type ProduceOptions, type ProduceResult, produce } from './produce.ts';

/** What the worker is started with. */
export interface ProducerData {
  options: ProduceOptions;
  /** Shared memory of the running figures. */
  progress: SharedArrayBuffer;
  /** Objects that may be on their way at once. */
  objectsInFlight: number;
  /** Bytes that may wait for sealing. */
  bytesInFlight: number;
}

/** What the worker posts. */
export type FromProducer =
  | { kind: 'open'; key: number; name: string }
  | { kind: 'piece'; key: number; piece: Uint8Array }
  | { kind: 'end'; key: number; plainSize: number }
  | { kind: 'event'; event: ProduceEvent }
  | { kind: 'done'; result: ProduceResult }
  | { kind: 'failed'; error: PostedError };

/** What it is told: so many bytes were sealed, or one object is stored. */
export type ToProducer = { kind: 'sealed'; bytes: number } | { kind: 'stored' };

const port = parentPort;
if (port === null) throw new Error('produce-worker is started as a worker only');
const data = workerData as ProducerData;

/** Sends objects to the main thread, and waits while too much is on its way. */
class PortSink implements ObjectSink {
  #objects = 0;
  #bytes = 0;
  #key = 0;
  #wake: (() => void) | undefined;

  async open(name: string): Promise<ObjectWriter> {
    while (this.#objects >= data.objectsInFlight) await this.#change();
    this.#objects++;
    const key = ++this.#key;
    post({ kind: 'open', key, name });
    return {
      write: (piece) => {
        // A copy of its own, so that it can be handed over: zlib cuts several pieces from one buffer.
        const own = new Uint8Array(piece);
        this.#bytes += own.length;
        post({ kind: 'piece', key, piece: own }, [own.buffer]);
      },
      ready: async () => {
        while (this.#bytes > data.bytesInFlight) await this.#change();
      },
      end: async (plainSize) => post({ kind: 'end', key, plainSize }),
    };
  }

  hear(message: ToProducer): void {
    if (message.kind === 'stored') this.#objects--;
    else this.#bytes -= message.bytes;
    this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function post(message: FromProducer, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

const sink = new PortSink();
port.on('message', (message: ToProducer) => sink.hear(message));
produce(data.options, sink, (event) => post({ kind: 'event', event }), new Float64Array(data.progress))
  .then(
    (result) => post({ kind: 'done', result }),
    (error) => post({ kind: 'failed', error: packError(error) }),
  )
  .finally(() => port.close());
