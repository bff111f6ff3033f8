/** Fingerprints on the command line: several may follow --signer, also in the groups of four in which a restore card prints them. */

const FINGERPRINT_DIGITS = 40;
const DIGITS = /^[0-9A-Fa-f ]+$/;

/**
 * The command line with each signer behind a --signer of its own, so that nothing that follows is taken for one: `--signer A B www` becomes `--signer
 * A --signer B www`. What is no fingerprint stays as it is, and is refused where it is looked at.
 */
export function withSigners(argv: readonly string[]): string[] {
  const out: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === '--') return [...out, ...argv.slice(at)];
    out.push(word);
    if (word !== '--signer') continue;
    let isFirst = true;
    for (;;) {
      const { fingerprint, words } = fingerprintAt(argv, at + 1);
      if (fingerprint === undefined) break;
      if (!isFirst) out.push('--signer');
      out.push(fingerprint);
      isFirst = false;
      at += words;
    }
  }
  return out;
}

/** The fingerprint that begins at a word, and how many words it takes. */
function fingerprintAt(
  argv: readonly string[],
  from: number,
): { fingerprint: string | undefined; words: number } {
  let digits = '';
  for (let at = from; at < argv.length && DIGITS.test(argv[at] as string); at++) {
    digits += (argv[at] as string).replaceAll(' ', '');
    if (digits.length === FINGERPRINT_DIGITS) return { fingerprint: digits, words: at - from + 1 };
    if (digits.length > FINGERPRINT_DIGITS) break;
  }
  return { fingerprint: undefined, words: 0 };
}
