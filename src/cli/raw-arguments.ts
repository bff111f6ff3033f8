/** Gives arguments back the bytes that they have: Node puts U+FFFD in the place of those that are not UTF-8, and another file may have that name. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HoldfastError } from '../errors.ts';
import { fromBytes, fromText, show, toLooseText } from '../format/bytes.ts';

const REPLACEMENT = '\ufffd';

/** Commands whose operands are paths, or globs, of a point or of this machine. */
const TAKE_PATHS = new Set(['ls', 'cat', 'find', 'diff', 'restore', 'why']);

/**
 * The arguments `argv`, those with U+FFFD as toLooseText() has their bytes. `files` are those of /proc that may have the command line, the likeliest
 * first (man 5 proc_pid_cmdline); in front of the arguments stand Node, its options and the script. Errors: `usage`, where none has it.
 */
export function withRawBytes(argv: readonly string[], files: readonly string[]): string[] {
  const doubtful = argv.find((text) => text.includes(REPLACEMENT));
  if (doubtful === undefined) return [...argv];
  for (const file of files) {
    const raw = wordsIn(file)?.slice(-argv.length);
    if (raw?.length !== argv.length) continue;
    // Of how many bytes that are no UTF-8 one U+FFFD is made is up to the decoder.
    const plain = (text: string) => text.replace(/\ufffd+/g, REPLACEMENT);
    const isSame = raw.every((bytes, i) => plain(bytes.toString('utf8')) === plain(argv[i] as string));
    if (isSame) return raw.map((bytes) => toLooseText(fromBytes(bytes)));
  }
  throw new HoldfastError(
    'usage',
    `${show(fromText(doubtful))} has U+FFFD, or bytes that are not UTF-8, which cannot be told apart here: write ? for such a character, as a glob of ls, find or restore`,
  );
}

/** The words of a command line; undefined where it cannot be read. */
function wordsIn(file: string): Buffer[] | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  const words = bytes.toString('latin1').split('\0').slice(0, -1);
  return words.map((word) => Buffer.from(word, 'latin1'));
}

/** Refuses bytes that are not UTF-8 wherever they are not those of a path to be looked for. Errors: `usage`. */
export function refuseRawBytes(command: Command): void {
  for (const option of command.options) {
    for (const value of [command.getOptionValue(option.attributeName()) as unknown].flat()) {
      if (typeof value === 'string') refuse(value, option.long ?? option.flags);
    }
  }
  if (TAKE_PATHS.has(command.name())) return;
  for (const text of command.args) refuse(text, command.name());
}

function refuse(text: string, where: string): void {
  if (text.isWellFormed()) return;
  throw new HoldfastError(
    'usage',
    `${where} ${show(fromText(text))} is not UTF-8: such bytes can only be in paths to be looked for; rename it, or go there by a link`,
  );
}
