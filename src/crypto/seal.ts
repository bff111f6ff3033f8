/** Encrypts a stream of bytes for recipients as one OpenPGP message that GnuPG 2.2 decrypts; signs and stores nothing. */
import { randomBytes } from 'node:crypto';
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { dataPacket } from './data-packet.ts';
import { checkEncryptionKey, type ParsedRecipient } from './recipients.ts';

export { type ParsedRecipient, parseRecipients } from './recipients.ts';

/** Bytes of an AES-256 key. */
const SESSION_KEY_SIZE = 32;

/** How a message begins, and the key of what follows. */
export interface SessionStart {
  /** Of AES-256: for this one message. A secret. */
  sessionKey: Uint8Array;
  /** One public-key encrypted session key packet (version 3) per recipient. */
  packets: Uint8Array;
}

/**
 * Makes a session key and encrypts it for all `recipients`. `now` must lie within the validity of every key.
 * Errors: `key`, when a key is not valid at `now`.
 */
export async function startSession(recipients: readonly ParsedRecipient[], now: Date): Promise<SessionStart> {
  if (recipients.length === 0) {
    throw new HoldfastError(
      'key',
      'there is no recipient to encrypt for: name at least one under recipients in the strategy',
    );
  }
  for (const { key } of recipients) await checkEncryptionKey(key, now);

  const sessionKey = randomBytes(SESSION_KEY_SIZE);
  const packets = await openpgp.encryptSessionKey({
    data: sessionKey,
    algorithm: 'aes256',
    encryptionKeys: recipients.map((recipient) => recipient.key),
    format: 'binary',
    date: now,
  });
  return { sessionKey, packets };
}

/**
 * Seals `plaintext` for all `recipients`: yields, piece by piece, a binary OpenPGP message (RFC 9580) of one
 * public-key encrypted session key packet (version 3) per recipient and one version 1 symmetrically encrypted and
 * integrity protected data packet, AES-256, with one uncompressed literal data packet in it. (A backup makes the same of the same
 * two parts, the second one in a thread that needs no openpgp.js.)
 *
 * The session key packets are made by openpgp.js, the data packet by data-packet.ts. A piece of the plaintext may be
 * used again as soon as the next one was asked for. `now` must lie within the validity of every key.
 *
 * Errors: `key`, when a key is not valid at `now`; what `plaintext` throws comes out as it is.
 */
export async function* seal(
  plaintext: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  recipients: readonly ParsedRecipient[],
  now: Date,
): AsyncGenerator<Uint8Array, void> {
  const { sessionKey, packets } = await startSession(recipients, now);
  yield packets;
  yield* dataPacket(plaintext, sessionKey);
}
