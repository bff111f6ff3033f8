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

/** What it is sent: the pieces of one object after another. */
export type ToSealer = { kind: 'piece'; piece: Uint8Array } | { kind: 'end' };

/** A sealed object: its bytes in pieces, and their digests in hex. */
export interface SealedObject {
  pieces: Uint8Array[];
  size: number;
  md5: string;
  sha256: string;
}

/** What it posts. */
export type FromSealer =
  | { kind: 'taken'; bytes: number }
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

async function* pieces(first: ToSealer): AsyncGenerator<Uint8Array> {
  for (let message = first; message.kind === 'piece'; message = await next()) {
    yield message.piece;
    post({ kind: 'taken', bytes: message.piece.length });
  }
}

async function sealAll(): Promise<never> {
  const recipients = await parseRecipients(data.recipients);
  for (;;) {
    const md5 = createHash('md5');
    const sha256 = createHash('sha256');
    const object: SealedObject = { pieces: [], size: 0, md5: '', sha256: '' };
    for await (const piece of seal(pieces(await next()), recipients, new Date(data.now))) {
      md5.update(piece);
      sha256.update(piece);
      object.size += piece.length;
      object.pieces.push(piece.byteLength === piece.buffer.byteLength ? piece : new Uint8Array(piece));
    }
    object.md5 = md5.digest('hex');
    object.sha256 = sha256.digest('hex');
    post({ kind: 'sealed', object }, [...new Set(object.pieces.map((p) => p.buffer as ArrayBuffer))]);
  }
}

function post(message: FromSealer, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

port.on('message', (message: ToSealer) => {
  waiting.push(message);
  wake?.();
});
sealAll().catch((error) => post({ kind: 'failed', error: packError(error) }));
