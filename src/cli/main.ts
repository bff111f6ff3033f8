/** Where the program starts: finds the command, runs it, and turns whatever comes out into an exit code. */
import process from 'node:process';
import type { Command } from 'commander';
import { HoldfastError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT, exitCodeOf } from './exit.ts';
import { watchParent } from './parent.ts';
import { lastSignal } from './signals.ts';
import { programVersion } from './version.ts';

/** Every command and where it is made: loaded only when it is asked for, so that each starts fast. */
const COMMANDS: Record<string, (context: CliContext) => Promise<Command>> = {
  keygen: async (context) => (await import('./keygen.ts')).keygenCommand(context),
  init: async (context) => (await import('./init.ts')).initCommand(context),
  config: async (context) => {
    const { checkKeys } = await import('./check-keys.ts');
    return (await import('./config.ts')).configCommand(context, checkKeys(context));
  },
  backup: async (context) => (await import('./backup.ts')).backupCommand(context),
  points: async (context) => (await import('./points.ts')).pointsCommand(context),
  ls: async (context) => (await import('./ls.ts')).lsCommand(context),
  restore: async (context) => (await import('./restore.ts')).restoreCommand(context),
  verify: async (context) => (await import('./verify.ts')).verifyCommand(context),
};

/** Runs the command line `argv` (without node and script) and resolves with the exit code. */
export async function main(argv: string[]): Promise<number> {
  watchParent(process.env);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${programVersion()}\n`);
    return EXIT.ok;
  }
  const context = systemContext();
  try {
    const program = await makeProgram(argv, context);
    await program.parseAsync(argv, { from: 'user' });
    return context.exitCode;
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
  const asked = argv.find((word) => !word.startsWith('-'));
  const make = asked === undefined ? undefined : COMMANDS[asked];
  const wanted = make === undefined ? Object.values(COMMANDS) : [make];
  for (const command of await Promise.all(wanted.map((one) => one(context)))) program.addCommand(command);
  for (const command of [program, ...program.commands]) settle(command, context);
  return program;
}

/** All commands write through the context and throw instead of ending the process. */
function settle(command: Command, context: CliContext): void {
  command.configureOutput({ writeOut: context.stdout, writeErr: context.stderr }).exitOverride();
  for (const sub of command.commands) settle(sub, context);
}

/** Says what went wrong, as text and, where JSON was asked for, as JSON. */
function report(error: unknown, argv: readonly string[], context: CliContext): number {
  const commander = commanderCode(error);
  if (commander !== undefined)
    return commander.endsWith('helpDisplayed') || commander === 'commander.version' ? EXIT.ok : EXIT.usage;
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

function commanderCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'CommanderError') return undefined;
  return (error as Error & { code: string }).code;
}

function systemContext(): CliContext {
  return {
    env: process.env,
    cwd: process.cwd(),
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
