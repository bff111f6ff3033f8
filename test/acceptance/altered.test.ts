/** What lies below a new incremental must be what this host has signed: else the next set is a full, and people hear of it. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { jsonLines, Machine } from './program.ts';

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
