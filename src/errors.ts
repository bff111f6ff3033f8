/** The one error class of Holdfast, with its closed list of codes. What each code means at exit is in cli/exit.ts. */

/** Everything that can be wrong, as far as a user or a script must tell it apart. */
export type ErrorCode =
  /** The command line is wrong, or a WHEN is malformed. */
  | 'usage'
  /** The strategy file is missing, unreadable or wrong. */
  | 'strategy'
  /** `holdfast init` has not been run here, or not for this store. */
  | 'not-initialised'
  /** The store holds points of this strategy by a signer that was not adopted. */
  | 'foreign-signer'
  /** None of the paths of the strategy is there. */
  | 'source-missing'
  /** The store refused, failed or stayed away. */
  | 'store'
  /** The folder or container of the store does not exist. */
  | 'store-absent'
  /** No room: in the state folder, the store or the restore target. */
  | 'no-space'
  /** The restore target is not empty. */
  | 'target-not-empty'
  /** Two hosts write points of one strategy. */
  | 'two-writers'
  /** The local state folder cannot be used. */
  | 'state'
  /** The local index is corrupt: it is discarded, and the next set is a full. */
  | 'broken-index'
  /** A file operation failed. */
  | 'io'
  /** An object was written by a newer version of the format. */
  | 'format-version'
  /** An object of the store is not what the signed commit says, or its signature is not good. */
  | 'damage'
  /** No points, or none that answers to the given WHEN. */
  | 'no-point'
  /** The point holds no such path. */
  | 'no-path'
  /** Another run holds the lock. */
  | 'locked'
  /** A key or passphrase is missing, wrong, expired, locked, empty or of the wrong kind. */
  | 'key'
  /** Ended by a signal. */
  | 'interrupted';

/** What an error concerns, besides its message. */
export interface ErrorContext {
  /** Local path concerned, as a string that may be shown. */
  path?: string;
  /** Object of the store concerned, by its full name. */
  object?: string;
  cause?: unknown;
}

/**
 * An error that a user can act upon: its message is one line, names the thing concerned and says what to
 * do next. Anything else that is thrown is a defect of the program and is reported as one.
 */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly object: string | undefined;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'HoldfastError';
    this.code = code;
    this.path = context.path;
    this.object = context.object;
  }
}

/** The `code` of a Node system error (`ENOENT`, …), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  // Its code is one of Holdfast's own, not the system's.
  if (error instanceof HoldfastError) return undefined;
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}
