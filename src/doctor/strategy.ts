/** Looks at the strategy for `holdfast doctor`: as far as it can be read, everything else is looked at by it. */
import { statSync } from 'node:fs';
import { HoldfastError } from '../errors.ts';
import { type Finding, type Findings, skipped } from '../finding.ts';
import { checkForRestore, checkStrategy, strategyForRestoring } from '../strategy/load.ts';
import { formatProblems } from '../strategy/problem.ts';
import { readStrategyText } from '../strategy/read.ts';
import type { Strategy, StrategyForRestore } from '../strategy/strategy.ts';
import { notWorkingYet } from '../strategy/unfinished.ts';

/** What could be read: all of it, or only what a restore needs, or nothing. */
export interface ReadStrategy {
  whole: Strategy | undefined;
  named:
    | (Pick<StrategyForRestore, 'name' | 'store'> & Partial<Pick<StrategyForRestore, 'signer'>>)
    | undefined;
  /** What it is for. */
  task: 'backup' | 'restore';
}

/** Whoever may write in a strategy decides what is backed up, and for whom it is encrypted. */
function* writersFindings(file: string): Generator<Finding> {
  const { mode = 0, uid = 0, gid = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
  const isOpen = (mode & 0o002) !== 0;
  // A group with the number of its user is commonly that user's own.
  if (!isOpen && ((mode & 0o020) === 0 || gid === uid)) return;
  const who = isOpen ? 'everybody on this machine' : 'its group';
  yield {
    subject: 'strategy',
    state: 'warning',
    what: `${file} can be changed by ${who}: what is backed up, and whose keys it is encrypted for`,
    advice: `chmod go-w ${file}`,
  };
}

/** `file`: absolute. */
export async function* examineStrategy(file: string): Findings<ReadStrategy> {
  const subject = 'strategy';
  let text: string;
  try {
    text = await readStrategyText(file);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    yield { subject, state: 'bad', what: error.message };
    yield skipped(
      'keys, state, store',
      'the strategy cannot be read; with --store and --name the store can be looked at',
    );
    return { whole: undefined, named: undefined, task: 'backup' };
  }
  const { strategy: whole, problems } = checkStrategy(text, file);
  if (whole !== undefined) {
    const refused = formatProblems(file, notWorkingYet(whole));
    for (const what of refused) yield { subject, state: 'bad', what };
    if (refused.length === 0) yield { subject, state: 'good', what: `${file} (${whole.name}) is in order` };
    yield* writersFindings(file);
    return { whole, named: whole, task: 'backup' };
  }
  const restoring = strategyForRestoring(text, file);
  if (restoring !== undefined) {
    yield {
      subject,
      state: 'good',
      what: `${file} (${restoring.name}) is one for restoring: it has no sources and no recipients`,
    };
    return { whole: undefined, named: restoring, task: 'restore' };
  }
  const { strategy: store } = checkForRestore(text, file);
  for (const what of formatProblems(file, problems)) yield { subject, state: 'bad', what };
  if (store === undefined) yield skipped('keys, state, store', 'the strategy does not say what to look at');
  else yield skipped('keys, state', 'the strategy is wrong; the store can be looked at');
  return { whole: undefined, named: store, task: 'backup' };
}
