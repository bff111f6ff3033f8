/** Reads the outside of an encrypted OpenPGP message: for whom it is, and that its form is the one of Holdfast. */
import { ReadableStream } from 'node:stream/web';
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { cut } from './pieces.ts';

/** Key id of a recipient who is not named (`gpg --hidden-recipient`): every secret key is worth trying. */
export const HIDDEN = '0000000000000000';

/** A message, read up to its encrypted data, the body of which is still a stream. */
export interface EncryptedMessage {
  message: openpgp.Message<ReadableStream<Uint8Array>>;
  data: openpgp.SymEncryptedIntegrityProtectedDataPacket;
  /** Key ids of the recipients, 16 upper-case hex digits each. */
  keyIds: string[];
}

/**
 * Reads the packets up to the encrypted data: public-key encrypted session keys, then one version 1 symmetrically
 * encrypted and integrity protected data packet. `object` is its name, for errors. Errors: `damage`.
 */
export async function readEncrypted(
  ciphertext: Uint8Array,
  object: string | undefined,
): Promise<EncryptedMessage> {
  let message: openpgp.Message<ReadableStream<Uint8Array>>;
  try {
    message = await openpgp.readMessage({ binaryMessage: ReadableStream.from(cut(ciphertext)) });
  } catch (error) {
    throw damaged(object, 'is not an OpenPGP message, or not a whole one', error);
  }
  const packets = [...message.packets];
  const data = packets.pop();
  if (!(data instanceof openpgp.SymEncryptedIntegrityProtectedDataPacket) || versionOf(data) !== 1) {
    throw damaged(object, 'is not encrypted in the way of Holdfast (OpenPGP with integrity code, version 1)');
  }
  const forKeys = packets.every((packet) => packet instanceof openpgp.PublicKeyEncryptedSessionKeyPacket);
  if (packets.length === 0 || !forKeys) throw damaged(object, 'is not encrypted for public keys alone');
  const keyIds = message.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase());
  return { message, data, keyIds };
}

/**
 * The ids (16 upper-case hex digits) of the keys for which a message is encrypted, from its beginning: some KiB of it
 * are enough. Hidden recipients have the id of 16 zeros. Errors: `damage`.
 */
export async function recipientKeyIds(ciphertext: Uint8Array, object?: string): Promise<string[]> {
  const { message, keyIds } = await readEncrypted(ciphertext, object);
  await laterPackets(message.packets)?.cancel();
  return keyIds;
}

/** The packets after those in a list that was read from a stream; absent from the library's types. */
export function laterPackets(
  packets: openpgp.PacketList<openpgp.AnyPacket>,
): ReadableStream<openpgp.AnyPacket> | null {
  return (packets as unknown as { stream: ReadableStream<openpgp.AnyPacket> | null }).stream;
}

/** Version of an encrypted data packet; absent from the library's types. */
function versionOf(packet: openpgp.SymEncryptedIntegrityProtectedDataPacket): number | null {
  return (packet as unknown as { version: number | null }).version;
}

/** The error `damage` for a message, which errors call by its object's name when it is known. */
export function damaged(object: string | undefined, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${object ?? 'the message'} ${problem}: it is damaged, or was not written by Holdfast; run holdfast verify to see which points it harms`,
    { ...(object === undefined ? {} : { object }), cause },
  );
}
