/** Checks objects as they lie in the store, without a key: each once, by asking for it or by reading it whole. */
import type { StoredCommit } from '../chain/commits.ts';
import { HoldfastError } from '../errors.ts';
import type { CommitObject } from '../format/commit.ts';
import type { StrategyNames } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import { fetchObject } from '../store/fetch-object.ts';
import { difference, type Store } from '../store/store.ts';
import type { Findings } from './findings.ts';

/** `stat`: size and digest, as the store tells them. `full`: SHA-256 of what it gives. */
export type Depth = 'stat' | 'full';

/** Objects asked for at once; of those that are read whole, so many are in memory. */
const QUESTIONS = 8;
const FETCHES = 2;

/** So many failures of the store one after the other are no fault of the objects. */
const PATIENCE = 5;

/** Tells failures that concern an object from a store that is away: throws when it seems to be. */
export class Patience {
  #failures = 0;

  /** What is wrong with an object, from the error that was met with it; what is no fault of the object is thrown on. */
  judge(error: unknown): string {
    if (!(error instanceof HoldfastError)) throw error;
    if (error.code === 'damage' || error.code === 'key') return error.message;
    if (error.code !== 'store' || ++this.#failures >= PATIENCE) throw error;
    return error.message;
  }

  /** An object was got. */
  succeeded(): void {
    this.#failures = 0;
  }
}

/** Checks every object of some sets. `onObject` is told the bytes of each. Errors: those of a store that is away. */
export async function checkObjects(
  store: Store,
  names: StrategyNames,
  sets: readonly StoredCommit[],
  depth: Depth,
  findings: Findings,
  patience: Patience,
  onObject: (bytes: number) => void,
): Promise<void> {
  const look = ({ set, object }: { set: StoredCommit; object: CommitObject }) => {
    const name = names.object(set.commit, object.name);
    const question =
      depth === 'stat' ? problemByStat(store, name, object) : problemByContent(store, name, object);
    return question.catch((error: unknown) => ({ error }));
  };
  const width = depth === 'stat' ? QUESTIONS : FETCHES;
  for await (const [{ set, object }, answer] of inOrder(objectsOf(sets), width, look)) {
    const problem = typeof answer === 'object' ? patience.judge(answer.error) : answer;
    if (typeof answer !== 'object') patience.succeeded();
    if (problem !== undefined) findings.addObject(set, object, problem);
    onObject(object.size);
  }
}

function* objectsOf(
  sets: readonly StoredCommit[],
): Generator<{ set: StoredCommit; object: CommitObject }, void> {
  for (const set of sets) for (const object of set.commit.objects) yield { set, object };
}

async function problemByStat(store: Store, name: string, object: CommitObject): Promise<string | undefined> {
  const found = await store.stat(name);
  if (found === undefined) return `${name} is not in the store`;
  const differs = difference(found, object);
  if (differs === 'size') return `${name} has ${found.size} bytes where its commit says ${object.size}`;
  return differs && `${name} does not have the ${differs} that its commit says`;
}

async function problemByContent(store: Store, name: string, object: CommitObject): Promise<undefined> {
  await fetchObject(store, name, object);
}
