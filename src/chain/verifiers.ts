/** The keys that commits are checked with: those of the pinned signers, or whatever keys lie in the store. */
import { readVerifier, type Verifier } from '../crypto/check.ts';
import { HoldfastError } from '../errors.ts';
import type { StrategyNames } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { Store } from '../store/store.ts';
import { asJudgement, FETCHES } from './judgement.ts';

/** Whom to believe: signers by fingerprint (40 or 64 upper-case hex digits), or whatever keys lie in the store. */
export type Trust = { pinned: readonly string[] } | 'keys-in-store';

/** No signer's public key is larger, in bytes. */
const KEY_LIMIT = 64 * 1024;

/**
 * The keys that commits are checked with: those of the pinned signers, or all that lie in the store. Errors: as
 * loadCommits. A pinned signer is passed over where the store has nothing of the strategy at all.
 */
export async function loadVerifiers(
  store: Store,
  names: StrategyNames,
  trust: Trust,
): Promise<{ verifiers: Verifier[]; brokenKeys: HoldfastError[] }> {
  const brokenKeys: HoldfastError[] = [];
  const verifiers: Verifier[] = [];
  if (trust === 'keys-in-store') {
    const fingerprints: string[] = [];
    for await (const { name } of store.list(names.keys, { namesOnly: true })) {
      const fingerprint = names.parseKey(name);
      if (fingerprint !== undefined) fingerprints.push(fingerprint);
    }
    const load = (fingerprint: string) => loadVerifier(store, names, fingerprint).catch(asJudgement);
    for await (const [, result] of inOrder(fingerprints, FETCHES, load)) {
      if (result instanceof HoldfastError) brokenKeys.push(result);
      else if (result !== undefined) verifiers.push(result);
    }
    return { verifiers, brokenKeys };
  }
  for (const fingerprint of new Set(trust.pinned)) {
    const verifier = await loadVerifier(store, names, fingerprint);
    if (verifier === undefined) {
      // Another name or another store, most likely: that there are no points will be said.
      if (await hasNothing(store, names)) continue;
      throw new HoldfastError(
        'key',
        `the signer ${fingerprint} is pinned, but its public key ${names.key(fingerprint)} is not in the store: check the fingerprint, the strategy's name and the store, or put the key back`,
        { object: names.key(fingerprint) },
      );
    }
    verifiers.push(verifier);
  }
  return { verifiers, brokenKeys };
}

async function loadVerifier(
  store: Store,
  names: StrategyNames,
  fingerprint: string,
): Promise<Verifier | undefined> {
  const name = names.key(fingerprint);
  const bytes = await store.get(name, KEY_LIMIT);
  if (bytes === undefined) return undefined;
  const verifier = await readVerifier(bytes, name);
  if (verifier.fingerprint === fingerprint) return verifier;
  throw new HoldfastError(
    'damage',
    `${name} holds another key, ${verifier.fingerprint}: put the signer's key back, and trust no commit by the other one`,
    { object: name },
  );
}

/** Whether neither a key nor a commit of the strategy is in the store. */
async function hasNothing(store: Store, names: StrategyNames): Promise<boolean> {
  for (const folder of [names.keys, names.commits]) {
    for await (const _ of store.list(folder, { namesOnly: true })) return false;
  }
  return true;
}
