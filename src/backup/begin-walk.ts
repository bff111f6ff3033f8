/** Begins the walk of an incremental while it is still being found out whether it will be one: for most of a run, nothing else is to be done. */
import { IndexFiles } from '../index/files.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { ownFolders, pathSources } from './roots.ts';
import type { ReadyThreads } from './threads.ts';

/**
 * Lets the walker begin where there is an index to compare with. Nothing is kept from changing yet: the walk only looks. Returns the time of its start, which
 * is then the point's; undefined when nothing was begun.
 */
export function beginWalk(
  threads: ReadyThreads,
  strategy: Strategy,
  { stateFolder, own }: { stateFolder: string; own: readonly string[] },
  now: () => Date,
): Date | undefined {
  if (!new IndexFiles(stateFolder).isThere) return undefined;
  const started = now();
  const sources = pathSources(strategy);
  threads.walk({ sources, own: ownFolders(own, sources) });
  return started;
}
