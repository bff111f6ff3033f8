/** Options of the commands that read a store. Apart from what is done with them, so that a command is known before much is loaded. */
import type { Command } from 'commander';

/** The options that say which store to read and whom to trust, as commander gives them. */
export interface ReadingOptions {
  config?: string;
  /** `directory:/path` or `swift:CONTAINER/PREFIX`, with `name`: then no strategy is looked for. */
  store?: string;
  name?: string;
  signer?: string[];
}

/** The options that say which secret key to use, as commander gives them. */
export interface KeyOptions {
  secretKey?: string;
  passphraseFile?: string;
}

/** Adds -c, --store, --name and --signer to a command. */
export function addReadingOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'strategy file (else HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/strategy.yaml)',
    )
    .option(
      '--store <store>',
      'the store, as directory:/path or swift:CONTAINER/PREFIX, instead of a strategy file',
    )
    .option('--name <name>', 'name of the strategy, with --store')
    .option(
      '--signer <fingerprint>',
      'trust commits by this signer only, or by these if it is given several times (instead of signer: in the strategy)',
      (fingerprint: string, before: string[] = []) => [...before, fingerprint],
    );
}

/** Adds --secret-key and --passphrase-file to a command. */
export function addKeyOptions(command: Command): Command {
  return command
    .option('--secret-key <file>', 'secret key of one of the recipients (else HOLDFAST_SECRET_KEY_FILE)')
    .option(
      '--passphrase-file <file>',
      'file whose first line unlocks the secret key (else HOLDFAST_PASSPHRASE_FILE, else it is asked for)',
    );
}
