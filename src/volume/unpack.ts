/** Volumes into chunks, given a recipient's secret key. */
import type { ParsedSecretKey } from '../crypto/secret-key.ts';
import { openSessionKey } from '../crypto/session-key.ts';
import { type ChunkTaker, type ExpectedVolume, unpackChunks } from './chunks.ts';

/** Does what unpackChunks does. Errors besides: `key`, when the volume is for other keys. */
export async function unpackVolume(
  ciphertext: Uint8Array,
  key: ParsedSecretKey,
  expected: ExpectedVolume,
  taker: ChunkTaker,
): Promise<void> {
  const sessionKey = await openSessionKey(ciphertext, key, expected.object);
  await unpackChunks(ciphertext, sessionKey, expected, taker);
}
