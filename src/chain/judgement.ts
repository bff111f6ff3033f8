/** What is found out about objects that say what else is to be believed: keys, commits, signatures. */
import { type ErrorCode, HoldfastError } from '../errors.ts';

/** Such objects fetched at once. */
export const FETCHES = 8;

/** Errors that are a judgement on what lies in the store; all others are thrown on. */
export function asJudgement(error: unknown): HoldfastError {
  if (error instanceof HoldfastError && JUDGEMENTS.has(error.code)) return error;
  throw error;
}

const JUDGEMENTS: ReadonlySet<ErrorCode> = new Set(['damage', 'foreign-signer', 'format-version']);
