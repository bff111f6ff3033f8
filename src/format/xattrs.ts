/** Extended attributes in manifest lines: as the writer encodes them (docs/format.md, section 5.5). */
import type { ExtendedAttribute } from '../model.ts';
import { toJson } from './bytes.ts';

/** What a commit announces where its manifest has extended attributes. */
export const XATTRS_FEATURE = 'xattrs';
/** A line holds attributes up to about this many characters. */
export const XATTRS_TEXT = 256 * 1024;
/** Limits of Linux, in bytes. */
export const XATTR_NAME_LIMIT = 255;
export const XATTR_VALUE_LIMIT = 65_536;
/** The values of one entry sum up to no more, in bytes. */
export const XATTRS_LIMIT = 64 * 1024 * 1024;

/** Each attribute as the text of its object, from a list in the order of a manifest. */
export function encodeXattrs(xattrs: readonly ExtendedAttribute[]): string[] {
  return xattrs.map(({ name, value }) =>
    JSON.stringify({ ...toJson('name', name), value64: toBase64(value) }),
  );
}

/** As they stand in a line. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
