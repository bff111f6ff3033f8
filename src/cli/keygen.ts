/** `holdfast keygen`: makes the key pair of the client machine, and says what to do with each half. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { HoldfastError, systemCode } from '../errors.ts';
import type { CliContext } from './context.ts';

interface Options {
  name: string;
  email: string;
  out: string;
  passphraseFile?: string;
  passphrase: boolean;
}

export function keygenCommand(context: CliContext): Command {
  return new Command('keygen')
    .description('make an OpenPGP key pair, on the client machine, never on the one that is backed up')
    .requiredOption('--name <name>', 'whose key it is')
    .requiredOption('--email <address>', 'e-mail address of the same')
    .requiredOption('--out <dir>', 'folder for public.asc and secret.asc')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase (else it is asked for)')
    .option('--no-passphrase', 'make a secret key that is not protected by a passphrase')
    .addHelpText(
      'after',
      `
Example:
  holdfast keygen --name "IT staff" --email it@example.org --out keys
`,
    )
    .action((options: Options) => run(options, context));
}

async function run(options: Options, context: CliContext): Promise<void> {
  const { join } = await import('node:path');
  const { generateKeyPair } = await import('../crypto/keygen.ts');
  const { makeFolders } = await import('../make-folders.ts');
  const { writeFile, rm } = await import('node:fs/promises');
  const out = resolve(context.cwd, options.out);
  const files = { public: join(out, 'public.asc'), secret: join(out, 'secret.asc') };
  await refuseExisting([files.public, files.secret]);
  const passphrase = await newPassphrase(options, context);
  const pair = await generateKeyPair({
    name: options.name,
    email: options.email,
    passphrase,
    now: context.now(),
  });
  try {
    makeFolders(out, 0o700);
    await writeFile(files.secret, pair.secretArmored, { mode: 0o600, flag: 'wx', flush: true });
    try {
      await writeFile(files.public, pair.publicArmored, { mode: 0o644, flag: 'wx', flush: true });
    } catch (error) {
      await rm(files.secret, { force: true });
      throw error;
    }
  } catch (cause) {
    throw new HoldfastError(
      'io',
      `cannot write the keys to ${out} (${systemCode(cause)}): choose another --out`,
      {
        path: out,
        cause,
      },
    );
  }
  const lock = passphrase === undefined ? 'this file' : 'this file and its passphrase';
  context.stdout(`${pair.fingerprint}\n`);
  context.stderr(
    `Key pair made and tested (a message was encrypted and decrypted with it).

${files.public}
    Goes to every machine that is backed up; name it under "recipients" in the strategy there.
${files.secret}
    Stays here. Never copy it to a machine that is backed up. Keep a second copy in a safe place.
    Without ${lock} nothing can be restored, by nobody.

Write down the fingerprint printed above; a restore card (holdfast init --card) names it too.
`,
  );
}

async function refuseExisting(files: string[]): Promise<void> {
  const { lstat } = await import('node:fs/promises');
  for (const file of files) {
    const found = await lstat(file).catch((error) => {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
      throw new HoldfastError('io', `cannot look at ${file} (${systemCode(error)}): choose another --out`, {
        path: file,
      });
    });
    if (found === undefined) continue;
    throw new HoldfastError(
      'usage',
      `${file} exists already and is not overwritten: a lost key means lost backups; choose another --out`,
      { path: file },
    );
  }
}

async function newPassphrase(options: Options, context: CliContext): Promise<string | undefined> {
  const { askNewPassphrase, openTerminal, readPassphraseFile } = await import('./passphrase.ts');
  if (!options.passphrase) {
    if (options.passphraseFile === undefined) return undefined;
    throw new HoldfastError('usage', 'give --passphrase-file or --no-passphrase, not both');
  }
  if (options.passphraseFile !== undefined) {
    const { passphrase, note } = await readPassphraseFile(resolve(context.cwd, options.passphraseFile));
    if (note !== undefined) context.stderr(`warning: ${note}\n`);
    return passphrase;
  }
  const terminal = openTerminal();
  if (terminal === undefined) {
    throw new HoldfastError(
      'key',
      'there is no terminal to ask for a passphrase: give --passphrase-file FILE, or --no-passphrase',
    );
  }
  try {
    return await askNewPassphrase(terminal);
  } finally {
    terminal.close();
  }
}
