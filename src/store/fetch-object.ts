/** Gets an object out of a store, and believes it only when it is what the signed commit lists. */
import { hash } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import type { CommitObject } from '../format/commit.ts';
import type { TakePlace } from './object-places.ts';
import type { Store } from './store.ts';

/**
 * The bytes of the object `name` (its full name), in the place that is given for them, if one is; found to have the size and SHA-256 of `object`. Errors: `damage`, naming it;
 * those of the store.
 */
export async function fetchObject(
  store: Store,
  name: string,
  object: CommitObject,
  place?: TakePlace,
): Promise<Uint8Array> {
  let judged: { bytes: Uint8Array; problem: string | undefined } | undefined;
  const isRight = (bytes: Uint8Array) => {
    judged = { bytes, problem: problemOf(bytes, object) };
    return judged.problem === undefined;
  };
  const judge = (bytes: Uint8Array) => (judged?.bytes === bytes ? judged.problem : problemOf(bytes, object));
  const options = { isRight, ...(place && { place }) };
  const bytes = await store.get(name, object.size, { anyCopy: true, ...options });
  if (bytes === undefined) throw damaged(name, 'is not in the store');
  const problem = judge(bytes);
  if (problem === undefined) return bytes;
  // Bytes may have been changed on their way, or by the disk of one of several replicas.
  const again = await store.get(name, object.size, options);
  if (again !== undefined && judge(again) === undefined) return again;
  throw damaged(name, problem);
}

function problemOf(bytes: Uint8Array, object: CommitObject): string | undefined {
  if (bytes.length !== object.size) return `has ${bytes.length} bytes where its commit says ${object.size}`;
  if (hash('sha256', bytes, 'hex') === object.sha256) return undefined;
  return 'does not have the SHA-256 that its commit says';
}

function damaged(object: string, problem: string): HoldfastError {
  return new HoldfastError('damage', `${object} ${problem}`, { object });
}
