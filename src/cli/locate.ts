/** Where the strategy file and the state folder are, as flags, environment and habit have it. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { HoldfastError } from '../errors.ts';

const SYSTEM_STRATEGY = '/etc/holdfast/strategy.yaml';
const SYSTEM_STATE = '/var/lib/holdfast';

/**
 * Absolute path of the strategy file: `flag` (of -c), else HOLDFAST_CONFIG, else holdfast.yaml in `cwd`,
 * else /etc/holdfast/strategy.yaml. What is named must be there; it is never replaced by the next. Empty
 * variables count as unset. Throws HoldfastError `strategy`, saying where was looked.
 */
export function findStrategy(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  cwd: string,
  exists: (path: string) => boolean,
  ending = ' ("holdfast config example" prints one to start from)',
): string {
  const variable = env.HOLDFAST_CONFIG || undefined;
  const named = flag ?? variable;
  if (named !== undefined) {
    const file = resolve(cwd, named);
    if (named !== '' && exists(file)) return file;
    const origin = flag === undefined ? 'HOLDFAST_CONFIG' : '-c';
    const message =
      named === '' ? `${origin} names no file` : `there is no strategy file ${file}, which ${origin} names`;
    throw new HoldfastError('strategy', `${message}; "holdfast config example" prints one to start from`, {
      path: file,
    });
  }
  const habits = [join(cwd, 'holdfast.yaml'), SYSTEM_STRATEGY];
  const found = habits.find(exists);
  if (found !== undefined) return found;
  throw new HoldfastError(
    'strategy',
    `no strategy file: looked at ${habits.join(' and ')}; name one with -c FILE or HOLDFAST_CONFIG${ending}`,
  );
}

/**
 * Absolute path of the state folder: `flag` (of --state-dir), else HOLDFAST_STATE_DIR, else the first of
 * systemd's STATE_DIRECTORY (systemd.exec(5): several are joined by colons), else /var/lib/holdfast for root,
 * else holdfast in XDG_STATE_HOME (relative ones are to be ignored: XDG Base Directory Specification), else
 * `home`/.local/state/holdfast. Relative paths start from `cwd`. Throws HoldfastError `state` when none is known.
 */
export function findStateDir(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  uid: number,
  home: string,
  cwd: string,
): string {
  const named = flag || env.HOLDFAST_STATE_DIR || env.STATE_DIRECTORY?.split(':').find(Boolean);
  if (named) return resolve(cwd, named);
  if (uid === 0) return SYSTEM_STATE;
  if (env.XDG_STATE_HOME?.startsWith('/')) return join(env.XDG_STATE_HOME, 'holdfast');
  if (home.startsWith('/')) return join(home, '.local/state/holdfast');
  throw new HoldfastError(
    'state',
    'this user has no home folder: name a folder for the state with --state-dir',
  );
}

/** Adds the option that says where the state is; returns the command. */
export function addStateOption(command: Command): Command {
  return command.option(
    '--state-dir <dir>',
    'state folder (else HOLDFAST_STATE_DIR, STATE_DIRECTORY, /var/lib/holdfast for root, the XDG state folder)',
  );
}
