/** Loads and unlocks the secret key that opens a backup, and moves it between threads; never writes it anywhere. */
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { ANY_TIME } from './clock.ts';
import { fingerprintOf, parseKeys, readKeyFile, userIdOf } from './key-file.ts';

/**
 * An unlocked secret key as plain data, which may be posted to a worker thread but must never reach a disk, a log
 * or an error. Holds no more than what decryption needs: a primary key that only signs has no secret part in it.
 */
export interface SecretKey {
  /** Fingerprint of the primary key, upper-case hex. */
  fingerprint: string;
  userId: string;
  /** Key ids (16 upper-case hex digits) of the keys in it that decrypt. */
  keyIds: string[];
  /** The transferable secret key in binary, NOT protected by a passphrase. */
  binary: Uint8Array;
}

/** A secret key made ready for open(). */
export interface ParsedSecretKey {
  fingerprint: string;
  keyIds: readonly string[];
  key: openpgp.PrivateKey;
}

/**
 * Asks for the passphrase of the secret key; undefined when there is nobody and nothing to ask. `again`: the last answer was
 * wrong; undefined then leaves it at that.
 */
export type AskPassphrase = (again: boolean) => Promise<string | undefined>;

/** How often a passphrase is asked for. */
const TRIES = 3;

/**
 * Reads the one secret key of a file and unlocks what decrypts; `passphrase` is called only when the key is
 * locked, and again when what it gave was wrong, three times in all. Expired and revoked keys are good: what was once encrypted for them must stay readable.
 * Errors: `key`, naming the file; what `passphrase` throws is thrown on.
 */
export async function loadSecretKey(file: string, passphrase: AskPassphrase): Promise<SecretKey> {
  return unlockSecretKey(await readKeyFile(file, 'secret'), file, passphrase);
}

/** Does what loadSecretKey does, from the bytes of a key file that errors call `name`. */
export async function unlockSecretKey(
  bytes: Uint8Array,
  name: string,
  passphrase: AskPassphrase,
): Promise<SecretKey> {
  const key = await onlySecretKey(bytes, name);
  const usable = await decryptionKeys(key, name);
  const locked = usable.filter((packet) => !packet.isDecrypted());
  if (locked.length > 0) await unlock(locked, name, passphrase);

  const open = usable.filter((packet) => packet.isDecrypted());
  for (const packet of open) {
    await packet.validate().catch((cause: unknown) => {
      throw keyError(
        name,
        'is a damaged secret key: its secret and public parts do not match; use another copy of it',
        cause,
      );
    });
  }
  for (const { keyPacket } of key.getKeys()) {
    const secret = keyPacket as openpgp.SecretKeyPacket;
    if (!open.includes(secret)) secret.makeDummy();
  }
  return {
    fingerprint: fingerprintOf(key),
    userId: userIdOf(key),
    keyIds: open.map((packet) => packet.getKeyID().toHex().toUpperCase()),
    binary: key.write(),
  };
}

/** Makes an unlocked secret key ready for open(), for instance in a worker thread. */
export async function parseSecretKey(secret: SecretKey): Promise<ParsedSecretKey> {
  const key = await openpgp.readPrivateKey({ binaryKey: secret.binary });
  return { fingerprint: secret.fingerprint, keyIds: secret.keyIds, key };
}

/** Whether a secret key is one of the recipients of a set, given their primary keys' fingerprints in hex. */
export function isRecipient(
  secret: Pick<SecretKey, 'fingerprint'>,
  fingerprints: readonly string[],
): boolean {
  return fingerprints.some((fingerprint) => fingerprint.toUpperCase() === secret.fingerprint);
}

async function onlySecretKey(bytes: Uint8Array, name: string): Promise<openpgp.PrivateKey> {
  const keys = await parseKeys(bytes, name, 'secret');
  const secrets = keys.filter((key) => key.isPrivate());
  const [key, ...others] = secrets;
  if (key === undefined) {
    const fingerprint = keys[0] === undefined ? 'KEY-ID' : fingerprintOf(keys[0]);
    throw keyError(
      name,
      `holds a public key, which cannot decrypt: give the secret key, from gpg --armor --output FILE --export-secret-keys ${fingerprint}`,
    );
  }
  if (others.length > 0) {
    const list = secrets.map((each) => `${fingerprintOf(each)} (${userIdOf(each)})`).join(', ');
    throw keyError(
      name,
      `holds ${secrets.length} secret keys, ${list}: export the one that is needed with gpg --armor --output FILE --export-secret-keys FINGERPRINT`,
    );
  }
  return key;
}

/** The key packets that decrypt and whose secret part is in the file, locked or not. */
async function decryptionKeys(key: openpgp.PrivateKey, name: string): Promise<openpgp.SecretKeyPacket[]> {
  const what = `the secret key of ${userIdOf(key)} (${fingerprintOf(key)})`;
  const packets = key.getKeys().map(({ keyPacket }) => keyPacket as openpgp.SecretKeyPacket);
  const found = await key.getDecryptionKeys(undefined, ANY_TIME).catch((cause: unknown) => {
    if (packets.some((packet) => packet.isDummy())) return [];
    throw keyError(
      name,
      `${what} has no encryption subkey and cannot decrypt: give the secret key of one of the recipients`,
      cause,
    );
  });
  const present = packets.filter(
    (packet) => found.some(({ keyPacket }) => keyPacket === packet) && !packet.isMissingSecretKeyMaterial(),
  );
  if (present.length > 0) return present;
  throw keyError(
    name,
    `the part of ${what} that decrypts is not in this file (it may be on a smart card, or locked in a way that only gpg knows): use a complete copy, from gpg --export-secret-keys`,
  );
}

/** Unlocks in place. Subkeys may have passphrases of their own: one that opens is enough. */
async function unlock(locked: openpgp.SecretKeyPacket[], name: string, ask: AskPassphrase): Promise<void> {
  const first = await ask(false);
  if (first === undefined) {
    throw keyError(
      name,
      'is locked with a passphrase: give it with --passphrase-file or HOLDFAST_PASSPHRASE_FILE, or run this on a terminal, where it is asked for',
    );
  }
  let passphrase: string | undefined = first;
  for (let left = TRIES; ; ) {
    const problem = await tryPassphrase(locked, name, passphrase);
    if (problem === undefined) return;
    left -= 1;
    passphrase = problem.isWrong && left > 0 ? await ask(true) : undefined;
    if (passphrase === undefined) throw problem.error;
  }
}

/** What stands against a passphrase; undefined when it has unlocked something. */
async function tryPassphrase(
  locked: openpgp.SecretKeyPacket[],
  name: string,
  passphrase: string,
): Promise<{ isWrong: boolean; error: HoldfastError } | undefined> {
  const problems: unknown[] = [];
  for (const packet of locked) {
    await packet.decrypt(passphrase).catch((error: unknown) => problems.push(error));
  }
  if (problems.length < locked.length) return undefined;
  const [cause] = problems;
  const reason = cause instanceof Error ? cause.message : '';
  if (reason.startsWith('Incorrect key passphrase')) {
    const problem = 'the passphrase is wrong for this key: try again with the right one';
    return { isWrong: true, error: keyError(name, problem, cause) };
  }
  const problem = `the key is locked in a way that Holdfast cannot undo (${reason}): import it into gpg and export it anew with gpg --export-secret-keys`;
  return { isWrong: false, error: keyError(name, problem, cause) };
}

function keyError(name: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError('key', `${name}: ${problem}`, { path: name, cause });
}
