/** Sealing: objects are spread over worker threads, each with a session key made here, and their ciphertext over a bounded number of places. */
import type { Worker } from 'node:worker_threads';
import { partsFor } from '../crypto/data-packet.ts';
import { type ParsedRecipient, parseRecipients, type SessionStart, startSession } from '../crypto/seal.ts';
import { startWorker, unpackError } from '../worker/start.ts';
import { endOf } from '../worker/stop.ts';
import type { FromSealer, SealedObject, ToSealer } from './seal-worker.ts';
import { Places } from './slots.ts';

export type { SealedObject } from './seal-worker.ts';

/** For whom a pool seals, and with what. */
export interface SealPoolOptions {
  /** Recipients' keys in binary. */
  recipients: readonly Uint8Array[];
  /** The moment at which keys must be valid: the start of the run. */
  now: Date;
  /** Worker threads at most; each is started when it is first needed. */
  width: number;
  /** Places for parts of sealed objects that may be in use at once. */
  places: number;
}

/** One object that is being sealed. */
export interface Sealing {
  /** Hands on the next piece, which lies in the given slot of the producer. */
  write(piece: Uint8Array, slot: number): void;
  /** Ends the object; resolves with the ciphertext, which is good until release(). */
  end(): Promise<SealedObject>;
  /** Gives the memory of the ciphertext back: to be called when it is stored. */
  release(): void;
}

interface Lane {
  worker: Worker;
  /** Resolves when the worker is no more. */
  ended: Promise<void>;
  /** Objects that are not sealed yet. */
  jobs: number;
}

interface Job {
  key: number;
  lane: Lane;
  /** Undefined until the session key is made. */
  start: SessionStart | undefined;
  isBegun: boolean;
  /** Pieces that wait for the session key, or for places. */
  waiting: { piece: Uint8Array; slot: number }[];
  /** Bytes that were sent to the worker. */
  sent: number;
  places: SharedArrayBuffer[];
  isEnded: boolean;
  endIsSent: boolean;
  onTaken: (slot: number) => void;
  resolve: (object: SealedObject) => void;
}

export class SealPool {
  readonly #options: SealPoolOptions;
  readonly #places: Places;
  readonly #lanes: Lane[] = [];
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

  /** Begins an object; `onTaken` hears which slots have been worked off. */
  open(onTaken: (slot: number) => void): Sealing {
    if (this.#isClosed) throw new Error('a sealing pool was used after its end');
    const { promise: sealed, resolve } = Promise.withResolvers<SealedObject>();
    const lane = this.#lane();
    lane.jobs++;
    const job: Job = {
      key: ++this.#key,
      lane,
      start: undefined,
      isBegun: false,
      waiting: [],
      sent: 0,
      places: [],
      isEnded: false,
      endIsSent: false,
      onTaken,
      resolve,
    };
    this.#jobs.set(job.key, job);
    this.#start(job);
    return {
      write: (piece, slot) => {
        job.waiting.push({ piece, slot });
        this.#advance(job);
      },
      end: () => {
        job.isEnded = true;
        this.#advance(job);
        return sealed;
      },
      release: () => {
        this.#jobs.delete(job.key);
        this.#places.give(job.places);
        for (const other of this.#jobs.values()) this.#advance(other);
      },
    };
  }

  /** Ends the workers, whatever is being sealed; a session key that is being made is waited for. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { worker } of this.#lanes) send(worker, { kind: 'stop' });
    await Promise.all([...this.#starting, ...this.#lanes.map(({ ended }) => ended)]);
  }

  #start(job: Job): void {
    const { recipients, now } = this.#options;
    this.#recipients ??= parseRecipients(recipients);
    const starting = this.#recipients
      .then((parsed) => startSession(parsed, now))
      .then(
        (start) => {
          job.start = start;
          this.#advance(job);
        },
        (error: Error) => this.#onFailure(error),
      )
      .finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
  }

  /** Sends to the worker what can be sent. */
  #advance(job: Job): void {
    const { key, lane } = job;
    if (job.start === undefined || this.#isClosed) return;
    if (!job.isBegun) {
      const places = this.#placesFor(job, 0);
      if (places === undefined) return;
      job.isBegun = true;
      send(lane.worker, { kind: 'begin', key, start: job.start, places });
    }
    for (let next = job.waiting[0]; next !== undefined; next = job.waiting[0]) {
      const places = this.#placesFor(job, job.sent + next.piece.length);
      if (places === undefined) return;
      job.waiting.shift();
      job.sent += next.piece.length;
      send(lane.worker, { kind: 'piece', key, ...next, places });
    }
    if (!job.isEnded || job.endIsSent) return;
    job.endIsSent = true;
    send(lane.worker, { kind: 'end', key });
  }

  /** The places that an object needs beyond those that it has, for `bytes` of content in all; undefined when they are not to be had now. */
  #placesFor(job: Job, bytes: number): SharedArrayBuffer[] | undefined {
    const places: SharedArrayBuffer[] = [];
    for (let missing = partsFor(bytes) - job.places.length; missing > 0; missing--) {
      const place = this.#places.take(!this.#willBeGiven());
      if (place === undefined) {
        this.#places.give(places);
        return undefined;
      }
      places.push(place);
    }
    job.places.push(...places);
    return places;
  }

  /** Whether some object will give its places back without getting any more. */
  #willBeGiven(): boolean {
    return [...this.#jobs.values()].some(({ endIsSent }) => endIsSent);
  }

  /** An idle worker, else a new one, else the one with the fewest objects. */
  #lane(): Lane {
    const idle = this.#lanes.find(({ jobs }) => jobs === 0);
    if (idle !== undefined) return idle;
    if (this.#lanes.length < this.#options.width) return this.#startLane();
    return this.#lanes.reduce((a, b) => (b.jobs < a.jobs ? b : a));
  }

  #startLane(): Lane {
    const worker = startWorker('seal-worker', import.meta.url, undefined);
    const lane: Lane = { worker, ended: endOf(worker), jobs: 0 };
    worker.on('message', (message: FromSealer) => {
      if (message.kind === 'failed') {
        this.#onFailure(unpackError(message.error));
        return;
      }
      const job = this.#jobs.get(message.key);
      if (message.kind === 'taken') {
        job?.onTaken(message.slot);
      } else {
        lane.jobs--;
        job?.resolve(message.object);
      }
    });
    worker.on('error', (error) => this.#onFailure(error));
    this.#lanes.push(lane);
    return lane;
  }
}

function send(worker: Worker, message: ToSealer): void {
  worker.postMessage(message);
}
