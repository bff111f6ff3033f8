/**
 * Sealing: slabs are compressed by whichever thread is free; objects are spread over the threads for encryption, each with a session key made here,
 * and their ciphertext over a bounded number of places. As long as nothing large has come, all is done in this thread: to start another one would take
 * longer.
 */
import { type ParsedRecipient, parseRecipients, type SessionStart, startSession } from '../crypto/seal.ts';
import type { Compression } from '../volume/sink.ts';
import { unpackError } from '../worker/start.ts';
import { Places } from './places.ts';
import type { ToSealWorker } from './seal-worker.ts';
import { type FromSealer, type SealedObject, Sealer, type ToSealer } from './sealer.ts';
import { FIGURES, type SlabsMemory } from './slabs.ts';
import { startSealer } from './threads.ts';

export type { SealedObject } from './sealer.ts';

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
}

/** Content up to this size, in bytes, is worth no thread. */
const SMALL = 256 * 1024;

/** One object that is being sealed. */
export interface Sealing {
  /** Hands on content: the first bytes of a slab. */
  write(slab: number, length: number): void;
  /** Ends the object; resolves with the ciphertext, which is good until release(). */
  end(): Promise<SealedObject>;
  /** Gives the memory of the ciphertext back: to be called when it is stored. */
  release(): void;
}

/** A thread, or what this one does itself. */
interface Lane {
  tell(message: ToSealer): void;
  /** Ends it, whatever it does; resolves when it is no more. */
  stop(): Promise<void>;
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
  /** Encrypts the object; undefined before any of it has come. */
  lane: Lane | undefined;
  /** What was not handed on for encryption, in order. */
  parts: Part[];
  isEnded: boolean;
  /** Undefined until it is made. */
  start: SessionStart | undefined;
  /** Messages that wait for lane and session key; undefined once both are there. */
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
  #here: Lane | undefined;
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

  /** Starts a thread beforehand, where it is known that there will be much to do. */
  prepare(): void {
    if (this.#lanes.length === 0) this.#startLane();
  }

  /** Begins an object. Its `figures` tell how far compression is (see FIGURES). */
  open(compression: Compression, figures: SharedArrayBuffer): Sealing {
    if (this.#isClosed) throw new Error('a sealing pool was used after its end');
    const { promise: sealed, resolve } = Promise.withResolvers<SealedObject>();
    const key = ++this.#key;
    const job: Job = {
      key,
      compression,
      figures: new Float64Array(figures),
      lane: undefined,
      parts: [],
      isEnded: false,
      start: undefined,
      waiting: [],
      places: [],
      needs: 0,
      isSealed: false,
      resolve,
    };
    this.#jobs.set(key, job);
    this.#start((start) => {
      job.start = start;
      this.#begin(job);
    });
    return {
      write: (slab, length) => {
        const part = { job, slab, length, frame: undefined };
        if (job.lane === undefined) {
          job.lane = this.#laneForJob(length);
          job.lane.jobs++;
          this.#begin(job);
        }
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
    await Promise.all([...this.#starting, ...this.#lanes.map((lane) => lane.stop())]);
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
      const lane = this.#laneForPart(part);
      if (lane === undefined) return;
      this.#toCompress.shift();
      lane.compressing = part;
      const { slab, length, job } = part;
      lane.tell({ kind: 'compress', slab, length, compression: job.compression });
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
    else if (!this.#isClosed) job.lane?.tell(message);
  }

  /** Tells the lane of an object of it, and what has waited: when both the lane and the session key are there. */
  #begin(job: Job): void {
    const { key, start, lane, waiting = [] } = job;
    if (start === undefined || lane === undefined) return;
    job.waiting = undefined;
    this.#send(job, { kind: 'begin', key, start, md5: this.#options.md5 });
    for (const message of waiting) this.#send(job, message);
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
  #laneForPart({ length }: Part): Lane | undefined {
    const idle = this.#lanes.find(({ compressing }) => compressing === undefined);
    if (idle !== undefined || this.#lanes.length === this.#options.width) return idle;
    if (this.#lanes.length > 0 || length > SMALL) return this.#startLane();
    const here = this.#laneHere();
    return here.compressing === undefined ? here : undefined;
  }

  /** The one with the fewest objects, for one whose content begins with so many bytes: all of it, where they are few. */
  #laneForJob(length: number): Lane {
    if (this.#lanes.length === 0) return length <= SMALL ? this.#laneHere() : this.#startLane();
    return this.#lanes.reduce((a, b) => (b.jobs < a.jobs ? b : a));
  }

  #laneHere(): Lane {
    if (this.#here === undefined) {
      // Answers come when what was told has been noted, as they do from a thread.
      const sealer = new Sealer(this.#options.slabs, (said) => queueMicrotask(() => this.#hear(lane, said)));
      const lane: Lane = {
        tell: (message) => sealer.tell(message),
        stop: async () => {},
        compressing: undefined,
        jobs: 0,
      };
      this.#here = lane;
    }
    return this.#here;
  }

  #startLane(): Lane {
    const { worker, ended } = startSealer(this.#options.slabs);
    const post = (message: ToSealWorker) => worker.postMessage(message);
    const lane: Lane = {
      tell: post,
      stop() {
        post({ kind: 'stop' });
        return ended;
      },
      compressing: undefined,
      jobs: 0,
    };
    worker.on('message', (said: FromSealer) => this.#hear(lane, said));
    worker.on('error', (error) => this.#onFailure(error));
    this.#lanes.push(lane);
    return lane;
  }

  #hear(lane: Lane, said: FromSealer): void {
    if (said.kind === 'failed') {
      this.#onFailure(unpackError(said.error));
      return;
    }
    if (said.kind === 'compressed') {
      this.#compressed(lane, said.length);
      return;
    }
    const job = this.#jobs.get(said.key);
    if (job === undefined) return;
    if (said.kind === 'need') {
      job.needs += said.places;
    } else {
      job.isSealed = true;
      lane.jobs--;
      job.resolve(said.object);
    }
    this.#serve();
  }
}
