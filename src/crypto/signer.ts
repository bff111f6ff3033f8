/** Makes, loads and uses the host's signing key; checks no signature (see check.ts). */
import { stat } from 'node:fs/promises';
import * as openpgp from 'openpgp';
import { HoldfastError, systemCode } from '../errors.ts';
import { ANY_TIME, clockBehind } from './clock.ts';
import { fingerprintOf, parseKeys, readKeyFile } from './key-file.ts';

/** The host's signing key, ready for use. */
export interface Signer {
  /** Fingerprint of the primary key, which is the one that signs, upper-case hex. */
  fingerprint: string;
  publicArmored: string;
  file: string;
  key: openpgp.PrivateKey;
}

/** A newly made signing key, to be stored. */
export interface NewSigner {
  /** Without passphrase, since cron has nobody to ask: for a file of mode 0600 and nowhere else. */
  secretArmored: string;
  publicArmored: string;
  fingerprint: string;
}

/**
 * Makes a signing key (Ed25519, version 4, as GnuPG 2.2 knows it) for the host of a strategy: it cannot encrypt, has
 * no passphrase and does not expire.
 */
export async function createSigner(name: string, now: Date): Promise<NewSigner> {
  const { privateKey } = await openpgp.generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: { name: `Holdfast signer of ${name}` },
    subkeys: [],
    date: now,
    format: 'object',
  });
  return {
    secretArmored: privateKey.armor(),
    publicArmored: privateKey.toPublic().armor(),
    fingerprint: fingerprintOf(privateKey),
  };
}

/**
 * Loads the host's signing key. Errors: `not-initialised`, when there is no such file; `key`, when others than its
 * owner may read it, or when it is not one unlocked secret key that signs.
 */
export async function loadSigner(file: string): Promise<Signer> {
  await checkPermissions(file);
  const [key, ...others] = await parseKeys(await readKeyFile(file, 'secret'), file, 'secret');
  if (key === undefined || others.length > 0 || !key.isPrivate()) {
    throw broken(file, 'is not one secret key');
  }
  const signing = await key.getSigningKey(key.getKeyID(), ANY_TIME).catch((cause: unknown) => {
    throw broken(file, 'is a key that cannot sign', cause);
  });
  if (!signing.keyPacket.isDecrypted())
    throw broken(file, 'is locked with a passphrase, or has no secret part');
  await (signing.keyPacket as openpgp.SecretKeyPacket).validate().catch((cause: unknown) => {
    throw broken(file, 'is damaged', cause);
  });
  return { fingerprint: fingerprintOf(key), publicArmored: key.toPublic().armor(), file, key };
}

/**
 * Signs bytes: returns an armored detached signature over exactly these bytes (binary, type 0x00) that
 * `gpg --verify` accepts. Errors: `key`, when the clock shows a time before the key was made.
 */
export async function sign(bytes: Uint8Array, signer: Signer, now: Date): Promise<string> {
  const made = signer.key.getCreationTime();
  if (now < made) throw clockBehind(`the signing key ${signer.fingerprint}`, made, now, signer.file);
  return openpgp.sign({
    message: await openpgp.createMessage({ binary: bytes }),
    signingKeys: signer.key,
    signingKeyIDs: signer.key.getKeyID(),
    detached: true,
    format: 'armored',
    date: now,
  });
}

async function checkPermissions(file: string): Promise<void> {
  let mode: number;
  try {
    mode = (await stat(file)).mode;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') return; // Reading it tells what is wrong.
    throw new HoldfastError('not-initialised', `${file}: there is no signing key yet: run holdfast init`, {
      path: file,
      cause: error,
    });
  }
  if ((mode & 0o077) !== 0) {
    throw new HoldfastError(
      'key',
      `${file}: the signing key can be read or written by others than its owner (mode ${(mode & 0o777).toString(8)}): run chmod 600 on it, and if others may have copied it, remove it and make a new one with holdfast init`,
      { path: file },
    );
  }
}

function broken(file: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'key',
    `${file} ${problem} and cannot be the signing key: put back a copy of it, or remove it and make a new one with holdfast init --adopt FINGERPRINT`,
    { path: file, cause },
  );
}
