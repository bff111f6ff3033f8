/**
 * The bulk of a sealed object: one Symmetrically Encrypted and Integrity Protected Data packet, version 1, around one literal data
 * packet (RFC 9580, sections 4.2.1.4, 5.9 and 5.13.1), by node:crypto. openpgp.js makes the same packets; its streams need twice the time
 * and leave many times their bytes to the garbage collector.
 */
import { type Cipheriv, createCipheriv, createHash, type Hash, randomBytes } from 'node:crypto';
import { copyBytes } from '../copy.ts';
import { free } from '../free.ts';

const BLOCK = 16;
const PART_LOG = 20;
/** Bytes of a part of a packet whose length is not known beforehand. */
const PART = 2 ** PART_LOG;
/** The octet that announces a part of PART bytes. */
const PART_HEADER = 224 + PART_LOG;
/** New-format packet tags: 18, 11 and 19. */
const TAG_DATA = 0xc0 | 18;
const TAG_LITERAL = 0xc0 | 11;
const TAG_MDC = 0xc0 | 19;
const SHA1_SIZE = 20;
/** Tag, format, name and date of the literal packet. */
const LITERAL_HEADER = 7;
/** Pieces in which the cipher is fed: what it returns is garbage at once, and small garbage costs little. */
const SLICE = 64 * 1024;

/** Octets of the longest length that can stand before a part. */
const LENGTH_ROOM = 5;
/** Bytes of memory that a part needs. */
export const PART_ROOM = LENGTH_ROOM + PART;

/** Gives memory of PART_ROOM bytes for the next part of a packet. */
export type Allocate = () => Buffer;

/** Memory of its own for each part, so that it can be handed to another thread. */
const ownMemory: Allocate = () => Buffer.from(new ArrayBuffer(PART_ROOM));

/** The most parts into which the packet around `plain` bytes of content is cut. */
export function partsFor(plain: number): number {
  const headers = BLOCK + 2 + LITERAL_HEADER + Math.ceil(plain / PART) + LENGTH_ROOM + 2 + SHA1_SIZE;
  return Math.floor((plain + headers) / PART) + 1;
}

/**
 * Encrypts `plaintext` under a session key (AES-256, 32 bytes): yields the packet in pieces of about 1 MiB. A piece of the plaintext
 * is not looked at again once the next one was asked for.
 */
export async function* dataPacket(
  plaintext: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  sessionKey: Uint8Array,
): AsyncGenerator<Uint8Array, void> {
  const packet = new DataPacket(sessionKey);
  for await (const piece of plaintext) yield* packet.write(piece);
  yield* packet.end();
}

/** The packet in the making: parts that are full, and one that fills. */
export class DataPacket {
  readonly #cipher: Cipheriv;
  readonly #mdc: Hash = createHash('sha1');
  /** What has come of the next part of the literal packet, whose length has to stand before it. */
  readonly #literal = Buffer.allocUnsafeSlow(PART);
  #literalUsed = 0;
  readonly #allocate: Allocate;
  #part: Buffer;
  #used = LENGTH_ROOM;
  #full: Uint8Array[] = [Buffer.of(TAG_DATA)];

  /** `allocate` is asked once for each part: partsFor() tells how often that can be. */
  constructor(sessionKey: Uint8Array, allocate: Allocate = ownMemory) {
    this.#allocate = allocate;
    this.#part = allocate();
    this.#cipher = createCipheriv('aes-256-cfb', sessionKey, Buffer.alloc(BLOCK));
    this.#append(Buffer.of(1));
    const prefix = randomBytes(BLOCK);
    this.#encrypt(prefix);
    this.#encrypt(prefix.subarray(BLOCK - 2));
    this.#encrypt(Buffer.of(TAG_LITERAL));
    // Binary, without a name, without a date.
    this.#add(Buffer.of(0x62, 0, 0, 0, 0, 0));
  }

  /** Appends content; returns the pieces of the packet that are complete by now. */
  write(bytes: Uint8Array): Uint8Array[] {
    this.#add(bytes);
    return this.#takeFull();
  }

  /** Ends the content, and with the modification detection code over everything the packet; returns the rest of it. */
  end(): Uint8Array[] {
    this.#encrypt(lengthOctets(this.#literalUsed));
    this.#encrypt(this.#literal.subarray(0, this.#literalUsed));
    const header = Buffer.of(TAG_MDC, SHA1_SIZE);
    this.#mdc.update(header);
    const mdc = this.#mdc.digest();
    this.#append(this.#cipher.update(header));
    this.#append(this.#cipher.update(mdc));
    const length = lengthOctets(this.#used - LENGTH_ROOM);
    this.#part.set(length, LENGTH_ROOM - length.length);
    this.#full.push(this.#part.subarray(LENGTH_ROOM - length.length, this.#used));
    return this.#takeFull();
  }

  #takeFull(): Uint8Array[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** Appends bytes to the body of the literal packet. */
  #add(bytes: Uint8Array): void {
    let at = 0;
    while (this.#literalUsed + (bytes.length - at) >= PART) {
      const n = PART - this.#literalUsed;
      this.#encrypt(Buffer.of(PART_HEADER));
      this.#encrypt(this.#literal.subarray(0, this.#literalUsed));
      this.#encrypt(bytes.subarray(at, at + n));
      this.#literalUsed = 0;
      at += n;
    }
    copyBytes(bytes.subarray(at), this.#literal, this.#literalUsed);
    this.#literalUsed += bytes.length - at;
  }

  #encrypt(bytes: Uint8Array): void {
    this.#mdc.update(bytes);
    for (let at = 0; at < bytes.length; at += SLICE) {
      const encrypted = this.#cipher.update(bytes.subarray(at, at + SLICE));
      this.#append(encrypted);
      // The garbage collector lets 64 MB of such memory gather in each thread.
      free(encrypted);
    }
  }

  #append(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(bytes.length - at, PART_ROOM - this.#used);
      copyBytes(bytes.subarray(at, at + n), this.#part, this.#used);
      this.#used += n;
      at += n;
      if (this.#used === PART_ROOM) {
        this.#part[LENGTH_ROOM - 1] = PART_HEADER;
        this.#full.push(this.#part.subarray(LENGTH_ROOM - 1));
        this.#part = this.#allocate();
        this.#used = LENGTH_ROOM;
      }
    }
  }
}

/** A length in octets (RFC 9580, section 4.2.1). */
function lengthOctets(length: number): Buffer {
  if (length < 192) return Buffer.of(length);
  if (length < 8384) return Buffer.of(192 + ((length - 192) >> 8), (length - 192) & 0xff);
  const octets = Buffer.alloc(5, 0xff);
  octets.writeUInt32BE(length, 1);
  return octets;
}
