/**
 * A sealing worker: compresses slabs of any object, and encrypts the objects that are its own, slab by slab in their order, under their session
 * keys; digests the ciphertext. Knows no recipient: openpgp.js is not loaded here.
 */
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { DataPacket, partsFor } from '../crypto/data-packet.ts';
import type { SessionStart } from '../crypto/seal.ts';
import { compressInPlace } from '../volume/compress.ts';
import type { Compression } from '../volume/sink.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { Slabs, type SlabsMemory } from './slabs.ts';

/**
 * What it is sent: first the slabs that content comes in; then slabs to compress; of each object of its own the beginning, the compressed content in its order, and the end, those of
 * several objects in any order; `stop` at any moment. Places are memory for parts of the sealed object, as many as it has said that it needs.
 */
export type ToSealer =
  | { kind: 'slabs'; memory: SlabsMemory }
  | { kind: 'compress'; slab: number; length: number; compression: Compression }
  | { kind: 'begin'; key: number; start: SessionStart; md5: boolean }
  | { kind: 'content'; key: number; slab: number; length: number }
  | { kind: 'places'; key: number; places: SharedArrayBuffer[] }
  | { kind: 'end'; key: number }
  | { kind: 'stop' };

/** A sealed object: its bytes in pieces, the large ones in the places that were given for them, and their digests in hex. */
export interface SealedObject {
  pieces: Uint8Array[];
  size: number;
  /** There if it was asked for. */
  md5: string | undefined;
  sha256: string;
  /** CRC-32 of zlib: a cheap means to see that memory was left alone since. */
  crc32: number;
}

/** What it posts. It has compressed the slab that it was sent last: `length` is that of the frame which lies in it now. */
export type FromSealer =
  | { kind: 'compressed'; length: number }
  | { kind: 'need'; key: number; places: number }
  | { kind: 'sealed'; key: number; object: SealedObject }
  | { kind: 'failed'; error: PostedError };

/** Pieces up to this size are posted as copies, so that what they lie in is not copied as a whole. */
const SMALL = 64 * 1024;

const port = parentPort;
if (port === null) throw new Error('seal-worker is started as a worker only');
let slabs: Slabs;
let isStopped = false;

/** The sealed bytes of an object in the making. */
class Ciphertext {
  readonly #packet: DataPacket;
  readonly #md5: Hash | undefined;
  readonly #sha256 = createHash('sha256');
  readonly #pieces: Uint8Array[] = [];
  #crc32 = 0;
  #size = 0;

  constructor({ sessionKey, packets }: SessionStart, md5: boolean, takePlace: () => Buffer) {
    if (md5) this.#md5 = createHash('md5');
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
      md5: this.#md5?.digest('hex'),
      sha256: this.#sha256.digest('hex'),
      crc32: this.#crc32,
    };
  }

  #take(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.#md5?.update(piece);
      this.#sha256.update(piece);
      this.#crc32 = crc32(piece, this.#crc32);
      this.#size += piece.length;
      const isShared = piece.buffer instanceof SharedArrayBuffer;
      this.#pieces.push(isShared || piece.length > SMALL ? piece : Uint8Array.from(piece));
    }
  }
}

/** An object in the making. Frames wait until there are places for what they become. */
class Sealing {
  readonly #key: number;
  readonly #start: SessionStart;
  readonly #md5: boolean;
  readonly #waiting: ({ slab: number; length: number } | 'end')[] = [];
  #ciphertext: Ciphertext | undefined;
  /** Bytes of frames that were encrypted, or will be next. */
  #sealed = 0;
  readonly #places: SharedArrayBuffer[] = [];
  /** Places that it has got, and asked for, in all. */
  #got = 0;
  #asked = 0;

  constructor({ key, start, md5 }: Extract<ToSealer, { kind: 'begin' }>) {
    this.#key = key;
    this.#start = start;
    this.#md5 = md5;
  }

  content(slab: number, length: number): void {
    this.#waiting.push({ slab, length });
    this.#work();
  }

  places(places: readonly SharedArrayBuffer[]): void {
    this.#places.push(...places);
    this.#got += places.length;
    this.#work();
  }

  end(): void {
    this.#waiting.push('end');
    this.#work();
  }

  #work(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const length = next === 'end' ? 0 : next.length;
      if (!this.#hasPlaces(length)) return;
      this.#waiting.shift();
      if (next === 'end') {
        own.delete(this.#key);
        post({ kind: 'sealed', key: this.#key, object: this.#begun().end() });
      } else {
        this.#sealed += length;
        this.#begun().write(slabs.view(next.slab).subarray(0, length));
        slabs.give(next.slab);
      }
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
    this.#ciphertext ??= new Ciphertext(this.#start, this.#md5, () => {
      const place = this.#places.pop();
      if (place === undefined) throw new Error('an object has more parts than there are places for it');
      return Buffer.from(place);
    });
    return this.#ciphertext;
  }
}

const own = new Map<number, Sealing>();

function perform(message: Exclude<ToSealer, { kind: 'stop' }>): void {
  if (message.kind === 'slabs') {
    slabs = new Slabs(message.memory);
    return;
  }
  if (message.kind === 'compress') {
    const { slab, compression } = message;
    const length = compressInPlace(slabs.view(slab), message.length, compression);
    post({ kind: 'compressed', length });
    return;
  }
  const { key } = message;
  if (message.kind === 'begin') {
    own.set(key, new Sealing(message));
    return;
  }
  const sealing = own.get(key);
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
