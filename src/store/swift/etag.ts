/** Entity tags: Swift knows an object by its MD5. */
import { createHash } from 'node:crypto';
import type { Reply } from './client.ts';

/** MD5 of a body, lower-case hex: the tag that it should get. */
export function md5Of(body: readonly Uint8Array[]): string {
  const md5 = createHash('md5');
  for (const piece of body) md5.update(piece);
  return md5.digest('hex');
}

/** The entity tag, without quotes; of an object that was stored in one piece it is the MD5 of its content. */
export function etagOf({ headers }: Pick<Reply, 'headers'>): string | undefined {
  return /^"?([0-9a-f]{32})"?$/i.exec(headers.etag ?? '')?.[1]?.toLowerCase();
}

/** Large objects of segments have the digest of a list as their tag. Holdfast stores none. */
export function hasMd5({ headers }: Reply): boolean {
  return headers['x-static-large-object'] === undefined && headers['x-object-manifest'] === undefined;
}
