/** Which known word was probably meant by a misspelt one. */

/** Letters and digits alone, in lower case: `allow-empty`, `allow_empty` and `allowEmpty` are the same word. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, beforeLast[column - 2]! + 1);
      }
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}

/**
 * The word of `known` nearest to `word`, when it is near enough to be meant: at most one error in three
 * letters. Undefined otherwise.
 */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const written = plain(word);
  // Far longer than any key: comparing it would cost time and find nothing.
  if (written === '' || written.length > 40) return undefined;
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const target = plain(candidate);
    const errors = distance(written, target);
    if (errors < fewest && errors <= Math.max(1, Math.floor(Math.max(written.length, target.length) / 3))) {
      best = candidate;
      fewest = errors;
    }
  }
  return best;
}
