import { randomBytes } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadCommit, loadCommits, type StoredCommit } from '../../src/chain/commits.ts';
import { loadVerifiers } from '../../src/chain/verifiers.ts';
import { sign } from '../../src/crypto/signer.ts';
import { HoldfastError } from '../../src/errors.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeCommit, makeKeys, type QuickKeys, QuickStore } from '../helpers/quick-store.ts';

let keys: QuickKeys;
let store: MemoryStore;
let quick: QuickStore;
const KEYS = 'keys-in-store' as const;

beforeAll(async () => {
  keys = await makeKeys();
});

beforeEach(() => {
  store = new MemoryStore();
  quick = new QuickStore(store, keys);
});

function newCommit(seq: number, id = randomBytes(16).toString('hex')) {
  return makeCommit({ seq, id });
}

async function load(trust: Parameters<typeof loadCommits>[2] = KEYS) {
  return loadCommits(store, quick.names, trust);
}

/** The one commit that was refused, when no other was taken for good. */
async function refused(trust?: Parameters<typeof loadCommits>[2]): Promise<HoldfastError> {
  const { commits, rejected } = await load(trust);
  expect(commits).toEqual([]);
  expect(rejected).toHaveLength(1);
  expect(rejected[0]?.error.object).toBe(rejected[0]?.name);
  expect(rejected[0]?.error.message).toContain(rejected[0]?.name);
  return rejected[0]?.error as HoldfastError;
}

describe('good commits', () => {
  test('come by seq, however the listing orders them, with their digest and signer', async () => {
    const written = [];
    for (const seq of [30, 2, 100]) written.push(await quick.commit(newCommit(seq)));
    const { commits, rejected, trusted } = await load();
    expect(commits.map(({ commit }) => commit.seq)).toEqual([2, 30, 100]);
    expect(new Set(commits.map((c) => c.commitSha256))).toEqual(new Set(written.map((c) => c.commitSha256)));
    expect(commits.every(({ signer }) => signer === keys.signer.fingerprint)).toBe(true);
    expect(rejected).toEqual([]);
    expect(trusted).toEqual([{ fingerprint: keys.signer.fingerprint, pinned: false }]);
  });

  test('stay good when the clock of the signer ran a year ahead', async () => {
    const commit = newCommit(1);
    await quick.commit(commit);
    const ahead = new Date(Date.now() + 400 * 86_400_000);
    const bytes = Buffer.from(store.objects.get(quick.names.commit(commit)) as Buffer);
    await quick.put(quick.names.signature(commit), await sign(bytes, keys.signer, ahead));
    const { commits } = await load();
    expect(commits[0]?.signed?.getTime()).toBe(Math.floor(ahead.getTime() / 1000) * 1000);
  });

  test('are those of the pinned signers only, where signers are pinned', async () => {
    await quick.commit(newCommit(1));
    await quick.commit(newCommit(2), keys.stranger);
    const { commits, rejected, trusted } = await load({ pinned: [keys.stranger.fingerprint] });
    expect(commits.map(({ commit }) => commit.seq)).toEqual([2]);
    expect(rejected.map((r) => [r.seq, r.error.code])).toEqual([[1, 'foreign-signer']]);
    expect(trusted).toEqual([{ fingerprint: keys.stranger.fingerprint, pinned: true }]);
  });

  test('of other names, and what else lies there, are passed over', async () => {
    const good = await quick.commit(newCommit(1));
    await quick.put('town/commits/readme.txt', 'x');
    await quick.put('town/commits/00000000001-0123.json', 'x');
    await quick.put('town/keys/note.asc', 'x');
    await quick.put('town2/commits/0000000002-00000000000000000000000000000000.json', 'x');
    const { commits, rejected } = await load();
    expect(commits.map((c) => c.commitSha256)).toEqual([good.commitSha256]);
    expect(rejected).toEqual([]);
  });

  test('one by one can be loaded too, and what is not there is undefined', async () => {
    const good = await quick.commit(newCommit(1));
    const { verifiers } = await loadVerifiers(store, quick.names, KEYS);
    expect(await loadCommit(store, quick.names, good.commit, verifiers)).toMatchObject({
      commitSha256: good.commitSha256,
    });
    expect(await loadCommit(store, quick.names, { seq: 9, id: good.commit.id }, verifiers)).toBeUndefined();
  });
});

describe('a commit is no point', () => {
  test('when its signature is missing; a signature alone is what an interrupted run left', async () => {
    const { commit } = await quick.commit(newCommit(1));
    await store.remove([quick.names.signature(commit)]);
    expect(await refused()).toMatchObject({ code: 'damage' });
    await quick.commit(commit);
    await store.remove([quick.names.commit(commit)]);
    expect(await load()).toMatchObject({ commits: [], rejected: [] });
  });

  test('when one bit of it changed', async () => {
    const { commit } = await quick.commit(newCommit(1));
    const bytes = Buffer.from(store.objects.get(quick.names.commit(commit)) as Buffer);
    const at = bytes.indexOf('"tool":"test"') + 8;
    bytes[at] = (bytes[at] as number) ^ 1;
    await quick.put(quick.names.commit(commit), bytes);
    const error = await refused();
    expect(error.code).toBe('damage');
    expect(error.message).toContain('altered');
  });

  test('when it is signed anew by a key that is not trusted', async () => {
    const { commit } = await quick.commit(newCommit(1));
    const bytes = store.objects.get(quick.names.commit(commit)) as Buffer;
    await quick.put(quick.names.signature(commit), await sign(bytes, keys.stranger, new Date()));
    const error = await refused({ pinned: [keys.signer.fingerprint] });
    expect(error.code).toBe('foreign-signer');
    expect(error.message).toContain(keys.stranger.fingerprint.slice(-16));
  });

  test('when it lies under the name of another set, with its good signature', async () => {
    const { commit } = await quick.commit(newCommit(1));
    const other = { seq: 7, id: commit.id };
    await quick.put(quick.names.commit(other), store.objects.get(quick.names.commit(commit)) as Buffer);
    await quick.put(quick.names.signature(other), store.objects.get(quick.names.signature(commit)) as Buffer);
    const { commits, rejected } = await load();
    expect(commits).toHaveLength(1);
    expect(rejected.map((r) => [r.seq, r.error.code])).toEqual([[7, 'damage']]);
  });

  test('when it belongs to another strategy, with its good signature', async () => {
    const other = new QuickStore(store, keys, 'village');
    const { commit } = await other.commit({ ...newCommit(1), strategy: 'village' });
    await quick.putKey();
    await quick.put(quick.names.commit(commit), store.objects.get(other.names.commit(commit)) as Buffer);
    await quick.put(
      quick.names.signature(commit),
      store.objects.get(other.names.signature(commit)) as Buffer,
    );
    expect((await refused()).code).toBe('damage');
  });

  test.each([
    ['a newer version', { version: 2 }, 'format-version'],
    ['a feature that is not known', { features: ['checkpoint'] }, 'format-version'],
    ['an unknown key', { surprise: 1 }, 'damage'],
    [
      'a parent that is not older',
      { parent: { seq: 5, id: '0'.repeat(32), commitSha256: '0'.repeat(64) } },
      'damage',
    ],
  ])('when it is well signed and has %s', async (_what, change, code) => {
    await quick.commit({ ...newCommit(1), ...change } as never);
    expect((await refused()).code).toBe(code);
  });

  test('when its signature is no signature, or as large as a disk', async () => {
    const { commit } = await quick.commit(newCommit(1));
    await quick.put(quick.names.signature(commit), 'nothing of the kind');
    expect((await refused()).code).toBe('damage');
    await quick.put(quick.names.signature(commit), Buffer.alloc(100_000));
    const { rejected } = await load();
    expect(rejected[0]?.error.code).toBe('damage');
  });
});

describe('a chain of which only the needed signatures are checked', () => {
  /** Three commits, each the parent of the next, each by its own signer and writer. */
  async function chain(signers = [keys.signer, keys.signer, keys.signer], writers = ['a', 'a', 'a']) {
    const line: StoredCommit[] = [];
    for (const [i, signer] of signers.entries()) {
      const parent = line.at(-1);
      const commit = makeCommit({ seq: i + 1, id: `${i}`.repeat(32), ...(parent && { parent }) });
      commit.writer = (writers[i] as string).repeat(32);
      line.push(await quick.commit(commit, signer));
    }
    store.fetched.length = 0;
    return line;
  }
  const needed = (trust: Parameters<typeof loadCommits>[2] = KEYS) =>
    loadCommits(store, quick.names, trust, 'needed');
  const seqs = (list: { seq: number }[]) => list.map(({ seq }) => seq);

  test('the newest is signed, and vouches for the others: their signatures are not even fetched', async () => {
    const line = await chain();
    await store.remove([quick.names.signature({ seq: 1, id: '0'.repeat(32) })]);
    const { commits, rejected } = await needed();
    expect(commits.map(({ name, commitSha256, signer }) => [name, commitSha256, signer])).toEqual(
      line.map(({ name, commitSha256, signer }) => [name, commitSha256, signer]),
    );
    expect(rejected).toEqual([]);
    expect(store.fetched.filter((name) => name.includes('/commits/') && name.endsWith('.asc'))).toEqual([
      quick.names.signature({ seq: 3, id: '2'.repeat(32) }),
    ]);
    // Whoever looks at each signature misses it, and takes the commit all the same.
    const each = await load();
    expect(each.commits.map(({ commit, signed }) => [commit.seq, signed !== undefined])).toEqual([
      [1, false],
      [2, true],
      [3, true],
    ]);
    expect(each.rejected).toEqual([]);
    expect(each.faults).toMatchObject([
      { code: 'damage', object: quick.names.signature({ seq: 1, id: '0'.repeat(32) }) },
    ]);
  });

  test('a commit of which a bit changed is found all the same, and what came before it must be signed', async () => {
    const line = await chain();
    const name = line[1]?.name as string;
    const bytes = Buffer.from(store.objects.get(name) as Buffer);
    const at = bytes.indexOf('"tool":"test"') + 8;
    bytes[at] = (bytes[at] as number) ^ 1;
    await quick.put(name, bytes);
    await store.remove([quick.names.signature({ seq: 1, id: '0'.repeat(32) })]);
    const { commits, rejected } = await needed();
    expect(commits.map(({ commit }) => commit.seq)).toEqual([3]);
    expect(rejected.map(({ seq, error }) => [seq, error.code])).toEqual([
      [1, 'damage'],
      [2, 'damage'],
    ]);
  });

  test('a commit without a good signature vouches for nothing', async () => {
    await chain();
    for (const [seq, id] of [
      [2, '1'],
      [3, '2'],
    ] as const)
      await store.remove([quick.names.signature({ seq, id: id.repeat(32) })]);
    const { commits, rejected } = await needed();
    expect(commits.map(({ commit }) => commit.seq)).toEqual([1]);
    expect(seqs(rejected)).toEqual([2, 3]);
  });

  test.each(['each', 'needed'] as const)(
    'a commit that cannot be got, or is larger than any, is no point, and no reason to refuse others: %s',
    async (signatures) => {
      await chain();
      const failing = Object.create(store) as MemoryStore;
      failing.get = async (name, limit) => {
        if (name.startsWith('town/commits/0000000002') && name.endsWith('.json'))
          throw new HoldfastError('damage', `${name} is larger than any commit`, { object: name });
        return store.get(name, limit);
      };
      const { commits, rejected } = await loadCommits(failing, quick.names, KEYS, signatures);
      expect(commits.map(({ commit }) => commit.seq)).toEqual([1, 3]);
      expect(rejected.map(({ seq, error }) => [seq, error.code])).toEqual([[2, 'damage']]);
    },
  );

  test.each([1, 2])(
    'of two children of one commit, either vouches for it: child %i is right',
    async (right) => {
      const parent = await quick.commit(makeCommit({ seq: 1, id: '0'.repeat(32) }));
      for (const child of [1, 2]) {
        const commit = makeCommit({ seq: 1 + child, id: `${child}`.repeat(32), parent });
        if (child !== right && commit.parent !== null) commit.parent.commitSha256 = '1'.repeat(64);
        await quick.commit(commit);
      }
      await store.remove([quick.names.signature({ seq: 1, id: '0'.repeat(32) })]);
      const { commits, rejected } = await needed();
      expect(commits.map(({ commit }) => commit.seq)).toEqual([1, 2, 3]);
      expect(rejected).toEqual([]);
    },
  );

  test('a child of a newer version vouches for nothing', async () => {
    await chain([keys.signer], ['a']);
    const parent = (await load()).commits[0] as StoredCommit;
    await quick.commit({ ...makeCommit({ seq: 2, id: '1'.repeat(32), parent }), version: 2 } as never);
    await store.remove([quick.names.signature({ seq: 1, id: '0'.repeat(32) })]);
    const { rejected } = await needed();
    expect(rejected.map(({ seq, error }) => [seq, error.code])).toEqual([
      [1, 'damage'],
      [2, 'format-version'],
    ]);
  });

  test('fulls, for which nobody vouches, are asked for side by side', async () => {
    for (let seq = 1; seq <= 40; seq++) await quick.commit(newCommit(seq));
    let [now, most] = [0, 0];
    const slow = Object.create(store) as MemoryStore;
    slow.get = async (name, limit) => {
      const isSignature = name.includes('/commits/') && name.endsWith('.asc');
      if (isSignature) most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (isSignature) now--;
      return store.get(name, limit);
    };
    const { commits } = await loadCommits(slow, quick.names, KEYS, 'needed');
    expect(commits).toHaveLength(40);
    expect(most).toBeGreaterThan(4);
  });

  test('nobody vouches for the chain of another writer', async () => {
    await chain([keys.stranger, keys.signer, keys.signer], ['b', 'a', 'a']);
    const { commits, rejected } = await needed({ pinned: [keys.signer.fingerprint] });
    expect(commits.map(({ commit }) => commit.seq)).toEqual([2, 3]);
    expect(rejected.map(({ seq, error }) => [seq, error.code])).toEqual([[1, 'foreign-signer']]);
  });
});

describe('keys', () => {
  test('that are pinned and not in the store are an error that says so', async () => {
    await quick.commit(newCommit(1));
    const pinned = { pinned: ['A'.repeat(40)] };
    await expect(load(pinned)).rejects.toMatchObject({
      code: 'key',
      object: `town/keys/${'A'.repeat(40)}.asc`,
    });
  });

  test('under the name of another key vouch for nothing', async () => {
    await quick.commit(newCommit(1), keys.stranger);
    const name = quick.names.key(keys.signer.fingerprint);
    await quick.put(name, keys.stranger.publicArmored);
    await store.remove([quick.names.key(keys.stranger.fingerprint)]);
    await expect(load({ pinned: [keys.signer.fingerprint] })).rejects.toMatchObject({
      code: 'damage',
      object: name,
    });
    const { commits, faults, trusted } = await load();
    expect(commits).toEqual([]);
    expect(trusted).toEqual([]);
    expect(faults).toMatchObject([{ code: 'damage', object: name }]);
  });
});

test('a store that fails is no judgement on its commits', async () => {
  await quick.commit(newCommit(1));
  const failing = Object.create(store) as MemoryStore;
  failing.get = async (name, limit) => {
    if (name.endsWith('.json')) throw new HoldfastError('store', 'away');
    return store.get(name, limit);
  };
  await expect(loadCommits(failing, quick.names, KEYS)).rejects.toMatchObject({ code: 'store' });
});
