/** A sealing worker: encrypts objects piece by piece under their session keys, and digests the ciphertext. Knows no recipient: openpgp.js is not loaded here. */
import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { DataPacket } from '../crypto/data-packet.ts';
import type { SessionStart } from '../crypto/seal.ts';
import { type PostedError, packError } from '../worker/start.ts';

/**
 * What it is sent: of each object its beginning, its pieces and its end, those of several objects in any order; `stop` at any moment.
 * With `places` comes memory for the parts of the object that the bytes so far can make necessary.
 */
export type ToSealer =
  | { kind: 'begin'; key: number; start: SessionStart; places: SharedArrayBuffer[] }
  | { kind: 'piece'; key: number; slot: number; piece: Uint8Array; places: SharedArrayBuffer[] }
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
  | { kind: 'taken'; key: number; slot: number }
  | { kind: 'sealed'; key: number; object: SealedObject }
  | { kind: 'failed'; error: PostedError };

/** Pieces up to this size are posted as copies, so that what they lie in is not copied as a whole. */
const SMALL = 64 * 1024;

/** An object in the making. */
class Sealing {
  readonly places: SharedArrayBuffer[];
  readonly #packet: DataPacket;
  readonly #md5 = createHash('md5');
  readonly #sha256 = createHash('sha256');
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  constructor({ sessionKey, packets }: SessionStart, places: SharedArrayBuffer[]) {
    this.places = places;
    this.#take([packets]);
    this.#packet = new DataPacket(sessionKey, () => {
      const place = this.places.pop();
      if (place === undefined) throw new Error('an object has more parts than there are places for it');
      return Buffer.from(place);
    });
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

const port = parentPort;
if (port === null) throw new Error('seal-worker is started as a worker only');
const open = new Map<number, Sealing>();

function perform(message: Exclude<ToSealer, { kind: 'stop' }>): void {
  const { key } = message;
  if (message.kind === 'begin') {
    open.set(key, new Sealing(message.start, message.places));
    return;
  }
  const sealing = open.get(key);
  if (sealing === undefined) throw new Error(`a sealer was sent ${message.kind} out of turn`);
  if (message.kind === 'piece') {
    sealing.places.push(...message.places);
    sealing.write(message.piece);
    post({ kind: 'taken', key, slot: message.slot });
  } else {
    open.delete(key);
    post({ kind: 'sealed', key, object: sealing.end() });
  }
}

function post(message: FromSealer): void {
  port?.postMessage(message);
}

port.on('message', (message: ToSealer) => {
  if (message.kind === 'stop') {
    port.close();
    return;
  }
  try {
    perform(message);
  } catch (error) {
    post({ kind: 'failed', error: packError(error) });
  }
});
