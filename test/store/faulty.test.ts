import { describe, expect, test } from 'vitest';
import { directoryStore } from '../../src/store/directory.ts';
import { type Faults, type FaultyStore, faultyStore } from '../helpers/faulty-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { listed, put } from './contract.ts';

async function faulty(faults: Faults): Promise<{ store: FaultyStore; outcomes: string[] }> {
  const store = faultyStore(directoryStore(await temporaryFolder()), faults);
  const outcomes: string[] = [];
  for (const name of ['a/1', 'a/2', 'a/3']) {
    outcomes.push(
      await put(store, name, '0123').then(
        () => 'done',
        (error: Error) => error.message,
      ),
    );
  }
  return { store, outcomes: outcomes.map((o) => (o === 'done' ? o : 'failed')) };
}

/** What lies in the store, past the faults. */
async function inside(store: FaultyStore): Promise<string[]> {
  return (await listed(store, 'a/')).map(({ name, size }) => `${name} ${size}`);
}

describe('a store that fails on purpose', () => {
  test('without a fault it is the store within, and logs the operations in order', async () => {
    const { store, outcomes } = await faulty({});
    expect(outcomes).toEqual(['done', 'done', 'done']);
    await store.check();
    await store.stat('a/1');
    await store.get('a/1', 10);
    await store.remove(['a/2']);
    expect(await inside(store)).toEqual(['a/1 4', 'a/3 4']);
    const rest = ['check', 'stat a/1', 'get a/1', 'remove a/2', 'list a/'];
    expect(store.log).toEqual(['put a/1', 'put a/2', 'put a/3', ...rest]);
    expect(store.count).toBe(8);
  });

  test('it fails once, without doing anything', async () => {
    const { store, outcomes } = await faulty({ at: 2, mode: 'error-once' });
    expect(outcomes).toEqual(['done', 'failed', 'done']);
    expect(await inside(store)).toEqual(['a/1 4', 'a/3 4']);
  });

  test('it fails from there on', async () => {
    const { store, outcomes } = await faulty({ at: 2, mode: 'error-on' });
    expect(outcomes).toEqual(['done', 'failed', 'failed']);
    await expect(store.get('a/1', 10)).rejects.toMatchObject({ code: 'store' });
    await expect(listed(store, 'a/')).rejects.toMatchObject({ code: 'store' });
  });

  test('it tears a put: half of the bytes under the final name', async () => {
    const { store, outcomes } = await faulty({ at: 2, mode: 'torn' });
    expect(outcomes).toEqual(['done', 'failed', 'done']);
    expect(await inside(store)).toEqual(['a/1 4', 'a/2 2', 'a/3 4']);
  });

  test('it loses the answer to a put that was done', async () => {
    const { store, outcomes } = await faulty({ at: 2, mode: 'lost-answer' });
    expect(outcomes).toEqual(['done', 'failed', 'done']);
    expect(await inside(store)).toEqual(['a/1 4', 'a/2 4', 'a/3 4']);
  });

  test.each([
    ['kill', []],
    ['kill-after', ['a/1 4']],
  ] as const)('%s calls back, and nothing is done any more', async (mode, left) => {
    const root = await temporaryFolder();
    let killed = 0;
    const store = faultyStore(directoryStore(root), { at: 1, mode, kill: () => (killed += 1) });
    await expect(put(store, 'a/1', '0123')).rejects.toThrow();
    await expect(put(store, 'a/2', '0123')).rejects.toThrow();
    expect(killed).toBe(1);
    const objects = await listed(directoryStore(root), '');
    expect(objects.map(({ name, size }) => `${name} ${size}`)).toEqual(left);
  });

  test('it counts only the operations asked for, and rejects with the error asked for', async () => {
    const error = (operation: string, name: string) => new Error(`${operation}: ${name}`);
    const { store } = await faulty({ at: 1, counted: ['list'], error });
    await expect(listed(store, 'a/')).rejects.toThrow('list: a/');
    expect(await inside(store)).toHaveLength(3);
  });

  test('it hides objects from listings only', async () => {
    const { store } = await faulty({ hidden: (name) => name === 'a/2' });
    expect(await inside(store)).toEqual(['a/1 4', 'a/3 4']);
    expect(await store.stat('a/2')).toMatchObject({ size: 4 });
  });

  test('it shows ghosts in listings only, in their places, and admits that it may', async () => {
    const ghosts = [
      { name: 'a/10', size: 7 },
      { name: 'a/2', size: 9 },
      { name: 'b/1', size: 1 },
    ];
    const { store } = await faulty({ ghosts });
    expect(store.listingsMayLie).toBe(true);
    expect(await inside(store)).toEqual(['a/1 4', 'a/10 7', 'a/2 4', 'a/3 4']);
    expect(await store.stat('a/10')).toBeUndefined();
    expect(await store.stat('a/2')).toMatchObject({ size: 4 });
    expect((await faulty({})).store.listingsMayLie).toBe(false);
  });
});
