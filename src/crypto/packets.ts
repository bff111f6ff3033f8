/** Where OpenPGP packets begin and end (RFC 9580, section 4.2), in bytes that are all there; looks into none of them. */

/** Packet tags (RFC 9580, section 5). */
export const TAG = {
  sessionKeyForPublicKey: 1,
  sessionKeyForPassword: 3,
  compressed: 8,
  encryptedWithoutIntegrity: 9,
  marker: 10,
  literal: 11,
  encrypted: 18,
  mdc: 19,
  encryptedAead: 20,
  padding: 21,
} as const;

/** Bytes that are no packets, or not whole ones; whoever knows the object's name turns it into an error. */
export class MalformedPacket extends Error {}

/** How long the next stretch of a packet's body is. */
export interface StretchLength {
  /** Undefined: up to the end of everything. */
  length: number | undefined;
  /** Whether another stretch follows, with a length of its own. */
  partial: boolean;
}

/** Tag of a packet, from the first octet of its header. Throws MalformedPacket. */
export function tagOf(octet: number): number {
  if (octet < 0x80) throw new MalformedPacket('not a packet');
  return octet < 0xc0 ? (octet & 0x3c) >> 2 : octet & 0x3f;
}

/** How many octets the length has that stands behind the first octet of a header: of an old packet, and of a new one with `next`. */
export function lengthOctetsOf(octet: number, next: number): number {
  if (octet < 0xc0) return [1, 2, 4, 0][octet & 3] as number;
  return newLengthOctets(next);
}

/** How many octets a length has that begins with `octet`, in a packet of the new format. */
export function newLengthOctets(octet: number): number {
  if (octet < 192 || (octet >= 224 && octet < 255)) return 1;
  return octet === 255 ? 5 : 2;
}

/** Reads the length of a packet, from the octets that lengthOctetsOf() counted. */
export function lengthOf(octet: number, octets: Uint8Array): StretchLength {
  if (octet >= 0xc0) return newLength(octets);
  const length = octets.length === 0 ? undefined : octets.reduce((sum, byte) => sum * 256 + byte, 0);
  return { length, partial: false };
}

/** Reads a length in the new format, from the octets that newLengthOctets() counted. */
export function newLength(octets: Uint8Array): StretchLength {
  const [first = 0, second = 0] = octets;
  if (octets.length === 5) return { length: Buffer.from(octets).readUInt32BE(1), partial: false };
  if (octets.length === 2) return { length: ((first - 192) << 8) + second + 192, partial: false };
  return first < 192 ? { length: first, partial: false } : { length: 2 ** (first & 0x1f), partial: true };
}

/** One packet in some bytes. */
export interface FoundPacket {
  tag: number;
  /** Where its body begins, and how long the first stretch of that is. */
  body: number;
  first: StretchLength;
}

/** The packet that begins at `at`. Throws MalformedPacket when its header is none, or is cut. */
export function packetAt(bytes: Uint8Array, at: number): FoundPacket {
  const octet = bytes[at];
  if (octet === undefined) throw new MalformedPacket('cut short');
  const tag = tagOf(octet);
  const count = lengthOctetsOf(octet, bytes[at + 1] ?? 0);
  const body = at + 1 + count;
  if (body > bytes.length) throw new MalformedPacket('cut short');
  return { tag, body, first: lengthOf(octet, bytes.subarray(at + 1, body)) };
}

/** The stretches of the body of a packet that must be the last in `bytes`; they share its memory. Throws MalformedPacket. */
export function lastBody(bytes: Uint8Array, { body, first }: FoundPacket): Uint8Array[] {
  const stretches: Uint8Array[] = [];
  let at = body;
  let { length = bytes.length - body, partial } = first;
  for (;;) {
    if (at + length > bytes.length) throw new MalformedPacket('cut short');
    stretches.push(bytes.subarray(at, at + length));
    at += length;
    if (!partial) break;
    const octets = bytes.subarray(at, at + newLengthOctets(bytes[at] ?? 0));
    if (at + newLengthOctets(bytes[at] ?? 0) > bytes.length) throw new MalformedPacket('cut short');
    at += octets.length;
    ({ length = 0, partial } = newLength(octets));
  }
  if (at !== bytes.length) throw new MalformedPacket('something follows the last packet');
  return stretches;
}
