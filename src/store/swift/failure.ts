/** Failures that may pass: what an attempt throws when the same request is worth sending again. */

/**
 * One attempt failed in a way that another may not: the connection was lost or stalled, or the server asked for patience.
 * Never leaves store/swift: attempts.ts tries again, and turns the last of them into a HoldfastError.
 */
export class Transient extends Error {
  /** Milliseconds after which the server wants to be asked again, where it said so. */
  readonly retryAfter: number | undefined;

  /** `message`: what happened, in words that can stand in an error line. It holds no secret. */
  constructor(message: string, options: { retryAfter?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Transient';
    this.retryAfter = options.retryAfter;
  }
}
