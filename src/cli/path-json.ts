/** Paths in JSON output. */
import { toJson } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** A path as properties of a JSON object: as text, with `pathBase64` besides where its bytes are not UTF-8. */
export function pathKeys(path: ByteString): { path: string; pathBase64?: string } {
  const { path: text, path64 } = toJson('path', path);
  if (text !== undefined) return { path: text };
  return { path: Buffer.from(path, 'latin1').toString('utf8'), pathBase64: path64 as string };
}
