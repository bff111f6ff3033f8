/** What cannot be read is not taken for deleted: it is named, its last version stays, and the run says so by its code. */
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differences, record } from '../demo/snapshot.ts';
import { jsonLines, lastLine, Machine, type RunOptions, type Summary } from './program.ts';

/** cron's user is often not root. */
const ORDINARY: RunOptions = { ordinary: true };

async function backup(machine: Machine, code: number): Promise<{ summary: Summary; stderr: string }> {
  const result = await machine.runAs(ORDINARY, 'backup', '--json');
  expect(result.code, result.stderr).toBe(code);
  return { summary: jsonLines(result.stdout).at(-1) as unknown as Summary, stderr: result.stderr };
}

test('an unreadable file: 3, named, its last version in the new point; readable again: 0', async () => {
  const machine = await Machine.make();
  machine.write('diary', 'first version');
  machine.write('other', 'other, first');
  await backup(machine, 0);

  machine.write('diary', 'second version, not readable');
  chmodSync(machine.at('diary'), 0o000);
  machine.write('other', 'other, second');
  const { summary, stderr } = await backup(machine, 3);
  expect(summary).toMatchObject({
    point: { seq: 2, type: 'incremental' },
    incomplete: [{ path: machine.at('diary'), kind: 'unreadable', error: 'EACCES', carried: true }],
  });
  expect(stderr).toBe(
    `holdfast: ${machine.at('diary')} cannot be read (EACCES); its last version stays in the point\n`,
  );
  const second = await machine.restoreEnding(3, 2);
  expect(readFileSync(join(second, machine.source, 'diary'), 'utf8')).toBe('first version');
  expect(statSync(join(second, machine.source, 'diary')).mode & 0o777).toBe(0o644);
  expect(readFileSync(join(second, machine.source, 'other'), 'utf8')).toBe('other, second');
  const archive = await machine.run('restore', '--tar', '--secret-key', machine.secretKey);
  expect(archive.code).toBe(3);
  expect(archive.stderr).toContain(`${machine.at('diary')} is an older version: it could not be read\n`);
  expect(await machine.well('ls', '--secret-key', machine.secretKey, '-l', machine.at('diary'))).toContain(
    'an older version: it could not be read',
  );

  // As long as it stays so, every run says it.
  expect((await backup(machine, 3)).summary.incomplete).toHaveLength(1);

  chmodSync(machine.at('diary'), 0o600);
  expect((await backup(machine, 0)).summary.incomplete).toEqual([]);
  await machine.expectRestored(4, machine.recordSource());
});

test('an unreadable folder: everything in it stays in the point, and it is named once', async () => {
  const machine = await Machine.make();
  mkdirSync(machine.at('box/inner'), { recursive: true });
  machine.write('box/inner/a', 'a');
  machine.write('box/b', 'b');
  machine.write('c', 'c');
  const before = machine.recordSource();
  await backup(machine, 0);
  chmodSync(machine.at('box'), 0o000);
  const { summary, stderr } = await backup(machine, 3);
  expect(summary.incomplete).toEqual([
    { path: machine.at('box'), kind: 'unreadable', error: 'EACCES', carried: true },
  ]);
  expect(stderr.split('\n')).toHaveLength(2);
  // That it is locked now is what the folder's own entry says.
  const to = await machine.restoreEnding(3, 2);
  expect(differences(before, record(join(to, machine.source)))).toEqual(['/box: mode is 0, was 493']);
  chmodSync(machine.at('box'), 0o755);
  await backup(machine, 0);
  await machine.expectRestored(3, machine.recordSource());
});

test('a new file that was never readable is named, and is not in the point; a full names it too', async () => {
  const machine = await Machine.make();
  machine.write('open', 'open');
  writeFileSync(machine.at('closed'), 'closed', { mode: 0o000 });
  const { summary, stderr } = await backup(machine, 3);
  expect(summary).toMatchObject({ point: { type: 'full' }, entries: 2 });
  expect(stderr).toBe(`holdfast: ${machine.at('closed')} cannot be read (EACCES); it is not in the point\n`);
  expect(await machine.well('ls', '--secret-key', machine.secretKey)).toBe(
    `${machine.source}\n${machine.at('open')}\n`,
  );
  const points = (await machine.points()) as unknown as { incomplete: unknown; whole: boolean }[];
  expect(points).toEqual([
    expect.objectContaining({ whole: true, incomplete: { carried: 0, torn: 0, unreadable: 1 } }),
  ]);
  // No entry of the point tells of it.
  const restore = ['restore', '--secret-key', machine.secretKey, '--json', '--to'];
  for (const more of [['all'], ['none', '--dry-run'], ['one', machine.at('open')]]) {
    const restored = await machine.run(...restore, ...more);
    expect(restored.code).toBe(0);
    expect(restored.stderr).toMatch(/When point 1 was made, 1 path could not be read, which is not in it/);
    expect(lastLine(restored.stdout)).toMatchObject({ unreadable: 1, incomplete: [] });
  }
});

test('a full holds nothing of an older set: what cannot be read is named as not in it, and stays in the points before', async () => {
  const machine = await Machine.make();
  machine.write('diary', 'first version');
  machine.write('other', 'other');
  const before = machine.recordSource();
  await backup(machine, 0);
  chmodSync(machine.at('diary'), 0o000);
  const { code, stderr } = await machine.runAs(ORDINARY, 'backup', '--type', 'full');
  expect([code, stderr]).toEqual([
    3,
    `holdfast: ${machine.at('diary')} cannot be read (EACCES); it is not in the point\n`,
  ]);
  await machine.expectRestored(1, before);
  chmodSync(machine.at('diary'), 0o644);
  await backup(machine, 0);
  await machine.expectRestored(3, machine.recordSource());
});

test('a full that is due waits for what cannot be read, whose last version stays in the point', async () => {
  const machine = await Machine.make({ more: { schedule: { full: '1m' } } });
  machine.write('diary', 'first version');
  machine.write('other', 'other');
  await backup(machine, 0);
  chmodSync(machine.at('diary'), 0o000);
  const due = { ...ORDINARY, clockAhead: 3_600_000 };
  const { code, stdout, stderr } = await machine.runAs(due, 'backup', '--json');
  expect([code, stderr]).toEqual([
    3,
    `holdfast: ${machine.at('diary')} cannot be read (EACCES); its last version stays in the point\n`,
  ]);
  expect(jsonLines(stdout).at(-1)).toMatchObject({
    point: { seq: 2, type: 'incremental' },
    reason: expect.stringMatching(/but it waits until/),
  });
  const to = await machine.restoreEnding(3, 2);
  expect(readFileSync(join(to, machine.source, 'diary'), 'utf8')).toBe('first version');
  expect(machine.sets()).toEqual(machine.commits());
  chmodSync(machine.at('diary'), 0o644);
  const later = await machine.runAs(due, 'backup', '--json');
  expect(later.code).toBe(0);
  expect(jsonLines(later.stdout).at(-1)).toMatchObject({ point: { seq: 3, type: 'full' }, incomplete: [] });
});

test('a source that is suddenly empty is not taken for deleted, unless the strategy says so', async () => {
  const machine = await Machine.make();
  mkdirSync(machine.at('mount'));
  machine.write('mount/file', 'content');
  machine.writeStrategy({ paths: [machine.at('mount')] });
  await machine.backup();
  rmSync(machine.at('mount/file'));
  const { code, stderr } = await machine.run('backup');
  expect([code, stderr]).toEqual([
    3,
    `holdfast: ${machine.at('mount')} is empty; if that is right, say allowEmpty: true in the strategy; its last version stays in the point\n`,
  ]);
  const to = await machine.restoreEnding(3, 2);
  expect(readFileSync(join(to, machine.at('mount'), 'file'), 'utf8')).toBe('content');
  machine.writeStrategy({ paths: [machine.at('mount')], source: { allowEmpty: true } });
  expect(await machine.backup()).toMatchObject({ entries: 1, incomplete: [] });
});

test('a state folder that this user may not enter is an error that says so', async () => {
  const machine = await Machine.make();
  await backup(machine, 0);
  chmodSync(join(machine.state, 'town'), 0o000);
  const { code, stderr } = await machine.runAs(ORDINARY, 'backup');
  chmodSync(join(machine.state, 'town'), 0o700);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^holdfast: cannot use .*index\.json \(EACCES\): check the state folder\n$/);
});
