/** Looks at the first packet inside an encrypted data packet, before openpgp.js parses it; decrypts no more than that. */
import { createDecipheriv } from 'node:crypto';
import { ReadableStream } from 'node:stream/web';
import type { SessionKey, SymEncryptedIntegrityProtectedDataPacket } from 'openpgp';

/** Bytes of an AES block, and of the random prefix: a block whose last two bytes are repeated (RFC 9580, section 5.13.1). */
const BLOCK = 16;
const PREFIX = BLOCK + 2;

/** What the library's types leave out: the body, a stream where the message was read as one. */
type Body = { encrypted: ReadableStream<Uint8Array> };

/**
 * The type of the first packet (RFC 9580, section 5) that a session key shows in a version 1 encrypted data packet,
 * or undefined when the session key is not right for it, the cipher is not AES, or the packet is too short.
 *
 * openpgp.js 6.3 waits for ever when such a first packet is one that it streams but cannot parse: it reports the
 * fault only after the packet's end, to which nobody reads. So no other than the expected one may get there.
 */
export async function firstPacketType(
  packet: SymEncryptedIntegrityProtectedDataPacket,
  session: SessionKey,
): Promise<number | undefined> {
  const start = await peek(packet as unknown as Body, PREFIX + 1);
  const bits = /^aes(128|192|256)$/.exec(session.algorithm)?.[1];
  if (bits === undefined || start.length <= PREFIX) return undefined;
  const plain = createDecipheriv(`aes-${bits}-cfb`, session.data, Buffer.alloc(BLOCK)).update(start);
  if (plain.readUInt16BE(BLOCK - 2) !== plain.readUInt16BE(BLOCK)) return undefined;
  const header = plain.readUInt8(PREFIX);
  if (header < 0x80) return undefined;
  return header < 0xc0 ? (header & 0x3f) >> 2 : header & 0x3f;
}

/** The first bytes of a body, at least `length` if it has as many; the body can still be read from its beginning. */
async function peek(body: Body, length: number): Promise<Uint8Array> {
  const stream = body.encrypted;
  const parts: Uint8Array[] = [];
  let held = 0;
  const reader = stream.getReader();
  while (held < length) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    held += value.length;
  }
  reader.releaseLock();
  async function* whole(): AsyncGenerator<Uint8Array, void> {
    yield* parts;
    yield* stream;
  }
  body.encrypted = ReadableStream.from(whole());
  return Buffer.concat(parts.map((part) => part.subarray(0, length))).subarray(0, length);
}
