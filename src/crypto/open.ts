/** Decrypts what seal() and gpg --encrypt make, piece by piece, and refuses every other form of message; checks no SHA-256. */
import { decrypt, type OpenLimits } from './decrypt.ts';
import type { ParsedSecretKey } from './secret-key.ts';
import { openSessionKey } from './session-key.ts';

export type { OpenLimits } from './decrypt.ts';
export { recipientKeyIds } from './message.ts';
export {
  type AskPassphrase,
  isRecipient,
  loadSecretKey,
  type ParsedSecretKey,
  parseSecretKey,
  type SecretKey,
} from './secret-key.ts';

/**
 * Opens one whole message: yields its plaintext piece by piece.
 *
 * The bytes come before the message's own integrity code (MDC, RFC 9580, section 5.13.1) could be checked, since that
 * stands at its end: call this only after the SHA-256 of `ciphertext` has matched the one in a signed commit. The
 * code is checked nonetheless: the plaintext is good only when the generator has ended without an error.
 *
 * Errors: `key`, when the message is for other keys; `damage`, when it is broken, or is anything but public-key
 * encrypted session keys, then one version 1 encrypted data packet with one uncompressed literal packet in it.
 */
export async function* open(
  ciphertext: Uint8Array,
  key: ParsedSecretKey,
  limits: OpenLimits = {},
): AsyncGenerator<Uint8Array, void> {
  yield* decrypt(ciphertext, await openSessionKey(ciphertext, key, limits.object), limits);
}
