/** What can be told of a gitignore pattern by its look: enough to pass by most paths without asking the pattern engine. */
import { fromText } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** Conditions without which a pattern does not match a path itself. */
export interface Shape {
  /** Only folders match. */
  onlyFolders: boolean;
  /** How an absolute path begins that matches. */
  head: ByteString;
  /** How it ends. */
  tail: ByteString;
  /** How its last component begins, for a pattern that matches at any depth. */
  name: ByteString | undefined;
  /** The components of a pattern that is anchored at the root; undefined for one that matches at any depth, or that is not understood. */
  components: readonly string[] | undefined;
}

const NOTHING_KNOWN: Shape = {
  onlyFolders: false,
  head: '',
  tail: '',
  name: undefined,
  components: undefined,
};

/** The shape of a pattern; where it has escapes, sets, or blanks at its end, nothing is taken for known. */
export function shapeOf(pattern: string): Shape {
  if (/[\\[\ufffd]|\s$|\/\/|^\s/.test(pattern) || !pattern.isWellFormed()) return NOTHING_KNOWN;
  const onlyFolders = pattern.endsWith('/');
  const body = onlyFolders ? pattern.slice(0, -1) : pattern;
  if (body === '' || body === '/') return NOTHING_KNOWN;
  if (!body.includes('/')) {
    return { onlyFolders, head: '', tail: tailOf(body), name: headOf(body), components: undefined };
  }
  const components = body.replace(/^\//, '').split('/');
  const special = components.findIndex((component) => /[*?]/.test(component));
  const literal = special < 0 ? components : components.slice(0, special);
  const last = components.at(-1) as string;
  return {
    onlyFolders,
    head: fromText(`/${literal.join('/')}`),
    tail: special < 0 ? fromText(`/${last}`) : tailOf(last),
    name: undefined,
    components,
  };
}

/** What stands before the first character with a meaning. */
function headOf(glob: string): ByteString {
  return fromText(/^[^*?]*/.exec(glob)?.[0] ?? '');
}

/** What stands after the last. */
function tailOf(glob: string): ByteString {
  return fromText(/[^*?]*$/.exec(glob)?.[0] ?? '');
}
