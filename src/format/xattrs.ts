/** Extended attributes in manifest lines: encoded by the writer, parsed strictly by readers (docs/format.md, section 5.5). */
import { z } from 'zod';
import type { ByteString, ExtendedAttribute } from '../model.ts';
import { fromJson, toJson } from './bytes.ts';

/** What a commit announces where its manifest has extended attributes. */
export const XATTRS_FEATURE = 'xattrs';
/** A line holds attributes up to about this many characters. */
export const XATTRS_TEXT = 256 * 1024;
/** Limits of Linux, in bytes. */
export const XATTR_NAME_LIMIT = 255;
export const XATTR_VALUE_LIMIT = 65_536;
/** The values of one entry sum up to no more, in bytes. */
export const XATTRS_LIMIT = 64 * 1024 * 1024;

const BASE64_LIMIT = Math.ceil(XATTR_VALUE_LIMIT / 3) * 4;

/** The list in a line. */
export const xattrsSchema = z
  .array(
    z.strictObject({
      name: z.string().optional(),
      name64: z.string().optional(),
      value64: z.string().max(BASE64_LIMIT),
    }),
  )
  .min(1);

/** Each attribute as the text of its object, from a list in the order of a manifest. */
export function encodeXattrs(xattrs: readonly ExtendedAttribute[]): string[] {
  return xattrs.map(({ name, value }) =>
    JSON.stringify({ ...toJson('name', name), value64: toBase64(value) }),
  );
}

/** The attributes of one line; undefined where they break section 5.5. */
export function parseXattrs(listed: z.infer<typeof xattrsSchema>): ExtendedAttribute[] | undefined {
  const xattrs: ExtendedAttribute[] = [];
  let last: ByteString = '';
  for (const { name: text, name64, value64 } of listed) {
    const name = fromJson(text, name64);
    if (name === undefined || name.length > XATTR_NAME_LIMIT || name.includes('\0') || name <= last)
      return undefined;
    const value = Buffer.from(value64, 'base64');
    if (value.length > XATTR_VALUE_LIMIT || toBase64(value) !== value64) return undefined;
    xattrs.push({ name, value });
    last = name;
  }
  return xattrs;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
