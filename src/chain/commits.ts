/** Reads the commits of a strategy from the store and keeps those that a trusted signer vouches for; knows nothing of points. */
import { hash } from 'node:crypto';
import { checkSignature, type GoodSignature, readVerifier, type Verifier } from '../crypto/check.ts';
import { type ErrorCode, HoldfastError } from '../errors.ts';
import { COMMIT_LIMIT, type Commit, parseCommit, SIGNATURE_LIMIT } from '../format/commit.ts';
import { type SetName, type StrategyNames, setFolder } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { Store } from '../store/store.ts';
import { compareSets } from './sets.ts';

/** A commit that a trusted signer vouches for. */
export interface StoredCommit {
  /** The object's full name. */
  name: string;
  commit: Commit;
  /** SHA-256 of the commit's bytes, lower-case hex: what children name their parent by. */
  commitSha256: string;
  /** Fingerprint of the primary key of who vouches for it. */
  signer: string;
  /** When its own signature was made, by the signer's account, where that was looked at; decides nothing. */
  signed: Date | undefined;
}

/** A commit that is in the store and is no point. */
export interface Rejected extends SetName {
  /** The object's full name. */
  name: string;
  error: HoldfastError;
}

/** Whom to believe: signers by fingerprint (40 or 64 upper-case hex digits), or whatever keys lie in the store. */
export type Trust = { pinned: readonly string[] } | 'keys-in-store';

/**
 * Whose signatures are checked: `each` commit's, or only of those commits that no good one names as its parent. A parent is named by the SHA-256 of its
 * bytes, so that the child's signature vouches for it as it does for the objects; of a chain only the newest signature is then fetched. What else
 * is wrong with the signatures of a chain is the business of those who look at each.
 */
export type Signatures = 'each' | 'needed';

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
 * All commits of a strategy that a trusted signer vouches for; each of the others with what is wrong with
 * it. A signature without its commit is what an interrupted run leaves and is passed over. Errors: those of the
 * store; `key` when a pinned signer's key is not in the store, though something of the strategy is, `damage` when it is there and is another one.
 */
export async function loadCommits(
  store: Store,
  names: StrategyNames,
  trust: Trust,
  signatures: Signatures = 'each',
): Promise<LoadedCommits> {
  const { verifiers, brokenKeys } = await loadVerifiers(store, names, trust);
  const found: SetName[] = [];
  for await (const { name } of store.list(names.commits, { namesOnly: true })) {
    const set = names.parseCommit(name);
    if (set !== undefined) found.push(set);
  }
  // Children come before their parents, which are always older.
  found.sort((a, b) => compareSets(b, a));
  const judge = signatures === 'each' ? judgeEach : judgeAsNeeded;
  const commits: StoredCommit[] = [];
  const rejected: Rejected[] = [];
  for await (const [set, result] of judge(store, names, found, verifiers)) {
    if (result instanceof HoldfastError) {
      rejected.push({ name: names.commit(set), seq: set.seq, id: set.id, error: result });
    } else if (result !== undefined) {
      commits.push(result);
    }
  }
  const pinned = trust !== 'keys-in-store';
  const trusted = verifiers.map(({ fingerprint }) => ({ fingerprint, pinned }));
  return { commits: commits.reverse(), rejected: rejected.reverse(), trusted, brokenKeys };
}

/** The commits of some sets with what became of each; undefined where there is none (any more). */
type Judged = AsyncGenerator<[set: SetName, result: StoredCommit | HoldfastError | undefined], void>;

function judgeEach(
  store: Store,
  names: StrategyNames,
  sets: readonly SetName[],
  verifiers: readonly Verifier[],
): Judged {
  return inOrder(sets, FETCHES, (set) => loadCommit(store, names, set, verifiers).catch(asJudgement));
}

/** `sets`: children before their parents. */
async function* judgeAsNeeded(
  store: Store,
  names: StrategyNames,
  sets: readonly SetName[],
  verifiers: readonly Verifier[],
): Judged {
  const vouchers = new Map<string, Voucher>();
  const get = (set: SetName) => store.get(names.commit(set), COMMIT_LIMIT);
  for await (const [set, bytes] of inOrder(sets, FETCHES, get)) {
    if (bytes === undefined) continue;
    const judging = judgeOne(store, names, set, bytes, verifiers, vouchers.get(setFolder(set)));
    const result = await judging.catch(asJudgement);
    yield [set, result];
    if (result instanceof HoldfastError) continue;
    const { parent, writer } = result.commit;
    if (parent === null) continue;
    const { commitSha256 } = parent;
    vouchers.set(setFolder(parent), { commitSha256, writer, signer: result.signer });
  }
}

/** What a good commit says of its parent. */
interface Voucher {
  commitSha256: string;
  /** Who wrote the child, and whose signature vouches for it. */
  writer: string;
  signer: string;
}

/** Errors as loadCommit. */
async function judgeOne(
  store: Store,
  names: StrategyNames,
  set: SetName,
  bytes: Uint8Array,
  verifiers: readonly Verifier[],
  voucher: Voucher | undefined,
): Promise<StoredCommit> {
  if (voucher?.commitSha256 === sha256(bytes)) {
    const vouched = parsed(names, set, bytes, voucher.signer, undefined);
    // No writer goes on with the chain of another: so the signer is the same.
    if (vouched.commit.writer === voucher.writer) return vouched;
  }
  return checkCommit(store, names, set, bytes, verifiers);
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
  const bytes = await store.get(names.commit(set), COMMIT_LIMIT);
  return bytes && (await checkCommit(store, names, set, bytes, verifiers));
}

/** A commit whose bytes are there, by its own signature. Errors as loadCommit. */
async function checkCommit(
  store: Store,
  names: StrategyNames,
  set: SetName,
  bytes: Uint8Array,
  verifiers: readonly Verifier[],
): Promise<StoredCommit> {
  const name = names.commit(set);
  const signature = await store.get(names.signature(set), SIGNATURE_LIMIT);
  if (signature === undefined) {
    throw new HoldfastError(
      'damage',
      `${name} has no signature, so nobody vouches for it and it is no point: put ${names.signature(set)} back if it was lost`,
      { object: name },
    );
  }
  const { fingerprint, made } = await checked(name, bytes, signature, verifiers);
  return parsed(names, set, bytes, fingerprint, made);
}

/** A commit whose bytes `signer` vouches for. Errors: `damage`, `format-version`. */
function parsed(
  names: StrategyNames,
  set: SetName,
  bytes: Uint8Array,
  signer: string,
  signed: Date | undefined,
): StoredCommit {
  const name = names.commit(set);
  const commit = parseCommit(bytes, name, { ...set, strategy: names.root });
  return { name, commit, commitSha256: sha256(bytes), signer, signed };
}

function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
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
    for await (const _ of store.list(folder, { namesOnly: true })) return false;
  }
  return true;
}
