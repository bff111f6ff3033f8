/** A sealing worker: encrypts objects piece by piece to the recipients, and digests the ciphertext. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { parseRecipients, seal } from '../crypto/seal.ts';
import { type PostedError, packError } from '../worker/start.ts';

/** What the worker is started with. */
export interface SealerData {
  /** Recipients' keys in binary. */
  recipients: Uint8Array[];
  /** The moment at which keys must be valid: the start of the run, in milliseconds. */
  now: number;
}

/** What it is sent: one object after another, the memory for its ciphertext first, then its pieces; `stop` at any moment. */
export type ToSealer =
  | { kind: 'begin'; memory: SharedArrayBuffer }
  | { kind: 'piece'; slot: number; piece: Uint8Array }
  | { kind: 'end' }
  | { kind: 'stop' };

/** A sealed object: its bytes in pieces (in the memory that was given for them, as far as that went), and their digests in hex. */
export interface SealedObject {
  pieces: Uint8Array[];
  size: number;
  md5: string;
  sha256: string;
}

/** What it posts. */
export type FromSealer =
  | { kind: 'taken'; slot: number }
  | { kind: 'sealed'; object: SealedObject }
  | { kind: 'failed'; error: PostedError };

const port = parentPort;
if (port === null) throw new Error('seal-worker is started as a worker only');
const data = workerData as SealerData;

const waiting: ToSealer[] = [];
let wake: (() => void) | undefined;

async function next(): Promise<ToSealer> {
  for (;;) {
    const message = waiting.shift();
    if (message !== undefined) return message;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let message = await next(); message.kind === 'piece'; message = await next()) {
    yield message.piece;
    post({ kind: 'taken', slot: message.slot });
  }
}

async function sealAll(): Promise<never> {
  const recipients = await parseRecipients(data.recipients);
  for (;;) {
    const begin = await next();
    if (begin.kind !== 'begin') throw new Error(`a sealer was sent ${begin.kind} out of turn`);
    const place = new Place(begin.memory);
    const md5 = createHash('md5');
    const sha256 = createHash('sha256');
    const object: SealedObject = { pieces: [], size: 0, md5: '', sha256: '' };
    for await (const piece of seal(pieces(), recipients, new Date(data.now), place.allocate)) {
      md5.update(piece);
      sha256.update(piece);
      object.size += piece.length;
      object.pieces.push(place.own(piece));
    }
    object.md5 = md5.digest('hex');
    object.sha256 = sha256.digest('hex');
    post({ kind: 'sealed', object });
  }
}

/** The memory for one object's ciphertext: taken from front to back. What does not fit any more gets memory of its own. */
class Place {
  readonly #memory: SharedArrayBuffer;
  #used = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
  }

  readonly allocate = (size: number): Buffer => {
    if (this.#used + size > this.#memory.byteLength) return Buffer.allocUnsafeSlow(size);
    const place = Buffer.from(this.#memory, this.#used, size);
    this.#used += size;
    return place;
  };

  /** A piece as it can be posted: small ones lie in pools that others use. */
  own(piece: Uint8Array): Uint8Array {
    if (piece.buffer === this.#memory) return piece;
    const own = this.allocate(piece.length);
    own.set(piece);
    return own;
  }
}

function post(message: FromSealer): void {
  port?.postMessage(message);
}

port.on('message', (message: ToSealer) => {
  if (message.kind === 'stop') {
    // What is under way in Node's own threads ends, and then the thread does: nothing else keeps it.
    port.close();
    return;
  }
  waiting.push(message);
  wake?.();
});
sealAll().catch((error) => post({ kind: 'failed', error: packError(error) }));
