/** Gets the secret key for a command that decrypts: from a file, with its passphrase from a file or a person. */
import type { StoredCommit } from '../chain/commits.ts';
import { isRecipient, loadSecretKey, type SecretKey } from '../crypto/secret-key.ts';
import { HoldfastError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { askPassphrase, openTerminal, readPassphraseFile } from './passphrase.ts';
import type { KeyOptions } from './reading-options.ts';

/** The secret key that options or environment name, unlocked; undefined when none is named. Errors: `key`. */
export async function secretKey(options: KeyOptions, context: CliContext): Promise<SecretKey | undefined> {
  const file = options.secretKey ?? (context.env.HOLDFAST_SECRET_KEY_FILE || undefined);
  return file === undefined
    ? undefined
    : loadSecretKey(file, (again) => passphrase(file, again, options, context));
}

/**
 * As secretKey, for a command that cannot do without: the key must be that of a recipient of the set. To be called
 * before anything is downloaded. Errors: `key`.
 */
export async function requireSecretKey(
  set: StoredCommit,
  options: KeyOptions,
  context: CliContext,
): Promise<SecretKey> {
  const key = await secretKey(options, context);
  if (key === undefined) {
    throw new HoldfastError(
      'key',
      `the secret key of one of the recipients is needed (${set.commit.recipients.join(', ')}): give it with --secret-key FILE or HOLDFAST_SECRET_KEY_FILE`,
    );
  }
  if (isRecipient(key, set.commit.recipients)) return key;
  throw new HoldfastError(
    'key',
    `the secret key given, ${key.fingerprint} (${key.userId}), cannot open point ${set.commit.seq}, which is encrypted for ${set.commit.recipients.join(', ')}: give the secret key of one of these`,
  );
}

async function passphrase(
  file: string,
  again: boolean,
  options: KeyOptions,
  context: CliContext,
): Promise<string | undefined> {
  const from = options.passphraseFile ?? (context.env.HOLDFAST_PASSPHRASE_FILE || undefined);
  if (from !== undefined) {
    // What is in the file will not be another one.
    if (again) return undefined;
    const { passphrase, note } = await readPassphraseFile(from);
    if (note !== undefined) context.stderr(`warning: ${note}\n`);
    return passphrase;
  }
  const terminal = openTerminal();
  if (terminal === undefined) return undefined;
  try {
    if (again) terminal.output.write('That is not its passphrase.\n');
    return await askPassphrase(`Passphrase of ${file}: `, terminal);
  } finally {
    terminal.close();
  }
}
