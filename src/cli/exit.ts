/** Exit codes: what each kind of error means to a shell, in one place. The table in README and docs/operations.md says the same. */
import { constants } from 'node:os';
import { type ErrorCode, HoldfastError } from '../errors.ts';

/** Exit codes that are not errors' own. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Done, but not everything; each thing was named. */
  incomplete: 3,
  damage: 4,
  notFound: 10,
  locked: 11,
  key: 12,
} as const;

const BY_CODE: Record<Exclude<ErrorCode, 'interrupted'>, number> = {
  usage: EXIT.usage,
  strategy: EXIT.usage,
  'not-initialised': EXIT.usage,
  'foreign-signer': EXIT.usage,
  'source-missing': EXIT.failed,
  store: EXIT.failed,
  'store-absent': EXIT.failed,
  'no-space': EXIT.failed,
  'target-not-empty': EXIT.failed,
  'two-writers': EXIT.failed,
  state: EXIT.failed,
  'broken-index': EXIT.failed,
  io: EXIT.failed,
  'format-version': EXIT.failed,
  damage: EXIT.damage,
  'no-point': EXIT.notFound,
  'no-path': EXIT.notFound,
  locked: EXIT.locked,
  key: EXIT.key,
};

/** The exit code for an error; `signal` is the one that interrupted the run, if one did: at a prompt Ctrl-C is a character. */
export function exitCodeOf(error: unknown, signal: NodeJS.Signals | undefined): number {
  if (!(error instanceof HoldfastError)) return EXIT.failed;
  if (error.code !== 'interrupted') return BY_CODE[error.code];
  return 128 + (signal === undefined ? constants.signals.SIGINT : constants.signals[signal]);
}
