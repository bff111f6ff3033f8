/** Encrypts a stream of bytes for recipients as one OpenPGP message that GnuPG 2.2 decrypts; signs and stores nothing. */
import { randomBytes } from 'node:crypto';
import { ReadableStream } from 'node:stream/web';
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { regroup } from './pieces.ts';
import { checkEncryptionKey, type ParsedRecipient } from './recipients.ts';

export { type ParsedRecipient, parseRecipients } from './recipients.ts';

/** Bytes of an AES-256 key. */
const SESSION_KEY_SIZE = 32;

/**
 * Seals `plaintext` for all `recipients`: yields, piece by piece, a binary OpenPGP message (RFC 9580) of one
 * public-key encrypted session key packet (version 3) per recipient and one version 1 symmetrically encrypted and
 * integrity protected data packet, AES-256, with one uncompressed literal data packet in it.
 *
 * Pieces of the plaintext are not copied when they are large: they must stay unchanged until the last piece of the
 * message was yielded. A few MiB of plaintext are read ahead. `now` must lie within the validity of every key.
 *
 * Errors: `key`, when a key is not valid at `now`; what `plaintext` throws comes out as it is.
 */
export async function* seal(
  plaintext: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  recipients: readonly ParsedRecipient[],
  now: Date,
): AsyncGenerator<Uint8Array, void> {
  if (recipients.length === 0) {
    throw new HoldfastError(
      'key',
      'there is no recipient to encrypt for: name at least one under recipients in the strategy',
    );
  }
  for (const { key } of recipients) await checkEncryptionKey(key, now);

  const message = await openpgp.createMessage({ binary: ReadableStream.from(regroup(plaintext)), date: now });
  const sealed = await openpgp.encrypt({
    message,
    encryptionKeys: recipients.map((recipient) => recipient.key),
    // A given session key makes the message independent of what the keys say they prefer: without it one key that
    // announces version 2 packets or AES-128 would change the format.
    sessionKey: { data: randomBytes(SESSION_KEY_SIZE), algorithm: 'aes256' },
    format: 'binary',
    date: now,
    config: { preferredCompressionAlgorithm: openpgp.enums.compression.uncompressed },
  });
  yield* sealed as ReadableStream<Uint8Array>;
}
