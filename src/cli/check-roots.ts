/** The check of the source paths for `config check`: a problem for each that a backup would refuse. */
import { HoldfastError } from '../errors.ts';
import type { Problem } from '../strategy/problem.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** Names the paths that are symlinks. One that is missing is no problem of the strategy: it may be mounted later. */
export async function checkRoots(strategy: Strategy): Promise<Problem[]> {
  const [{ lookAtRoots }, { problemAt }] = await Promise.all([
    import('../backup/roots.ts'),
    import('../strategy/problem.ts'),
  ]);
  const problems: Problem[] = [];
  for (const [i, source] of strategy.sources.entries()) {
    if (source.kind !== 'paths') continue;
    for (const [j, path] of source.paths.entries()) {
      try {
        lookAtRoots([{ ...source, paths: [path] }]);
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        if (error.code === 'source-missing') continue;
        problems.push(problemAt(strategy, `sources[${i}].paths[${j}]`, error.message));
      }
    }
  }
  return problems;
}
