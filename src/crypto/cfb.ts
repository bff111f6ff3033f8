/**
 * CFB decryption, three times as fast as by node:crypto: `P[i] = C[i] xor E(C[i-1])` (NIST SP 800-38A, section 6.3), in which the inputs of
 * the block cipher are all known beforehand. So they are encrypted in one call, many blocks at a time in the processor; OpenSSL's own CFB
 * goes from block to block.
 */
import { type Cipheriv, createCipheriv } from 'node:crypto';
import { copyBytes } from '../copy.ts';
import { freeBuffer } from '../free.ts';

const BLOCK = 16;
/** The most bytes of ciphertext taken in one call. */
export const CFB_PIECE = 1024 * 1024;

/** Decrypts one message in whole blocks of 16 bytes: what comes out lags behind what went in. The initialisation vector is zeros. */
export class CfbDecipher {
  readonly #cipher: Cipheriv;
  /** The last block of ciphertext, then what has come after it. */
  readonly #input = Buffer.allocUnsafeSlow(2 * BLOCK + CFB_PIECE).fill(0, 0, BLOCK);
  readonly #words = new Int32Array(this.#input.buffer);
  #length = BLOCK;

  /** `bits`: of the AES key: 128, 192 or 256. */
  constructor(bits: number, key: Uint8Array) {
    // The bare block cipher, which is what "ECB" means here: each block of input is used once, and no output is kept.
    this.#cipher = createCipheriv(`aes-${bits}-ecb`, key, null).setAutoPadding(false);
  }

  /** Takes the next bytes, CFB_PIECE at most; returns the plaintext of all whole blocks so far that was not returned before. */
  update(ciphertext: Uint8Array): Buffer {
    copyBytes(ciphertext, this.#input, this.#length);
    this.#length += ciphertext.length;
    const length = this.#length - (this.#length % BLOCK) - BLOCK;
    const plain = aligned(this.#cipher.update(this.#input.subarray(0, length)));
    xor(new Int32Array(plain.buffer, plain.byteOffset, length / 4), this.#words, BLOCK / 4);
    this.#input.copyWithin(0, length, this.#length);
    this.#length -= length;
    return plain;
  }

  /** The plaintext of the last, incomplete block. */
  final(): Buffer {
    const plain = this.#cipher.update(this.#input.subarray(0, BLOCK)).subarray(0, this.#length - BLOCK);
    for (let i = 0; i < plain.length; i++)
      plain[i] = (plain[i] as number) ^ (this.#input[BLOCK + i] as number);
    return plain;
  }

  /** Gives its memory back: nothing can be decrypted any more. */
  close(): void {
    freeBuffer(this.#input.buffer);
  }
}

/** Whole blocks, in words: the first of `words` that counts is `from`. */
function xor(into: Int32Array, words: Int32Array, from: number): void {
  for (let i = 0, j = from; i < into.length; i += 4, j += 4) {
    into[i] = (into[i] as number) ^ (words[j] as number);
    into[i + 1] = (into[i + 1] as number) ^ (words[j + 1] as number);
    into[i + 2] = (into[i + 2] as number) ^ (words[j + 2] as number);
    into[i + 3] = (into[i + 3] as number) ^ (words[j + 3] as number);
  }
}

/** The same bytes where words begin: small Buffers may lie anywhere among others. */
function aligned(bytes: Buffer): Buffer {
  if (bytes.byteOffset % 4 === 0) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
