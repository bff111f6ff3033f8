/** Reads the extended attributes of an entry: all that can be listed, whatever they mean. */
import { systemCode } from '../errors.ts';
import { XATTRS_LIMIT } from '../format/xattrs.ts';
import { getAttribute, hasAttributes, listAttributes, type Place } from '../linux/xattrs.ts';
import type { ExtendedAttribute } from '../model.ts';

/** The attributes of an entry. */
export interface ReadAttributes {
  /** In ascending order of their names. */
  xattrs: ExtendedAttribute[];
  /** The system's code, where some could not be read. */
  error?: string;
}

const NONE: ReadAttributes = { xattrs: [] };

/**
 * Reads them from an open file, or from what is at a path. Where they cannot be had on this machine at all there are none. That the
 * path has gone is an error like others, ENOENT.
 */
export function readAttributes(at: Place): ReadAttributes {
  if (!hasAttributes()) return NONE;
  const found: ReadAttributes = { xattrs: [] };
  let bytes = 0;
  try {
    for (const name of listAttributes(at)) {
      try {
        const value = getAttribute(at, name);
        if (value === undefined) continue;
        bytes += value.length;
        // More than any reader takes.
        if (bytes > XATTRS_LIMIT) return { ...found, error: 'E2BIG' };
        found.xattrs.push({ name, value });
      } catch (error) {
        found.error = codeOf(error);
      }
    }
  } catch (error) {
    found.error = codeOf(error);
  }
  return found.xattrs.length === 0 && found.error === undefined ? NONE : found;
}

function codeOf(error: unknown): string {
  const code = systemCode(error);
  if (code === undefined) throw error;
  return code;
}
