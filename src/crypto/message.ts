/** Reads the outside of an encrypted OpenPGP message: for whom it is, and that its form is the one of Holdfast. */
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { damaged } from './damaged.ts';
import { type FoundPacket, MalformedPacket, packetAt, TAG } from './packets.ts';

/** Key id of a recipient who is not named (`gpg --hidden-recipient`): every secret key is worth trying. */
export const HIDDEN = '0000000000000000';

/** The outside of a message. */
export interface EncryptedMessage {
  /** Its session keys, and an encrypted data packet of the same version that holds nothing. */
  outside: openpgp.Message<Uint8Array>;
  /** Where the encrypted data packet begins. */
  at: number;
  /** Key ids of the recipients, 16 upper-case hex digits each. */
  keyIds: string[];
}

/** The one version of the encrypted data packet. */
const VERSION = 1;
const NOTHING = Buffer.of(0xc0 | TAG.encrypted, 1, VERSION);

/** Packets that may stand before the data: the others of a message tell that it is not encrypted, or in another way. */
const BEFORE: ReadonlySet<number> = new Set([
  TAG.sessionKeyForPublicKey,
  TAG.sessionKeyForPassword,
  TAG.marker,
  TAG.padding,
]);
const OTHER_WAYS: ReadonlySet<number> = new Set([
  TAG.compressed,
  TAG.encryptedWithoutIntegrity,
  TAG.literal,
  TAG.encryptedAead,
]);

/**
 * Reads the packets up to the encrypted data: public-key encrypted session keys, then one version 1 symmetrically
 * encrypted and integrity protected data packet. `object` is its name, for errors. Errors: `damage`.
 */
export async function readEncrypted(
  ciphertext: Uint8Array,
  object: string | undefined,
): Promise<EncryptedMessage> {
  let at: number;
  let outside: openpgp.Message<Uint8Array>;
  try {
    at = findData(ciphertext, object);
    const binaryMessage = Buffer.concat([ciphertext.subarray(0, at), NOTHING]);
    outside = (await openpgp.readMessage({ binaryMessage })) as openpgp.Message<Uint8Array>;
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw damaged(object, 'is not an OpenPGP message, or not a whole one', error);
  }
  const packets = [...outside.packets].slice(0, -1);
  const forKeys = packets.every((packet) => packet instanceof openpgp.PublicKeyEncryptedSessionKeyPacket);
  if (packets.length === 0 || !forKeys) throw damaged(object, 'is not encrypted for public keys alone');
  const keyIds = outside.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase());
  return { outside, at, keyIds };
}

/** Where the encrypted data packet begins. Throws MalformedPacket. Errors: `damage`, when there is none, or another kind of it. */
function findData(bytes: Uint8Array, object: string | undefined): number {
  for (let at = 0; ; ) {
    const packet = packetAt(bytes, at);
    const version = bytes[packet.body];
    if (packet.tag === TAG.encrypted && version === VERSION) return at;
    if (packet.tag === TAG.encrypted ? version !== undefined : OTHER_WAYS.has(packet.tag))
      throw damaged(
        object,
        'is not encrypted in the way of Holdfast (OpenPGP with integrity code, version 1)',
      );
    if (!BEFORE.has(packet.tag)) throw new MalformedPacket('no message');
    at = endOf(packet);
  }
}

function endOf({ body, first }: FoundPacket): number {
  // Only packets of data may come in parts.
  if (first.length === undefined || first.partial) throw new MalformedPacket('a packet without an end');
  return body + first.length;
}

/**
 * The ids (16 upper-case hex digits) of the keys for which a message is encrypted, from its beginning: some KiB of it
 * are enough. Hidden recipients have the id of 16 zeros. Errors: `damage`.
 */
export async function recipientKeyIds(ciphertext: Uint8Array, object?: string): Promise<string[]> {
  return (await readEncrypted(ciphertext, object)).keyIds;
}
