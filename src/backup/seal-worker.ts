/**
 * A sealing worker: compresses the content of objects, encrypts what comes out under their session keys, and digests the ciphertext. Knows no
 * recipient: openpgp.js is not loaded here.
 */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { DataPacket, partsFor } from '../crypto/data-packet.ts';
import type { SessionStart } from '../crypto/seal.ts';
import { Compressor } from '../volume/compress.ts';
import type { Compression } from '../volume/sink.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { FIGURES, Slabs, type SlabsMemory } from './slabs.ts';

/** What it is started with: the slabs that content comes in. */
export type SealerData = SlabsMemory;

/**
 * What it is sent: of each object its beginning, its content and its end, those of several objects in any order; `stop` at any moment.
 * `figures` are two numbers in shared memory (FIGURES). Places are memory for parts of the sealed object, as many as it has said that it needs.
 */
export type ToSealer =
  | { kind: 'begin'; key: number; start: SessionStart; compression: Compression; figures: SharedArrayBuffer }
  | { kind: 'content'; key: number; slab: number; length: number }
  | { kind: 'places'; key: number; places: SharedArrayBuffer[] }
  | { kind: 'end'; key: number }
  | { kind: 'stop' };

/** A sealed object: its bytes in pieces, the large ones in the places that were given for them, and their digests in hex. */
export interface SealedObject {
  pieces: Uint8Array[];
  size: number;
  md5: string;
  sha256: string;
}

/** What it posts. */
export type FromSealer =
  | { kind: 'need'; key: number; places: number }
  | { kind: 'sealed'; key: number; object: SealedObject }
  | { kind: 'failed'; error: PostedError };

/** Pieces up to this size are posted as copies, so that what they lie in is not copied as a whole. */
const SMALL = 64 * 1024;

const port = parentPort;
if (port === null) throw new Error('seal-worker is started as a worker only');
const slabs = new Slabs(workerData as SealerData);
let isStopped = false;

/** The sealed bytes of an object in the making. */
class Ciphertext {
  readonly #packet: DataPacket;
  readonly #md5 = createHash('md5');
  readonly #sha256 = createHash('sha256');
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  constructor({ sessionKey, packets }: SessionStart, takePlace: () => Buffer) {
    this.#take([packets]);
    this.#packet = new DataPacket(sessionKey, takePlace);
  }

  write(piece: Uint8Array): void {
    this.#take(this.#packet.write(piece));
  }

  end(): SealedObject {
    this.#take(this.#packet.end());
    return {
      pieces: this.#pieces,
      size: this.#size,
      md5: this.#md5.digest('hex'),
      sha256: this.#sha256.digest('hex'),
    };
  }

  #take(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.#md5.update(piece);
      this.#sha256.update(piece);
      this.#size += piece.length;
      const isShared = piece.buffer instanceof SharedArrayBuffer;
      this.#pieces.push(isShared || piece.length > SMALL ? piece : Uint8Array.from(piece));
    }
  }
}

/** What comes out of compression, in order: a piece, a slab that has gone in entirely, and the end. */
type Compressed = { piece: Uint8Array } | { slab: number } | 'end';

/**
 * An object in the making. What was compressed waits until there are places for it, and is sealed in a turn of the event loop of its own, while
 * zstd works on the next slab.
 */
class Sealing {
  readonly #key: number;
  readonly #start: SessionStart;
  readonly #figures: Float64Array;
  readonly #zstd: Compressor;
  readonly #waiting: Compressed[] = [];
  #isScheduled = false;
  #ciphertext: Ciphertext | undefined;
  /** Bytes of compressed content that were sealed, or will be next. */
  #sealed = 0;
  readonly #places: SharedArrayBuffer[] = [];
  /** Places that it has got, and asked for, in all. */
  #got = 0;
  #asked = 0;

  constructor({ key, start, compression, figures }: Extract<ToSealer, { kind: 'begin' }>) {
    this.#key = key;
    this.#start = start;
    this.#figures = new Float64Array(figures);
    this.#zstd = new Compressor(
      compression,
      (piece) => {
        this.#figures[FIGURES.out]! += piece.length;
        this.#came({ piece });
      },
      fail,
    );
  }

  content(slab: number, length: number): void {
    this.#zstd.write(slabs.view(slab).subarray(0, length), () => {
      this.#figures[FIGURES.taken]! += length;
      this.#came({ slab });
    });
  }

  places(places: readonly SharedArrayBuffer[]): void {
    this.#places.push(...places);
    this.#got += places.length;
    this.#schedule();
  }

  end(): void {
    this.#zstd.end(() => this.#came('end'));
  }

  #came(item: Compressed): void {
    this.#waiting.push(item);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (isStopped) return;
      try {
        this.#work();
      } catch (error) {
        fail(error);
      }
    });
  }

  #work(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next === 'end') {
        if (!this.#hasPlaces(0)) return;
        open.delete(this.#key);
        post({ kind: 'sealed', key: this.#key, object: this.#begun().end() });
      } else if ('slab' in next) {
        slabs.give(next.slab);
      } else {
        if (!this.#hasPlaces(next.piece.length)) return;
        this.#sealed += next.piece.length;
        this.#begun().write(next.piece);
      }
      this.#waiting.shift();
    }
  }

  /** Whether there are places for so many bytes more; asks for those that lack. */
  #hasPlaces(bytes: number): boolean {
    const needed = partsFor(this.#sealed + bytes);
    if (needed <= this.#got) return true;
    if (needed > this.#asked) {
      post({ kind: 'need', key: this.#key, places: needed - this.#asked });
      this.#asked = needed;
    }
    return false;
  }

  #begun(): Ciphertext {
    this.#ciphertext ??= new Ciphertext(this.#start, () => {
      const place = this.#places.pop();
      if (place === undefined) throw new Error('an object has more parts than there are places for it');
      return Buffer.from(place);
    });
    return this.#ciphertext;
  }
}

const open = new Map<number, Sealing>();

function perform(message: Exclude<ToSealer, { kind: 'stop' }>): void {
  const { key } = message;
  if (message.kind === 'begin') {
    open.set(key, new Sealing(message));
    return;
  }
  const sealing = open.get(key);
  if (sealing === undefined) throw new Error(`a sealer was sent ${message.kind} out of turn`);
  if (message.kind === 'content') sealing.content(message.slab, message.length);
  else if (message.kind === 'places') sealing.places(message.places);
  else sealing.end();
}

function post(message: FromSealer): void {
  if (!isStopped) port?.postMessage(message);
}

function fail(error: unknown): void {
  post({ kind: 'failed', error: packError(error) });
}

port.on('message', (message: ToSealer) => {
  if (message.kind === 'stop') {
    isStopped = true;
    port.close();
    return;
  }
  try {
    perform(message);
  } catch (error) {
    fail(error);
  }
});
