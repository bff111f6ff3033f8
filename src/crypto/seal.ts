/** Encrypts a stream of bytes for recipients as one OpenPGP message that GnuPG 2.2 decrypts; signs and stores nothing. */
import { randomBytes } from 'node:crypto';
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { type Allocate, dataPacket } from './data-packet.ts';
import { checkEncryptionKey, type ParsedRecipient } from './recipients.ts';

export { type ParsedRecipient, parseRecipients } from './recipients.ts';

/** Bytes of an AES-256 key. */
const SESSION_KEY_SIZE = 32;

/**
 * Seals `plaintext` for all `recipients`: yields, piece by piece, a binary OpenPGP message (RFC 9580) of one
 * public-key encrypted session key packet (version 3) per recipient and one version 1 symmetrically encrypted and
 * integrity protected data packet, AES-256, with one uncompressed literal data packet in it.
 *
 * The session key packets are made by openpgp.js, the data packet by data-packet.ts. A piece of the plaintext may be
 * used again as soon as the next one was asked for; `allocate` gives the places for large parts of the message. `now` must lie within the validity of every key.
 *
 * Errors: `key`, when a key is not valid at `now`; what `plaintext` throws comes out as it is.
 */
export async function* seal(
  plaintext: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  recipients: readonly ParsedRecipient[],
  now: Date,
  allocate?: Allocate,
): AsyncGenerator<Uint8Array, void> {
  if (recipients.length === 0) {
    throw new HoldfastError(
      'key',
      'there is no recipient to encrypt for: name at least one under recipients in the strategy',
    );
  }
  for (const { key } of recipients) await checkEncryptionKey(key, now);

  const sessionKey = randomBytes(SESSION_KEY_SIZE);
  yield await openpgp.encryptSessionKey({
    data: sessionKey,
    algorithm: 'aes256',
    encryptionKeys: recipients.map((recipient) => recipient.key),
    format: 'binary',
    date: now,
  });
  yield* dataPacket(plaintext, sessionKey, allocate);
}
