/** `holdfast config`: checks a strategy file, prints its JSON Schema, prints an example. Changes nothing. */

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import type { Problem } from '../strategy/problem.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { CliContext } from './context.ts';
import { findStrategy } from './locate.ts';

/** Further checks of a strategy whose text is in order, such as those of its key files; gives what is wrong. */
export type CheckMore = (strategy: Strategy) => Promise<Problem[]>;

/** The command and its three parts. `checkMore` is asked once the text of a strategy is in order. */
export function configCommand(context: CliContext, checkMore?: CheckMore): Command {
  const config = new Command('config')
    .description('check the strategy file, or print its schema or an example')
    .configureOutput({ writeOut: context.stdout, writeErr: context.stderr })
    .exitOverride()
    .helpCommand(false)
    .addHelpText(
      'after',
      `
Example:
  holdfast config example > holdfast.yaml
  holdfast config check -c holdfast.yaml
`,
    );
  config
    .command('check')
    .description('check the strategy file and name everything that is wrong with it')
    .option(
      '-c, --config <file>',
      'strategy file (else HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/strategy.yaml)',
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Ends with 0 when a backup can run with this file, with 2 when it is wrong or asks for what does not work yet.

Example:
  holdfast config check -c /etc/holdfast/strategy.yaml
`,
    )
    .action(async (options: { config?: string; json?: true }) => {
      const file = findStrategy(options.config, context.env, context.cwd, existsSync);
      const result = await check(file, checkMore);
      context.stdout(
        options.json ? `${JSON.stringify(asJson(file, result), null, 2)}\n` : await asText(file, result),
      );
      if (result.problems.length + result.refused.length > 0) context.exitCode = 2;
    });
  config
    .command('schema')
    .description('print the JSON Schema of the strategy file')
    .addHelpText(
      'after',
      `
Example:
  holdfast config schema > strategy.schema.json
`,
    )
    .action(async () => {
      const { strategyJsonSchema } = await import('../strategy/schema.ts');
      context.stdout(`${JSON.stringify(strategyJsonSchema(), null, 2)}\n`);
    });
  config
    .command('example')
    .description('print a commented strategy to start from')
    .addHelpText(
      'after',
      `
Example:
  holdfast config example > holdfast.yaml
`,
    )
    .action(async () => {
      const { EXAMPLE } = await import('../strategy/example.ts');
      context.stdout(EXAMPLE);
    });
  return config;
}

interface CheckResult {
  /** What is wrong with the file or with what it names. */
  problems: Problem[];
  /** What is right, but refused by this version. */
  refused: Problem[];
  /** What is right, but not acted upon by this version. */
  notes: string[];
}

async function check(file: string, checkMore: CheckMore | undefined): Promise<CheckResult> {
  const [{ checkStrategy }, { readStrategyText }, { notActedUpon, notWorkingYet }] = await Promise.all([
    import('../strategy/load.ts'),
    import('../strategy/read.ts'),
    import('../strategy/unfinished.ts'),
  ]);
  const { strategy, problems } = checkStrategy(await readStrategyText(file), file);
  if (strategy === undefined) return { problems, refused: [], notes: [] };
  return {
    problems: (await checkMore?.(strategy)) ?? [],
    refused: notWorkingYet(strategy),
    notes: notActedUpon(strategy),
  };
}

async function asText(file: string, { problems, refused, notes }: CheckResult): Promise<string> {
  const { formatProblems } = await import('../strategy/problem.ts');
  const lines = [...formatProblems(file, problems), ...formatProblems(file, refused), ...notes];
  if (problems.length > 0) lines.push(`${file}: ${count(problems.length, 'problem')}`);
  if (refused.length > 0) {
    const well = problems.length === 0 ? 'well-formed, but ' : '';
    lines.push(
      `${file}: ${well}asks for ${count(refused.length, 'thing')} that "holdfast backup" refuses as yet`,
    );
  }
  if (problems.length + refused.length === 0) lines.push(`${file}: in order`);
  return `${lines.join('\n')}\n`;
}

function asJson(file: string, { problems, refused, notes }: CheckResult): unknown {
  return { file, ok: problems.length + refused.length === 0, problems, refused, notes };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
