/** Opens volumes in a thread of their own, so that what they hold is checked while more of it is decrypted and decompressed. */
import type { Worker } from 'node:worker_threads';
import type { SessionKey } from '../crypto/decrypt.ts';
import { freeBuffer } from '../free.ts';
import { type PostedError, startWorker, unpackError } from '../worker/start.ts';
import { endOf } from '../worker/stop.ts';

/** What the thread is sent: a volume to open, that a piece of it was taken, or that no more is wanted of it; and that it is to end. */
export type ToOpener =
  | { kind: 'open'; ciphertext: Uint8Array; sessionKey: SessionKey; object: string }
  | { kind: 'taken' }
  | { kind: 'drop' }
  | { kind: 'stop' };

/** What it posts: the content piece by piece, then that this was all, or what was wrong. One of these two follows each `open`. */
export type FromOpener =
  | { kind: 'piece'; bytes: Uint8Array }
  | { kind: 'end' }
  | { kind: 'failed'; error: PostedError };

/** What is left to its garbage collector is small. */
const YOUNG_MIB = 3;

export class Opening {
  #worker: Worker | undefined;
  #ended: Promise<void> | undefined;
  /** What was posted and not looked at yet, and who waits for it. */
  readonly #posted: FromOpener[] = [];
  #onPosted: (() => void) | undefined;
  #failure: Error | undefined;

  /** Starts the thread, which has loaded what it needs when there is something for it to do. */
  prepare(): void {
    if (this.#worker === undefined) this.#start();
  }

  /**
   * Yields the content of a volume as contentOf() does, with the same errors; one volume at a time. The ciphertext, which should lie in shared
   * memory lest it be copied, is not looked at any more when the generator has ended.
   */
  async *contentOf(
    ciphertext: Uint8Array,
    sessionKey: SessionKey,
    object: string,
  ): AsyncGenerator<Buffer, void> {
    this.prepare();
    this.#post({ kind: 'open', ciphertext, sessionKey, object });
    let isOver = false;
    try {
      for (;;) {
        const message = await this.#next();
        isOver = message.kind !== 'piece';
        if (message.kind === 'end') return;
        if (message.kind === 'failed') throw unpackError(message.error);
        const { bytes } = message;
        yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        freeBuffer(bytes.buffer);
        this.#post({ kind: 'taken' });
      }
    } finally {
      // Whoever takes no more still has to see the end of it: the next volume begins behind that.
      if (!isOver && this.#failure === undefined) {
        this.#post({ kind: 'drop' });
        while ((await this.#next()).kind === 'piece');
      }
    }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#post({ kind: 'stop' });
    await this.#ended;
  }

  #start(): void {
    const worker = startWorker('opening-worker', import.meta.url, undefined, YOUNG_MIB);
    this.#ended = endOf(worker);
    worker.on('message', (message: FromOpener) => {
      this.#posted.push(message);
      this.#onPosted?.();
    });
    worker.on('error', (error: Error) => {
      this.#failure = error;
      this.#onPosted?.();
    });
    this.#worker = worker;
  }

  async #next(): Promise<FromOpener> {
    for (;;) {
      const message = this.#posted.shift();
      if (message !== undefined) return message;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#onPosted = resolve;
      });
    }
  }

  #post(message: ToOpener): void {
    this.#worker?.postMessage(message);
  }
}
