/** Volumes into chunks: takes the content of one volume apart, and checks every chunk that is wanted, unless its taker does. */
import type { SessionKey } from '../crypto/decrypt.ts';
import { Archive, type ChunkTaker, MalformedArchive } from './archive.ts';
import { contentOf, damaged } from './content.ts';
import { VolumeMemory } from './memory.ts';

export type { ChunkTaker } from './archive.ts';

/** What the signed commit says of a volume. */
export interface ExpectedVolume {
  /** Full name of the object, for errors. */
  object: string;
  /** Bytes of the uncompressed content. */
  plainSize: number;
}

/**
 * Hands the chunks of one volume to `taker`, in order, given its session key. The SHA-256
 * of `ciphertext` must have been checked against the commit before: the message's own integrity code is passed over. Chunks come before the end of the volume was
 * seen: the volume is good only when the promise has resolved, and as far as it was wanted. A chunk that does not match its digest is not handed
 * on (unless the taker has said that it checks it itself), but those after it are, before the promise rejects.
 *
 * Errors: `damage`, naming the object, for everything that is not as docs/format.md sections 3 and 4 say. What `taker` throws is
 * thrown on.
 */
export async function unpackChunks(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  expected: ExpectedVolume,
  taker: ChunkTaker,
  memory?: VolumeMemory,
): Promise<void> {
  const { object } = expected;
  const content = contentOf(ciphertext, sessionKey, { object, isKnown: true }, memory);
  await takeApart(content, expected, taker, memory);
}

/** The same, given the content in pieces, as it comes from contentOf(). */
export async function takeApart(
  content: AsyncIterable<Buffer>,
  { object, plainSize }: ExpectedVolume,
  taker: ChunkTaker,
  memory?: VolumeMemory,
): Promise<void> {
  const room = memory ?? new VolumeMemory();
  const archive = new Archive(plainSize, taker, room);
  try {
    for await (const piece of content) {
      await archive.take(piece);
      if (archive.isEnough) break;
    }
    archive.end();
  } catch (error) {
    if (archive.thrown !== undefined) throw archive.thrown.error;
    if (error instanceof MalformedArchive) throw damaged(object, error.message, error);
    throw error;
  } finally {
    if (memory === undefined) room.free();
  }
}
