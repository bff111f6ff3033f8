import { randomBytes } from 'node:crypto';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, type ParsedSecretKey, parseSecretKey, recipientKeyIds } from '../../src/crypto/open.ts';
import { parseRecipients, seal } from '../../src/crypto/seal.ts';
import { unlockSecretKey } from '../../src/crypto/secret-key.ts';
import { Gnupg } from './gnupg.ts';
import { collect, failure } from './streams.ts';

let gnupg: Gnupg;
let ed: string;
let rsa: string;
let edKey: ParsedSecretKey;
let rsaKey: ParsedSecretKey;

const MIB = 1024 * 1024;
const now = () => new Date();

async function secretKey(fingerprint: string): Promise<ParsedSecretKey> {
  return parseSecretKey(
    await unlockSecretKey(gnupg.exportSecret(fingerprint), 'secret.asc', async () => undefined),
  );
}

async function sealed(plain: Uint8Array, ...fingerprints: string[]): Promise<Buffer> {
  const keys = await parseRecipients(fingerprints.map((fingerprint) => gnupg.exportPublic(fingerprint)));
  return collect(seal([plain], keys, now()));
}

/** A message with these packets inside a sound encrypted packet for the Curve25519 key. */
async function sealPackets(contents: Uint8Array): Promise<Buffer> {
  const packets = new openpgp.PacketList<openpgp.AnyPacket>();
  packets.push({ write: () => contents, constructor: { tag: 0 } } as unknown as openpgp.AnyPacket);
  packets.write = () => contents;
  const message = new openpgp.Message(packets);
  const publicKey = await openpgp.readKey({ binaryKey: gnupg.exportPublic(ed) });
  const session = { data: randomBytes(32), algorithm: 'aes256' as const };
  const encrypted = await message.encrypt([publicKey], undefined, session as never);
  return Buffer.from(encrypted.write() as Uint8Array);
}

/** The packets inside of what openpgp.js makes of a text. */
async function literal(text: string): Promise<Buffer> {
  const message = await openpgp.createMessage({ binary: Buffer.from(text) });
  return Buffer.from(
    (await openpgp.readMessage({ binaryMessage: message.write() as Uint8Array })).write() as Uint8Array,
  );
}

beforeAll(async () => {
  gnupg = await Gnupg.start();
  ed = gnupg.makeKey('Ed <ed@example.org>', 'ed25519');
  rsa = gnupg.makeKey('Rsa <rsa@example.org>', 'rsa2048');
  [edKey, rsaKey] = await Promise.all([secretKey(ed), secretKey(rsa)]);
});
afterAll(() => gnupg.stop());

describe('what can be opened', () => {
  test.each([0, 1, 1000, MIB, 5 * MIB + 7])('what seal made of %i bytes', async (size) => {
    const plain = randomBytes(size);
    const message = await sealed(plain, ed, rsa);
    for (const key of [edKey, rsaKey]) {
      expect((await collect(open(message, key, { maxPlain: size }))).equals(plain)).toBe(true);
    }
  });

  test('what gpg --encrypt made, with its recipients hidden too', async () => {
    const plain = randomBytes(2 * MIB + 3);
    for (const [fingerprint, key] of [
      [ed, edKey],
      [rsa, rsaKey],
    ] as const) {
      for (const how of ['-r', '-R']) {
        const message = gnupg.run(['--compress-algo', 'none', how, fingerprint, '--encrypt'], plain);
        expect((await collect(open(message, key))).equals(plain)).toBe(true);
      }
    }
  });

  test('with a key that has expired, and with one that was revoked', async () => {
    const expired = gnupg.makeKey('Expired', 'ed25519', { at: '20200101T000000', expires: '1y' });
    const at = new Date('2020-06-01');
    const message = await collect(
      seal([Buffer.from('old')], await parseRecipients([gnupg.exportPublic(expired)]), at),
    );
    expect((await collect(open(message, await secretKey(expired)))).toString()).toBe('old');

    const revoked = gnupg.makeKey('Revoked', 'rsa2048');
    const before = await sealed(Buffer.from('before'), revoked);
    gnupg.revoke(revoked);
    expect((await collect(open(before, await secretKey(revoked)))).toString()).toBe('before');
  });

  test('comes in pieces, while the rest is still encrypted', async () => {
    const message = await sealed(randomBytes(20 * MIB), ed);
    let largest = 0;
    for await (const piece of open(message, edKey)) largest = Math.max(largest, piece.length);
    expect(largest).toBeLessThanOrEqual(2 * MIB);
  });

  test('may be left unread', async () => {
    const message = await sealed(randomBytes(8 * MIB), ed);
    for await (const piece of open(message, edKey)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
  });
});

describe('whose message it is', () => {
  test('the key ids are told from the first KiB of a message', async () => {
    const message = await sealed(randomBytes(100_000), ed, rsa);
    expect(await recipientKeyIds(message.subarray(0, 1024))).toEqual([...edKey.keyIds, ...rsaKey.keyIds]);
    const hidden = gnupg.run(['-R', ed, '--encrypt'], 'x');
    expect(await recipientKeyIds(hidden)).toEqual(['0000000000000000']);
  });

  test('another key is refused, naming the keys that fit and the one given', async () => {
    const message = await sealed(Buffer.from('x'), ed);
    const error = await failure(collect(open(message, rsaKey, { object: 'sets/1/vol-000001.tar.zst.pgp' })));
    expect(error).toMatchObject({ code: 'key', object: 'sets/1/vol-000001.tar.zst.pgp' });
    expect(error.message).toContain(
      `is encrypted for ${edKey.keyIds[0]}, but the secret key given is ${rsa}`,
    );
    const hidden = gnupg.run(['-R', ed, '--encrypt'], 'x');
    expect((await failure(collect(open(hidden, rsaKey)))).code).toBe('key');
  });
});

describe('damage is noticed', () => {
  test('a flipped bit at any place of a message, and none passes as a change of the plaintext', async () => {
    const plain = randomBytes(3000);
    for (const [fingerprint, key, start] of [
      [ed, edKey, 200],
      [rsa, rsaKey, 300],
    ] as const) {
      const message = await sealed(plain, fingerprint);
      const places = [...Array(start).keys()];
      for (let at = start; at < message.length; at += at < message.length - 60 ? 37 : 1) places.push(at);
      for (const at of places) {
        const flipped = Buffer.from(message);
        flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
        const opened = await collect(open(flipped, key)).catch((error: unknown) => error);
        if (opened instanceof Buffer) {
          // One bit of an X25519 public key means nothing (RFC 7748, section 5); it is no bit of the data.
          expect(at).toBeLessThan(100);
          expect(opened.equals(plain)).toBe(true);
        } else {
          expect(opened).toMatchObject({ code: expect.stringMatching(/^(damage|key)$/) });
        }
      }
    }
  });

  test('a flipped bit far into a large message, where bytes were given out before', async () => {
    const message = await sealed(randomBytes(6 * MIB), ed);
    for (const at of [3 * MIB + 17, message.length - 1, message.length - 21]) {
      const flipped = Buffer.from(message);
      flipped[at] = (flipped[at] as number) ^ 0x10;
      const error = await failure(collect(open(flipped, edKey, { object: 'o' })));
      expect(error).toMatchObject({ code: 'damage', object: 'o' });
    }
  });

  test('a message cut at any place, and one with bytes added', async () => {
    const message = await sealed(randomBytes(3000), ed);
    for (
      let length = 0;
      length < message.length;
      length += length < 200 || length > message.length - 60 ? 1 : 41
    ) {
      const error = await failure(collect(open(message.subarray(0, length), edKey)));
      expect([length, error.code]).toEqual([length, 'damage']);
    }
    for (const tail of [Buffer.from([0]), Buffer.from('garbage'), message, await literal('more')]) {
      expect((await failure(collect(open(Buffer.concat([message, tail]), edKey)))).code).toBe('damage');
    }
    const large = await sealed(randomBytes(4 * MIB), ed);
    for (const length of [MIB, 2 * MIB + 5, large.length - 1]) {
      expect((await failure(collect(open(large.subarray(0, length), edKey)))).code).toBe('damage');
    }
  });

  test('more plaintext than the commit says', async () => {
    const message = await sealed(randomBytes(1001), ed);
    const error = await failure(collect(open(message, edKey, { maxPlain: 1000 })));
    expect(error).toMatchObject({
      code: 'damage',
      message: expect.stringContaining('more than the 1000 bytes'),
    });
  });
});

describe('other forms of messages are refused as damage', () => {
  const refused = async (message: Uint8Array, why: RegExp) => {
    const error = await failure(collect(open(message, edKey)));
    expect(error.code).toBe('damage');
    expect(error.message).toMatch(why);
  };

  test('compressed by OpenPGP, bombs too', async () => {
    const bomb = Buffer.alloc(50 * MIB);
    for (const algorithm of ['zip', 'zlib', 'bzip2']) {
      const how = ['--compress-algo', algorithm, '-r', ed, '--encrypt'];
      await refused(
        gnupg.run(how, 'compress me, compress me, compress me, compress me'),
        /compressed by OpenPGP/,
      );
      await refused(gnupg.run(how, bomb), /compressed by OpenPGP/);
    }
  });

  test('two literal packets, none, a signed one, garbage instead of packets', async () => {
    const one = await literal('one');
    expect((await collect(open(await sealPackets(one), edKey))).toString()).toBe('one');
    await refused(await sealPackets(Buffer.concat([one, await literal('two')])), /is damaged/);
    await refused(await sealPackets(Buffer.alloc(0)), /is damaged/);
    await refused(await sealPackets(Buffer.from('no packets at all')), /is damaged/);
    const signed = ['--compress-algo', 'none', '-u', ed, '-r', ed, '--sign', '--encrypt'];
    await refused(gnupg.run(signed, 'signed'), /holds other OpenPGP packets/);
  });

  test('a first packet that cannot be parsed: an error, no waiting for ever', async () => {
    for (const tag of [8, 9, 18, 20, 63]) {
      // A body in parts (RFC 9580, section 4.2.1.4) of 512 and 100 bytes, that begins with what no packet knows.
      const body = [Buffer.alloc(512, 0xee), Buffer.from([100]), Buffer.alloc(100, 0xee)];
      await refused(
        await sealPackets(Buffer.concat([Buffer.from([0xc0 | tag, 0xe9]), ...body])),
        /is damaged/,
      );
    }
    const shortLiteral = Buffer.from([0xcb, 3, 0x62, 200, 0x41]);
    await refused(await sealPackets(shortLiteral), /is damaged/);
  });

  test('not encrypted, for nobody, with a passphrase, with one besides, without integrity code', async () => {
    await refused(await literal('clear'), /not encrypted/);
    const message = await sealed(Buffer.from('x'), ed);
    await refused(message.subarray(2 + (message[1] as number)), /not encrypted for public keys alone/);
    await refused(
      gnupg.run(['--passphrase', 'p', '--symmetric'], 'x'),
      /not encrypted for public keys alone/,
    );
    await refused(
      gnupg.run(['--passphrase', 'p', '-r', ed, '--symmetric', '--encrypt'], 'x'),
      /not encrypted for public/,
    );
    await refused(
      gnupg.run(['--rfc2440', '--cipher-algo', 'CAST5', '-r', ed, '--encrypt'], 'x'),
      /not encrypted in the way/,
    );
  });

  test('the newer packet with authenticated encryption, which GnuPG 2.2 cannot read', async () => {
    const encryptionKeys = await openpgp.readKey({ binaryKey: gnupg.exportPublic(ed) });
    const sessionKey = { data: randomBytes(32), algorithm: 'aes256', aeadAlgorithm: 'gcm' } as const;
    const message = await openpgp.createMessage({ binary: Buffer.from('x') });
    const encrypted = await openpgp.encrypt({ message, encryptionKeys, sessionKey, format: 'binary' });
    await refused(encrypted, /not encrypted in the way of Holdfast/);
  });

  test('nothing, text, armor, a key', async () => {
    const armored = gnupg.run(['--armor', '-r', ed, '--encrypt'], 'x');
    for (const bytes of [Buffer.alloc(0), Buffer.from('<html>502</html>'), armored, gnupg.exportPublic(ed)]) {
      await refused(bytes, /is not an OpenPGP message/);
      expect((await failure(recipientKeyIds(bytes, 'o'))).object).toBe('o');
    }
  });
});
