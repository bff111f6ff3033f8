/** Paths of sources as a strategy names them: absolute and plain. Text only; the file system is not asked. */

/** What is wrong with a path of a source, in words that go on from its name; undefined when nothing is. */
export function faultOfSourcePath(written: string): string | undefined {
  if (written === '') return 'must not be empty';
  if (written.includes('\0')) return 'must not contain a NUL character';
  if (!written.isWellFormed()) return 'must be valid Unicode';
  if (written.startsWith('~')) return 'must be an absolute path ("~" is not replaced by a home folder)';
  if (!written.startsWith('/')) return 'must be an absolute path, beginning with "/"';
  const parts = written.split('/');
  if (parts.includes('.') || parts.includes('..')) return 'must be written without "." and ".." as folders';
  return undefined;
}

/** A path without fault in its plain form: no slash at the end, no two in a row. The root stays `/`. */
export function plainSourcePath(written: string): string {
  return `/${written.split('/').filter(Boolean).join('/')}`;
}

/** The folders above a plain path, nearest first, the root last; none for the root. */
export function foldersAbove(path: string): string[] {
  const above: string[] = [];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    above.push(path.slice(0, end));
  if (path !== '/') above.push('/');
  return above;
}
