/** Prepares a host for backups: its signing key made and published, points of a former signer adopted if so wished. */
import { hash } from 'node:crypto';
import { loadCommits } from './chain/commits.ts';
import { createSigner, loadSigner, type Signer } from './crypto/signer.ts';
import { HoldfastError } from './errors.ts';
import { StrategyNames } from './format/names.ts';
import { IndexFiles } from './index/files.ts';
import { writeNew } from './state/folder.ts';
import type { WriterRecord } from './state/writer.ts';
import { difference, type Store } from './store/store.ts';

/** Everything that init works with. The caller holds the lock of the state folder. */
export interface InitOptions {
  name: string;
  store: Store;
  stateFolder: string;
  writer: WriterRecord;
  signerFile: string;
  /** Fingerprint of the signer whose points this host is to continue. */
  adopt: string | undefined;
  now: Date;
}

/** What init has done or found done. */
export interface InitOutcome {
  signer: Signer;
  /** Whether the signing key was made now. */
  isNew: boolean;
  /** How many points the store holds, and by which signers. */
  points: number;
  signers: string[];
  adopted: boolean;
}

/**
 * Initialises; doing it twice changes nothing. Errors: `foreign-signer` where the store holds points by a signer that is not adopted,
 * `usage` for an adoption that has nothing to adopt, those of the store and of keys. Nothing is touched then.
 */
export async function init(options: InitOptions): Promise<InitOutcome> {
  const { name, store, writer, adopt } = options;
  const names = new StrategyNames(name);
  const existing = await existingSigner(options.signerFile);
  // The store's copy may have been lost or damaged, and the host's own points would look like a stranger's.
  if (existing !== undefined) await publish(store, names, existing);
  const { commits, rejected } = await loadCommits(store, names, 'keys-in-store');
  const signers = [...new Set(commits.map(({ signer }) => signer))];
  const newest = commits[commits.length - 1];
  const known = [existing?.fingerprint, adopt, ...writer.adopted];
  if (newest !== undefined && !known.includes(newest.signer)) {
    throw new HoldfastError(
      'foreign-signer',
      `${store.label} already holds points of ${name} by the signer ${newest.signer}: if this host takes that one's place, run "holdfast init --adopt ${newest.signer}", else give the strategy another name`,
      { object: newest.name },
    );
  }
  const unknown = rejected.find(({ error }) => error.code === 'foreign-signer');
  if (newest === undefined && unknown !== undefined && adopt === undefined) throw unknown.error;
  if (adopt !== undefined && !signers.includes(adopt)) {
    throw new HoldfastError(
      'usage',
      `${store.label} holds no points of ${name} by ${adopt}: there is nothing to adopt${signers.length > 0 ? ` (its signers are ${signers.join(', ')})` : ''}`,
    );
  }
  const signer = existing ?? (await makeSigner(options));
  if (existing === undefined) await publish(store, names, signer);
  if (adopt !== undefined) {
    if (adopt !== signer.fingerprint) await writer.adopt(adopt);
    new IndexFiles(options.stateFolder).discard();
  }
  return {
    signer,
    isNew: existing === undefined,
    points: commits.length,
    signers,
    adopted: adopt !== undefined,
  };
}

async function existingSigner(file: string): Promise<Signer | undefined> {
  try {
    return await loadSigner(file);
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'not-initialised') return undefined;
    throw error;
  }
}

async function makeSigner({ name, signerFile, now }: InitOptions): Promise<Signer> {
  const made = await createSigner(name, now);
  await writeNew(signerFile, Buffer.from(made.secretArmored, 'utf8'), 0o600);
  return loadSigner(signerFile);
}

/** Puts the public key into the store where it is not there, or is not this one. */
async function publish(store: Store, names: StrategyNames, signer: Signer): Promise<void> {
  const bytes = Buffer.from(signer.publicArmored, 'utf8');
  const md5 = hash('md5', bytes);
  const object = names.key(signer.fingerprint);
  const found = await store.stat(object);
  const expected = { size: bytes.length, md5, sha256: hash('sha256', bytes) };
  if (found !== undefined && difference(found, expected) === undefined) return;
  await store.put(object, [bytes], { md5 });
}
