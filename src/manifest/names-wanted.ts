/** What a person looks for by name: names at any depth, absolute paths, and globs of both; each matches paths themselves, not what is below. */
import { fromText } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { globPrefix, globToRegExp } from './glob.ts';
import { absolutePath, mayLieIn, type Place, type Wanted } from './select.ts';

interface Name {
  /** The name or path as it stands: names may hold the characters of globs. */
  literal: ByteString;
  isAbsolute: boolean;
  glob: RegExp;
  /** Whatever it matches lies at or below this folder. */
  prefix: ByteString;
}

/** Patterns with a slash in front are absolute paths or globs; all others match the name of an entry at any depth. Errors: `usage`. */
export function namesWanted(patterns: readonly string[]): Wanted {
  const names = patterns.map((text): Name => {
    const isAbsolute = text.startsWith('/');
    const relative = fromText(text.replace(/(?<=.)\/+$/, ''));
    const literal = isAbsolute ? absolutePath(text) : relative;
    const glob = isAbsolute ? literal : `/**/${relative}`;
    return { literal, isAbsolute, glob: globToRegExp(glob, true), prefix: globPrefix(glob) };
  });
  return {
    matches: (path) => names.some((name) => matches(name, path)),
    mayHold: (first: Place, next: Place | undefined) =>
      names.some(({ prefix }) => mayLieIn(prefix, first, next)),
  };
}

function matches({ literal, isAbsolute, glob }: Name, path: ByteString): boolean {
  if (isAbsolute ? path === literal : path.endsWith(`/${literal}`)) return true;
  return glob.test(path);
}
