/** Options of every command on the backed-up host. Apart from what is done with them, so that a command is known before much is loaded. */
import type { Command } from 'commander';
import { addStateOption } from './locate.ts';

/** As commander gives them. */
export interface HostOptions {
  config?: string;
  stateDir?: string;
}

/** Adds -c and --state-dir to a command. */
export function addHostOptions(command: Command): Command {
  return addStateOption(
    command.option(
      '-c, --config <file>',
      'strategy file (else HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/strategy.yaml)',
    ),
  );
}
