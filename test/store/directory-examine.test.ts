/** What `holdfast doctor` says of a store in a folder, and that it leaves nothing there. */
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { examineDirectory } from '../../src/store/directory-examine.ts';
import type { Examination } from '../../src/store/examination.ts';
import { collect, examination, expectFinding, subjects } from '../doctor/findings.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

async function examine(directory: string, more: Partial<Examination> = {}, prefix = '') {
  return collect(examineDirectory({ kind: 'directory', directory, prefix }, examination(more)));
}

/** A folder of mode 0700 for the store, in one that is removed. */
async function storeFolder(): Promise<string> {
  const store = join(await temporaryFolder(), 'store');
  mkdirSync(store, { mode: 0o700 });
  return store;
}

test('a good folder: nothing is wrong, and nothing is left there', async () => {
  const store = await storeFolder();
  const found = await examine(store, {}, 'web01');
  expect(subjects(found, 'bad')).toEqual([]);
  expectFinding(found, 'folder', 'good', /mode 0700: only \S+ may write/);
  expectFinding(found, 'space', 'good', /are free/);
  expectFinding(found, 'permissions', 'good', /stored, read back, listed and removed/);
  expect(readdirSync(store).filter((name) => name !== 'web01')).toEqual([]);
  expect(existsSync(join(store, 'web01/town'))).toBe(false);
});

test('a folder that is not there is named, and not made', async () => {
  const store = join(await temporaryFolder(), 'store');
  const found = await examine(store);
  expectFinding(found, 'folder', 'bad', /is not there; mount it, or create it if it is to be a new store/);
  expectFinding(found, 'skipped', 'note', /permissions/);
  expect(existsSync(store)).toBe(false);
});

test('who else may write or read there is told', async () => {
  const store = await storeFolder();
  for (const [mode, state, says] of [
    [0o777, 'warning', /every user of this machine may put files there.*chmod o-w/],
    [0o770, 'note', /may delete backups/],
    [0o755, 'note', /every user of this machine may list it/],
  ] as const) {
    chmodSync(store, mode);
    expectFinding(await examine(store), 'folder', state, says);
  }
});

test('a store on the disk of its sources is warned about', async () => {
  const store = await storeFolder();
  expectFinding(await examine(store, { sources: [join(store, '..')] }), 'disk', 'warning', /one broken disk/);
  expectFinding(await examine(store, { sources: ['/proc'] }), 'disk', 'good', /another file system/);
});

test('too little room for a volume is bad', async () => {
  const store = await storeFolder();
  expectFinding(await examine(store, { volumeSize: 2 ** 60 }), 'space', 'bad', /free some/);
});

test('read-only writes nothing, and says what it did not try', async () => {
  const store = await storeFolder();
  expectFinding(await examine(store, { readOnly: true }), 'read', 'note', /holds nothing of town.*not tried/);
  expect(readdirSync(store)).toEqual([]);
  mkdirSync(join(store, 'town/commits'), { recursive: true });
  writeFileSync(join(store, 'town/commits/x'), 'x');
  expectFinding(await examine(store, { readOnly: true }), 'read', 'good', /listed and read.*not tried/);
  expect(readdirSync(join(store, 'town'))).toEqual(['commits']);
});

test('what cannot be written to is bad for a backup, and no matter for a restore', async () => {
  const store = await storeFolder();
  // A file where the folder of the strategy must be: also for root.
  writeFileSync(join(store, 'town'), '');
  expectFinding(await examine(store), 'write', 'bad', /town/);
  expectFinding(await examine(store, { task: 'restore' }), 'write', 'note', /a restore does not need it/);
});

test('the newest point of this host is looked for in the store', async () => {
  const store = await storeFolder();
  const expected = 'town/commits/0000000001-x.json';
  expectFinding(await examine(store, { expected }), 'newest point', 'bad', /is this the right store/);
  mkdirSync(join(store, 'town/commits'), { recursive: true });
  writeFileSync(join(store, expected), '{}');
  expectFinding(await examine(store, { expected }), 'newest point', 'good', /is in the store/);
});

test('points that are newer than the newest one of this host are bad', async () => {
  const store = await storeFolder();
  const commit = (seq: number, id: string) =>
    `town/commits/${String(seq).padStart(10, '0')}-${id.repeat(32)}.json`;
  mkdirSync(join(store, 'town/commits'), { recursive: true });
  for (const name of [commit(1, 'a'), commit(2, 'b')]) writeFileSync(join(store, name), '{}');
  writeFileSync(join(store, 'town/commits/9999999999-x.json'), '{}');
  const expected = commit(2, 'b');
  const findings = async () =>
    (await examine(store, { expected })).filter(({ subject }) => subject === 'newest point');
  expect(await findings()).toMatchObject([{ state: 'good' }]);
  writeFileSync(join(store, commit(4, 'c')), '{}');
  expect(await findings()).toMatchObject([
    { state: 'good' },
    {
      state: 'bad',
      what: expect.stringContaining('point 4'),
      advice: expect.stringContaining('state folder'),
    },
  ]);
});

test('who restores is told of a store without points of that name', async () => {
  const store = await storeFolder();
  const restoring = { task: 'restore' } as const;
  expectFinding(await examine(store, restoring), 'points', 'warning', /none of a strategy named town/);
  mkdirSync(join(store, 'town/commits'), { recursive: true });
  writeFileSync(join(store, 'town/commits/x'), '{}');
  const found = await examine(store, restoring);
  expect(found.filter(({ subject }) => subject === 'points')).toEqual([]);
});

test('probes of runs that were ended are told', async () => {
  const store = await storeFolder();
  mkdirSync(join(store, 'town/.doctor'), { recursive: true });
  writeFileSync(join(store, 'town/.doctor/old'), 'x');
  expectFinding(await examine(store), 'probes', 'note', /1 probe object of other runs/);
});
