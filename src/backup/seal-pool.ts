/**
 * Sealing: slabs are compressed by whichever thread is free; objects are spread over the threads for encryption, each with a session key made here,
 * and their ciphertext over a bounded number of places.
 */
import type { Worker } from 'node:worker_threads';
import { type ParsedRecipient, parseRecipients, type SessionStart, startSession } from '../crypto/seal.ts';
import type { Compression } from '../volume/sink.ts';
import { unpackError } from '../worker/start.ts';
import { Places } from './places.ts';
import type { FromSealer, SealedObject, ToSealer } from './seal-worker.ts';
import { FIGURES, type SlabsMemory } from './slabs.ts';
import { startSealer, type Thread } from './threads.ts';

export type { SealedObject } from './seal-worker.ts';

/** For whom a pool seals, and with what. */
export interface SealPoolOptions {
  /** Recipients' keys in binary. */
  recipients: readonly Uint8Array[];
  /** The moment at which keys must be valid: the start of the run. */
  now: Date;
  /** Whether the MD5 of sealed objects is needed. */
  md5: boolean;
  /** Worker threads at most; each is started when it is first needed. */
  width: number;
  /** Places for parts of sealed objects that may be in use at once. */
  places: number;
  /** What content comes in; the workers give each slab back. */
  slabs: SlabsMemory;
  /** A thread that is ready, if there is one: the first to be used. */
  ready?: Thread | undefined;
}

/** One object that is being sealed. */
export interface Sealing {
  /** Hands on content: the first bytes of a slab. */
  write(slab: number, length: number): void;
  /** Ends the object; resolves with the ciphertext, which is good until release(). */
  end(): Promise<SealedObject>;
  /** Gives the memory of the ciphertext back: to be called when it is stored. */
  release(): void;
}

interface Lane extends Thread {
  /** What it compresses. */
  compressing: Part | undefined;
  /** Objects of its own that are not sealed yet. */
  jobs: number;
}

/** A slab of an object, with the bytes of its content, and of the frame that has taken its place. */
interface Part {
  job: Job;
  slab: number;
  length: number;
  frame: number | undefined;
}

interface Job {
  key: number;
  compression: Compression;
  figures: Float64Array;
  /** Encrypts the object. */
  lane: Lane;
  /** What was not handed on for encryption, in order. */
  parts: Part[];
  isEnded: boolean;
  /** Messages that wait for the session key; undefined once it is made. */
  waiting: ToSealer[] | undefined;
  /** Places that it has, and how many more it needs. */
  places: SharedArrayBuffer[];
  needs: number;
  isSealed: boolean;
  resolve: (object: SealedObject) => void;
}

export class SealPool {
  readonly #options: SealPoolOptions;
  readonly #places: Places;
  readonly #lanes: Lane[] = [];
  /** What waits for a thread that compresses it, oldest first. */
  readonly #toCompress: Part[] = [];
  /** Objects whose places are in use, oldest first. */
  readonly #jobs = new Map<number, Job>();
  readonly #starting = new Set<Promise<void>>();
  #recipients: Promise<ParsedRecipient[]> | undefined;
  #key = 0;
  #isClosed = false;
  #onFailure: (error: Error) => void = () => {};

  constructor(options: SealPoolOptions) {
    this.#options = options;
    this.#places = new Places(options.places);
  }

  /** Who hears of what failed. Nothing that is under way will end then. */
  set onFailure(listener: (error: Error) => void) {
    this.#onFailure = listener;
  }

  /** Begins an object. Its `figures` tell how far compression is (see FIGURES). */
  open(compression: Compression, figures: SharedArrayBuffer): Sealing {
    if (this.#isClosed) throw new Error('a sealing pool was used after its end');
    const { promise: sealed, resolve } = Promise.withResolvers<SealedObject>();
    const lane = this.#laneForJob();
    lane.jobs++;
    const key = ++this.#key;
    const job: Job = {
      key,
      compression,
      figures: new Float64Array(figures),
      lane,
      parts: [],
      isEnded: false,
      waiting: [],
      places: [],
      needs: 0,
      isSealed: false,
      resolve,
    };
    this.#jobs.set(key, job);
    this.#start((start) => {
      const waiting = job.waiting ?? [];
      job.waiting = undefined;
      for (const message of [{ kind: 'begin', key, start, md5: this.#options.md5 } as const, ...waiting])
        this.#send(job, message);
    });
    return {
      write: (slab, length) => {
        const part = { job, slab, length, frame: undefined };
        job.parts.push(part);
        this.#toCompress.push(part);
        this.#compress();
      },
      end: () => {
        job.isEnded = true;
        this.#handOn(job);
        return sealed;
      },
      release: () => {
        this.#jobs.delete(key);
        this.#places.give(job.places);
        this.#serve();
      },
    };
  }

  /** Ends the workers, whatever is being sealed; a session key that is being made is waited for. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { ready } = this.#options;
    const unused = this.#lanes.length === 0 && ready !== undefined ? [ready] : [];
    const threads = [...this.#lanes, ...unused];
    for (const { worker } of threads) post(worker, { kind: 'stop' });
    await Promise.all([...this.#starting, ...threads.map(({ ended }) => ended)]);
  }

  /** Makes a session key, and hands it on. */
  #start(hand: (start: SessionStart) => void): void {
    const { recipients, now } = this.#options;
    this.#recipients ??= parseRecipients(recipients);
    const starting = this.#recipients
      .then((parsed) => startSession(parsed, now))
      .then(hand)
      .catch((error: Error) => this.#onFailure(error))
      .finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
  }

  /** Gives each thread that compresses nothing something to compress: one slab at a time, so that it comes to its encryption in between. */
  #compress(): void {
    for (let part = this.#toCompress[0]; part !== undefined && !this.#isClosed; part = this.#toCompress[0]) {
      const lane = this.#laneForPart();
      if (lane === undefined) return;
      this.#toCompress.shift();
      lane.compressing = part;
      const { slab, length, job } = part;
      post(lane.worker, { kind: 'compress', slab, length, compression: job.compression });
    }
  }

  #compressed(lane: Lane, frame: number): void {
    const part = lane.compressing;
    if (part === undefined) throw new Error('a sealer has compressed what it was not sent');
    lane.compressing = undefined;
    part.frame = frame;
    const { job, length } = part;
    // Written here alone: adding to a number is no single step.
    job.figures[FIGURES.out]! += frame;
    job.figures[FIGURES.taken]! += length;
    this.#handOn(job);
    this.#compress();
  }

  /** Hands on for encryption what is compressed, as far as it is in order. */
  #handOn(job: Job): void {
    for (let part = job.parts[0]; part?.frame !== undefined; part = job.parts[0]) {
      job.parts.shift();
      this.#send(job, { kind: 'content', key: job.key, slab: part.slab, length: part.frame });
    }
    if (job.isEnded && job.parts.length === 0) this.#send(job, { kind: 'end', key: job.key });
  }

  #send(job: Job, message: ToSealer): void {
    if (job.waiting !== undefined) job.waiting.push(message);
    else if (!this.#isClosed) post(job.lane.worker, message);
  }

  /** Gives places to those who need some, the oldest first, as far as they go. */
  #serve(): void {
    for (const [key, job] of this.#jobs) {
      const places: SharedArrayBuffer[] = [];
      while (places.length < job.needs) {
        const place = this.#places.take(!this.#willBeGiven());
        if (place === undefined) break;
        places.push(place);
      }
      job.needs -= places.length;
      job.places.push(...places);
      if (places.length > 0) this.#send(job, { kind: 'places', key, places });
      if (job.needs > 0) return;
    }
  }

  /** Whether some object will give its places back without getting any more. */
  #willBeGiven(): boolean {
    return [...this.#jobs.values()].some(({ isSealed }) => isSealed);
  }

  /** One that compresses nothing, a new one if need be; undefined when there may be no more. */
  #laneForPart(): Lane | undefined {
    const idle = this.#lanes.find(({ compressing }) => compressing === undefined);
    if (idle !== undefined || this.#lanes.length === this.#options.width) return idle;
    return this.#startLane();
  }

  /** The one with the fewest objects. */
  #laneForJob(): Lane {
    if (this.#lanes.length === 0) return this.#startLane();
    return this.#lanes.reduce((a, b) => (b.jobs < a.jobs ? b : a));
  }

  #startLane(): Lane {
    const { ready, slabs } = this.#options;
    const isFirst = this.#lanes.length === 0;
    const lane: Lane = {
      ...((isFirst ? ready : undefined) ?? startSealer()),
      compressing: undefined,
      jobs: 0,
    };
    const { worker } = lane;
    post(worker, { kind: 'slabs', memory: slabs });
    worker.on('message', (message: FromSealer) => {
      if (message.kind === 'failed') {
        this.#onFailure(unpackError(message.error));
        return;
      }
      if (message.kind === 'compressed') {
        this.#compressed(lane, message.length);
        return;
      }
      const job = this.#jobs.get(message.key);
      if (job === undefined) return;
      if (message.kind === 'need') {
        job.needs += message.places;
      } else {
        job.isSealed = true;
        lane.jobs--;
        job.resolve(message.object);
      }
      this.#serve();
    });
    worker.on('error', (error) => this.#onFailure(error));
    this.#lanes.push(lane);
    return lane;
  }
}

function post(worker: Worker, message: ToSealer): void {
  worker.postMessage(message);
}
