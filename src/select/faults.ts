/** What is wrong with patterns as they are written: above all, that they can match nothing. Knows nothing of what the others match. */

/** What is wrong with a pattern, in words that go on from its name; undefined when nothing is. */
export function faultOfPattern(text: string): string | undefined {
  if (/[\n\r\0]/.test(text)) return 'must be one pattern, on one line';
  if (text.trim() === '') return 'must not be empty';
  if (text.startsWith('#')) {
    return 'begins with "#" and is a comment in this syntax, which excludes nothing: write "\\#"';
  }
  return text.startsWith('!') ? faultAfterNot(text.slice(1)) : faultOfPlain(text);
}

/** As faultOfPattern, for one that takes back in. */
export function faultOfInclude(text: string): string | undefined {
  if (text.startsWith('!')) {
    return 'must not begin with "!": what is to be left out stands in exclude; a name that begins with "!" is written "\\!"';
  }
  return faultOfPattern(text);
}

/**
 * Whether a pattern in which nothing else is wrong is read from the root of the file system although it does not begin with a slash, and
 * leads to none of these absolute paths: it was meant to be read from the folder of the source, as git would.
 */
export function leadsElsewhere(text: string, paths: readonly string[]): boolean {
  // Blanks at the end count for nothing.
  const plain = text.replace(/^!/, '').replace(/(?<!\\) +$/, '');
  const components = componentsOf(plain.replace(/\/$/, ''));
  if (typeof components === 'string' || components.length < 2 || components[0] === '') return false;
  const mayBe = (component: string, name: string | undefined) =>
    name === undefined || component === name || /[*?[]/.test(component);
  return paths.every((path) => {
    const names = path === '/' ? [] : path.split('/').slice(1);
    // What comes after "**" may be anywhere.
    const deep = components.indexOf('**');
    const fixed = deep < 0 ? components : components.slice(0, deep);
    return !fixed.every((component, i) => mayBe(component, names[i]));
  });
}

function faultAfterNot(rest: string): string | undefined {
  if (rest.trim() === '') return 'has nothing after the "!", and matches nothing';
  if (/^[!#]/.test(rest)) return `matches nothing: after the "!" write "\\${rest[0]}"`;
  return faultOfPlain(rest);
}

/** Of a pattern without the `!` that may stand before it. */
function faultOfPlain(text: string): string | undefined {
  const components = componentsOf(text);
  if (typeof components === 'string') return components;
  const inner = components.slice(components[0] === '' ? 1 : 0, components.at(-1) === '' ? -1 : undefined);
  if (inner.length === 0) return 'matches nothing: "/*" is everything';
  if (inner.includes('')) return 'has two slashes side by side, and matches nothing';
  const dots = inner.find((component) => component === '.' || component === '..');
  if (dots !== undefined) {
    return `has the component "${dots}", and matches nothing: patterns are read against absolute paths, which have none`;
  }
  return undefined;
}

/** The components of a pattern, what is escaped as it is meant, and each `[…]` as one character; or what is wrong with it. */
function componentsOf(text: string): string[] | string {
  const components: string[] = [];
  let component = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '\\') {
      const next = text[++at];
      if (next === undefined || (next === '/' && at === text.length - 1)) {
        return 'has a backslash with nothing after it to escape, and matches nothing: write two';
      }
      if (next === '/') component += '\\';
      else component += next;
    } else if (character === '[') {
      const end = endOfSet(text, at);
      if (end === undefined) return 'has a "[" that no "]" closes, and matches nothing: write "\\["';
      component += '[';
      at = end;
    } else if (character === '/') {
      components.push(component);
      component = '';
    } else {
      component += character;
    }
  }
  return [...components, component];
}

/** Where the `[…]` that begins at `start` ends: what comes first in it is a member, a `]` too, and so is what is escaped. */
function endOfSet(text: string, start: number): number | undefined {
  let at = start + (/^[!^]/.test(text.slice(start + 1)) ? 2 : 1);
  let mayBeginRange = false;
  do {
    if (at >= text.length) return undefined;
    const isRange: boolean = mayBeginRange && text[at] === '-' && text[at + 1] !== ']';
    if (isRange) at++;
    mayBeginRange = !isRange;
    if (text[at] === '\\') {
      at++;
    } else if (!isRange) {
      // A class of characters, such as [:alpha:].
      const name = /^\[:[^\]]*:\]/.exec(text.slice(at))?.[0];
      if (name !== undefined) {
        at += name.length - 1;
        mayBeginRange = false;
      }
    }
    at++;
  } while (text[at] !== ']');
  return at;
}
