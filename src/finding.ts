/** What `holdfast doctor` finds out, as plain data, and how one look is kept from taking for ever. How it is printed is cli/doctor.ts's. */
import { HoldfastError } from './errors.ts';

/** `bad`: a backup or a restore will not work so. `warning`: it works, and somebody should act. `note`: worth knowing. */
export type FindingState = 'good' | 'note' | 'warning' | 'bad';

export interface Finding {
  /** What was looked at, in a word or two. */
  subject: string;
  state: FindingState;
  /** One line that names the thing. Holds no secret. */
  what: string;
  /** What to do; absent where there is nothing to do, or where `what` says it. */
  advice?: string;
}

/** Findings as they come, and what the looks that follow need of these. */
export type Findings<T = void> = AsyncGenerator<Finding, T, undefined>;

/** The finding for looks that would make no sense after what was found before. */
export function skipped(subjects: string, because: string): Finding {
  return { subject: 'skipped', state: 'note', what: `not looked at, because ${because}: ${subjects}` };
}

/**
 * What `work` gives, or the HoldfastError that it rejects with; one of its own, `store`, after `patience` milliseconds, which begins
 * with `what`. Anything else that is thrown is a defect, and comes out.
 */
export async function lookAt<T>(
  what: string,
  patience: number,
  work: Promise<T>,
): Promise<{ value: T } | { error: HoldfastError }> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const seconds = Math.round(patience / 1000);
    reject(
      new HoldfastError('store', `${what}: no answer within ${seconds} s; see what is on the way, or slow`),
    );
  }, patience);
  // When the time is up, nobody waits for it any more.
  work.catch(() => undefined);
  try {
    return { value: await Promise.race([work, late]) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { error };
  } finally {
    clearTimeout(timer);
  }
}
