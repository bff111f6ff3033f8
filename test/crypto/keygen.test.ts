import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateKeyPair } from '../../src/crypto/keygen.ts';
import { parseRecipients, seal } from '../../src/crypto/seal.ts';
import { Gnupg } from './gnupg.ts';
import { collect, failure } from './streams.ts';

let gnupg: Gnupg;
beforeAll(async () => {
  gnupg = await Gnupg.start();
});
afterAll(() => gnupg.stop());

const someone = { name: 'IT Staff Öd', email: 'it@example.org', now: new Date() };

describe('a new key pair', () => {
  test.each([undefined, 'pässphrase with spaces'])(
    'is imported and used by GnuPG 2.2, passphrase %s',
    async (passphrase) => {
      const pair = await generateKeyPair({ ...someone, passphrase });
      gnupg.run(['--import'], pair.publicArmored);
      const listing = gnupg.run(['--with-colons', '--list-keys', pair.fingerprint]).toString();
      expect(listing).toMatch(/^pub:[^:]*:255:22:.*:::(sc|cs)[SCE]+:/m);
      expect(listing).toMatch(/^sub:[^:]*:255:18:.*:e:/m);
      expect(listing).toMatch(/^uid:.*:IT Staff Öd <it@example.org>:/m);

      const recipients = await parseRecipients([gnupg.exportPublic(pair.fingerprint)]);
      const message = await collect(seal([Buffer.from('sealed by Holdfast')], recipients, new Date()));
      expect(() => gnupg.decrypt(message, passphrase)).toThrow();
      gnupg.run(['--import'], pair.secretArmored);
      expect(gnupg.decrypt(message, passphrase).toString()).toBe('sealed by Holdfast');
      const byGnupg = gnupg.run(['-r', pair.fingerprint, '--encrypt'], 'sealed by gpg');
      expect(gnupg.decrypt(byGnupg, passphrase).toString()).toBe('sealed by gpg');
    },
  );

  test('is locked with its passphrase, and with a strong digest of it', async () => {
    const pair = await generateKeyPair({ ...someone, passphrase: 'right' });
    gnupg.run(['--import'], pair.secretArmored);
    const message = gnupg.run(['-r', pair.fingerprint, '--encrypt'], 'x');
    expect(() => gnupg.decrypt(message, 'wrong')).toThrow();
    expect(gnupg.packets(Buffer.from(pair.secretArmored))).toMatch(/protect count: 65011712 \(255\)/);
  });

  test('can be declared invalid with its revocation certificate', async () => {
    const pair = await generateKeyPair({ ...someone, passphrase: undefined });
    gnupg.run(['--import'], pair.publicArmored);
    gnupg.run(['--import'], pair.revocation);
    expect(gnupg.run(['--with-colons', '--list-keys', pair.fingerprint]).toString()).toMatch(/^pub:r:/m);
  });
});

describe('what cannot become a key', () => {
  test('an empty passphrase, which would make an unprotected key', async () => {
    expect((await failure(generateKeyPair({ ...someone, passphrase: '' }))).code).toBe('key');
  });

  test('names and addresses that a user id cannot hold', async () => {
    const passphrase = undefined;
    for (const name of ['', '  ', 'a <b>', 'line\nbreak', 'bell\x07']) {
      expect((await failure(generateKeyPair({ ...someone, name, passphrase }))).code).toBe('usage');
    }
    for (const email of ['', 'nobody', 'a@b@c', 'a b@c.de', '<a@b.de>', 'a@b.de\nx']) {
      expect((await failure(generateKeyPair({ ...someone, email, passphrase }))).code).toBe('usage');
    }
  });
});
