/** Extended attributes in manifest lines, parsed strictly (docs/format.md, section 5.5). */
import { z } from 'zod';
import type { ByteString, ExtendedAttribute } from '../model.ts';
import { fromJson } from './bytes.ts';
import { toBase64, XATTR_NAME_LIMIT, XATTR_VALUE_LIMIT } from './xattrs.ts';

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
