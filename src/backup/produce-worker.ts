/** The producer's worker: runs produce(), and hands its objects on slab by slab. It never turns its event loop. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { copyBytes } from '../copy.ts';
import type { Walker } from '../index/compare.ts';
import { hasAttributes } from '../linux/xattrs.ts';
import type { Compression, ObjectSink, ObjectWriter } from '../volume/sink.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { StopFlag, Stopped } from '../worker/stop.ts';
import { Gate } from './gate.ts';
import { type ProduceEvent, type ProduceOptions, type ProduceResult, produce } from './produce.ts';
import { FIGURES, FIGURES_LENGTH, SLAB, Slabs, type SlabsMemory } from './slabs.ts';
import { foundBelow } from './walk-ahead.ts';
import { type WalkMemory, WalkReader } from './walk-batches.ts';

/** What the worker needs to know. */
export interface ProducerData {
  options: ProduceOptions;
  /** Shared memory of the running figures. */
  progress: SharedArrayBuffer;
  /** A StopFlag's memory. */
  stop: SharedArrayBuffer;
  /** Objects that may be on their way at once. */
  objectsInFlight: number;
  slabs: SlabsMemory;
  /** What another thread finds that walks the sources; undefined where the producer is to walk. */
  walked: WalkMemory | undefined;
}

/** What it is sent: one of these, once, before the gate is opened that it was started with. */
export type ToProducer = { kind: 'produce'; data: ProducerData } | { kind: 'stop' };

/** What the worker posts. */
export type FromProducer =
  | { kind: 'open'; key: number; name: string; compression: Compression; figures: SharedArrayBuffer }
  | { kind: 'content'; key: number; slab: number; length: number }
  | { kind: 'end'; key: number; plainSize: number }
  | { kind: 'event'; event: ProduceEvent }
  | { kind: 'done'; result: ProduceResult }
  | { kind: 'failed'; error: PostedError };

const port = parentPort;
if (port === null) throw new Error('produce-worker is started as a worker only');

/** What all objects of a run share. */
interface Run {
  stop: StopFlag;
  slabs: Slabs;
  objectsInFlight: number;
  /** Of the objects that were begun, the last one's. */
  key: number;
}

/** One object: it is begun when its first slab is handed on. */
class SlabWriter implements ObjectWriter {
  readonly #run: Run;
  readonly #name: string;
  readonly #compression: Compression;
  readonly #figures = new Float64Array(
    new SharedArrayBuffer(FIGURES_LENGTH * Float64Array.BYTES_PER_ELEMENT),
  );
  #key = 0;
  #slab: number | undefined;
  #view: Buffer = Buffer.alloc(0);
  #used = 0;
  #plain = 0;

  constructor(run: Run, name: string, compression: Compression) {
    this.#run = run;
    this.#name = name;
    this.#compression = compression;
  }

  get figures() {
    return { taken: this.#figures[FIGURES.taken] as number, out: this.#figures[FIGURES.out] as number };
  }

  room(bytes: number): Buffer {
    if (this.#view.length - this.#used < bytes) this.#hand();
    if (this.#slab === undefined) {
      const { slabs, stop } = this.#run;
      this.#slab = slabs.take(stop);
      this.#view = slabs.view(this.#slab).subarray(0, SLAB);
    }
    return this.#view.subarray(this.#used);
  }

  filled(bytes: number): void {
    this.#used += bytes;
    this.#plain += bytes;
    if (this.#used === SLAB) this.#hand();
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const room = this.room(1);
      const length = Math.min(room.length, bytes.length - at);
      copyBytes(bytes.subarray(at, at + length), room, 0);
      this.filled(length);
      at += length;
    }
  }

  end(): void {
    this.#hand();
    post({ kind: 'end', key: this.#key, plainSize: this.#plain });
  }

  discard(): void {
    if (this.#plain > 0) throw new Error(`${this.#name} was given up in the midst of it`);
    if (this.#slab !== undefined) this.#run.slabs.give(this.#slab);
    this.#slab = undefined;
  }

  /** Hands on what is in the slab. */
  #hand(): void {
    const slab = this.#slab;
    if (slab === undefined || this.#used === 0) return;
    if (this.#key === 0) {
      const { slabs, objectsInFlight, stop } = this.#run;
      slabs.beginObject(objectsInFlight, stop);
      this.#key = ++this.#run.key;
      const figures = this.#figures.buffer as SharedArrayBuffer;
      post({ kind: 'open', key: this.#key, name: this.#name, compression: this.#compression, figures });
    }
    post({ kind: 'content', key: this.#key, slab, length: this.#used });
    this.#slab = undefined;
    this.#view = this.#view.subarray(0, 0);
    this.#used = 0;
  }
}

function post(message: FromProducer): void {
  port?.postMessage(message);
}

function run(data: ProducerData): void {
  const stop = new StopFlag(data.stop);
  const shared: Run = {
    stop,
    slabs: new Slabs(data.slabs),
    objectsInFlight: data.objectsInFlight,
    key: 0,
  };
  const sink: ObjectSink = { open: (name, compression) => new SlabWriter(shared, name, compression) };
  try {
    const onEvent = (event: ProduceEvent) => post({ kind: 'event', event });
    const progress = new Float64Array(data.progress);
    const result = produce(data.options, sink, onEvent, progress, () => stop.check(), walkerOf(data, stop));
    post({ kind: 'done', result });
  } catch (error) {
    // Whoever set the flag does not listen any more.
    if (!(error instanceof Stopped)) post({ kind: 'failed', error: packError(error) });
  }
}

function walkerOf({ walked }: ProducerData, stop: StopFlag): Walker | undefined {
  if (walked === undefined) return undefined;
  const reader = new WalkReader(walked, stop);
  return (source, root) => foundBelow(source, root, () => reader.next());
}

// What is loaded only when it is first needed: there is time for it now.
hasAttributes();
new Gate(workerData as SharedArrayBuffer).wait();
const { message } = receiveMessageOnPort(port) as { message: ToProducer };
if (message.kind === 'produce') run(message.data);
port.close();
