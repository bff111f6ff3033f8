/** Starts worker threads, and carries errors across their border. */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, HoldfastError } from '../errors.ts';

/** An error as it can be posted: a HoldfastError keeps its code, anything else its stack. */
export interface PostedError {
  code?: ErrorCode;
  message: string;
  path?: string;
  object?: string;
  stack?: string;
}

/** Makes an error ready to be posted. */
export function packError(error: unknown): PostedError {
  if (error instanceof HoldfastError) {
    const posted: PostedError = { code: error.code, message: error.message };
    if (error.path !== undefined) posted.path = error.path;
    if (error.object !== undefined) posted.object = error.object;
    return posted;
  }
  if (error instanceof Error) return { message: error.message, stack: error.stack ?? error.message };
  return { message: String(error) };
}

/** The error again. */
export function unpackError(posted: PostedError): Error {
  if (posted.code !== undefined) return new HoldfastError(posted.code, posted.message, posted);
  const error = new Error(posted.message);
  if (posted.stack !== undefined) error.stack = posted.stack;
  return error;
}

const YOUNG_MIB = 8;

/**
 * Starts the module `name` (without its ending) beside the module whose `import.meta.url` is given; compiled or not, worker and caller have
 * the same ending. `youngMiB`: what its young generation may have.
 */
export function startWorker(
  name: string,
  callerUrl: string,
  workerData: unknown,
  youngMiB = YOUNG_MIB,
): Worker {
  const ending = callerUrl.endsWith('.ts') ? '.ts' : '.js';
  return new Worker(new URL(`${name}${ending}`, callerUrl), {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: youngMiB },
  });
}
