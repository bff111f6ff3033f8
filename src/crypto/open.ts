/** Decrypts what seal() and gpg --encrypt make, as a stream, and refuses every other form of message; checks no SHA-256. */
import type { ReadableStream } from 'node:stream/web';
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { firstPacketType } from './first-packet.ts';
import { damaged, type EncryptedMessage, HIDDEN, laterPackets, readEncrypted } from './message.ts';
import type { ParsedSecretKey } from './secret-key.ts';

export { recipientKeyIds } from './message.ts';
export {
  type AskPassphrase,
  isRecipient,
  loadSecretKey,
  type ParsedSecretKey,
  parseSecretKey,
  type SecretKey,
} from './secret-key.ts';

export interface OpenLimits {
  /** Most bytes of plaintext that the message may hold. */
  maxPlain?: number;
  /** Full name of the object in the store, for errors. */
  object?: string;
}

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
  const { maxPlain = Number.POSITIVE_INFINITY, object } = limits;
  try {
    const encrypted = await readEncrypted(ciphertext, object);
    const sessionKey = await unwrapSessionKey(encrypted, key, object);
    await expectLiteral(encrypted, sessionKey, object);
    const { message } = encrypted;
    const contents = await message.decrypt(undefined, undefined, [sessionKey], undefined, {
      ...openpgp.config,
      allowUnauthenticatedStream: true,
    });
    let plain = 0;
    for await (const piece of contents.getLiteralData() as ReadableStream<Uint8Array>) {
      plain += piece.length;
      if (plain > maxPlain) throw damaged(object, `holds more than the ${maxPlain} bytes that it should`);
      yield piece;
    }
    // The inner list of packets ends only after the integrity code was found right.
    await expectEnd(contents.packets, object);
    await expectEnd(message.packets, object);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw damaged(object, `cannot be decrypted (${error instanceof Error ? error.message : 'error'})`, error);
  }
}

async function unwrapSessionKey(
  { message, keyIds }: EncryptedMessage,
  key: ParsedSecretKey,
  object: string | undefined,
): Promise<openpgp.SessionKey> {
  const named = keyIds.some((id) => key.keyIds.includes(id));
  if (!named && !keyIds.includes(HIDDEN)) throw wrongKey(keyIds, key, object);
  let found: openpgp.DecryptedSessionKey[];
  try {
    found = await openpgp.decryptSessionKeys({ message, decryptionKeys: key.key });
  } catch (error) {
    if (!named) throw wrongKey(keyIds, key, object, error);
    throw damaged(object, 'has a session key that its own recipient cannot decrypt', error);
  }
  const [{ data, algorithm } = {}, ...others] = found;
  if (data === undefined || !algorithm || others.length > 0) {
    throw damaged(object, 'has several session keys for one recipient');
  }
  return { data, algorithm };
}

async function expectLiteral(
  { data }: EncryptedMessage,
  sessionKey: openpgp.SessionKey,
  object: string | undefined,
): Promise<void> {
  const type = await firstPacketType(data, sessionKey);
  if (type === openpgp.enums.packet.literalData) return;
  if (type === undefined) throw damaged(object, 'cannot be decrypted with its own session key');
  if (type === openpgp.enums.packet.compressedData) {
    throw damaged(object, 'is compressed by OpenPGP, which Holdfast never does');
  }
  throw damaged(object, 'holds other OpenPGP packets than the one of its data');
}

async function expectEnd(packets: openpgp.PacketList<openpgp.AnyPacket>, object: string | undefined) {
  for await (const _packet of laterPackets(packets) ?? [])
    throw damaged(object, 'has OpenPGP packets after its end');
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
