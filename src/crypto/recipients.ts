/** Loads the public keys that backups are encrypted for, and tells whether they can be used; encrypts nothing (see seal.ts). */
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { ANY_TIME, clockBehind, day } from './clock.ts';
import { fingerprintOf, parseKeys, readKeyFile, userIdOf } from './key-file.ts';

/** A public key as bytes: plain data that can be posted to a worker thread. */
export interface PublicKeyBytes {
  /** The transferable public key in binary (RFC 9580, section 10.1). */
  binary: Uint8Array;
}

/** Someone for whom backups are encrypted. */
export interface Recipient {
  /** Fingerprint of the primary key, upper-case hex. */
  fingerprint: string;
  userId: string;
  file: string;
  /** When the key ceases to be usable: the earlier of the primary key's and the encryption subkey's expiry. */
  expires: Date | undefined;
  key: PublicKeyBytes;
}

/** A recipient's key made ready for seal(). */
export interface ParsedRecipient {
  fingerprint: string;
  userId: string;
  key: openpgp.PublicKey;
}

/** Days before its expiry from which a key is warned about. */
const WARNING_DAYS = 30;

/** Public-key algorithms by number (RFC 9580, section 9.1) that GnuPG 2.2 cannot use: X25519, X448 and their kin. */
const TOO_NEW_FOR_GNUPG = 25;

/**
 * Reads the one public key of a file and checks that it can encrypt at the time `now`.
 * Errors: `key`, naming the file, for whatever is wrong with it.
 */
export async function loadRecipient(file: string, now: Date): Promise<Recipient> {
  const bytes = await readKeyFile(file, 'public');
  const keys = await parseKeys(bytes, file, 'public');
  const secret = keys.find((key) => key.isPrivate());
  if (secret !== undefined) {
    throw keyError(
      file,
      `holds a SECRET key (${fingerprintOf(secret)}), which must not lie on a machine that is backed up: remove it from here, and export the public key instead with gpg --armor --output FILE --export ${fingerprintOf(secret)}`,
    );
  }
  const [key, ...others] = keys;
  if (key === undefined || others.length > 0) {
    const list = keys.map((each) => `${fingerprintOf(each)} (${userIdOf(each)})`).join(', ');
    throw keyError(
      file,
      `holds ${keys.length} keys, ${list}: put each recipient's key into a file of its own`,
    );
  }
  const expires = await checkEncryptionKey(key, now, file);
  return {
    fingerprint: fingerprintOf(key),
    userId: userIdOf(key),
    file,
    expires,
    key: { binary: key.write() },
  };
}

/** What to tell the user from 30 days before the key's expiry on; undefined before that and for keys without one. */
export function expiryWarning(recipient: Recipient, now: Date): string | undefined {
  if (recipient.expires === undefined) return undefined;
  const left = Math.floor((recipient.expires.getTime() - now.getTime()) / 86_400_000);
  if (left >= WARNING_DAYS) return undefined;
  const when = left < 1 ? 'within a day' : `in ${left} ${left === 1 ? 'day' : 'days'}`;
  return `${recipient.file}: the key of ${recipient.userId} expires ${when}, on ${day(recipient.expires)}, and backups will fail from then on: extend it with gpg --quick-set-expire where its secret key is, and export it anew`;
}

/** Makes the keys of loaded recipients ready for seal(), for instance in a worker thread. */
export async function parseRecipients(binaries: readonly Uint8Array[]): Promise<ParsedRecipient[]> {
  return Promise.all(
    binaries.map(async (binaryKey) => {
      const key = await openpgp.readKey({ binaryKey });
      return { fingerprint: fingerprintOf(key), userId: userIdOf(key), key };
    }),
  );
}

/**
 * Checks that a public key can encrypt at the time `now`, for GnuPG too; `file` is where it came from, if that is
 * known. Returns when the key ceases to be usable. Errors: `key`.
 */
export async function checkEncryptionKey(
  key: openpgp.Key,
  now: Date,
  file?: string,
): Promise<Date | undefined> {
  const what = `the key of ${userIdOf(key)} (${fingerprintOf(key)})`;
  if (await key.isRevoked(undefined, undefined, ANY_TIME)) {
    throw keyError(file, `${what} is revoked: put the recipient's new key in its place`);
  }
  if (key.getCreationTime() > now) throw clockBehind(what, key.getCreationTime(), now, file);
  const primaryExpires = await key.getExpirationTime();
  if (primaryExpires instanceof Date && primaryExpires <= now) throw expired(file, what, primaryExpires);

  const found = await key.getEncryptionKey(undefined, now).catch((error: unknown) => error);
  if (!(found instanceof openpgp.Subkey || found instanceof openpgp.PublicKey)) {
    throw await explain(key, what, now, file, found);
  }
  if (found.keyPacket.version !== 4 || found.keyPacket.algorithm >= TOO_NEW_FOR_GNUPG) {
    throw keyError(
      file,
      `${what} is of a kind that GnuPG 2.2 cannot use, and a backup must be readable without Holdfast: make another one with holdfast keygen or gpg --quick-generate-key`,
    );
  }
  const subkeyExpires = found instanceof openpgp.Subkey ? await found.getExpirationTime(now) : null;
  const dates = [primaryExpires, subkeyExpires].filter((expiry) => expiry instanceof Date);
  return dates.length === 0 ? undefined : new Date(Math.min(...dates.map(Number)));
}

/** Why a key whose primary key is in order cannot encrypt at the time `now`. */
async function explain(
  key: openpgp.Key,
  what: string,
  now: Date,
  file: string | undefined,
  cause: unknown,
): Promise<HoldfastError> {
  const atAnyTime = await key.getEncryptionKey(undefined, ANY_TIME).catch(() => undefined);
  if (atAnyTime instanceof openpgp.Subkey) {
    const subkey = `the encryption subkey of ${what}`;
    const expires = await atAnyTime.getExpirationTime(ANY_TIME);
    if (expires instanceof Date && expires <= now) return expired(file, subkey, expires);
    if (atAnyTime.getCreationTime() > now) {
      return clockBehind(subkey, atAnyTime.getCreationTime(), now, file);
    }
  }
  if (atAnyTime !== undefined) {
    // The key existed at that time, but what it says of itself was signed later, as when its expiry was changed.
    const signed = key.users.flatMap((user) => user.selfCertifications.map((each) => Number(each.created)));
    return clockBehind(`the present form of ${what}`, new Date(Math.max(...signed)), now, file);
  }
  const reason = cause instanceof Error ? ` (${cause.message})` : '';
  return keyError(
    file,
    `${what} cannot encrypt${reason}: put a key with a valid encryption subkey in its place`,
    cause,
  );
}

function expired(file: string | undefined, what: string, when: Date): HoldfastError {
  return keyError(
    file,
    `${what} expired on ${day(when)}: extend it with gpg --quick-set-expire where its secret key is and export it anew, or put another key in its place`,
  );
}

function keyError(file: string | undefined, problem: string, cause?: unknown): HoldfastError {
  if (file === undefined) return new HoldfastError('key', problem, { cause });
  return new HoldfastError('key', `${file}: ${problem}`, { path: file, cause });
}
