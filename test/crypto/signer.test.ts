import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkSignature, readVerifier } from '../../src/crypto/check.ts';
import { createSigner, loadSigner, sign } from '../../src/crypto/signer.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { Gnupg } from './gnupg.ts';
import { failure } from './streams.ts';

let gnupg: Gnupg;
beforeAll(async () => {
  gnupg = await Gnupg.start();
});
afterAll(() => gnupg.stop());

const MADE = new Date('2026-03-01T12:00:00.500Z');
const BYTES = Buffer.from('{"commit":"of some set"}\n');

async function keyFile(content: string | Uint8Array, mode = 0o600): Promise<string> {
  const file = join(await temporaryFolder(), 'signer.asc');
  await writeFile(file, content, { mode });
  return file;
}

describe('a new signer', () => {
  test('is imported by GnuPG 2.2: Ed25519, sign only, no expiry, named after the strategy', async () => {
    const made = await createSigner('townhall-web', MADE);
    gnupg.run(['--import'], made.publicArmored);
    const listing = gnupg.run(['--with-colons', '--list-keys', made.fingerprint]).toString();
    const seconds = Math.floor(MADE.getTime() / 1000);
    expect(listing).toMatch(new RegExp(`^pub:[^:]*:255:22:[0-9A-F]{16}:${seconds}:::[^:]*:::scSC:`, 'm'));
    expect(listing).toMatch(/^uid:.*:Holdfast signer of townhall-web:/m);
    expect(listing).not.toMatch(/^sub:/m);
    expect(made.fingerprint).toMatch(/^[0-9A-F]{40}$/);
    gnupg.run(['--import'], made.secretArmored);
    expect(gnupg.run(['--list-secret-keys', made.fingerprint]).toString()).toContain('townhall-web');
  });

  test('is another one every time', async () => {
    const [one, two] = await Promise.all([createSigner('a', MADE), createSigner('a', MADE)]);
    expect(one.fingerprint).not.toBe(two.fingerprint);
  });
});

describe('a loaded signer', () => {
  test('signs what gpg --verify accepts with its public key, and nothing else', async () => {
    const made = await createSigner('verify-me', new Date());
    const signer = await loadSigner(await keyFile(made.secretArmored));
    expect(signer).toMatchObject({ fingerprint: made.fingerprint });
    gnupg.run(['--import'], signer.publicArmored);
    const signature = await sign(BYTES, signer, new Date());
    expect(signature).toMatch(/^-----BEGIN PGP SIGNATURE-----\n/);
    expect(gnupg.verifies(BYTES, signature)).toBe(true);
    expect(gnupg.verifies(Buffer.from('{"commit":"of another set"}\n'), signature)).toBe(false);
  });

  test('signs from the second in which it was made', async () => {
    const made = await createSigner('prompt', MADE);
    const signer = await loadSigner(await keyFile(made.secretArmored));
    const verifiers = [await readVerifier(made.publicArmored)];
    const signature = Buffer.from(await sign(BYTES, signer, MADE));
    const made0 = new Date('2026-03-01T12:00:00.000Z');
    expect(await checkSignature(BYTES, signature, verifiers)).toEqual({
      fingerprint: made.fingerprint,
      made: made0,
    });
  });

  test('does not sign when the clock is before its making: names the clock and the date', async () => {
    const made = await createSigner('early', MADE);
    const file = await keyFile(made.secretArmored);
    const signer = await loadSigner(file);
    const error = await failure(sign(BYTES, signer, new Date('2026-02-28T00:00:00Z')));
    expect(error).toMatchObject({ code: 'key', path: file });
    expect(error.message).toMatch(
      /shows 2026-02-28T00:00:00.000Z, but .* was made at 2026-03-01T12:00:00.000Z/,
    );
    expect(error.message).toContain(made.fingerprint);
  });
});

describe('signing keys that are refused', () => {
  test('a missing one: holdfast init was not run', async () => {
    const error = await failure(loadSigner('/nowhere/signer.asc'));
    expect(error).toMatchObject({ code: 'not-initialised', path: '/nowhere/signer.asc' });
    expect(error.message).toMatch(/run holdfast init/);
  });

  test.each(['640', '604', '620', '602'])('one with mode %s', async (mode) => {
    const made = await createSigner('open', MADE);
    const file = await keyFile(made.secretArmored);
    await chmod(file, Number.parseInt(mode, 8));
    const error = await failure(loadSigner(file));
    expect(error).toMatchObject({ code: 'key', path: file });
    expect(error.message).toContain(`by others than its owner (mode ${mode}): run chmod 600`);
  });

  test('an empty one, a cut one, a public key, two keys, a locked one, one that cannot sign', async () => {
    const { publicArmored, secretArmored } = await createSigner('broken', MADE);
    const other = await createSigner('other', MADE);
    const locked = gnupg.makeKey('Locked', 'ed25519', { passphrase: 'locked', subkey: 'none' });
    const subkeysOnly = gnupg.makeKey('Primary elsewhere', 'ed25519');
    const cases: [string | Uint8Array, RegExp][] = [
      ['', /is empty/],
      [secretArmored.slice(0, 150), /is not an OpenPGP key/],
      [publicArmored, /is not one secret key/],
      [secretArmored + other.secretArmored, /is not one secret key/],
      [gnupg.exportSecret(locked, 'locked'), /is locked with a passphrase/],
      [gnupg.run(['--export-secret-subkeys', subkeysOnly]), /is locked .*, or has no secret part/],
    ];
    for (const [content, why] of cases) {
      const error = await failure(loadSigner(await keyFile(content)));
      expect(error.code).toBe('key');
      expect(error.message).toMatch(why);
    }
  });
});
