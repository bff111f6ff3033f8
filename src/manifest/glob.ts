/** Globs for paths held as byte strings: one character of UTF-8 counts as one, whatever bytes it has. */
import { HoldfastError } from '../errors.ts';
import { fromText, show, toText } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** One character but a slash: of ASCII, of UTF-8 with several bytes, or a byte that is no UTF-8. */
const ANY = '(?:[^/\\x80-\\xff]|[\\xc2-\\xf4][\\x80-\\xbf]{1,3}|[\\x80-\\xff])';

/** Most characters beyond ASCII that the ranges of one `[…]` may have. */
const RANGE_LIMIT = 2048;

/** The folder at or below which everything lies that a glob matches: its components before the first special one. */
export function globPrefix(glob: ByteString): ByteString {
  const components = glob.split('/');
  const special = components.findIndex((component) => /[*?[\\]/.test(component));
  return special < 0 ? glob : components.slice(0, special).join('/') || '/';
}

/**
 * Matches the paths that an absolute glob matches, and, unless `alone`, everything below them. `*` and `?` do not cross a slash; `**`
 * as a whole component stands for any number of components; `[a-z]` and `[!a-z]` for one character. Errors: `usage`.
 */
export function globToRegExp(glob: ByteString, alone = false): RegExp {
  let source = '';
  for (let at = 0; at < glob.length; ) {
    const rest = glob.slice(at);
    const whole = /^\/\*\*(?=\/|$)/.exec(rest)?.[0];
    const stars = /^\*+/.exec(rest)?.[0];
    const set = /^\[(!|\^)?(\]?(?:[^\]\\/]|\\.)*)\]/s.exec(rest);
    if (whole !== undefined) {
      source += '(?:/[^/]+)*';
      at += whole.length;
    } else if (stars !== undefined) {
      source += stars.length > 1 ? '.*' : '[^/]*';
      at += stars.length;
    } else if (set?.[2]) {
      source += `(?${set[1] === undefined ? '=' : '!'}${oneOf(set[2])})${ANY}`;
      at += set[0].length;
    } else if (rest.startsWith('?')) {
      source += ANY;
      at += 1;
    } else {
      const escaped = rest.startsWith('\\') && rest.length > 1;
      source += literal(rest[escaped ? 1 : 0] as string);
      at += escaped ? 2 : 1;
    }
  }
  return new RegExp(`^${source}${alone ? '' : '(?:/.*)?'}$`, 's');
}

/** A regular expression for the characters that stand between the brackets of a glob. */
function oneOf(set: ByteString): string {
  const characters = [...(toText(set) ?? set).matchAll(/\\?(.)(?:-\\?([^\]]))?/gsu)];
  const alternatives = characters.flatMap(([, first = '', last = first]) => {
    const from = first.codePointAt(0) ?? 0;
    const to = last.codePointAt(0) ?? 0;
    if (to < from || (to > 0x7f && to - from > RANGE_LIMIT)) {
      throw new HoldfastError(
        'usage',
        `[${show(set)}] has a range that cannot be used: write it in smaller ones`,
      );
    }
    return Array.from({ length: to - from + 1 }, (_, i) => bytesOf(from + i));
  });
  return `(?:${alternatives.join('|')})`;
}

function bytesOf(codePoint: number): string {
  return [...fromText(String.fromCodePoint(codePoint))].map(literal).join('');
}

/** One byte as a regular expression. */
function literal(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
