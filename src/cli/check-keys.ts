/** The check of the recipients' key files for `config check`: a problem for each file that cannot be used. */
import { HoldfastError } from '../errors.ts';
import type { Problem } from '../strategy/problem.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { CliContext } from './context.ts';

/** Makes the check; the clock says which keys have expired. */
export function checkKeys(context: CliContext): (strategy: Strategy) => Promise<Problem[]> {
  return async (strategy) => {
    const [{ loadRecipient }, { problemAt }] = await Promise.all([
      import('../crypto/recipients.ts'),
      import('../strategy/problem.ts'),
    ]);
    const problems: Problem[] = [];
    for (const [i, file] of strategy.recipients.entries()) {
      try {
        await loadRecipient(file, context.now());
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        problems.push(problemAt(strategy, `recipients[${i}]`, error.message));
      }
    }
    return problems;
  };
}
