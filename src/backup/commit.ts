/** The commit of a set: made of what the run found and stored, and put into the store by the protocol of docs/format.md, section 7. */
import { createHash } from 'node:crypto';
import { type Signer, sign } from '../crypto/signer.ts';
import { HoldfastError } from '../errors.ts';
import {
  COMMIT_LIMIT,
  type Commit,
  type CommitObject,
  encodeCommit,
  SIGNATURE_LIMIT,
} from '../format/commit.ts';
import type { StrategyNames } from '../format/names.ts';
import type { IndexSet } from '../index/header.ts';
import type { Store } from '../store/store.ts';
import type { ProduceResult } from './produce.ts';

/** A commit as it will be stored. */
export interface PreparedCommit {
  commit: Commit;
  bytes: Buffer;
  /** Lower-case hex. */
  sha256: string;
}

/** Encodes a commit. */
export function prepareCommit(commit: Commit): PreparedCommit {
  const bytes = encodeCommit(commit);
  if (bytes.length > COMMIT_LIMIT) {
    throw new HoldfastError(
      'strategy',
      `the set has ${commit.objects.length} objects, more than a commit can list: choose a larger volume.size in the strategy`,
    );
  }
  return { commit, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** What of earlier sets a point needs, as the commit says it: `usage` counts bytes by set and volume. */
export function dependsOf(
  usage: ProduceResult['usage'],
  earlier: readonly { seq: number; id: string }[],
): Commit['depends'] {
  return earlier.flatMap(({ seq, id }) => {
    const volumes = usage.find((u) => u.seq === seq)?.volumes ?? [];
    return volumes.length === 0 ? [] : [{ seq, id, volumes: ranges(volumes.map(([volume]) => volume)) }];
  });
}

function ranges(ascending: readonly number[]): [number, number][] {
  const result: [number, number][] = [];
  for (const n of ascending) {
    const last = result[result.length - 1];
    if (last !== undefined && last[1] === n - 1) last[1] = n;
    else result.push([n, n]);
  }
  return result;
}

/** The sets of the chain as the next index knows them: what is used of the earlier ones, and the new one. */
export function chainAfter(
  earlier: readonly IndexSet[],
  usage: ProduceResult['usage'],
  made: { seq: number; id: string; commitSha256: string; time: string; objects: readonly CommitObject[] },
): IndexSet[] {
  const usedOf = (seq: number) => new Map(usage.find((u) => u.seq === seq)?.volumes);
  const sets = earlier.map((set) => {
    const used = usedOf(set.seq);
    return {
      ...set,
      volumes: set.volumes.map(([size, first], i): [number, number, number] => [
        size,
        first,
        used.get(i + 1) ?? 0,
      ]),
    };
  });
  const used = usedOf(made.seq);
  const { seq, id, commitSha256, time, objects } = made;
  const isVolume = ({ name }: CommitObject) => name.startsWith('vol-');
  return [
    ...sets,
    {
      seq,
      id,
      commitSha256,
      time,
      volumes: objects.filter(isVolume).map(({ size }, i): [number, number, number] => {
        const bytes = used.get(i + 1) ?? 0;
        return [size, bytes, bytes];
      }),
      manifests: objects.filter((o) => !isVolume(o)).map(({ size }) => size),
    },
  ];
}

/**
 * Signs and stores a commit: the signature first, the commit last of all; then reads both back. Throws errors of the store, `key` when the clock
 * is before the signer's, and `store` when what is read back differs.
 */
export async function storeCommit(
  store: Store,
  names: StrategyNames,
  prepared: PreparedCommit,
  signer: Signer,
  now: Date,
): Promise<void> {
  const signature = Buffer.from(await sign(prepared.bytes, signer, now), 'utf8');
  const signatureName = names.signature(prepared.commit);
  const commitName = names.commit(prepared.commit);
  await store.put(signatureName, [signature], { md5: md5(signature) });
  await store.put(commitName, [prepared.bytes], { md5: md5(prepared.bytes) });
  await Promise.all([
    readBack(store, signatureName, signature, SIGNATURE_LIMIT),
    readBack(store, commitName, prepared.bytes, COMMIT_LIMIT),
  ]);
}

async function readBack(store: Store, name: string, expected: Buffer, limit: number): Promise<void> {
  const found = await store.get(name, limit);
  if (found !== undefined && expected.equals(found)) return;
  throw new HoldfastError(
    'store',
    `${name} does not read back as it was stored in ${store.label}: the next run finds out whether the point exists; check the store`,
    { object: name },
  );
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
