import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { readMessage } from 'openpgp';
import { describe, expect, test } from 'vitest';
import { dataPacket } from '../../src/crypto/data-packet.ts';
import { decrypt } from '../../src/crypto/decrypt.ts';
import { LiteralContent } from '../../src/crypto/literal.ts';
import { collect, failure } from './streams.ts';

const KEY = randomBytes(32);
const SESSION = { algorithm: 'aes256', data: KEY, at: 0 };
/** The body of a literal packet: format, name, date, content. */
const literalBody = (content: Uint8Array, name = '') =>
  Buffer.concat([Buffer.of(0x62, name.length), Buffer.from(name), Buffer.alloc(4), content]);

/** An encrypted data packet around these packets, sound but for what `change` does to the plaintext. */
function packetAround(packets: Uint8Array, change: (plain: Buffer) => void = () => {}): Buffer {
  const prefix = randomBytes(16);
  const covered = Buffer.concat([prefix, prefix.subarray(14), packets, Buffer.of(0xd3, 0x14)]);
  const plain = Buffer.concat([covered, createHash('sha1').update(covered).digest()]);
  change(plain);
  const cipher = createCipheriv('aes-256-cfb', KEY, Buffer.alloc(16));
  const body = Buffer.concat([Buffer.of(1), cipher.update(plain)]);
  const header = Buffer.of(0xd2, 0xff, 0, 0, 0, 0);
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

async function opened(packet: Uint8Array): Promise<Buffer> {
  return collect(
    (async function* () {
      yield* decrypt(packet, SESSION, { object: 'o' });
    })(),
  );
}

describe('every form of length that a literal packet may have', () => {
  const content = randomBytes(1500);
  const body = literalBody(content, 'a name');
  const long = Buffer.alloc(4);
  long.writeUInt32BE(body.length);
  const forms: Record<string, Buffer> = {
    'old, two octets': Buffer.concat([Buffer.of(0xad), long.subarray(2), body]),
    'old, four octets': Buffer.concat([Buffer.of(0xae), long, body]),
    'old, up to the end': Buffer.concat([Buffer.of(0xaf), body]),
    'new, two octets': Buffer.concat([
      Buffer.of(0xcb, ((body.length - 192) >> 8) + 192, (body.length - 192) & 255),
      body,
    ]),
    'new, five octets': Buffer.concat([Buffer.of(0xcb, 0xff), long, body]),
    'in parts': Buffer.concat([
      ...[Buffer.of(0xcb, 0xe9), body.subarray(0, 512), Buffer.of(0xe0), body.subarray(512, 513)],
      ...[Buffer.of(0xe9), body.subarray(513, 1025), Buffer.of(0xff, 0, 0)],
      ...[Buffer.of((body.length - 1025) >> 8, (body.length - 1025) & 255), body.subarray(1025)],
    ]),
    'in parts, the last of them empty': Buffer.concat([
      ...[Buffer.of(0xcb, 0xea), literalBody(content.subarray(0, 1018)).subarray(0, 1024)],
      ...[Buffer.of(0xe8), Buffer.alloc(256, 7), Buffer.of(0)],
    ]),
  };
  test.each(Object.keys(forms))('%s', async (name) => {
    const packet = forms[name] as Buffer;
    const plain = await opened(packetAround(packet));
    // What openpgp.js, which is no part of the program here, makes of the same packet.
    const message = await readMessage({ binaryMessage: packet });
    expect(plain.equals(Buffer.from(message.getLiteralData() as Uint8Array))).toBe(true);
    // Whatever the cut.
    const literal = new LiteralContent();
    const bytes = [...packet].flatMap((octet) => [...literal.take(Buffer.of(octet))]);
    literal.end();
    expect(Buffer.concat(bytes).equals(plain)).toBe(true);
    // Every shorter packet is refused, but for the one that says not how long it is.
    if (name === 'old, up to the end') return;
    for (const length of [1, 2, 5, 600, packet.length - 1]) {
      const error = await failure(opened(packetAround(packet.subarray(0, length))));
      expect(error).toMatchObject({ code: 'damage', object: 'o' });
    }
    const error = await failure(opened(packetAround(Buffer.concat([packet, Buffer.of(0xca, 0)]))));
    expect(error.message).toContain('OpenPGP packets after its end');
  });
});

test('nothing of a message is taken for whole whose integrity code does not match, or is none', async () => {
  const literal = Buffer.concat([Buffer.of(0xcb, 10), literalBody(Buffer.from('city'))]);
  expect((await opened(packetAround(literal))).toString()).toBe('city');
  for (const at of [0, 18, 28, 30, 31, 40, 51]) {
    const changed = packetAround(literal, (plain) => {
      plain[at] = (plain[at] as number) ^ 1;
    });
    expect((await failure(opened(changed))).code).toBe('damage');
  }
});

test('of a message that is known already, only the code’s SHA-1 is passed over', async () => {
  const literal = Buffer.concat([Buffer.of(0xcb, 10), literalBody(Buffer.from('city'))]);
  const openKnown = async (packet: Buffer) =>
    Buffer.concat([...decrypt(packet, SESSION, { object: 'o', isKnown: true })]).toString();
  const withChange = (at: number) =>
    packetAround(literal, (plain) => {
      plain[at] = (plain[at] as number) ^ 1;
    });
  expect(await openKnown(packetAround(literal))).toBe('city');
  for (const at of [32, 40, 51]) expect(await openKnown(withChange(at))).toBe('city');
  // The packets themselves are looked at as ever.
  for (const at of [18, 30, 31]) expect((await failure(openKnown(withChange(at)))).code).toBe('damage');
});

test('a key that is not the message’s, a cipher that is none, a message too short for one', async () => {
  const parts: Uint8Array[] = [];
  for await (const part of dataPacket([Buffer.from('x')], KEY)) parts.push(part);
  const packet = Buffer.concat(parts);
  const attempt = (session: Partial<typeof SESSION>, bytes: Uint8Array = packet) =>
    failure(
      (async () => {
        for (const _piece of decrypt(bytes, { ...SESSION, ...session }));
      })(),
    );
  for (const session of [
    { data: randomBytes(32) },
    { data: KEY.subarray(1) },
    { data: KEY.subarray(0, 16) },
    { algorithm: 'aes128' },
    { algorithm: 'tripledes' },
  ])
    expect((await attempt(session)).message).toContain('cannot be decrypted with its own session key');
  expect((await attempt({}, Buffer.of(0xd2, 1, 1))).code).toBe('damage');
  expect((await attempt({}, Buffer.of(0xd2, 0))).code).toBe('damage');
});
