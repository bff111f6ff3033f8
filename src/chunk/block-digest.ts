/**
 * Digests of blocks: what tells whether a block of a large file is one of its earlier version. They never leave the host, and each chain has
 * a secret of its own for them; so they need not be SHA-256, which knows no secret, but can be a universal hash, which is an order of magnitude
 * cheaper: for whoever does not know the secret, two different blocks of one length have the same digest with a chance of at most 2^-124,
 * whatever they choose (as far as SHAKE256, which makes the key of the secret, is as good as chance).
 *
 * NH (RFC 4418, UMAC, section 5.2.2), here over whole blocks, with a key as long as the longest one; four passes, from one to the next of which the key is
 * shifted by the words of one step, as in Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC: Fast and Secure Message Authentication", CRYPTO '99, for NH and
 * its Toeplitz construction: 2^-32 a pass. (The RFC shifts by half of that, for which the proof does not stand as it is.) Each sum of 64 bits is
 * then made 32 by a multilinear function, with another 2^-32 (Lemire, Kaser: "Strongly universal string hashing is fast", 2014). This is the plain form of
 * what cutter.wat does in WebAssembly.
 */
import { createHash, randomBytes } from 'node:crypto';
import { BLOCK_MAX } from './cut.ts';

/**
 * Digests and lengths of the blocks of one segment, in order: 18 bytes each, the digest (16 bytes) and the length (little endian). A digest
 * says something only together with the length: blocks are filled up with zeros.
 */
export type BlockList = Buffer;
export const BLOCK_RECORD = 18;

/** Where its length stands in a block's record. */
export const LENGTH_AT = 16;

/** Bytes of a block that are taken in one step: two times four numbers of 32 bits. */
const STEP = 32;
const PASSES = 4;
/** From one pass to the next, the key is shifted by so many bytes. */
const SHIFT = STEP;
const KEY_LENGTH = BLOCK_MAX + (PASSES - 1) * SHIFT;
const COEFFICIENTS = 3;

/** A new secret, hex. */
export function newBlockSecret(): string {
  return randomBytes(32).toString('hex');
}

/** What digests of blocks are made with: all of it is secret. */
export interface BlockKey {
  /** What is added to the numbers of a block: KEY_LENGTH bytes. */
  key: Uint8Array;
  /** Of each pass, three numbers of 64 bits, little endian. */
  coefficients: Uint8Array;
}

/** The key that a secret (hex) stands for. */
export function blockKey(secret: string): BlockKey {
  const bytes = createHash('shake256', { outputLength: KEY_LENGTH + PASSES * COEFFICIENTS * 8 })
    .update('holdfast block digests')
    .update(secret, 'hex')
    .digest();
  return { key: bytes.subarray(0, KEY_LENGTH), coefficients: bytes.subarray(KEY_LENGTH) };
}

/** Digests blocks with one key. */
export class BlockDigest {
  readonly #key: Uint32Array;
  readonly #coefficients: BigUint64Array;
  /** A block, filled up with zeros. */
  readonly #block = new Uint32Array(BLOCK_MAX / 4);
  readonly #bytes = new Uint8Array(this.#block.buffer);

  constructor({ key, coefficients }: BlockKey) {
    this.#key = new Uint32Array(Uint8Array.from(key).buffer);
    this.#coefficients = new BigUint64Array(Uint8Array.from(coefficients).buffer);
  }

  /** Writes the record of a block, of at most BLOCK_MAX bytes. */
  write(block: Uint8Array, list: BlockList, at: number): void {
    const steps = Math.ceil(block.length / STEP);
    this.#bytes.set(block);
    this.#bytes.fill(0, block.length, steps * STEP);
    for (let pass = 0; pass < PASSES; pass++) list.writeUInt32LE(this.#pass(pass, steps), at + 4 * pass);
    list.writeUInt16LE(block.length, at + LENGTH_AT);
  }

  #pass(pass: number, steps: number): number {
    const key = this.#key;
    const block = this.#block;
    // Products of halves of 16 bits, in three sums, each of which stays below 2^53.
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let i = 0; i < steps * (STEP / 4); i += STEP / 4) {
      const k = i + pass * (SHIFT / 4);
      for (let lane = 0; lane < 4; lane++) {
        const a = ((block[i + lane] as number) + (key[k + lane] as number)) | 0;
        const b = ((block[i + 4 + lane] as number) + (key[k + 4 + lane] as number)) | 0;
        const a0 = a & 0xffff;
        const a1 = a >>> 16;
        const b0 = b & 0xffff;
        const b1 = b >>> 16;
        low += a0 * b0;
        middle += a0 * b1 + a1 * b0;
        high += a1 * b1;
      }
    }
    const sum = BigInt(low) + (BigInt(middle) << 16n) + (BigInt(high) << 32n);
    const coefficient = (i: number) => this.#coefficients[pass * COEFFICIENTS + i] as bigint;
    const squeezed =
      coefficient(0) + coefficient(1) * (sum & 0xffffffffn) + coefficient(2) * ((sum >> 32n) & 0xffffffffn);
    return Number((squeezed >> 32n) & 0xffffffffn);
  }
}
