/** Gets one volume out of the store, and believes it only when it is what the signed commit says. */
import { sha256 } from '../chunk/digest.ts';
import { HoldfastError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { NeededVolume } from './needed.ts';

/** The ciphertext of a volume. Errors: `damage`, naming the object; those of the store. */
export async function fetchVolume(store: Store, { name, object }: NeededVolume): Promise<Uint8Array> {
  const first = await store.get(name, object.size);
  if (first === undefined) throw damaged(name, 'is not in the store');
  if (isRight(first, object)) return first;
  // Bytes may have been changed on their way, or by the disk of one of several replicas.
  const second = await store.get(name, object.size);
  if (second !== undefined && isRight(second, object)) return second;
  if (first.length !== object.size) {
    throw damaged(name, `has ${first.length} bytes where its commit says ${object.size}`);
  }
  throw damaged(name, 'does not have the SHA-256 that its commit says');
}

function isRight(bytes: Uint8Array, object: NeededVolume['object']): boolean {
  return bytes.length === object.size && sha256(bytes) === object.sha256;
}

function damaged(object: string, problem: string): HoldfastError {
  return new HoldfastError('damage', `${object} ${problem}`, { object });
}
