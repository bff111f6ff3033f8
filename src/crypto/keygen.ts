/** Makes the key pair that a town keeps: its public half goes to the hosts, its secret half never does; writes no file. */
import { randomBytes } from 'node:crypto';
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { fingerprintOf } from './key-file.ts';
import { open, parseSecretKey } from './open.ts';
import { parseRecipients, seal } from './seal.ts';
import { unlockSecretKey } from './secret-key.ts';

export interface KeyPairOptions {
  name: string;
  email: string;
  /** undefined makes a key without passphrase. */
  passphrase: string | undefined;
  now: Date;
}

/** A new key pair, proven to encrypt and decrypt. */
export interface KeyPair {
  publicArmored: string;
  /** Locked with the passphrase, if one was given. */
  secretArmored: string;
  /** Armored revocation certificate: whoever imports it declares the key invalid. */
  revocation: string;
  /** Upper-case hex. */
  fingerprint: string;
}

/** How often a passphrase is digested: 65 million bytes of SHA-256, what gpg takes for strong (RFC 9580, section 3.7.1.3). */
const S2K_COUNT_BYTE = 255;

/**
 * Makes an Ed25519 key with a Curve25519 encryption subkey, both of version 4, which GnuPG 2.2 imports and uses; no
 * expiry. Ends with a test: encrypts with the public half and decrypts with the secret half, both read back from
 * what is returned. Errors: `usage`, when name or e-mail cannot stand in a user id; `key`, for an empty passphrase.
 */
export async function generateKeyPair(options: KeyPairOptions): Promise<KeyPair> {
  const { name, email, passphrase, now } = options;
  checkUserId(name, email);
  if (passphrase === '') {
    throw new HoldfastError('key', 'the passphrase is empty: give one, or say that the key shall have none');
  }
  const made = await openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: { name, email },
    ...(passphrase === undefined ? {} : { passphrase }),
    date: now,
    format: 'object',
    config: { s2kIterationCountByte: S2K_COUNT_BYTE, aeadProtect: false, v6Keys: false },
  });
  const pair: KeyPair = {
    publicArmored: made.publicKey.armor(),
    secretArmored: made.privateKey.armor(),
    revocation: made.revocationCertificate,
    fingerprint: fingerprintOf(made.publicKey),
  };
  await selfTest(pair, passphrase, now);
  return pair;
}

function checkUserId(name: string, email: string): void {
  if (name.trim() === '' || /[<>()\p{C}]/u.test(name)) {
    throw new HoldfastError(
      'usage',
      `the name "${printable(name)}" cannot stand in a key: use letters, digits, spaces`,
    );
  }
  if (!/^[^\p{C}\p{Z}@<>\\]+@[^\p{C}\p{Z}@<>\\]*[^\p{C}\p{Z}\p{P}]$/u.test(email)) {
    throw new HoldfastError(
      'usage',
      `"${printable(email)}" is no e-mail address: give one such as it@example.org`,
    );
  }
}

/** Encrypts and decrypts once with what the user will have in hand. A failure is a defect, not the user's. */
async function selfTest(pair: KeyPair, passphrase: string | undefined, now: Date): Promise<void> {
  const publicKey = await openpgp.readKey({ armoredKey: pair.publicArmored });
  const recipients = await parseRecipients([publicKey.write()]);
  const probe = randomBytes(1000);
  const message: Uint8Array[] = [];
  for await (const piece of seal([probe], recipients, now)) message.push(piece);

  const bytes = Buffer.from(pair.secretArmored, 'latin1');
  const secret = await unlockSecretKey(bytes, 'the new secret key', async () => passphrase);
  const opened: Uint8Array[] = [];
  for await (const piece of open(Buffer.concat(message), await parseSecretKey(secret))) opened.push(piece);
  if (!Buffer.concat(opened).equals(probe)) {
    throw new Error(
      'the new key pair does not decrypt what it encrypted: it was not kept; please report this',
    );
  }
}

function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}
