/** Which names an object of a store may have; the names that Holdfast itself uses are made in format/names.ts. */

/** Longest name, in bytes of UTF-8: Swift's limit of 1,024 counts the URL-encoded form. */
const MAX_NAME = 1024;
/** Longest component, in bytes of UTF-8: the limit of Linux file systems. */
const MAX_COMPONENT = 255;

/** So begin the names of files that a directory store is still writing; no object's does. */
export const TEMPORARY = '.tmp-';

/** Whether `text` can be one component of an object's name. */
export function isComponent(text: string): boolean {
  return (
    text !== '' &&
    text !== '.' &&
    text !== '..' &&
    !text.startsWith(TEMPORARY) &&
    !/[/\p{Cc}]/u.test(text) &&
    text.isWellFormed() &&
    Buffer.byteLength(text) <= MAX_COMPONENT
  );
}

/**
 * Takes the name of an object (`a/b/c`) apart. Names come from this program or have passed its parsers, so a
 * bad one is a defect: throws a plain Error.
 */
export function splitName(name: string): [string, ...string[]] {
  const [first, ...rest] = name.split('/');
  const parts: [string, ...string[]] = [first ?? '', ...rest];
  if (!parts.every(isComponent) || encodeURIComponent(name).length > MAX_NAME) {
    throw new Error(`BUG: ${JSON.stringify(name)} cannot be the name of an object; please report this`);
  }
  return parts;
}

/** Takes a listing's prefix apart: empty for the whole store, else a folder's name that ends in `/`. Throws as splitName. */
export function splitPrefix(prefix: string): string[] {
  if (prefix === '') return [];
  if (!prefix.endsWith('/')) {
    throw new Error(`BUG: the prefix ${JSON.stringify(prefix)} does not end in a slash; please report this`);
  }
  return splitName(prefix.slice(0, -1));
}
