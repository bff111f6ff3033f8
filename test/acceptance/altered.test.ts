/** What lies below a new incremental must be what this host has signed: else the next set is a full, and people hear of it. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { jsonLines, Machine, noise } from './program.ts';

test('one digit of an older commit of the chain was changed: the next set is a full, 3, and it is named', async () => {
  const machine = await Machine.make();
  for (const text of ['one', 'two', 'three']) {
    machine.write('page', text);
    await machine.backup();
  }
  const first = `${machine.commits().find((name) => name.startsWith('0000000001-'))}.json`;
  const file = join(machine.store, 'town/commits', first);
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/"plainSize":(\d)/, (_, digit) => `"plainSize":${9 - Number(digit)}`),
  );
  const { code, stdout, stderr } = await machine.run('backup', '--json');
  expect(code, stderr).toBe(3);
  expect(stderr).toContain(`town/commits/${first}`);
  expect(jsonLines(stdout).at(-1)).toMatchObject({ point: { seq: 4, type: 'full' } });
  await machine.expectRestored(4, machine.recordSource());
});

test('an empty folder where the store should be mounted is not filled: said, 2, and nothing is written', async () => {
  const machine = await Machine.make();
  machine.write('page', 'one');
  await machine.backup();
  renameSync(machine.store, `${machine.store}.unmounted`);
  mkdirSync(machine.store);
  const { code, stderr } = await machine.run('backup');
  expect(code).toBe(2);
  expect(stderr).toMatch(/this host has made points up to 1: is the right store mounted there\?/);
});

test('a strategy that pins another signer than this host is not silent: 3', async () => {
  const machine = await Machine.make();
  machine.write('page', 'one');
  await machine.backup();
  machine.writeStrategy({ more: { signer: 'AB'.repeat(20) } });
  const { code, stderr } = await machine.run('backup');
  expect(code, stderr).toBe(3);
  expect(stderr).toMatch(/signer: in the strategy does not name this host's key [0-9A-F]{40}/);
});

test.each(['is lost', 'is damaged'])(
  'the public key of the host in the store %s: init puts it back',
  async (how) => {
    const machine = await Machine.make();
    machine.write('page', 'one');
    await machine.backup();
    const keys = join(machine.store, 'town/keys');
    const file = join(keys, readdirSync(keys)[0] ?? '');
    if (how === 'is lost') rmSync(file);
    else writeFileSync(file, readFileSync(file, 'latin1').replace(/[a-z]{4}/, 'AAAA'));
    const { code, stderr } = await machine.run('init');
    expect(code, stderr).toBe(0);
    machine.write('page', 'two');
    const { code: then, stderr: said } = await machine.run('backup');
    expect(then, said).toBe(0);
    expect((await machine.points()).map(({ seq, type }) => [seq, type])).toEqual([
      [1, 'full'],
      [2, 'incremental'],
    ]);
  },
);

test('four fifths of all files are deleted: the very next point fetches at most twice what it is worth', async () => {
  const machine = await Machine.make();
  for (let i = 0; i < 200; i++) machine.write(`f${i}`, noise(20_000, i));
  await machine.backup();
  for (let i = 0; i < 200; i++) if (i % 5 !== 0) rmSync(machine.at(`f${i}`));
  const { code, stdout, stderr } = await machine.run('backup', '--json');
  expect(code, stderr).toBe(3);
  expect(jsonLines(stdout).at(-1)).toMatchObject({ point: { seq: 2, type: 'incremental' } });
  const fetched = machine
    .sets()
    .slice(-1)
    .flatMap((set) => readdirSync(join(machine.store, 'town/sets', set)).map((name) => join(set, name)))
    .filter((name) => name.includes('vol-'))
    .reduce((sum, name) => sum + statSync(join(machine.store, 'town/sets', name)).size, 0);
  expect(fetched).toBeLessThan(2 * 40 * 20_000);
  const [, second] = machine.commits();
  const { depends } = JSON.parse(readFileSync(join(machine.store, 'town/commits', `${second}.json`), 'utf8'));
  expect(depends).toEqual([]);
  await machine.expectRestored(2, machine.recordSource());
});
