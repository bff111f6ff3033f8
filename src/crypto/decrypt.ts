/**
 * Decrypts the bulk of a sealed object with its session key, by node:crypto: the inverse of data-packet.ts. Knows no secret key; the
 * session key comes from session-key.ts, so that threads which decrypt need not load openpgp.js, whose streams take twice the time and
 * leave many times their bytes to the garbage collector.
 */
import { createHash, type Hash } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import { CfbDecipher } from './cfb.ts';
import { damaged } from './damaged.ts';
import { LiteralContent, UnexpectedPacket } from './literal.ts';
import { lastBody, MalformedPacket, packetAt, TAG } from './packets.ts';
import { cut } from './pieces.ts';

/** The key of one message, as plain data that may be posted to a worker thread. */
export interface SessionKey {
  /** As openpgp.js names it: `aes128`, `aes192`, `aes256`. */
  algorithm: string;
  data: Uint8Array;
  /** Where the encrypted data packet begins in the message. */
  at: number;
}

export interface OpenLimits {
  /** Most bytes of plaintext that the message may hold. */
  maxPlain?: number;
  /** Full name of the object in the store, for errors. */
  object?: string;
  /**
   * Whether the message's own integrity code, a SHA-1, is passed over: it says nothing more of a message whose SHA-256 was found to be the one that
   * a signed commit lists.
   */
  isKnown?: boolean;
}

/** Bytes of an AES block, and of the random prefix: a block whose last two bytes are repeated (RFC 9580, section 5.13.1). */
const BLOCK = 16;
const PREFIX = BLOCK + 2;
/** The packet of the modification detection code: its header, and a SHA-1. */
const MDC_HEADER = Buffer.of(0xc0 | TAG.mdc, 20);
const MDC = MDC_HEADER.length + 20;

/**
 * Yields the content of a message in pieces of at most 1 MiB. They come before the message's own integrity code was checked, which stands at
 * its end: see open(). Errors: `damage`, for all but one version 1 encrypted data packet around one literal packet.
 */
export function* decrypt(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  limits: OpenLimits = {},
): Generator<Uint8Array, void> {
  const { maxPlain = Number.POSITIVE_INFINITY, object, isKnown = false } = limits;
  try {
    let plain = 0;
    for (const piece of contents(ciphertext, sessionKey, isKnown)) {
      plain += piece.length;
      if (plain > maxPlain) throw damaged(object, `holds more than the ${maxPlain} bytes that it should`);
      yield piece;
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw damaged(object, problemOf(error), error);
  }
}

function* contents(
  ciphertext: Uint8Array,
  { algorithm, data, at }: SessionKey,
  isKnown: boolean,
): Generator<Uint8Array, void> {
  const [version = new Uint8Array(0), ...others] = lastBody(ciphertext, packetAt(ciphertext, at));
  // The version of the packet, which was looked at before.
  const body = [version.subarray(1), ...others];
  const size = body.reduce((sum, { length }) => sum + length, 0);
  const bits = /^aes(128|192|256)$/.exec(algorithm)?.[1];
  if (bits === undefined || size < PREFIX + MDC || data.length * 8 !== Number(bits)) throw new WrongKey();
  const stream = new Plaintext(new CfbDecipher(Number(bits), data), size, isKnown);
  try {
    const literal = new LiteralContent();
    for (const stretch of body) {
      for (const piece of cut(stretch)) yield* literal.take(stream.next(piece));
    }
    yield* literal.take(stream.last());
    // First the code: what does not match it must not be explained by what it seems to say.
    stream.end();
    literal.end();
  } finally {
    // Not all of it may have been asked for.
    stream.close();
  }
}

/** What a data packet decrypts to: a prefix that is looked at, packets, and the code over everything. */
class Plaintext {
  readonly #decipher: CfbDecipher;
  /** Undefined where the code is passed over. */
  readonly #digest: Hash | undefined;
  readonly #size: number;
  #at = 0;
  readonly #prefix = Buffer.alloc(PREFIX + 1);
  readonly #mdc = Buffer.alloc(MDC);

  /** `size`: bytes of ciphertext. */
  constructor(decipher: CfbDecipher, size: number, isKnown: boolean) {
    this.#decipher = decipher;
    this.#digest = isKnown ? undefined : createHash('sha1');
    this.#size = size;
  }

  /** What of the packets is in the next piece of ciphertext, as far as its blocks are whole. Throws WrongKey. */
  next(ciphertext: Uint8Array): Uint8Array {
    return this.#take(this.#decipher.update(ciphertext));
  }

  /** The same of what is left when all pieces have come. */
  last(): Uint8Array {
    return this.#take(this.#decipher.final());
  }

  #take(plain: Buffer): Uint8Array {
    const begin = this.#at;
    this.#at += plain.length;
    if (begin < this.#prefix.length) {
      plain.copy(this.#prefix, begin);
      if (this.#at >= this.#prefix.length) checkPrefix(this.#prefix);
    }
    const code = this.#size - MDC;
    const covered = code + MDC_HEADER.length;
    if (begin < covered) this.#digest?.update(plain.subarray(0, covered - begin));
    if (this.#at > code) plain.copy(this.#mdc, Math.max(begin - code, 0), Math.max(code - begin, 0));
    return plain.subarray(Math.max(PREFIX - begin, 0), Math.max(code - begin, 0));
  }

  /** Throws unless a code stands there that is right, as far as it is looked at. */
  end(): void {
    const found = this.#digest?.digest() ?? this.#mdc.subarray(MDC_HEADER.length);
    if (!this.#mdc.equals(Buffer.concat([MDC_HEADER, found])))
      throw new MalformedPacket('its integrity code does not match');
  }

  close(): void {
    this.#decipher.close();
  }
}

class WrongKey extends Error {}

function checkPrefix(prefix: Buffer): void {
  if (prefix.readUInt16BE(BLOCK - 2) !== prefix.readUInt16BE(BLOCK)) throw new WrongKey();
  if (prefix.readUInt8(PREFIX) < 0x80) throw new WrongKey();
}

function problemOf(error: unknown): string {
  if (error instanceof WrongKey) return 'cannot be decrypted with its own session key';
  if (error instanceof UnexpectedPacket && error.tag === TAG.compressed)
    return 'is compressed by OpenPGP, which Holdfast never does';
  if (error instanceof UnexpectedPacket) return 'holds other OpenPGP packets than the one of its data';
  return `cannot be decrypted (${error instanceof Error ? error.message : 'error'})`;
}
