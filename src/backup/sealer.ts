/**
 * A sealer: compresses slabs of any object, and encrypts the objects that are its own, slab by slab in their order, under their session
 * keys; digests the ciphertext. Knows no recipient: openpgp.js is not loaded here.
 */
import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { DataPacket, partsFor } from '../crypto/data-packet.ts';
import type { SessionStart } from '../crypto/seal.ts';
import { compressInPlace } from '../volume/compress.ts';
import type { Compression } from '../volume/sink.ts';
import { type PostedError, packError } from '../worker/start.ts';
import { Slabs, type SlabsMemory } from './slabs.ts';

/**
 * What it is told: slabs to compress; of each object of its own the beginning, the compressed content in its order, and the end, those of
 * several objects in any order. Places are memory for parts of the sealed object, as many as it has said that it needs.
 */
export type ToSealer =
  | { kind: 'compress'; slab: number; length: number; compression: Compression }
  | { kind: 'begin'; key: number; start: SessionStart; md5: boolean }
  | { kind: 'content'; key: number; slab: number; length: number }
  | { kind: 'places'; key: number; places: SharedArrayBuffer[] }
  | { kind: 'end'; key: number };

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

/** What it answers. It has compressed the slab that it was told last: `length` is that of the frame which lies in it now. */
export type FromSealer =
  | { kind: 'compressed'; length: number }
  | { kind: 'need'; key: number; places: number }
  | { kind: 'sealed'; key: number; object: SealedObject }
  | { kind: 'failed'; error: PostedError };

/** Pieces up to this size are answered as copies, so that what they lie in is not copied as a whole where an answer is posted. */
const SMALL = 64 * 1024;

type Answer = (message: FromSealer) => void;

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
  readonly #slabs: Slabs;
  readonly #answer: Answer;
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

  constructor({ key, start, md5 }: Extract<ToSealer, { kind: 'begin' }>, slabs: Slabs, answer: Answer) {
    this.#slabs = slabs;
    this.#answer = answer;
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
        this.#answer({ kind: 'sealed', key: this.#key, object: this.#begun().end() });
      } else {
        this.#sealed += length;
        this.#begun().write(this.#slabs.view(next.slab).subarray(0, length));
        this.#slabs.give(next.slab);
      }
    }
  }

  /** Whether there are places for so many bytes more; asks for those that lack. */
  #hasPlaces(bytes: number): boolean {
    const needed = partsFor(this.#sealed + bytes);
    if (needed <= this.#got) return true;
    if (needed > this.#asked) {
      this.#answer({ kind: 'need', key: this.#key, places: needed - this.#asked });
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

/** Does what it is told, in the thread in which it is told. */
export class Sealer {
  readonly #slabs: Slabs;
  readonly #answer: Answer;
  readonly #own = new Map<number, Sealing>();

  /** `slabs`: what content comes in. Each is given back when it is encrypted. */
  constructor(slabs: SlabsMemory, answer: Answer) {
    this.#slabs = new Slabs(slabs);
    this.#answer = answer;
  }

  tell(message: ToSealer): void {
    try {
      this.#perform(message);
    } catch (error) {
      this.#answer({ kind: 'failed', error: packError(error) });
    }
  }

  #perform(message: ToSealer): void {
    if (message.kind === 'compress') {
      const { slab, compression } = message;
      const length = compressInPlace(this.#slabs.view(slab), message.length, compression);
      this.#answer({ kind: 'compressed', length });
      return;
    }
    const { key } = message;
    if (message.kind === 'begin') {
      const answer: Answer = (said) => {
        if (said.kind === 'sealed') this.#own.delete(key);
        this.#answer(said);
      };
      this.#own.set(key, new Sealing(message, this.#slabs, answer));
      return;
    }
    const sealing = this.#own.get(key);
    if (sealing === undefined) throw new Error(`a sealer was told ${message.kind} out of turn`);
    if (message.kind === 'content') {
      sealing.content(message.slab, message.length);
    } else if (message.kind === 'places') {
      sealing.places(message.places);
    } else {
      sealing.end();
    }
  }
}
