/** Where the program starts: finds the command, runs it, and turns whatever comes out into an exit code. */
import { constants } from 'node:os';
import process from 'node:process';
import type { Command } from 'commander';
import { HoldfastError, systemCode } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT, exitCodeOf } from './exit.ts';
import { watchParent } from './parent.ts';
import { refuseRawBytes, withRawBytes } from './raw-arguments.ts';
import { lastSignal } from './signals.ts';
import { withSigners } from './signer-words.ts';
import { programVersion } from './version.ts';

/** Every command and where it is made: loaded only when it is asked for, so that each starts fast. */
const COMMANDS: Record<string, (context: CliContext) => Promise<Command>> = {
  keygen: async (context) => (await import('./keygen.ts')).keygenCommand(context),
  init: async (context) => (await import('./init.ts')).initCommand(context),
  config: async (context) => {
    const [{ checkKeys }, { checkRoots }, { checkStore }, { configCommand }] = await Promise.all([
      import('./check-keys.ts'),
      import('./check-roots.ts'),
      import('./check-store.ts'),
      import('./config.ts'),
    ]);
    const keys = checkKeys(context);
    return configCommand(context, async (strategy) => [
      ...(await checkRoots(strategy)),
      ...(await keys(strategy)),
      ...(await checkStore(context, strategy)),
    ]);
  },
  doctor: async (context) => (await import('./doctor.ts')).doctorCommand(context),
  backup: async (context) => (await import('./backup.ts')).backupCommand(context),
  why: async (context) => (await import('./why.ts')).whyCommand(context),
  points: async (context) => (await import('./points.ts')).pointsCommand(context),
  ls: async (context) => (await import('./ls.ts')).lsCommand(context),
  find: async (context) => (await import('./find.ts')).findCommand(context),
  diff: async (context) => (await import('./diff.ts')).diffCommand(context),
  cat: async (context) => (await import('./cat.ts')).catCommand(context),
  restore: async (context) => (await import('./restore.ts')).restoreCommand(context),
  verify: async (context) => (await import('./verify.ts')).verifyCommand(context),
};

/** Those that do nothing but answer: without a reader they have nothing left to do. */
const ONLY_ANSWER = new Set(['config', 'why', 'points', 'ls', 'find', 'diff', 'cat']);

/** Runs the command line `argv` (without node and script) and resolves with the exit code. */
export async function main(argv: string[]): Promise<number> {
  const isHandedOver = watchParent(process.env);
  watchReaders(argv);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${programVersion()}\n`);
    return EXIT.ok;
  }
  const context = systemContext();
  if (context === undefined) {
    process.stderr.write('holdfast: the current folder is not there any more: change to another one\n');
    return EXIT.usage;
  }
  try {
    const program = await makeProgram(spelledOut(argv), context);
    // What was handed over went through text; the parent has it as it was.
    const files = [...(isHandedOver ? [`/proc/${process.ppid}/cmdline`] : []), '/proc/self/cmdline'];
    await program.parseAsync(spelledOut(withSigners(withRawBytes(argv, files))), { from: 'user' });
    return answerLost ? context.exitCode || EXIT.failed : context.exitCode;
  } catch (error) {
    return report(error, argv, context);
  }
}

async function makeProgram(argv: readonly string[], context: CliContext): Promise<Command> {
  const { Command } = await import('commander');
  const program = new Command('holdfast')
    .description('Encrypted, verifiable full and incremental backups')
    .version(programVersion(), '-V, --version', 'print the version')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .addHelpText(
      'after',
      `
Start with:
  holdfast keygen --name "IT staff" --email it@example.org --out keys     on the client machine
  holdfast config example > holdfast.yaml                                 on the machine to be backed up
  holdfast init && holdfast backup
  holdfast restore --to /tmp/back --secret-key keys/secret.asc            on the client machine
`,
    );
  const asked = commandOf(argv);
  const make = asked === undefined ? undefined : COMMANDS[asked];
  const wanted = make === undefined ? Object.values(COMMANDS) : [make];
  for (const command of await Promise.all(wanted.map((one) => one(context)))) program.addCommand(command);
  for (const command of [program, ...program.commands]) settle(command, context);
  // After the hooks of the command itself.
  for (const command of program.commands) command.hook('preAction', (_, action) => refuseRawBytes(action));
  return program;
}

/** `help COMMAND` is what many type for `COMMAND --help`. */
function spelledOut(argv: string[]): string[] {
  const [first, command, ...others] = argv;
  if (first !== 'help') return argv;
  if (command === undefined) return ['--help'];
  return Object.hasOwn(COMMANDS, command) ? [command, ...others, '--help'] : [command];
}

function commandOf(argv: readonly string[]): string | undefined {
  return argv.find((word) => !word.startsWith('-'));
}

/** Whether an answer could not be written: then nobody may take the run for a good one. */
let answerLost = false;

/**
 * Whoever reads the output may end before it does, as `head` does. A command that only answers ends quietly then, as if
 * by SIGPIPE; all others go on with their work, which their exit code tells of. Other errors of the output, such as a full
 * disk, are said.
 */
function watchReaders(argv: readonly string[]): void {
  // So does a restore that goes nowhere but there.
  const isAnswer = argv.includes('--tar') || argv.includes('--dry-run');
  const command = commandOf(argv) ?? 'config';
  const onlyAnswers = ONLY_ANSWER.has(command) || (command === 'restore' && isAnswer);
  process.stdout.on('error', (error) => {
    const code = systemCode(error);
    if (code === 'EPIPE') {
      if (onlyAnswers) process.exit(128 + constants.signals.SIGPIPE);
      return;
    }
    if (!answerLost) {
      process.stderr.write(
        `holdfast: the answer cannot be written to standard output (${code ?? error.message}): see where it goes\n`,
      );
    }
    answerLost = true;
    if (onlyAnswers) process.exit(EXIT.failed);
    process.exitCode ||= EXIT.failed;
  });
  // There is nowhere left to say it.
  process.stderr.on('error', () => {});
}

/** All commands write through the context and throw instead of ending the process; report() says what is wrong with a call. */
function settle(command: Command, context: CliContext): void {
  command
    .configureOutput({ writeOut: context.stdout, writeErr: context.stderr, outputError: () => {} })
    .exitOverride();
  for (const sub of command.commands) settle(sub, context);
}

/** Says what went wrong, as text and, where JSON was asked for, as JSON. */
function report(thrown: unknown, argv: readonly string[], context: CliContext): number {
  const commander = commanderCode(thrown);
  if (commander?.endsWith('helpDisplayed') || commander === 'commander.version') return EXIT.ok;
  // The help was shown in place of an error.
  if (commander === 'commander.help') return EXIT.usage;
  const error = commander === undefined ? thrown : wrongCall(thrown as Error);
  if (error instanceof HoldfastError) {
    if (argv.includes('--json')) {
      const { code, message, path, object } = error;
      context.stdout(`${JSON.stringify({ event: 'error', code, message, path, object })}\n`);
    }
    context.stderr(`holdfast: ${error.message}\n`);
    return exitCodeOf(error, lastSignal());
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (argv.includes('--json')) {
    context.stdout(`${JSON.stringify({ event: 'error', code: 'defect', message: String(error) })}\n`);
  }
  context.stderr(`holdfast: this is a defect of the program; please report it with what follows\n${trace}\n`);
  return EXIT.failed;
}

/** What commander says of a call, as one line that begins like all others. */
function wrongCall({ message }: Error): HoldfastError {
  const problem = message
    .replace(/^error: /, '')
    .replace(/\.?\s*\n\s*/g, ' ')
    .replace(/\.\s*$/, '');
  return new HoldfastError('usage', `${problem}; --help shows how it is called`);
}

function commanderCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'CommanderError') return undefined;
  return (error as Error & { code: string }).code;
}

/** Undefined where the current folder has been removed. */
function systemContext(): CliContext | undefined {
  let cwd: string;
  try {
    cwd = process.cwd();
  } catch {
    return undefined;
  }
  return {
    env: process.env,
    cwd,
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    now: () => new Date(),
    stdin: process.stdin,
    isTTY: {
      stdout: process.stdout.isTTY === true,
      stderr: process.stderr.isTTY === true,
      stdin: process.stdin.isTTY === true,
    },
    exitCode: EXIT.ok,
  };
}
