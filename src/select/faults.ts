/** What is wrong with patterns as they are written. Knows nothing of what they match. */

/** What is wrong with a pattern, in words that go on from its name; undefined when nothing is. */
export function faultOfPattern(text: string): string | undefined {
  if (/[\n\r\0]/.test(text)) return 'must be one pattern, on one line';
  if (text.trim() === '') return 'must not be empty';
  if (text.startsWith('#')) {
    return 'begins with "#" and is a comment in this syntax, which excludes nothing: write "\\#"';
  }
  return undefined;
}

/** As faultOfPattern, for one that takes back in. */
export function faultOfInclude(text: string): string | undefined {
  if (text.startsWith('!')) {
    return 'must not begin with "!": what is to be left out stands in exclude; a name that begins with "!" is written "\\!"';
  }
  return faultOfPattern(text);
}
