/** Begins the walk of an incremental while it is still being found out whether it will be one: for most of a run, nothing else is to be done. */
import { IndexFiles } from '../index/files.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { ownFolders, pathSources } from './roots.ts';
import type { ReadyThreads } from './threads.ts';

/** A walk that was begun before this host's state was locked. */
export interface BegunWalk {
  /**
   * To be called under the lock: the time of the walk's start, which is then the point's. Undefined, and the walk is dropped, where another run has ended since
   * it began: a point must not be of an earlier time than the one it builds on.
   */
  confirm(): Date | undefined;
  /** Resolves when the walk has gone through all of the sources, or was dropped. */
  over: Promise<void>;
}

/** Lets the walker begin where there is an index to compare with; undefined where there is none. Nothing is kept from changing yet: the walk only looks. */
export function beginWalk(
  threads: ReadyThreads,
  strategy: Strategy,
  { stateFolder, own }: { stateFolder: string; own: readonly string[] },
  now: () => Date,
): BegunWalk | undefined {
  const files = new IndexFiles(stateFolder);
  const before = files.identity();
  if (before === undefined) return undefined;
  const started = now();
  const sources = pathSources(strategy);
  const over = threads.walk({ sources, own: ownFolders(own, sources) });
  return {
    over,
    confirm() {
      if (files.identity() === before) return started;
      threads.dropWalker();
      return undefined;
    },
  };
}
