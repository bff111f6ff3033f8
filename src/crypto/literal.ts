/** Takes the content out of one literal data packet (RFC 9580, section 5.9) as it comes; refuses every other packet. */
import {
  lengthOctetsOf,
  lengthOf,
  MalformedPacket,
  newLength,
  newLengthOctets,
  TAG,
  tagOf,
} from './packets.ts';

/** Octets before the name: format and length of the name; and after it: the date. */
const BEFORE_NAME = 2;
const DATE = 4;

/** A packet inside is not the one that it should be. */
export class UnexpectedPacket extends Error {
  readonly tag: number;

  constructor(tag: number) {
    super(`a packet of type ${tag}`);
    this.tag = tag;
  }
}

/** The parser of one packet, given its bytes in any cut. */
export class LiteralContent {
  /** What the next bytes are. */
  #state: 'tag' | 'length' | 'part-length' | 'body' | 'end' = 'tag';
  #octet = 0;
  readonly #octets: number[] = [];
  /** Bytes left of this stretch of the body. */
  #left = 0;
  #partial = false;
  /** Bytes of the packet's own header still to come; they may lie in several stretches. */
  #header = BEFORE_NAME;
  #seen = 0;

  /** The stretches of the content in these bytes; they share their memory. Throws UnexpectedPacket and MalformedPacket. */
  *take(bytes: Uint8Array): Generator<Uint8Array, void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#state !== 'body') {
        this.#takeOctet(bytes[at++] as number);
        continue;
      }
      const stretch = bytes.subarray(at, at + Math.min(this.#left, bytes.length - at));
      at += stretch.length;
      this.#left -= stretch.length;
      if (this.#left === 0) this.#endStretch();
      const content = stretch.subarray(this.#passHeader(stretch));
      if (content.length > 0) yield content;
    }
  }

  /** To be called when all bytes were taken. Throws MalformedPacket unless the packet is whole. */
  end(): void {
    const untilEnd = this.#left === Number.POSITIVE_INFINITY;
    if ((this.#state !== 'end' && !untilEnd) || this.#header > 0) throw new MalformedPacket('cut short');
  }

  #takeOctet(octet: number): void {
    switch (this.#state) {
      case 'tag':
        this.#octet = octet;
        if (tagOf(octet) !== TAG.literal) throw new UnexpectedPacket(tagOf(octet));
        this.#state = 'length';
        // An old packet may have a length of no octets.
        if (lengthOctetsOf(octet, 0) === 0) this.#beginStretch({ length: undefined, partial: false });
        return;
      case 'end':
        throw new MalformedPacket('OpenPGP packets after its end');
      default:
        this.#takeLength(octet);
    }
  }

  #takeLength(octet: number): void {
    const isFirst = this.#state === 'length';
    this.#octets.push(octet);
    const [first = 0] = this.#octets;
    const need = isFirst ? lengthOctetsOf(this.#octet, first) : newLengthOctets(first);
    if (this.#octets.length < need) return;
    const octets = Uint8Array.from(this.#octets.splice(0));
    this.#beginStretch(isFirst ? lengthOf(this.#octet, octets) : newLength(octets));
  }

  #beginStretch({ length, partial }: { length: number | undefined; partial: boolean }): void {
    this.#left = length ?? Number.POSITIVE_INFINITY;
    this.#partial = partial;
    this.#state = 'body';
    if (this.#left === 0) this.#endStretch();
  }

  #endStretch(): void {
    this.#state = this.#partial ? 'part-length' : 'end';
  }

  /** How many of these bytes still belong to the packet's header. */
  #passHeader(stretch: Uint8Array): number {
    let at = 0;
    for (; this.#header > 0 && at < stretch.length; at++) {
      this.#header--;
      // The second octet says how long the name is.
      if (++this.#seen === BEFORE_NAME) this.#header = (stretch[at] as number) + DATE;
    }
    return at;
  }
}
