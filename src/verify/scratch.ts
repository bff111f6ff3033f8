/** A place for pieces of content that come too early: a file that has no name and holds nothing readable. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, constants, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError, systemCode } from '../errors.ts';
import { free } from '../free.ts';

const CIPHER = 'aes-256-ctr';
const BLOCK = 16;
const KEY_SIZE = 32;
/** Of the 16 bytes of the counter: those that are random; the others count blocks. */
const NONCE_SIZE = 8;

/**
 * Bytes by offset, on disk. The file is made when it is first needed, has no name from then on, and is encrypted with a key
 * that is in memory only: neither a crash nor a disk that is thrown away leaves anything of the content.
 */
export class Scratch {
  readonly #folder: string;
  #fd: number | undefined;
  #key = randomBytes(KEY_SIZE);
  #nonce = randomBytes(NONCE_SIZE);
  #end = 0;

  /** `folder`: where the file is made; it must be there. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A range of `size` bytes that nobody else has; returns its offset. Takes room only where it is written to. */
  allot(size: number): number {
    const offset = this.#end;
    this.#end += size;
    return offset;
  }

  /** Errors: `no-space`, `io`. */
  write(offset: number, bytes: Uint8Array): void {
    const sealed = this.#pad(offset, bytes, createCipheriv);
    try {
      for (let at = 0; at < sealed.length; )
        at += writeSync(this.#open(), sealed, at, sealed.length - at, offset + at);
    } catch (error) {
      throw this.#failure(error);
    } finally {
      free(sealed);
    }
  }

  /** Bytes that were written before. Errors: `io`. */
  read(offset: number, length: number): Buffer {
    const sealed = Buffer.allocUnsafe(length);
    try {
      for (let at = 0; at < length; ) {
        const got = readSync(this.#open(), sealed, at, length - at, offset + at);
        if (got === 0) throw new Error('it is shorter than what was written');
        at += got;
      }
    } catch (error) {
      throw this.#failure(error);
    }
    const bytes = this.#pad(offset, sealed, createDecipheriv);
    free(sealed);
    return bytes;
  }

  /** Forgets everything: what comes next is encrypted with another key, since it uses the same offsets. */
  clear(): void {
    if (this.#end === 0) return;
    this.#end = 0;
    this.#key = randomBytes(KEY_SIZE);
    this.#nonce = randomBytes(NONCE_SIZE);
    if (this.#fd !== undefined) ftruncateSync(this.#fd, 0);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const file = join(this.#folder, `holdfast-${randomBytes(8).toString('hex')}`);
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    this.#fd = openSync(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    unlinkSync(file);
    return this.#fd;
  }

  /** In counter mode any offset can be begun at: the counter is the block's number. */
  #pad(offset: number, bytes: Uint8Array, make: typeof createCipheriv | typeof createDecipheriv): Buffer {
    const counter = Buffer.alloc(BLOCK);
    this.#nonce.copy(counter);
    counter.writeBigUInt64BE(BigInt(Math.floor(offset / BLOCK)), NONCE_SIZE);
    const cipher = make(CIPHER, this.#key, counter);
    cipher.update(Buffer.alloc(offset % BLOCK));
    return cipher.update(bytes);
  }

  #failure(error: unknown): HoldfastError {
    const code = systemCode(error);
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    const problem = full ? 'has no room left' : `cannot be used (${code ?? String(error)})`;
    return new HoldfastError(
      full ? 'no-space' : 'io',
      `${this.#folder} ${problem}: name another folder for content that has to wait, with --scratch`,
      { path: this.#folder, cause: error },
    );
  }
}
