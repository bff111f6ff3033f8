import { randomBytes } from 'node:crypto';
import { decrypt, enums, readMessage } from 'openpgp';
import { describe, expect, test } from 'vitest';
import { dataPacket } from '../../src/crypto/data-packet.ts';

const MIB = 1024 * 1024;
/** The literal packet's own header: six bytes of its first part. */
const HEADER = 6;

async function packetOf(pieces: Uint8Array[], key: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of dataPacket(pieces, key)) parts.push(part);
  return Buffer.concat(parts);
}

async function opened(packet: Uint8Array, key: Uint8Array): Promise<Buffer> {
  const message = await readMessage({ binaryMessage: packet });
  const sessionKeys = {
    data: key,
    algorithm: enums.read(enums.symmetric, enums.symmetric.aes256) as 'aes256',
  };
  const { data } = await decrypt({ message, sessionKeys, format: 'binary' });
  return Buffer.from(data as Uint8Array);
}

describe('an independent reader gets back what went in, at every length where the packet changes its shape', () => {
  const edges = [0, 192 - HEADER, 8384 - HEADER, MIB - HEADER, MIB, 2 * MIB - HEADER, 2 * MIB];
  for (const edge of edges) {
    for (const length of [edge - 45, edge - 1, edge, edge + 1, edge + 45].filter((n) => n >= 0)) {
      test(`${length} bytes`, async () => {
        const key = randomBytes(32);
        const plain = randomBytes(length);
        expect((await opened(await packetOf([plain], key), key)).equals(plain)).toBe(true);
      });
    }
  }
});

test('however the plaintext is cut, the same bytes come back', async () => {
  const key = randomBytes(32);
  const plain = randomBytes(3 * MIB + 17);
  const pieces: Uint8Array[] = [];
  for (let at = 0, n = 1; at < plain.length; at += n, n = (n * 3) % 700_001)
    pieces.push(plain.subarray(at, at + n));
  expect((await opened(await packetOf(pieces, key), key)).equals(plain)).toBe(true);
});

test('a piece may be overwritten as soon as the next one is asked for', async () => {
  const key = randomBytes(32);
  const plain = randomBytes(5 * MIB);
  const shared = Buffer.alloc(100_000);
  function* source() {
    for (let at = 0; at < plain.length; at += shared.length) {
      const n = Math.min(shared.length, plain.length - at);
      shared.set(plain.subarray(at, at + n));
      yield shared.subarray(0, n);
      shared.fill(0);
    }
  }
  const parts: Uint8Array[] = [];
  for await (const part of dataPacket(source(), key)) parts.push(part);
  expect((await opened(Buffer.concat(parts), key)).equals(plain)).toBe(true);
});

test('two packets of the same bytes under the same key have nothing in common', async () => {
  const key = randomBytes(32);
  const [a, b] = await Promise.all([
    packetOf([Buffer.alloc(1000)], key),
    packetOf([Buffer.alloc(1000)], key),
  ]);
  expect(a.subarray(40).equals(b.subarray(40))).toBe(false);
});
