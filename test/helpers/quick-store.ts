/** Makes sets quickly, with the program's own encoders and keys in memory; what they hold is up to the test. */
import { createHash, hash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as openpgp from 'openpgp';
import type { StoredCommit } from '../../src/chain/commits.ts';
import { generateKeyPair } from '../../src/crypto/keygen.ts';
import { parseRecipients, seal } from '../../src/crypto/seal.ts';
import { type ParsedSecretKey, parseSecretKey, unlockSecretKey } from '../../src/crypto/secret-key.ts';
import { createSigner, loadSigner, type Signer, sign } from '../../src/crypto/signer.ts';
import { baseOf, type Commit, type CommitObject } from '../../src/format/commit.ts';
import {
  encodeContents,
  encodeEntry,
  encodeGone,
  encodeHead,
  encodeSource,
} from '../../src/format/manifest.ts';
import { manifestName, StrategyNames, volumeName } from '../../src/format/names.ts';
import { compareNames, comparePaths } from '../../src/format/order.ts';
import { encodeXattrs, XATTRS_FEATURE } from '../../src/format/xattrs.ts';
import type { Entry, Extent, Gone } from '../../src/model.ts';
import type { Store } from '../../src/store/store.ts';
import { compressWhole } from './compress-whole.ts';
import { tar } from './handmade-set.ts';

const NOW = new Date('2026-11-22T03:00:00Z');

/** Keys of one test file: a signer, a stranger who signs too, and a recipient. */
export interface QuickKeys {
  signer: Signer;
  stranger: Signer;
  recipient: string;
  publicArmored: string;
  secretArmored: string;
  secret: ParsedSecretKey;
}

export async function makeKeys(): Promise<QuickKeys> {
  const pair = await generateKeyPair({
    name: 'it',
    email: 'it@example.org',
    passphrase: undefined,
    now: NOW,
  });
  const secret = await unlockSecretKey(Buffer.from(pair.secretArmored), 'secret', async () => undefined);
  return {
    signer: await makeSigner('host'),
    stranger: await makeSigner('stranger'),
    recipient: pair.fingerprint,
    publicArmored: pair.publicArmored,
    secretArmored: pair.secretArmored,
    secret: await parseSecretKey(secret),
  };
}

async function makeSigner(name: string): Promise<Signer> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
  try {
    const file = join(folder, 'signer.asc');
    await writeFile(file, (await createSigner(name, NOW)).secretArmored, { mode: 0o600 });
    return await loadSigner(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What a set is to hold. */
export interface SetPlan {
  seq: number;
  id?: string;
  /** Without it the set is a full. */
  parent?: StoredCommit;
  time?: string;
  /** Chunks of each volume. */
  volumes?: Buffer[][];
  /** In any order. */
  entries?: (Entry | Gone)[];
  depends?: Commit['depends'];
  /** Lines that a part has at most. */
  linesPerPart?: number;
  /** Changes what a manifest object holds: its text before compression, or its frame before sealing. */
  text?: (name: string, text: string) => string | Buffer;
  frame?: (name: string, frame: Buffer) => Buffer;
  /** Changes the commit before it is encoded and signed. */
  change?: (commit: Commit) => void;
  signer?: Signer;
}

/** A strategy in a store, written to by hand. */
export class QuickStore {
  readonly store: Store;
  readonly keys: QuickKeys;
  readonly names: StrategyNames;

  constructor(store: Store, keys: QuickKeys, strategy = 'town') {
    this.store = store;
    this.keys = keys;
    this.names = new StrategyNames(strategy);
  }

  async put(name: string, bytes: Uint8Array | string): Promise<void> {
    const body = Buffer.from(bytes as Uint8Array);
    await this.store.put(name, [body], { md5: createHash('md5').update(body).digest('hex') });
  }

  async putKey(signer: Signer = this.keys.signer): Promise<void> {
    await this.put(this.names.key(signer.fingerprint), signer.publicArmored);
  }

  /** Stores a whole set, and its signer's key. */
  async add(plan: SetPlan): Promise<StoredCommit> {
    const id = plan.id ?? randomBytes(16).toString('hex');
    const { seq } = plan;
    const objects: CommitObject[] = [];
    const store = async (name: string, content: Buffer) => {
      const compressed = compressWhole(content, 3);
      const frame = plan.frame?.(name, compressed) ?? compressed;
      const sealed = await this.seal(frame);
      await this.put(this.names.object({ seq, id }, name), sealed);
      const md5 = createHash('md5').update(sealed).digest('hex');
      const sha256 = hash('sha256', sealed, 'hex');
      objects.push({ name, size: sealed.length, plainSize: content.length, md5, sha256 });
    };
    for (const [i, chunks] of (plan.volumes ?? []).entries()) {
      await store(volumeName(i + 1), tar(chunks.map((bytes) => ({ bytes }))));
    }
    const { parts, listed } = cutLines(plan.entries ?? [], plan.linesPerPart ?? 1000);
    const contents = encodeContents({
      strategy: this.names.root,
      seq,
      id,
      sources: [{ name: 'www', paths: ['/srv'] }],
      parts: parts.map(({ source, path, lines }) => ({ source, path, lines: lines.length })),
    });
    const change = (name: string, text: string) => Buffer.from(plan.text?.(name, text) ?? text);
    await store(manifestName(0), change(manifestName(0), contents.toString()));
    for (const [i, { lines }] of parts.entries()) {
      await store(manifestName(i + 1), change(manifestName(i + 1), lines.join('')));
    }
    const commit = makeCommit({
      ...plan,
      id,
      listed,
      objects,
      strategy: this.names.root,
      recipient: this.keys.recipient,
    });
    if ((plan.entries ?? []).some((e) => e.type !== 'gone' && (e.xattrs !== undefined || e.partial))) {
      commit.features.push(XATTRS_FEATURE);
      commit.incomplete.partial = 0;
    }
    plan.change?.(commit);
    return this.commit(commit, plan.signer);
  }

  /** Signs and stores a commit under the name of its set. */
  async commit(commit: Commit, signer: Signer = this.keys.signer): Promise<StoredCommit> {
    await this.putKey(signer);
    const bytes = Buffer.from(`${JSON.stringify(commit)}\n`);
    await this.put(this.names.signature(commit), await sign(bytes, signer, NOW));
    await this.put(this.names.commit(commit), bytes);
    return stored(commit, this.names, signer.fingerprint);
  }

  async seal(plain: Uint8Array): Promise<Buffer> {
    const key = await openpgp.readKey({ armoredKey: this.keys.publicArmored });
    const pieces: Uint8Array[] = [];
    for await (const p of seal([plain], await parseRecipients([key.write()]), NOW)) pieces.push(p);
    return Buffer.concat(pieces);
  }
}

/** A commit as loadCommits would give it. */
export function stored(commit: Commit, names: StrategyNames, signer = 'F'.repeat(40)): StoredCommit {
  const bytes = Buffer.from(`${JSON.stringify(commit)}\n`);
  return {
    name: names.commit(commit),
    commit,
    commitSha256: hash('sha256', bytes, 'hex'),
    signer,
    signed: NOW,
  };
}

/** A commit of nothing but what is given. */
export function makeCommit(
  plan: Pick<SetPlan, 'seq' | 'parent' | 'depends' | 'time'> & {
    id: string;
    listed?: number;
    objects?: CommitObject[];
    strategy?: string;
    recipient?: string;
  },
): Commit {
  const { parent } = plan;
  const ordinal = parent === undefined ? 0 : parent.commit.ordinal + 1;
  const zeros = '0'.repeat(64);
  return {
    format: 'holdfast-commit',
    version: 1,
    features: [],
    strategy: plan.strategy ?? 'town',
    seq: plan.seq,
    id: plan.id,
    type: parent === undefined ? 'full' : 'incremental',
    ordinal,
    base: baseOf(ordinal),
    parent: parent === undefined ? null : referenceTo(parent),
    previous: null,
    writer: 'b'.repeat(32),
    succeeds: null,
    time: plan.time ?? new Date(NOW.getTime() + plan.seq * 60_000).toISOString(),
    finished: plan.time ?? new Date(NOW.getTime() + plan.seq * 60_000 + 1000).toISOString(),
    tool: 'test',
    recipients: [plan.recipient ?? 'F'.repeat(40)],
    objects: plan.objects ?? [
      { name: manifestName(0), size: 1, plainSize: 1, md5: zeros.slice(32), sha256: zeros },
    ],
    depends: plan.depends ?? [],
    counts: { entries: plan.listed ?? 0, files: 0, bytes: 0, listed: plan.listed ?? 0 },
    incomplete: { carried: 0, torn: 0, unreadable: 0 },
  };
}

export function referenceTo({ commit, commitSha256 }: StoredCommit): NonNullable<Commit['parent']> {
  return { seq: commit.seq, id: commit.id, commitSha256 };
}

/** The lines of entries in order, cut into parts as a writer may. */
export function cutLines(
  entries: readonly (Entry | Gone)[],
  linesPerPart: number,
): { parts: { source: string; path: string; lines: string[] }[]; listed: number } {
  const sorted = [...entries].sort(
    (a, b) => compareNames(a.source, b.source) || comparePaths(a.path, b.path),
  );
  const parts: { source: string; path: string; lines: string[] }[] = [];
  let inForce = '';
  for (const entry of sorted) {
    const { source, path } = entry;
    let part = parts.at(-1);
    if (part !== undefined && inForce !== source) part.lines.push(encodeSource(source));
    inForce = source;
    for (const line of linesOf(entry)) {
      if (part === undefined || part.lines.length >= linesPerPart) {
        part = { source, path, lines: [encodeSource(source)] };
        parts.push(part);
      }
      part.lines.push(line);
    }
  }
  return { parts, listed: sorted.length };
}

function linesOf(entry: Entry | Gone): Iterable<string> {
  if (entry.type === 'gone') return [encodeGone(entry.path, entry.since)];
  return encodeEntry(
    entry.path,
    entry.since,
    encodeHead(entry),
    encodeXattrs(entry.xattrs ?? []),
    entry.extents,
  );
}

/** A file; without content an empty one. */
export function file(path: string, since: number, extents: Extent[] = [], more: Partial<Entry> = {}): Entry {
  const size = extents.reduce((n, e) => n + e.length, 0);
  return {
    source: 'www',
    path,
    since,
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeNs: 1_700_000_000_123_456_789n,
    size,
    sha256: hash('sha256', '', 'hex'),
    extents,
    ...more,
  };
}

export function folder(path: string, since: number, more: Partial<Entry> = {}): Entry {
  const { sha256: _none, ...entry } = file(path, since);
  return { ...entry, type: 'dir', mode: 0o755, ...more };
}

export function gone(path: string, since: number, source = 'www'): Gone {
  return { source, path, since, type: 'gone' };
}
