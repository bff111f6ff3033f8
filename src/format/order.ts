/** The order of entries: by path, component by component, bytewise (docs/format.md, section 5.1). */
import type { ByteString } from '../model.ts';

/**
 * Compares two absolute paths component by component: negative, 0 or positive. A folder comes just before
 * what is in it, and all that before the folder's next sibling.
 */
export function comparePaths(a: ByteString, b: ByteString): number {
  if (a === b) return 0;
  const n = Math.min(a.length, b.length);
  let i = 0;
  while (i < n && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  // The end of a path sorts before '/', and '/' before every other byte: the shorter component is the smaller.
  return rank(a, i) - rank(b, i);
}

function rank(path: ByteString, i: number): number {
  if (i >= path.length) return -1;
  const c = path.charCodeAt(i);
  return c === 0x2f ? 0 : c;
}

/** Compares two names of sources, or of files in one folder, bytewise. */
export function compareNames(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether `path` is `folder` or lies in it. */
export function isWithin(path: ByteString, folder: ByteString): boolean {
  if (folder === '/') return true;
  return (
    path.startsWith(folder) && (path.length === folder.length || path.charCodeAt(folder.length) === 0x2f)
  );
}

/** The path of `name` in `folder`. */
export function joinPath(folder: ByteString, name: ByteString): ByteString {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}
