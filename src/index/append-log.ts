/**
 * A file that only grows: what was written is read back at any time, from the buffer or from disk. What lies beyond the length
 * that the index header vouches for is remains of a run that did not finish, and is overwritten.
 */
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { HoldfastError, systemCode } from '../errors.ts';

const BUFFER = 256 * 1024;
const PAGE = 64 * 1024;

export class AppendLog {
  readonly file: string;
  readonly #fd: number;
  /** Bytes on disk; what is in the buffer comes after them. */
  #flushed: number;
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #buffered = 0;
  readonly #page = Buffer.allocUnsafe(PAGE);
  #pageStart = -1;
  #pageLength = 0;

  /** Opens or creates the log; only its first `length` bytes count. Throws `state`. */
  constructor(file: string, length: number) {
    this.file = file;
    this.#flushed = length;
    try {
      this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
      ftruncateSync(this.#fd, length);
    } catch (cause) {
      throw stateError(file, cause);
    }
  }

  /** Bytes in all. */
  get length(): number {
    return this.#flushed + this.#buffered;
  }

  /** Appends; returns where the bytes begin. */
  append(bytes: Uint8Array): number {
    const start = this.length;
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#buffered === BUFFER) this.flush();
      const n = Math.min(BUFFER - this.#buffered, bytes.length - offset);
      this.#buffer.set(bytes.subarray(offset, offset + n), this.#buffered);
      this.#buffered += n;
      offset += n;
    }
    return start;
  }

  /**
   * Reads `length` bytes at `position`. The result is valid until the next call of any method. Throws `state` when
   * they are not all there.
   */
  read(position: number, length: number): Buffer {
    const end = position + length;
    if (position >= this.#flushed) {
      const start = position - this.#flushed;
      if (end > this.length) throw this.#tooShort();
      return this.#buffer.subarray(start, start + length);
    }
    if (end > this.#flushed) this.flush();
    if (end > this.#flushed) throw this.#tooShort();
    if (length > PAGE) {
      const whole = Buffer.allocUnsafe(length);
      if (this.#pread(whole, position) < length) throw this.#tooShort();
      return whole;
    }
    if (position < this.#pageStart || end > this.#pageStart + this.#pageLength) {
      this.#pageStart = position;
      this.#pageLength = 0;
      this.#pageLength = this.#pread(this.#page, position);
      if (this.#pageLength < length) throw this.#tooShort();
    }
    const start = position - this.#pageStart;
    return this.#page.subarray(start, start + length);
  }

  /** Writes what is buffered. Throws `no-space`, `state`. */
  flush(): void {
    let offset = 0;
    try {
      while (offset < this.#buffered) {
        offset += writeSync(this.#fd, this.#buffer, offset, this.#buffered - offset, this.#flushed + offset);
      }
    } catch (cause) {
      throw stateError(this.file, cause);
    }
    this.#flushed += this.#buffered;
    this.#buffered = 0;
    this.#pageStart = -1;
    this.#pageLength = 0;
  }

  /** Makes everything durable. */
  sync(): void {
    this.flush();
    try {
      fsyncSync(this.#fd);
    } catch (cause) {
      throw stateError(this.file, cause);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #pread(into: Buffer, position: number): number {
    let done = 0;
    try {
      while (done < into.length) {
        const n = readSync(this.#fd, into, done, into.length - done, position + done);
        if (n === 0) break;
        done += n;
      }
    } catch (cause) {
      throw stateError(this.file, cause);
    }
    return done;
  }

  #tooShort(): HoldfastError {
    return new HoldfastError('broken-index', `${this.file} is shorter than the index says`, {
      path: this.file,
    });
  }
}

/** What a failed operation on a file of the state folder means. */
export function stateError(file: string, cause: unknown): HoldfastError {
  const code = systemCode(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new HoldfastError('no-space', `no space left for ${file}: free some, then run the backup again`, {
      path: file,
      cause,
    });
  }
  return new HoldfastError('state', `cannot use ${file} (${code ?? String(cause)}): check the state folder`, {
    path: file,
    cause,
  });
}
