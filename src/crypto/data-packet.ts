/**
 * The bulk of a sealed object: one Symmetrically Encrypted and Integrity Protected Data packet, version 1, around one literal data
 * packet (RFC 9580, sections 4.2.1.4, 5.9 and 5.13.1), by node:crypto. openpgp.js makes the same packets; its streams need twice the time
 * and leave many times their bytes to the garbage collector.
 */
import { type Cipheriv, createCipheriv, createHash, type Hash, randomBytes } from 'node:crypto';

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
/** Pieces in which the cipher is fed: what it returns is garbage at once, and small garbage costs little. */
const SLICE = 64 * 1024;

/** Where the parts of a packet are put: a place for `size` bytes. */
export type Allocate = (size: number) => Buffer;

/** Memory of its own for each part, so that it can be handed to another thread. */
const ownMemory: Allocate = (size) => Buffer.from(new ArrayBuffer(size));

/**
 * Encrypts `plaintext` under a session key (AES-256, 32 bytes): yields the packet in pieces of about 1 MiB, the large ones in places
 * that `allocate` gives. A piece of the plaintext is not looked at again once the next one was asked for.
 */
export async function* dataPacket(
  plaintext: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  sessionKey: Uint8Array,
  allocate: Allocate = ownMemory,
): AsyncGenerator<Uint8Array, void> {
  const body = new EncryptedBody(sessionKey, allocate);
  yield Buffer.of(TAG_DATA);
  for await (const piece of plaintext) {
    for (let at = 0; at < piece.length; at += SLICE) {
      body.literal(piece.subarray(at, at + SLICE));
      yield* body.parts();
    }
  }
  body.end();
  yield* body.parts();
  yield body.last();
}

/** The encrypted packet's body in the making: parts that are full, and one that fills. */
class EncryptedBody {
  readonly #cipher: Cipheriv;
  readonly #mdc: Hash = createHash('sha1');
  /** A literal packet's own parts are cut as its bytes come in. */
  #literal = Buffer.allocUnsafe(PART);
  #literalUsed = 0;
  readonly #allocate: Allocate;
  #part: Buffer;
  #used = 1;
  #full: Buffer[] = [];

  constructor(sessionKey: Uint8Array, allocate: Allocate) {
    this.#allocate = allocate;
    this.#part = this.#newPart();
    this.#cipher = createCipheriv('aes-256-cfb', sessionKey, Buffer.alloc(BLOCK));
    this.#append(Buffer.of(1));
    const prefix = randomBytes(BLOCK);
    this.#encrypt(prefix);
    this.#encrypt(prefix.subarray(BLOCK - 2));
    this.#encrypt(Buffer.of(TAG_LITERAL));
    // Binary, without a name, without a date.
    this.literal(Buffer.of(0x62, 0, 0, 0, 0, 0));
  }

  /** Appends bytes to the body of the literal packet. */
  literal(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(bytes.length - at, PART - this.#literalUsed);
      this.#literal.set(bytes.subarray(at, at + n), this.#literalUsed);
      this.#literalUsed += n;
      at += n;
      if (this.#literalUsed === PART) {
        this.#encrypt(Buffer.of(PART_HEADER));
        this.#encrypt(this.#literal);
        this.#literalUsed = 0;
      }
    }
  }

  /** Ends the literal packet, and appends the modification detection code over everything before it. */
  end(): void {
    this.#encrypt(lengthOctets(this.#literalUsed));
    this.#encrypt(this.#literal.subarray(0, this.#literalUsed));
    const header = Buffer.of(TAG_MDC, SHA1_SIZE);
    this.#mdc.update(header);
    const mdc = this.#mdc.digest();
    this.#append(this.#cipher.update(header));
    this.#append(this.#cipher.update(mdc));
  }

  /** The parts that have become full. */
  *parts(): Generator<Uint8Array> {
    const full = this.#full;
    this.#full = [];
    yield* full;
  }

  /** The last part, with its length. */
  last(): Uint8Array {
    const length = lengthOctets(this.#used - 1);
    const body = this.#part.subarray(1, this.#used);
    const last = this.#allocate(length.length + body.length);
    last.set(length);
    last.set(body, length.length);
    return last;
  }

  #encrypt(bytes: Uint8Array): void {
    this.#mdc.update(bytes);
    for (let at = 0; at < bytes.length; at += SLICE)
      this.#append(this.#cipher.update(bytes.subarray(at, at + SLICE)));
  }

  /** Begins with the octet that announces it. */
  #newPart(): Buffer {
    const part = this.#allocate(PART + 1);
    part[0] = PART_HEADER;
    return part;
  }

  #append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(bytes.length - at, PART + 1 - this.#used);
      this.#part.set(bytes.subarray(at, at + n), this.#used);
      this.#used += n;
      at += n;
      if (this.#used === PART + 1) {
        this.#full.push(this.#part);
        this.#part = this.#newPart();
        this.#used = 1;
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
