import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkSignature, readVerifier, type Verifier } from '../../src/crypto/check.ts';
import { Gnupg } from './gnupg.ts';
import { failure } from './streams.ts';

let gnupg: Gnupg;
let signer: string;
let verifier: Verifier;

const BYTES = Buffer.from('{"seq":1}\n');

beforeAll(async () => {
  gnupg = await Gnupg.start();
  signer = gnupg.makeKey('Signer', 'ed25519', { at: '20250101T000000', subkey: 'none' });
  verifier = await verifierOf(signer);
});
afterAll(() => gnupg.stop());

async function verifierOf(fingerprint: string): Promise<Verifier> {
  return readVerifier(gnupg.exportPublic(fingerprint, '--armor'));
}

function signed(bytes: Uint8Array, ...options: string[]): Buffer {
  return gnupg.run(['-u', signer, '--armor', ...options, '--detach-sign'], bytes);
}

describe('a good signature', () => {
  test('names its signer and when it was made, among several verifiers', async () => {
    const other = await verifierOf(gnupg.makeKey('Other', 'rsa2048', { subkey: 'none' }));
    const signature = signed(BYTES, '--faked-system-time', '20260102T030405');
    expect(await checkSignature(BYTES, signature, [other, verifier])).toEqual({
      fingerprint: signer,
      made: new Date('2026-01-02T03:04:05Z'),
    });
  });

  test('may be by RSA, and by a signing subkey: the primary fingerprint is named', async () => {
    const rsa = gnupg.makeKey('Rsa', 'rsa2048', { subkey: 'none' });
    const withSubkey = gnupg.makeKey('With subkey', 'ed25519', { subkey: 'none' });
    gnupg.run(['--passphrase', '', '--quick-add-key', withSubkey, 'ed25519', 'sign']);
    for (const fingerprint of [rsa, withSubkey]) {
      const signature = gnupg.run(['-u', fingerprint, '--armor', '--detach-sign'], BYTES);
      const answer = await checkSignature(BYTES, signature, [await verifierOf(fingerprint)]);
      expect(answer).toMatchObject({ fingerprint });
    }
  });

  test('stays good when its clock was a year ahead, and when its key has expired since or before', async () => {
    const year = 365 * 86_400_000;
    const ahead = new Date(Date.now() + year);
    const stamp = `${ahead.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}`;
    const answer = await checkSignature(BYTES, signed(BYTES, '--faked-system-time', stamp), [verifier]);
    expect('made' in answer && Math.abs(answer.made.getTime() - ahead.getTime())).toBeLessThan(1000);

    const brief = gnupg.makeKey('Brief', 'ed25519', { at: '20200101T000000', expires: '1y', subkey: 'none' });
    const then = ['--faked-system-time', '20200601T000000', '-u', brief, '--armor', '--detach-sign'];
    const signature = gnupg.run(then, BYTES);
    expect(await checkSignature(BYTES, signature, [await verifierOf(brief)])).toMatchObject({
      fingerprint: brief,
    });

    gnupg.run([
      '--passphrase',
      '',
      '--faked-system-time',
      '20200102T000000',
      '--quick-set-expire',
      brief,
      '30d',
    ]);
    expect(await checkSignature(BYTES, signature, [await verifierOf(brief)])).toMatchObject({
      fingerprint: brief,
    });
  });

  test('may be over any bytes, none too', async () => {
    for (const bytes of [Buffer.alloc(0), randomBytes(100_000), Buffer.from('a\r\nb\n\n')]) {
      expect(await checkSignature(bytes, signed(bytes), [verifier])).toMatchObject({ fingerprint: signer });
    }
  });
});

describe('a signature that is not good is an answer, not an exception', () => {
  const problem = async (bytes: Uint8Array, signature: Uint8Array | string, verifiers = [verifier]) => {
    const answer = await checkSignature(bytes, signature, verifiers);
    if (!('problem' in answer)) throw new Error('the signature was accepted');
    return answer.problem;
  };

  test('other bytes, down to a single bit', async () => {
    const signature = signed(BYTES);
    for (let at = 0; at < BYTES.length; at += 1) {
      const changed = Buffer.from(BYTES);
      changed[at] = (changed[at] as number) ^ 1;
      expect(await problem(changed, signature)).toBe('bad-signature');
    }
    expect(await problem(Buffer.concat([BYTES, Buffer.from('\n')]), signature)).toBe('bad-signature');
    expect(await problem(Buffer.from('{"seq":1}\r\n'), signature)).toBe('bad-signature');
  });

  test('a signer that is not among the verifiers', async () => {
    expect(await problem(BYTES, signed(BYTES), [])).toBe('unknown-signer');
    const other = await verifierOf(gnupg.makeKey('Stranger', 'ed25519', { subkey: 'none' }));
    const answer = await checkSignature(BYTES, signed(BYTES), [other]);
    expect(answer).toEqual({ problem: 'unknown-signer', detail: `made by the key ${signer}` });
  });

  test('made with a weak digest', async () => {
    for (const digest of ['SHA1', 'RIPEMD160']) {
      const signature = signed(BYTES, '--allow-weak-digest-algos', '--digest-algo', digest);
      expect(await problem(BYTES, signature)).toBe('bad-signature');
    }
  });

  test('dated before the making of its key, as gpg refuses too', async () => {
    const signature = signed(BYTES, '--faked-system-time', '20240601T000000', '--ignore-time-conflict');
    expect(gnupg.verifies(BYTES, signature.toString())).toBe(false);
    const answer = await checkSignature(BYTES, signature, [verifier]);
    expect(answer).toEqual({ problem: 'bad-signature', detail: 'older than its key' });
  });

  test('over text instead of bytes, of which line ends are no part', async () => {
    expect(await problem(BYTES, signed(BYTES, '--textmode'))).toBe('malformed');
  });

  test('two signatures, in one block or in two, none, an inline one, a binary one', async () => {
    const second = gnupg.makeKey('Second', 'ed25519', { subkey: 'none' });
    const verifiers = [verifier, await verifierOf(second)];
    const block = signed(BYTES, '-u', second);
    const cases = [
      block,
      Buffer.concat([signed(BYTES), signed(BYTES)]),
      Buffer.alloc(0),
      Buffer.from('-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n'),
      gnupg.run(['-u', signer, '--armor', '--sign'], BYTES),
      gnupg.run(['-u', signer, '--clear-sign'], BYTES),
      gnupg.run(['-u', signer, '--detach-sign'], BYTES),
      gnupg.exportPublic(signer, '--armor'),
      Buffer.alloc(20_000, 0x41),
    ];
    for (const signature of cases) expect(await problem(BYTES, signature, verifiers)).toBe('malformed');
  });

  test('whatever else the bytes are', async () => {
    const good = signed(BYTES).toString();
    const packet = gnupg.run(['-u', signer, '--detach-sign'], BYTES);
    const armor = (bytes: Uint8Array) => openpgp.armor(openpgp.enums.armor.signature, bytes);
    const answers: unknown[] = [];
    for (let at = 0; at < packet.length; at += 1) {
      const flipped = Buffer.from(packet);
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      answers.push(await checkSignature(BYTES, armor(flipped), [verifier]));
      answers.push(await checkSignature(BYTES, armor(packet.subarray(0, at)), [verifier]));
    }
    expect(answers).toHaveLength(packet.length * 2);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(good.length), async (bytes, at) => {
        const spliced = good.slice(0, at) + Buffer.from(bytes).toString('latin1') + good.slice(at);
        for (const signature of [bytes, armor(bytes), spliced]) {
          const answer = await checkSignature(Buffer.from('other bytes'), signature, [verifier]);
          expect(answer).toHaveProperty('problem');
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('a verifier from the store', () => {
  test('is exactly one armored public key that signs; anything else is damage, named by its object', async () => {
    const armored = gnupg.exportPublic(signer, '--armor').toString();
    const encrypts = await openpgp.generateKey({ userIDs: { name: 'X' }, format: 'object' });
    const noSelfSignature = new openpgp.PacketList<openpgp.AnyPacket>();
    noSelfSignature.push(encrypts.publicKey.keyPacket);
    const revoked = gnupg.makeKey('Revoked', 'ed25519', { subkey: 'none' });
    gnupg.revoke(revoked);
    const cases: (string | Uint8Array)[] = [
      '',
      'garbage',
      armored.slice(0, 120),
      armored + armored,
      gnupg.exportPublic(signer),
      gnupg.exportSecret(signer, '', '--armor'),
      gnupg.run(['--armor', '--export', signer, revoked]),
      openpgp.armor(openpgp.enums.armor.publicKey, noSelfSignature.write()),
      signed(BYTES),
    ];
    for (const [i, content] of cases.entries()) {
      const error = await failure(readVerifier(content, 'keys/F.asc')).catch((e) => {
        throw new Error(`case ${i}: ${e}`);
      });
      expect(error).toMatchObject({ code: 'damage', object: 'keys/F.asc' });
      expect(error.message).toMatch(/^keys\/F.asc is not the public key of a signer/);
    }
    expect((await readVerifier(armored)).fingerprint).toBe(signer);
  });

  test('a signer that was revoked later has signed all the same', async () => {
    const taken = gnupg.makeKey('Taken over', 'ed25519', { subkey: 'none' });
    const signature = gnupg.run(['--local-user', taken, '--armor', '--detach-sign'], BYTES);
    gnupg.revoke(taken);
    const verifier = await readVerifier(gnupg.exportPublic(taken, '--armor'));
    expect(await checkSignature(BYTES, signature, [verifier])).toMatchObject({ fingerprint: taken });
    expect(await checkSignature(Buffer.from('else'), signature, [verifier])).toMatchObject({
      problem: 'bad-signature',
    });
  });
});
