/** Reads the commits of a strategy from the store and keeps those that a trusted signer vouches for; knows nothing of points. */
import { hash } from 'node:crypto';
import { ahead } from '../ahead.ts';
import {
  type BadSignature as Bad,
  checkSignature,
  type GoodSignature,
  type Verifier,
} from '../crypto/check.ts';
import { HoldfastError } from '../errors.ts';
import { COMMIT_LIMIT, type Commit, parseCommit, SIGNATURE_LIMIT } from '../format/commit.ts';
import { type SetName, type StrategyNames, setFolder } from '../format/names.ts';
import { inOrder } from '../in-order.ts';
import type { Store } from '../store/store.ts';
import { asJudgement, FETCHES } from './judgement.ts';
import { compareSets } from './sets.ts';
import { loadVerifiers, type Trust } from './verifiers.ts';

/** A commit that a trusted signer vouches for: by its own signature, or by that of a set that builds on it and names its SHA-256. */
export interface StoredCommit {
  /** The object's full name. */
  name: string;
  commit: Commit;
  /** SHA-256 of the commit's bytes, lower-case hex: what children name their parent by. */
  commitSha256: string;
  /** Fingerprint of the primary key of who vouches for it. */
  signer: string;
  /** When its own signature was made, by the signer's account, where that was looked at and is good; decides nothing. */
  signed: Date | undefined;
}

/** A commit that is in the store and is no point. */
export interface Rejected extends SetName {
  /** The object's full name. */
  name: string;
  error: HoldfastError;
}

/**
 * Whose signatures are looked at: `each` commit's, or only those of commits that no good one names as its parent. Which commits are good is the same:
 * a child's signature vouches for its parent as it does for the objects.
 */
export type Signatures = 'each' | 'needed';

/** What the commits of a strategy amount to. */
export interface LoadedCommits {
  /** By seq, then by id. */
  commits: StoredCommit[];
  /** By seq, then by id. */
  rejected: Rejected[];
  trusted: { fingerprint: string; pinned: boolean }[];
  /** What is wrong and costs no point: keys in the store that are not what their names say (with `keys-in-store`), and signatures that were looked at, of commits that are good all the same. */
  faults: HoldfastError[];
}

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
  const listing = ahead(listSets(store, names));
  const { verifiers, brokenKeys } = await loadVerifiers(store, names, trust);
  const sets = await listing;
  // Children come before their parents, which are always older.
  sets.sort((a, b) => compareSets(b, a));
  const shelf = { store, names, verifiers };
  const commits: StoredCommit[] = [];
  const rejected: Rejected[] = [];
  const faults: HoldfastError[] = [];
  const vouchers = new Vouchers();
  /** So many of the first sets have been asked for, and judged; and so many, most likely, are vouched for by those that were judged. */
  let asked = 0;
  let judged = 0;
  let vouched = FETCHES;
  const fetch = (set: SetName) =>
    fetchCommit(shelf, set, signatures === 'each' || asked++ >= vouched).catch(asJudgement);
  for await (const [set, fetched] of inOrder(sets, FETCHES, fetch)) {
    judged++;
    if (fetched === undefined) continue;
    const result = fetched instanceof HoldfastError ? fetched : await judge(shelf, set, fetched, vouchers);
    if (result instanceof HoldfastError) {
      rejected.push({ name: names.commit(set), seq: set.seq, id: set.id, error: result });
      continue;
    }
    const { commit, fault } = result;
    commits.push(commit);
    if (fault !== undefined) faults.push(fault);
    vouchers.add(commit);
    vouched = judged + commit.commit.ordinal;
  }
  const pinned = trust !== 'keys-in-store';
  const trusted = verifiers.map(({ fingerprint }) => ({ fingerprint, pinned }));
  commits.reverse();
  rejected.reverse();
  return { commits, rejected, trusted, faults: [...brokenKeys, ...faults.reverse()] };
}

async function listSets(store: Store, names: StrategyNames): Promise<SetName[]> {
  const sets: SetName[] = [];
  for await (const { name } of store.list(names.commits, { namesOnly: true })) {
    const set = names.parseCommit(name);
    if (set !== undefined) sets.push(set);
  }
  return sets;
}

/**
 * One commit, by its own signature; undefined when there is none. Errors: those of the store; `damage`, `foreign-signer` or
 * `format-version` when it is there and is no point.
 */
export async function loadCommit(
  store: Store,
  names: StrategyNames,
  set: SetName,
  verifiers: readonly Verifier[],
): Promise<StoredCommit | undefined> {
  const shelf = { store, names, verifiers };
  const fetched = await fetchCommit(shelf, set, true);
  if (fetched === undefined) return undefined;
  const result = await judge(shelf, set, fetched, new Vouchers());
  if (result instanceof HoldfastError) throw result;
  return result.commit;
}

/**
 * The object, by its full name, for which a set is not what was signed with that SHA-256: its commit, or its signature; undefined when both are good. Errors:
 * those of the store.
 */
export async function alteredObject(
  store: Store,
  names: StrategyNames,
  set: SetName & { commitSha256: string },
  verifiers: readonly Verifier[],
): Promise<string | undefined> {
  const fetched = await fetchCommit({ store, names, verifiers }, set, true).catch(asJudgement);
  if (fetched === undefined || fetched instanceof HoldfastError) return names.commit(set);
  if (fetched.commitSha256 !== set.commitSha256) return names.commit(set);
  return fetched.signature === undefined || 'problem' in fetched.signature ? names.signature(set) : undefined;
}

/** Where commits lie, and the keys that vouch for them. */
interface Shelf {
  store: Store;
  names: StrategyNames;
  verifiers: readonly Verifier[];
}

/** A signature that vouches for nothing. `detail` is for people. */
type BadSignature = Bad | { problem: 'missing' };

/** A commit that nothing is known of yet. */
interface Fetched {
  bytes: Uint8Array;
  commitSha256: string;
  /** Undefined while it is not known whether its signature is needed. */
  signature: GoodSignature | BadSignature | undefined;
}

/** Undefined when there is none. `signature`: whether its signature is looked at, too. Errors: as loadCommit. */
async function fetchCommit(shelf: Shelf, set: SetName, signature: boolean): Promise<Fetched | undefined> {
  const fetching = signature ? ahead(fetchSignature(shelf, set)) : undefined;
  const bytes = await shelf.store.get(shelf.names.commit(set), COMMIT_LIMIT);
  if (bytes === undefined) return undefined;
  const looked = fetching && (await lookAtSignature(shelf, bytes, fetching));
  return { bytes, commitSha256: hash('sha256', bytes, 'hex'), signature: looked };
}

function fetchSignature({ store, names }: Shelf, set: SetName): Promise<Uint8Array | undefined> {
  return store.get(names.signature(set), SIGNATURE_LIMIT);
}

/** Errors: those of the store. */
async function lookAtSignature(
  { verifiers }: Shelf,
  bytes: Uint8Array,
  fetching: Promise<Uint8Array | undefined>,
): Promise<GoodSignature | BadSignature> {
  try {
    const signature = await fetching;
    return signature === undefined
      ? { problem: 'missing' }
      : await checkSignature(bytes, signature, verifiers);
  } catch (error) {
    // Larger than any signature, for instance.
    return { problem: 'malformed', detail: asJudgement(error).message };
  }
}

/** A commit that is good, whatever is wrong with its signature; or why it is no point. Errors: those of the store. */
async function judge(
  shelf: Shelf,
  set: SetName,
  { bytes, commitSha256, signature }: Fetched,
  vouchers: Vouchers,
): Promise<{ commit: StoredCommit; fault: HoldfastError | undefined } | HoldfastError> {
  const { names } = shelf;
  const name = names.commit(set);
  const parse = () => parseCommit(bytes, name, { ...set, strategy: names.root });
  try {
    const said = vouchers.of(set, commitSha256);
    if (said.length > 0) {
      const commit = parse();
      // No writer goes on with the chain of another, nor with another key: so the signer is the same.
      const voucher = said.find(({ writer }) => writer === commit.writer);
      if (voucher !== undefined) {
        const { signer } = voucher;
        const [signed, fault] =
          signature !== undefined && 'problem' in signature
            ? [undefined, faultOf(names, set, signature)]
            : [signature?.made, undefined];
        return { commit: { name, commit, commitSha256, signer, signed }, fault };
      }
    }
    const own = signature ?? (await lookAtSignature(shelf, bytes, fetchSignature(shelf, set)));
    if ('problem' in own) return refusalOf(names, set, own);
    const { fingerprint: signer, made: signed } = own;
    return { commit: { name, commit: parse(), commitSha256, signer, signed }, fault: undefined };
  } catch (error) {
    return asJudgement(error);
  }
}

/** What good commits say of their parents. */
class Vouchers {
  /** By the set and the SHA-256 of the parent: the writer and the signer of each child. */
  readonly #children = new Map<string, { writer: string; signer: string }[]>();

  add({ commit: { parent, writer }, signer }: StoredCommit): void {
    if (parent === null) return;
    const key = keyOf(parent, parent.commitSha256);
    this.#children.set(key, [...(this.#children.get(key) ?? []), { writer, signer }]);
  }

  of(set: SetName, commitSha256: string): readonly { writer: string; signer: string }[] {
    return this.#children.get(keyOf(set, commitSha256)) ?? [];
  }
}

function keyOf(set: SetName, commitSha256: string): string {
  return `${setFolder(set)} ${commitSha256}`;
}

/** Why a commit that nobody vouches for is no point. */
function refusalOf(names: StrategyNames, set: SetName, bad: BadSignature): HoldfastError {
  const name = names.commit(set);
  const object = { object: name };
  if (bad.problem === 'missing') {
    return new HoldfastError(
      'damage',
      `${name} has no signature, so nobody vouches for it and it is no point: put ${names.signature(set)} back if it was lost`,
      object,
    );
  }
  if (bad.problem === 'unknown-signer') {
    return new HoldfastError(
      'foreign-signer',
      `${name} is no point: its signature was ${bad.detail}, which is not trusted; if that is a signer of yours, pin its fingerprint too, else somebody else has written it`,
      object,
    );
  }
  const what =
    bad.problem === 'malformed'
      ? `its signature cannot be read (${bad.detail})`
      : `its signature is not good for it (${bad.detail}): the commit or the signature was altered`;
  return new HoldfastError(
    'damage',
    `${name} is no point: ${what}; put back copies of both, if there are`,
    object,
  );
}

/** What is wrong with the signature of a commit that another one vouches for. */
function faultOf(names: StrategyNames, set: SetName, bad: BadSignature): HoldfastError {
  const object = names.signature(set);
  const what =
    bad.problem === 'missing' ? 'is not there' : `is no good signature of its commit (${bad.detail})`;
  return new HoldfastError(
    'damage',
    `${object} ${what}: no point is lost by that, since a set that builds on this one is signed and vouches for it; put back a copy of it, if there is one`,
    { object },
  );
}
