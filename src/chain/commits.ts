/** Reads the commits of a strategy from the store and keeps those with a good signature; knows nothing of chains. */
import { createHash } from 'node:crypto';
import { checkSignature, type GoodSignature, readVerifier, type Verifier } from '../crypto/check.ts';
import { type ErrorCode, HoldfastError } from '../errors.ts';
import { COMMIT_LIMIT, type Commit, parseCommit, SIGNATURE_LIMIT } from '../format/commit.ts';
import type { SetName, StrategyNames } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { Store } from '../store/store.ts';
import { compareSets } from './sets.ts';

/** A commit whose signature is good. */
export interface StoredCommit {
  /** The object's full name. */
  name: string;
  commit: Commit;
  /** SHA-256 of the commit's bytes, lower-case hex: what children name their parent by. */
  commitSha256: string;
  /** Fingerprint of the signer's primary key. */
  signer: string;
  /** What the signature says of its own date; decides nothing. */
  signed: Date;
}

/** A commit that is in the store and is no point. */
export interface Rejected extends SetName {
  /** The object's full name. */
  name: string;
  error: HoldfastError;
}

/** Whom to believe: signers by fingerprint (40 or 64 upper-case hex digits), or whatever keys lie in the store. */
export type Trust = { pinned: readonly string[] } | 'keys-in-store';

/** What the commits of a strategy amount to. */
export interface LoadedCommits {
  /** By seq, then by id. */
  commits: StoredCommit[];
  /** By seq, then by id. */
  rejected: Rejected[];
  trusted: { fingerprint: string; pinned: boolean }[];
  /** Keys in the store that are not what their names say; only with `keys-in-store`, where they are passed over. */
  brokenKeys: HoldfastError[];
}

/** No signer's public key is larger, in bytes. */
const KEY_LIMIT = 64 * 1024;
/** Objects fetched at once. */
const FETCHES = 8;

/**
 * All commits of a strategy whose signature by a trusted signer is good; each of the others with what is wrong with
 * it. A signature without its commit is what an interrupted run leaves and is passed over. Errors: those of the
 * store; `key` when a pinned signer's key is not in the store, though something of the strategy is, `damage` when it is there and is another one.
 */
export async function loadCommits(store: Store, names: StrategyNames, trust: Trust): Promise<LoadedCommits> {
  const { verifiers, brokenKeys } = await loadVerifiers(store, names, trust);
  const found: SetName[] = [];
  for await (const { name } of store.list(names.commits)) {
    const set = names.parseCommit(name);
    if (set !== undefined) found.push(set);
  }
  found.sort(compareSets);
  const commits: StoredCommit[] = [];
  const rejected: Rejected[] = [];
  const load = (set: SetName) => loadCommit(store, names, set, verifiers).catch(asJudgement);
  for await (const [set, result] of inOrder(found, FETCHES, load)) {
    if (result instanceof HoldfastError) {
      rejected.push({ name: names.commit(set), seq: set.seq, id: set.id, error: result });
    } else if (result !== undefined) {
      commits.push(result);
    }
  }
  const pinned = trust !== 'keys-in-store';
  const trusted = verifiers.map(({ fingerprint }) => ({ fingerprint, pinned }));
  return { commits, rejected, trusted, brokenKeys };
}

/**
 * One commit; undefined when there is none. Errors: those of the store; `damage`, `foreign-signer` or
 * `format-version` when it is there and is no point.
 */
export async function loadCommit(
  store: Store,
  names: StrategyNames,
  set: SetName,
  verifiers: readonly Verifier[],
): Promise<StoredCommit | undefined> {
  const name = names.commit(set);
  const bytes = await store.get(name, COMMIT_LIMIT);
  if (bytes === undefined) return undefined;
  const signature = await store.get(names.signature(set), SIGNATURE_LIMIT);
  if (signature === undefined) {
    throw new HoldfastError(
      'damage',
      `${name} has no signature, so nobody vouches for it and it is no point: put ${names.signature(set)} back if it was lost`,
      { object: name },
    );
  }
  const { fingerprint: signer, made: signed } = await checked(name, bytes, signature, verifiers);
  const commit = parseCommit(bytes, name, { ...set, strategy: names.root });
  const commitSha256 = createHash('sha256').update(bytes).digest('hex');
  return { name, commit, commitSha256, signer, signed };
}

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
    for await (const { name } of store.list(names.keys)) {
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

async function checked(
  name: string,
  bytes: Uint8Array,
  signature: Uint8Array,
  verifiers: readonly Verifier[],
): Promise<GoodSignature> {
  const result = await checkSignature(bytes, signature, verifiers);
  if (!('problem' in result)) return result;
  const { problem, detail } = result;
  if (problem === 'unknown-signer') {
    throw new HoldfastError(
      'foreign-signer',
      `${name} is no point: its signature was ${detail}, which is not trusted; if that is a signer of yours, pin its fingerprint too, else somebody else has written it`,
      { object: name },
    );
  }
  const what =
    problem === 'malformed'
      ? `its signature cannot be read (${detail})`
      : `its signature is not good for it (${detail}): the commit or the signature was altered`;
  throw new HoldfastError('damage', `${name} is no point: ${what}; put back copies of both, if there are`, {
    object: name,
  });
}

/** Errors that are a judgement on what lies in the store; all others are thrown on. */
function asJudgement(error: unknown): HoldfastError {
  if (error instanceof HoldfastError && JUDGEMENTS.has(error.code)) return error;
  throw error;
}

const JUDGEMENTS: ReadonlySet<ErrorCode> = new Set(['damage', 'foreign-signer', 'format-version']);

/** Whether neither a key nor a commit of the strategy is in the store. */
async function hasNothing(store: Store, names: StrategyNames): Promise<boolean> {
  for (const folder of [names.keys, names.commits]) {
    for await (const _ of store.list(folder)) return false;
  }
  return true;
}
