import { randomBytes } from 'node:crypto';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ParsedRecipient, parseRecipients, seal } from '../../src/crypto/seal.ts';
import { Gnupg } from './gnupg.ts';
import { collect, failure } from './streams.ts';

let gnupg: Gnupg;
let ed: string;
let rsa: string;
let recipients: ParsedRecipient[];

const MIB = 1024 * 1024;
const now = () => new Date();

beforeAll(async () => {
  gnupg = await Gnupg.start();
  ed = gnupg.makeKey('Ed <ed@example.org>', 'ed25519');
  rsa = gnupg.makeKey('Rsa <rsa@example.org>', 'rsa2048', { passphrase: 'locked' });
  recipients = await parseRecipients([gnupg.exportPublic(ed), gnupg.exportPublic(rsa)]);
});
afterAll(() => gnupg.stop());

describe('what is sealed can be decrypted by GnuPG', () => {
  test.each([0, 1, 511, 512, 513, MIB - 1, MIB, MIB + 1, 5 * MIB + 7])(
    '%i bytes in one piece',
    async (size) => {
      const plain = randomBytes(size);
      const message = await collect(seal([plain], recipients, now()));
      expect(gnupg.decrypt(message).equals(plain)).toBe(true);
    },
  );

  test('pieces of all sizes, empty ones too, from an asynchronous source', async () => {
    const sizes = [0, 1, 3 * MIB, 7, 700_000, 0, 65536, MIB / 2, MIB / 2 - 1, 2 * MIB + 1, 100];
    const pieces = sizes.map((size) => randomBytes(size));
    async function* source() {
      yield* pieces;
    }
    const message = await collect(seal(source(), recipients, now()));
    expect(gnupg.decrypt(message).equals(Buffer.concat(pieces))).toBe(true);
  });

  test('by each of several recipients alone', async () => {
    const message = await collect(seal([Buffer.from('for both')], recipients, now()));
    for (const [fingerprint, passphrase] of [
      [ed, ''],
      [rsa, 'locked'],
    ] as const) {
      const other = await Gnupg.start();
      try {
        other.run(['--import'], gnupg.exportSecret(fingerprint, passphrase));
        expect(other.decrypt(message, passphrase).toString()).toBe('for both');
      } finally {
        other.stop();
      }
    }
  });
});

describe('the form of the message', () => {
  test('named recipients, AES-256, version 1 with integrity code, no compression, one literal packet', async () => {
    const zeros = Buffer.alloc(100_000);
    const message = await collect(seal([zeros], recipients, now()));
    const listing = gnupg.packets(message);
    expect(listing.match(/^:pubkey enc packet: version 3.*/gm)).toHaveLength(2);
    expect(listing).not.toMatch(/keyid 0000000000000000/);
    expect(listing).toMatch(/^:encrypted data packet:\n\tlength: (unknown|\d+)\n\tmdc_method: 2$/m);
    expect(listing.match(/^:literal data packet:/gm)).toHaveLength(1);
    expect(listing).not.toContain('compressed');
    expect(message.length).toBeGreaterThan(zeros.length);
  });

  test('stays the same for a key that announces newer forms and prefers AES-128 and compression', async () => {
    const { enums } = openpgp;
    const { privateKey } = await openpgp.generateKey({
      userIDs: { name: 'Modern' },
      format: 'object',
      config: {
        aeadProtect: true,
        preferredSymmetricAlgorithm: enums.symmetric.aes128,
        preferredCompressionAlgorithm: enums.compression.zlib,
      },
    });
    const [modern] = await parseRecipients([privateKey.toPublic().write()]);
    const message = await collect(seal([Buffer.alloc(9999)], [modern as ParsedRecipient], now()));
    const parsed = await openpgp.readMessage({ binaryMessage: message });
    const [session] = await openpgp.decryptSessionKeys({ message: parsed, decryptionKeys: privateKey });
    expect(session?.algorithm).toBe('aes256');
    expect(message.length).toBeGreaterThan(9999);
    expect(parsed.packets[1]).toMatchObject({ version: 1 });
  });

  test('differs every time, for the session key is new', async () => {
    const plain = [Buffer.alloc(1000)];
    const [one, two] = await Promise.all([
      collect(seal(plain, recipients, now())),
      collect(seal(plain, recipients, now())),
    ]);
    expect(one.subarray(-900).equals(two.subarray(-900))).toBe(false);
  });
});

describe('memory', () => {
  test('256 MiB are sealed with a few MiB read ahead', async () => {
    const piece = randomBytes(MIB);
    let given = 0;
    let furthest = 0;
    async function* source() {
      for (let i = 0; i < 256; i += 1) {
        given += piece.length;
        yield piece;
      }
    }
    let taken = 0;
    for await (const part of seal(source(), recipients, now())) {
      furthest = Math.max(furthest, given - taken);
      taken += part.length;
    }
    expect(taken).toBeGreaterThan(256 * MIB);
    expect(furthest).toBeLessThanOrEqual(16 * MIB);
  });

  test('one large buffer is sealed piece by piece', async () => {
    let largest = 0;
    for await (const part of seal([Buffer.alloc(32 * MIB)], recipients, now())) {
      largest = Math.max(largest, part.length);
    }
    expect(largest).toBeLessThanOrEqual(2 * MIB);
  });

  test('ends reading when its reader ends', async () => {
    let ended = false;
    async function* source() {
      try {
        for (let i = 0; i < 64; i += 1) yield randomBytes(MIB);
      } finally {
        ended = true;
      }
    }
    let parts = 0;
    for await (const _part of seal(source(), recipients, now())) if (++parts === 3) break;
    await expect.poll(() => ended).toBe(true);
  });
});

describe('errors', () => {
  test('of the source come out as they are, at its beginning and in its middle', async () => {
    for (const after of [0, 3]) {
      const trouble = new Error('disk');
      async function* source() {
        for (let i = 0; i < after; i += 1) yield randomBytes(MIB);
        throw trouble;
      }
      await expect(collect(seal(source(), recipients, now()))).rejects.toBe(trouble);
    }
  });

  test('no recipients: nothing is sealed for nobody', async () => {
    expect((await failure(collect(seal([], [], now())))).code).toBe('key');
  });

  test('a clock before the making of a key: names the clock and the key', async () => {
    const error = await failure(collect(seal([], recipients, new Date('2010-01-01T00:00:00Z'))));
    expect(error.code).toBe('key');
    expect(error.message).toContain('the clock of this machine shows 2010-01-01T00:00:00.000Z');
    expect(error.message).toContain(`the key of Ed <ed@example.org> (${ed}) was made at 20`);
  });

  test('a key that has expired since it was loaded', async () => {
    const fingerprint = gnupg.makeKey('Short', 'ed25519', { expires: '1d' });
    const parsed = await parseRecipients([gnupg.exportPublic(fingerprint)]);
    expect(await collect(seal([], parsed, now()))).toBeInstanceOf(Buffer);
    const error = await failure(collect(seal([], parsed, new Date(Date.now() + 3 * 86_400_000))));
    expect(error.message).toMatch(/the key of Short .* expired on/);
  });
});
