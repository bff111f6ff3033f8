/** `holdfast doctor`: explains what is right and what is wrong with strategy, keys, state and store, and what to do. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import process from 'node:process';
import { Command } from 'commander';
import type { Patient } from '../doctor.ts';
import type { Finding, FindingState } from '../finding.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';
import { findStateDir, findStrategy } from './locate.ts';

interface Options {
  config?: string;
  store?: string;
  name?: string;
  stateDir?: string;
  readOnly?: true;
  json?: true;
}

/** As wide as the widest. */
const MARKS: Record<FindingState, string> = { good: 'ok  ', note: 'note', warning: 'WARN', bad: 'BAD ' };
/** Someone waits, and most servers answer within a second. */
const PATIENCE_MS = 15_000;

export function doctorCommand(context: CliContext): Command {
  return new Command('doctor')
    .description('say what is right and what is wrong with strategy, keys, state and store, and what to do')
    .option(
      '-c, --config <file>',
      'strategy file (else HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/strategy.yaml)',
    )
    .option(
      '--store <store>',
      'look at this store alone, directory:/path or swift:CONTAINER/PREFIX, without a strategy file',
    )
    .option('--name <name>', 'name of the strategy, with --store')
    .option(
      '--state-dir <dir>',
      'state folder (else HOLDFAST_STATE_DIR, STATE_DIRECTORY, /var/lib/holdfast for root, the XDG state folder)',
    )
    .option(
      '--read-only',
      'write nothing, not even the probe object that shows what may be done in the store',
    )
    .option('--json', 'print JSON lines: a finding each, and last a summary')
    .addHelpText(
      'after',
      `
Makes nothing that is missing. To see what may be done in the store it puts a small object there, below NAME/.doctor/, and removes it
again; where the store keeps history, a copy stays in that.
It never takes long: what does not answer within ${PATIENCE_MS / 1000} seconds is said.

  ok    is as it should be
  note  worth knowing
  WARN  it works, but somebody should act
  BAD   backups or restores will not work so

Ends with 1 when anything is bad, otherwise with 0.

Examples:
  holdfast doctor
  holdfast doctor -c /etc/holdfast/strategy.yaml --json
  holdfast doctor --store swift:backups/web01 --name townhall-web --read-only
`,
    )
    .action((options: Options) => run(options, context));
}

async function run(options: Options, context: CliContext): Promise<void> {
  const patient = await patientOf(options, context);
  const [{ doctor }, { signerFileOf }] = await Promise.all([import('../doctor.ts'), import('./host.ts')]);
  const uid = process.geteuid?.() ?? 0;
  const findings = doctor(patient, {
    readOnly: options.readOnly === true,
    patience: PATIENCE_MS,
    places: (strategy) => ({
      signerFile: signerFileOf(strategy),
      stateDir: findStateDir(options.stateDir, context.env, uid, homedir(), context.cwd),
      uid,
      now: context.now(),
    }),
    surroundings: { env: context.env, cwd: context.cwd, home: homedir() },
    now: context.now,
    random: randomUUID,
    // Most of them are said again by a finding.
    onRetry: (line) => context.isTTY.stderr && context.stderr(`holdfast: ${line}\n`),
  });
  const counts: Record<FindingState, number> = { good: 0, note: 0, warning: 0, bad: 0 };
  for await (const finding of findings) {
    counts[finding.state]++;
    context.stdout(options.json ? `${JSON.stringify({ event: 'finding', ...finding })}\n` : asText(finding));
  }
  context.stdout(
    options.json ? `${JSON.stringify({ event: 'summary', ...counts })}\n` : `\n${sum(counts)}\n`,
  );
  if (counts.bad > 0) context.exitCode = EXIT.failed;
}

async function patientOf(options: Options, { env, cwd }: CliContext): Promise<Patient> {
  if (options.store === undefined && options.name === undefined) {
    return { strategyFile: findStrategy(options.config, env, cwd, existsSync) };
  }
  const { parseNamedStore } = await import('./reading.ts');
  return parseNamedStore(options, cwd);
}

function asText({ state, subject, what, advice }: Finding): string {
  const mark = `${MARKS[state]}  ${subject.padEnd(12)}  `;
  return `${mark}${what}\n${advice === undefined ? '' : `${' '.repeat(mark.length - 3)}-> ${advice}\n`}`;
}

function sum({ warning, bad }: Record<FindingState, number>): string {
  const warnings = `${warning} ${warning === 1 ? 'warning' : 'warnings'}`;
  if (bad === 0) return warning === 0 ? 'All is well.' : `Nothing is bad; ${warnings}.`;
  return `${bad} BAD, ${warnings}. Begin with the first that is BAD: what follows may come of it.`;
}
