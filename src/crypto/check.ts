/** Checks detached signatures against public keys; whom to trust is decided elsewhere. */
import * as openpgp from 'openpgp';
import { HoldfastError } from '../errors.ts';
import { ANY_TIME } from './clock.ts';
import { fingerprintOf } from './key-file.ts';

/** A public key that signatures are checked with. */
export interface Verifier {
  /** Fingerprint of the primary key, upper-case hex. */
  fingerprint: string;
  key: openpgp.PublicKey;
}

/** A signature that is good, and by whom; the time is what the signer's clock showed. */
export interface GoodSignature {
  fingerprint: string;
  made: Date;
}

/** A signature that is not good. `detail` is for people. */
export interface BadSignature {
  problem: 'unknown-signer' | 'bad-signature' | 'malformed';
  detail: string;
}

/** Largest armored signature that is looked at, in bytes: those of RSA keys with 8192 bits are below 3,000. */
const LARGEST = 16 * 1024;

/**
 * Reads a signer's public key, which comes from the store and proves nothing by itself: compare the fingerprint.
 * Exactly one armored public key that can sign; the caller bounds its size. `object` is its name, for errors.
 * Errors: `damage`.
 */
export async function readVerifier(armored: Uint8Array | string, object?: string): Promise<Verifier> {
  try {
    const text = oneBlock(armored, 'PUBLIC KEY BLOCK');
    const [key, ...others] = await openpgp.readKeys({ armoredKeys: text });
    if (key === undefined || others.length > 0) throw new Error('not exactly one key');
    if (key.isPrivate()) throw new Error('a secret key');
    await signingPacket(key, undefined);
    return { fingerprint: fingerprintOf(key), key };
  } catch (cause) {
    throw new HoldfastError(
      'damage',
      `${object ?? 'the key'} is not the public key of a signer (${reasonOf(cause)}): put back a copy of it`,
      { ...(object === undefined ? {} : { object }), cause },
    );
  }
}

/**
 * Checks an armored detached signature over exactly `bytes`. Only the cryptography counts, not the dates: a signer
 * whose clock ran a year ahead, or whose key has expired since, has signed all the same. Never throws for what the
 * bytes are.
 */
export async function checkSignature(
  bytes: Uint8Array,
  armoredSignature: Uint8Array | string,
  verifiers: readonly Verifier[],
): Promise<GoodSignature | BadSignature> {
  let packet: openpgp.SignaturePacket;
  try {
    packet = await readSignature(armoredSignature);
  } catch (error) {
    return { problem: 'malformed', detail: reasonOf(error) };
  }
  const id = packet.issuerKeyID;
  const candidates = verifiers.filter((verifier) => verifier.key.getKeys(id).length > 0);
  if (candidates.length === 0) {
    // The whole fingerprint, which a pin takes, where the signature says it (RFC 9580, section 5.2.3.35); it is only what it says.
    const { issuerFingerprint } = packet;
    const key = issuerFingerprint ? Buffer.from(issuerFingerprint).toString('hex') : id.toHex();
    return { problem: 'unknown-signer', detail: `made by the key ${key.toUpperCase()}` };
  }
  const reasons: string[] = [];
  for (const { fingerprint, key } of candidates) {
    try {
      return { fingerprint, made: await verify(bytes, packet, key) };
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  return { problem: 'bad-signature', detail: reasons.join('; ') };
}

async function readSignature(armored: Uint8Array | string): Promise<openpgp.SignaturePacket> {
  if (armored.length > LARGEST) throw new Error('too large for a signature');
  const text = oneBlock(armored, 'SIGNATURE');
  const { packets } = await openpgp.readSignature({ armoredSignature: text });
  const packet = packets[0];
  if (packets.length !== 1 || !(packet instanceof openpgp.SignaturePacket)) {
    throw new Error('not exactly one signature');
  }
  if (packet.signatureType !== openpgp.enums.signature.binary) throw new Error('not a signature over bytes');
  return packet;
}

/** Returns when the signature was made, by its own account; throws when it is not good. */
async function verify(
  bytes: Uint8Array,
  packet: openpgp.SignaturePacket,
  key: openpgp.PublicKey,
): Promise<Date> {
  const keyPacket = await signingPacket(key, packet.issuerKeyID);
  const { packets } = await openpgp.createMessage({ binary: bytes });
  // Not openpgp.verify(): it would check the key's dates against the signature's. Weak digests are refused here too.
  await packet.verify(keyPacket, openpgp.enums.signature.binary, packets[0] as object, ANY_TIME, true);
  if (packet.created === null || packet.created < keyPacket.created) throw new Error('older than its key');
  return packet.created;
}

/**
 * The key packet that a signature is checked with. A revocation of the whole key does not count: the pinned fingerprint says whom to
 * trust, and whoever took a signing key over could else make all older points worthless by revoking it.
 */
async function signingPacket(key: openpgp.PublicKey, id: openpgp.KeyID | undefined) {
  try {
    return (await key.getSigningKey(id, ANY_TIME)).keyPacket;
  } catch (error) {
    const isPrimary = id === undefined || key.getKeyID().equals(id);
    if (isPrimary && SIGNING.has(key.getAlgorithmInfo().algorithm) && (await key.isRevoked()))
      return key.keyPacket;
    throw error;
  }
}

/** Algorithms of primary keys that sign. */
const SIGNING = new Set(['rsaEncryptSign', 'rsaSign', 'dsa', 'ecdsa', 'eddsaLegacy', 'ed25519', 'ed448']);

/** The text of the one armored block in it. openpgp.js would pass over further ones, which gpg reads. */
function oneBlock(armored: Uint8Array | string, type: string): string {
  const text = typeof armored === 'string' ? armored : Buffer.from(armored).toString('latin1');
  const starts = text.match(/-----BEGIN PGP [^-\n]*-----/g) ?? [];
  if (starts.length !== 1 || starts[0] !== `-----BEGIN PGP ${type}-----`) {
    throw new Error(`not exactly one PGP ${type}`);
  }
  return text;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\s+/g, ' ') : 'error';
}
