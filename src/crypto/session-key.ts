/** Opens the session key of a message with a secret key, by openpgp.js; decrypts nothing of the data. */
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { damaged } from './damaged.ts';
import type { SessionKey } from './decrypt.ts';
import { HIDDEN, readEncrypted } from './message.ts';
import type { ParsedSecretKey } from './secret-key.ts';

/**
 * The session key of a message. Errors: `key`, when the message is for other keys; `damage`, when its outside is anything but public-key
 * encrypted session keys, then a version 1 encrypted data packet.
 */
export async function openSessionKey(
  ciphertext: Uint8Array,
  key: ParsedSecretKey,
  object?: string,
): Promise<SessionKey> {
  const { outside, at, keyIds } = await readEncrypted(ciphertext, object);
  const named = keyIds.some((id) => key.keyIds.includes(id));
  if (!named && !keyIds.includes(HIDDEN)) throw wrongKey(keyIds, key, object);
  let found: openpgp.DecryptedSessionKey[];
  try {
    found = await openpgp.decryptSessionKeys({ message: outside, decryptionKeys: key.key });
  } catch (error) {
    if (!named) throw wrongKey(keyIds, key, object, error);
    throw damaged(object, 'has a session key that its own recipient cannot decrypt', error);
  }
  const [{ data, algorithm } = {}, ...others] = found;
  if (data === undefined || !algorithm || others.length > 0) {
    throw damaged(object, 'has several session keys for one recipient');
  }
  return { data, algorithm, at };
}

function wrongKey(
  keyIds: string[],
  key: ParsedSecretKey,
  object: string | undefined,
  cause?: unknown,
): HoldfastError {
  return new HoldfastError(
    'key',
    `${object ?? 'the message'} is encrypted for ${keyIds.join(', ')}, but the secret key given is ${key.fingerprint}, which decrypts for ${key.keyIds.join(', ')}: give the secret key of one of the recipients`,
    { ...(object === undefined ? {} : { object }), cause },
  );
}
