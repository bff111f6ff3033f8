/** Volumes into chunks: takes the content of one volume apart, and checks every chunk that is wanted. */
import type { SessionKey } from '../crypto/decrypt.ts';
import { Archive, MalformedArchive, type OnChunk } from './archive.ts';
import { contentOf, damaged } from './content.ts';

export type { OnChunk } from './archive.ts';

/** What the signed commit says of a volume. */
export interface ExpectedVolume {
  /** Full name of the object, for errors. */
  object: string;
  /** Bytes of the uncompressed content. */
  plainSize: number;
}

/**
 * Hands the chunks of one volume to `onChunk`, in order, given its session key; those that `wanted` declines are passed over unread. The SHA-256
 * of `ciphertext` must have been checked against the commit before. Chunks come before the end of the volume was
 * seen: the volume is good only when the promise has resolved. A chunk that does not match its digest is not handed
 * on, but those after it are, before the promise rejects.
 *
 * Errors: `damage`, naming the object, for everything that is not as docs/format.md sections 3 and 4 say. What `onChunk` throws is
 * thrown on.
 */
export async function unpackChunks(
  ciphertext: Uint8Array,
  sessionKey: SessionKey,
  expected: ExpectedVolume,
  onChunk: OnChunk,
  wanted?: (position: number) => boolean,
): Promise<void> {
  await takeApart(contentOf(ciphertext, sessionKey, expected.object), expected, onChunk, wanted);
}

/** The same, given the content in pieces, as it comes from contentOf(). */
export async function takeApart(
  content: AsyncIterable<Buffer>,
  { object, plainSize }: ExpectedVolume,
  onChunk: OnChunk,
  wanted: (position: number) => boolean = () => true,
): Promise<void> {
  const archive = new Archive(plainSize, onChunk, wanted);
  try {
    for await (const piece of content) await archive.take(piece);
    archive.end();
  } catch (error) {
    if (archive.thrown !== undefined) throw archive.thrown.error;
    if (error instanceof MalformedArchive) throw damaged(object, error.message, error);
    throw error;
  }
}
