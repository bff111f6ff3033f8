/** A machine that was set back, cloned or replaced, and clocks that are wrong: noticed, said, and nothing is lost. */
import { cpSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Snapshot } from '../demo/snapshot.ts';
import { differences, record } from '../demo/snapshot.ts';
import { ended } from '../helpers/script.ts';
import { expectRefused, jsonLines, leavesAlone, Machine, noise, type Summary, until } from './program.ts';

/** Makes a point of a new state of the source, and notes what it must bring back. */
async function step(
  machine: Machine,
  points: Map<number, Snapshot>,
  text: string,
  code = 0,
): Promise<Summary> {
  machine.write('page', text);
  const summary = await machine.backup(code);
  points.set(summary.point.seq, machine.recordSource());
  return summary;
}

async function expectAll(machine: Machine, points: Map<number, Snapshot>): Promise<void> {
  expect((await machine.points()).map(({ seq, whole }) => [seq, whole])).toEqual(
    [...points.keys()].map((seq) => [seq, true]),
  );
  for (const [seq, state] of points) await machine.expectRestored(seq, state);
}

test('a state folder that was set back: 3, a new full, said; then incrementals with 0; every point restores', async () => {
  const machine = await Machine.make();
  const points = new Map<number, Snapshot>();
  machine.write('constant', noise(300_000, 1));
  await step(machine, points, 'one');
  await step(machine, points, 'two');
  cpSync(machine.state, join(machine.folder, 'image'), { recursive: true, preserveTimestamps: true });
  await step(machine, points, 'three');
  rmSync(machine.state, { recursive: true });
  renameSync(join(machine.folder, 'image'), machine.state);

  machine.write('page', 'four');
  const { code, stdout, stderr } = await machine.run('backup', '--json');
  expect(code).toBe(3);
  expect(stderr).toMatch(
    /^holdfast: warning: the store already holds point 3, the index of this host ends at 2: .*set back.*new chain is begun[^\n]*\n$/,
  );
  const lines = jsonLines(stdout);
  expect(lines.at(-1)).toMatchObject({
    point: { seq: 4, type: 'full' },
    reason: expect.stringMatching(/already holds point 3/),
  });
  expect(lines).toContainEqual({ event: 'warning', message: expect.stringMatching(/already holds point 3/) });
  points.set(4, machine.recordSource());

  expect(await step(machine, points, 'five')).toMatchObject({ point: { seq: 5, type: 'incremental' } });
  await expectAll(machine, points);
});

test('a state folder that was lost: a full that says why, and goes on with incrementals', async () => {
  const machine = await Machine.make();
  const points = new Map<number, Snapshot>();
  await step(machine, points, 'one');
  rmSync(machine.state, { recursive: true });
  expect(await step(machine, points, 'two')).toMatchObject({
    point: { seq: 2, type: 'full' },
    reason: 'this host has no index of the points in the store',
  });
  expect(await step(machine, points, 'three')).toMatchObject({ point: { type: 'incremental' } });
  await expectAll(machine, points);
});

test('a clone that backs up too: it ends with 3, the first with 1, until one of them adopts', async () => {
  const machine = await Machine.make();
  const points = new Map<number, Snapshot>();
  await step(machine, points, 'one');
  cpSync(machine.state, join(machine.folder, 'clone'), { recursive: true, preserveTimestamps: true });
  const clone = { env: { HOLDFAST_STATE_DIR: join(machine.folder, 'clone') } };
  await step(machine, points, 'two, by the first');

  machine.write('page', 'three, by the clone');
  const second = await machine.runAs(clone, 'backup');
  expect(second.code).toBe(3);
  expect(second.stderr).toMatch(
    /^holdfast: warning: the store already holds point 2, .*another one writes here.*\n$/,
  );
  points.set(3, machine.recordSource());

  machine.write('page', 'by the first, which is refused');
  const refused = await leavesAlone(machine.store, () => machine.run('backup'));
  expectRefused(
    refused,
    1,
    /two hosts write here: another one, or this one with another state folder .* took over at point 3 .*run "holdfast init --adopt [0-9A-F]{40}"/,
  );
  // It stays so: they do not take turns.
  expectRefused(await machine.run('backup'), 1, /two hosts write here/);
  machine.write('page', 'four, by the clone');
  expect((await machine.runAs(clone, 'backup')).code).toBe(0);
  points.set(4, machine.recordSource());
  expectRefused(await machine.run('backup'), 1, /two hosts write here/);

  // The way out that the message names.
  const adopt = /"holdfast (init --adopt [0-9A-F]{40})"/.exec(refused.stderr)?.[1] ?? '';
  await machine.well(...adopt.split(' '));
  expect(await step(machine, points, 'five, by the first')).toMatchObject({
    point: { seq: 5, type: 'full' },
  });
  expect(await step(machine, points, 'six, by the first')).toMatchObject({ point: { type: 'incremental' } });
  expectRefused(
    await machine.runAs(clone, 'backup'),
    1,
    /two hosts write here: another one, or this one .* took over at point 5/,
  );
  await expectAll(machine, points);
});

test('two machines at the same moment: one makes the point, the other ends with 1 and commits nothing', async () => {
  const machine = await Machine.make({ more: { volume: { size: '256KiB', compression: 19 } } });
  const points = new Map<number, Snapshot>();
  await step(machine, points, 'one');
  cpSync(machine.state, join(machine.folder, 'clone'), { recursive: true, preserveTimestamps: true });
  machine.write('large', noise(5_000_000, 3));
  const slow = machine.start(['backup'], { env: { HOLDFAST_STATE_DIR: join(machine.folder, 'clone') } });
  const result = ended(slow);
  try {
    await until(() => machine.sets().length > 1);
    slow.kill('SIGSTOP');
    await step(machine, points, 'two');
  } finally {
    slow.kill('SIGCONT');
  }
  expectRefused(
    await result,
    1,
    /another run has committed point 2 of town meanwhile: nothing was committed here/,
  );
  await expectAll(machine, points);
});

test('a machine that is replaced: refused with 2, adopted, and the old points stay restorable', async () => {
  const machine = await Machine.make();
  const points = new Map<number, Snapshot>();
  const old = (await machine.well('init')).trim();
  await step(machine, points, 'one');
  await step(machine, points, 'two');
  rmSync(machine.state, { recursive: true });
  rmSync(join(machine.folder, 'town.signer.asc'));

  const stranger = 'A'.repeat(40);
  await leavesAlone(machine.store, async () => {
    expectRefused(await machine.run('backup'), 2, /run "?holdfast init/);
    expectRefused(
      await machine.run('init'),
      2,
      new RegExp(`already holds points of town by the signer ${old}: .*"holdfast init --adopt ${old}"`),
    );
    expectRefused(
      await machine.run('init', '--adopt', stranger),
      2,
      /already holds points of town by|holds no points of town by A{40}/,
    );
  });
  const fresh = (await machine.well('init', '--adopt', old, '--card', 'card.txt')).trim();
  expect(fresh).toMatch(/^[0-9A-F]{40}$/);
  expect(fresh).not.toBe(old);
  const card = readFileSync(join(machine.folder, 'card.txt'), 'utf8');
  for (const fingerprint of [old, fresh]) expect(card).toContain(fingerprint);
  expect((await machine.well('init')).trim()).toBe(fresh);

  expect(await step(machine, points, 'three')).toMatchObject({ point: { seq: 3, type: 'full' } });
  expect(await step(machine, points, 'four')).toMatchObject({ point: { seq: 4, type: 'incremental' } });
  for (const [seq, state] of points) {
    const to = await machine.restore(seq, '--signer', old, fresh);
    expect(differences(state, record(join(to, machine.source))), `point ${seq}`).toEqual([]);
  }
  // Whoever pins the new signer alone gets its points, and no others.
  const newest = await machine.restore('latest', '--signer', fresh);
  expect(readFileSync(join(newest, machine.at('page')), 'utf8')).toBe('four');
  const restore = [
    'restore',
    '--signer',
    fresh,
    '--secret-key',
    machine.secretKey,
    '--at',
    '2',
    '--to',
    'none',
  ];
  const { code, stderr } = await machine.run(...restore);
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(
    new RegExp(
      `\\nholdfast: .*commits/0000000002-.*made by the key ${old}, which is not trusted.*--at 3\\n$`,
    ),
  );
});

test('recipients that changed make the next set a full, which says why; who was added opens it', async () => {
  const machine = await Machine.make();
  await machine.well(
    'keygen',
    '--name',
    'escrow',
    '--email',
    'escrow@example.invalid',
    '--out',
    'escrow',
    '--no-passphrase',
  );
  machine.write('page', 'one');
  await machine.backup();
  machine.writeStrategy({ recipients: [machine.publicKey, 'escrow/public.asc'] });
  expect(await machine.backup()).toMatchObject({
    point: { seq: 2, type: 'full' },
    reason: expect.stringMatching(/recipients have changed/),
  });
  expect(await machine.backup()).toMatchObject({ point: { type: 'incremental' } });
  const escrow = ['--secret-key', join(machine.folder, 'escrow/secret.asc')];
  await machine.well('restore', ...escrow, '--to', 'back');
  expect(differences(machine.recordSource(), record(join(machine.folder, 'back', machine.source)))).toEqual(
    [],
  );
  expectRefused(
    await machine.run(
      'restore',
      '--signer',
      (await machine.well('init')).trim(),
      ...escrow,
      '--at',
      '1',
      '--to',
      'back-1',
    ),
    12,
    /cannot open point 1, which is encrypted for/,
  );
});

test('something that the chain needs is gone from the store: a full, 3, and it is named', async () => {
  const machine = await Machine.make();
  machine.write('page', noise(100_000, 9));
  await machine.backup();
  const [set = ''] = machine.sets();
  rmSync(join(machine.store, 'town/sets', set, 'vol-000001.tar.zst.pgp'));
  const { code, stdout, stderr } = await machine.run('backup', '--json');
  expect(code).toBe(3);
  expect(stderr).toContain(`${set}/vol-000001.tar.zst.pgp is gone from the store`);
  expect(jsonLines(stdout).at(-1)).toMatchObject({
    point: { seq: 2, type: 'full' },
    reason: expect.stringMatching(/the chain needs .*vol-000001/),
  });
  expect((await machine.points()).map(({ whole }) => whole)).toEqual([false, true]);
  await machine.expectRestored(2, machine.recordSource());
  const { code: verified, stdout: found } = await machine.run('verify');
  expect(verified).toBe(4);
  expect(found).toMatch(/damage: .*vol-000001.*harms point 1/);
});

test('a clock a year ahead, and back: every point stays good, and order is by number', async () => {
  const machine = await Machine.make();
  const points = new Map<number, Snapshot>();
  await step(machine, points, 'one');
  const year = { clockAhead: 366 * 86_400_000 };
  for (const text of ['two, a year ahead', 'three, a year ahead']) {
    machine.write('page', text);
    const { code, stdout, stderr } = await machine.runAs(year, 'backup', '--json');
    expect(code, stderr).toBe(0);
    const summary = jsonLines(stdout).at(-1) as unknown as Summary;
    expect(new Date(summary.point.time).getTime()).toBeGreaterThan(Date.now() + 360 * 86_400_000);
    points.set(summary.point.seq, machine.recordSource());
  }
  await step(machine, points, 'four, the clock set back');
  await step(machine, points, 'five');
  await expectAll(machine, points);
  const latest = await machine.restore('latest');
  expect(readFileSync(join(latest, machine.at('page')), 'utf8')).toBe('five');
  expect((await machine.run('verify', '--secret-key', machine.secretKey)).code).toBe(0);
});
