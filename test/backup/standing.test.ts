import { beforeAll, describe, expect, test } from 'vitest';
import {
  compareWithStore,
  readStoreState,
  type Standing,
  type StoreState,
} from '../../src/backup/standing.ts';
import type { StoredCommit } from '../../src/chain/commits.ts';
import { readVerifier } from '../../src/crypto/check.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { Commit } from '../../src/format/commit.ts';
import { INDEX_VERSION, type IndexHeader } from '../../src/index/header.ts';
import { faultyStore } from '../helpers/faulty-store.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeKeys, type QuickKeys, QuickStore } from '../helpers/quick-store.ts';

let keys: QuickKeys;

beforeAll(async () => {
  keys = await makeKeys();
});

const WRITER = 'a'.repeat(32);
const OTHER = 'c'.repeat(32);

/** A store whose sets are made by hand, and what one host's index says. */
class Scene {
  readonly store = new MemoryStore();
  readonly quick = new QuickStore(this.store, keys);
  readonly names = this.quick.names;

  /** Adds a set with these words in its commit. */
  add(
    seq: number,
    parent: StoredCommit | undefined,
    words: Partial<Commit> = {},
    signer = keys.signer,
  ): Promise<StoredCommit> {
    const change = (commit: Commit) => void Object.assign(commit, { writer: WRITER, ...words });
    return this.quick.add({ seq, change, signer, ...(parent === undefined ? {} : { parent }) });
  }

  /** A chain of `count` sets by this host. */
  async chain(count: number): Promise<StoredCommit[]> {
    const sets: StoredCommit[] = [];
    for (let seq = 1; seq <= count; seq++) sets.push(await this.add(seq, sets.at(-1)));
    return sets;
  }

  async state(
    index?: StoredCommit,
    store = this.store as Parameters<typeof readStoreState>[0],
  ): Promise<StoreState> {
    const own = index && { seq: index.commit.seq, id: index.commit.id };
    return readStoreState(store, this.names, await readVerifier(keys.signer.publicArmored), [], own);
  }

  async standing(index?: StoredCommit, store?: Parameters<typeof readStoreState>[0]): Promise<Standing> {
    return compareWithStore(index === undefined ? 'absent' : header(index), await this.state(index, store));
  }

  remove(set: StoredCommit): void {
    this.store.objects.delete(set.name);
    this.store.objects.delete(`${set.name}.asc`);
  }
}

/** An index that ends at a set. */
function header({ commit, commitSha256 }: StoredCommit): IndexHeader {
  const { seq, id, time } = commit;
  return {
    version: INDEX_VERSION,
    cutter: 1,
    strategy: 'town',
    signer: keys.signer.fingerprint,
    writer: WRITER,
    recipients: [keys.recipient],
    sets: [{ seq, id, commitSha256, time, volumes: [], manifests: [1] }],
    entries: { file: `entries-${id}`, sha256: '0'.repeat(64), live: 1 },
    logs: { base: `chain-${id}`, segments: 0, extents: 0, blocks: 0, blockSecret: 'b5'.repeat(32) },
  };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error) => (error instanceof HoldfastError ? error.code : String(error)),
  );
}

describe('a host and its store', () => {
  test('begin together: the first backup', async () => {
    expect(await new Scene().standing()).toEqual({
      kind: 'none',
      reason: 'this is the first backup',
      newWriter: true,
    });
  });

  test('are at the same point: the index is current', async () => {
    const scene = new Scene();
    const [, , third] = await scene.chain(3);
    expect(await scene.standing(third)).toMatchObject({ kind: 'current', index: { writer: WRITER } });
    // Of the commits only the newest is fetched.
    expect(scene.store.fetched.filter((name) => name.endsWith('.json'))).toEqual([third?.name]);
  });

  test('may have lost the index: a new chain under a new writer', async () => {
    const scene = new Scene();
    const [, second] = await scene.chain(2);
    expect(await scene.standing()).toMatchObject({
      kind: 'none',
      newWriter: true,
      reason: expect.stringContaining('no index'),
    });
    const state = await scene.state();
    expect(state.seq).toBe(2);
    expect(state.newest.map(({ name }) => name)).toEqual([second?.name]);
    const corrupt = compareWithStore({ unusable: 'it is corrupt' }, state);
    expect(corrupt).toMatchObject({
      kind: 'none',
      newWriter: true,
      warning: expect.stringContaining('it is corrupt'),
    });
  });

  test('are apart when the store is ahead: this machine was set back, or another one writes', async () => {
    const scene = new Scene();
    const [, second, , fourth] = await scene.chain(4);
    const standing = await scene.standing(second);
    expect(standing).toMatchObject({ kind: 'overtaken', warning: expect.stringContaining('point 4') });
    expect((await scene.state(second)).newest[0]?.name).toBe(fourth?.name);
  });

  test('are apart when another host took over: this one stops, until it is told otherwise', async () => {
    const scene = new Scene();
    const [, second, third] = await scene.chain(3);
    await scene.add(4, undefined, { writer: OTHER, succeeds: WRITER });
    // The host that was overtaken, and one that was set back further.
    for (const index of [third, second]) expect(await codeOf(scene.standing(index))).toBe('two-writers');
    const error = await scene.standing(third).catch((e: unknown) => e);
    expect((error as HoldfastError).message).toContain(`holdfast init --adopt ${keys.signer.fingerprint}`);
    // Also when the one that took over has gone on.
    await scene.add(5, undefined, { writer: OTHER });
    expect(await codeOf(scene.standing(third))).toBe('two-writers');
  });

  test('are apart when two hosts made a point of one number: both are valid, and a new chain is begun', async () => {
    const scene = new Scene();
    const [first] = await scene.chain(1);
    const mine = await scene.add(2, first);
    await scene.add(2, first);
    expect(await scene.standing(mine)).toMatchObject({
      kind: 'overtaken',
      reason: expect.stringContaining('two points 2'),
    });
  });

  test('are apart when the store holds another commit under the name of the newest', async () => {
    const scene = new Scene();
    const [first] = await scene.chain(1);
    const mine = await scene.add(2, first, { tool: 'one' });
    const replaced = structuredClone(mine.commit);
    await scene.quick.commit({ ...replaced, tool: 'two' });
    expect(await scene.standing(mine)).toMatchObject({
      kind: 'overtaken',
      reason: expect.stringContaining('not the one'),
    });
  });

  test('are apart when the store has lost the newest point: a new chain, by the same writer', async () => {
    const scene = new Scene();
    const [, second, third] = (await scene.chain(3)) as [StoredCommit, StoredCommit, StoredCommit];
    scene.remove(third);
    expect(await scene.standing(third)).toMatchObject({
      kind: 'none',
      newWriter: false,
      warning: expect.stringContaining('no longer holds point 3'),
    });
    scene.remove(second);
    for (const name of [...scene.store.objects.keys()])
      if (name.includes('/commits/')) scene.store.objects.delete(name);
    expect(await scene.standing(third)).toMatchObject({ kind: 'none', newWriter: false });
  });

  test('are not apart because a listing lags: the newest point is asked for by its name', async () => {
    const scene = new Scene();
    const [, , third] = (await scene.chain(3)) as [StoredCommit, StoredCommit, StoredCommit];
    const lagging = faultyStore(scene.store, { hidden: (name) => name.startsWith(third.name) });
    expect(await scene.standing(third, lagging)).toMatchObject({ kind: 'current' });
    const state = await scene.state(third, lagging);
    expect(state.seq).toBe(3);
    expect(state.names.has(`0000000003-${third.commit.id}`)).toBe(true);
  });

  test('are not apart because of what counts for nothing: commits that are altered, unsigned or by strangers, and foreign names', async () => {
    const scene = new Scene();
    const [, second] = await scene.chain(2);
    const stranger = await scene.add(3, second, {}, keys.stranger);
    const unsigned = await scene.add(4, second);
    scene.store.objects.delete(`${unsigned.name}.asc`);
    const altered = await scene.add(5, second);
    scene.store.objects.set(
      altered.name,
      Buffer.concat([scene.store.objects.get(altered.name) as Buffer, Buffer.from(' ')]),
    );
    await scene.quick.put(`${scene.names.commits}notes.txt`, 'x');
    await scene.quick.put(`${scene.names.commits}0000000009-${'e'.repeat(32)}.json.asc`, 'x');
    expect(await scene.standing(second)).toMatchObject({ kind: 'current' });
    const state = await scene.state(second);
    expect(state.seq).toBe(2);
    const rejected = state.rejected.map(({ code, object }) => `${code} ${object}`);
    expect(rejected).toEqual([
      `damage ${altered.name}`,
      `damage ${unsigned.name}`,
      `foreign-signer ${stranger.name}`,
    ]);
    expect(state.names.size).toBe(5);
  });

  test('end with the error of the store when that fails, whatever is asked of it', async () => {
    const scene = new Scene();
    const [, second] = await scene.chain(2);
    const counting = faultyStore(scene.store);
    await scene.standing(second, counting);
    expect(counting.count).toBeGreaterThan(3);
    for (let at = 1; at <= counting.count; at++) {
      expect(await codeOf(scene.standing(second, faultyStore(scene.store, { at }))), `operation ${at}`).toBe(
        'store',
      );
    }
  });
});
