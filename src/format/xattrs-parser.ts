/** Extended attributes in manifest lines, parsed strictly (docs/format.md, section 5.5). */
import type { ByteString, ExtendedAttribute } from '../model.ts';
import { fromJson } from './bytes.ts';
import { listOf, optionalTextOf, strictObjectOf, textOf, UnfitValue } from './fields.ts';
import { toBase64, XATTR_NAME_LIMIT, XATTR_VALUE_LIMIT } from './xattrs.ts';

const BASE64_LIMIT = Math.ceil(XATTR_VALUE_LIMIT / 3) * 4;
const KEYS: ReadonlySet<string> = new Set(['name', 'name64', 'value64']);

/** The attributes that a line lists. Throws UnfitValue. */
export function parseXattrs(listed: unknown): ExtendedAttribute[] {
  const xattrs: ExtendedAttribute[] = [];
  let last: ByteString = '';
  for (const item of listOf(listed, 1)) {
    const keys = strictObjectOf(item, KEYS);
    const value64 = textOf(keys.value64, BASE64_LIMIT);
    const name = fromJson(optionalTextOf(keys.name), optionalTextOf(keys.name64));
    if (name === undefined || name.length > XATTR_NAME_LIMIT || name.includes('\0') || name <= last)
      throw new UnfitValue();
    const value = Buffer.from(value64, 'base64');
    if (value.length > XATTR_VALUE_LIMIT || toBase64(value) !== value64) throw new UnfitValue();
    xattrs.push({ name, value });
    last = name;
  }
  return xattrs;
}
