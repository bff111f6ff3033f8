/** `holdfast doctor` on a host and on a machine that restores, whole and broken: what it finds, its exit code, and that it changes nothing. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Finding } from '../../src/finding.ts';
import { differences, record } from '../demo/snapshot.ts';
import { expectFinding, subjects } from '../doctor/findings.ts';
import { expectRefused, jsonLines, leavesAlone, Machine, type RunOptions } from './program.ts';

/** Runs it with --json; makes sure of its exit code, and that the summary counts what was found. */
async function doctor(machine: Machine, code: number, args: string[] = [], options: RunOptions = {}) {
  const ended = await machine.runAs(options, 'doctor', '--json', ...args);
  expect(ended.code ?? ended.signal, ended.stdout + ended.stderr).toBe(code);
  expect(ended.stderr).toBe('');
  const lines = jsonLines(ended.stdout);
  const summary = lines.pop();
  const found = lines.map(({ event, ...finding }) => {
    expect(event).toBe('finding');
    return finding as unknown as Finding;
  });
  const count = (state: string) => found.filter((finding) => finding.state === state).length;
  const counts = { good: count('good'), note: count('note'), warning: count('warning'), bad: count('bad') };
  expect(summary).toEqual({ event: 'summary', ...counts });
  expect(counts.bad > 0 ? 1 : 0).toBe(code);
  return found;
}

/** As leavesAlone, but for the times of folders in which a probe was. */
async function leavesNames<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = record(folder);
  const result = await work();
  const changed = differences(before, record(folder));
  expect(changed.filter((line) => !/^\/store(\/town)?: mtime is /.test(line))).toEqual([]);
  return result;
}

async function withPoint(more: Record<string, unknown> = {}): Promise<Machine> {
  const machine = await Machine.make({ more });
  machine.write('a', 'a');
  await machine.backup();
  return machine;
}

describe('a host', () => {
  test('that is whole: each part is looked at, and nothing is changed', async () => {
    const machine = await withPoint({ objectives: { rpo: '26h' } });
    chmodSync(machine.store, 0o700);
    const found = await leavesNames(machine.folder, () => doctor(machine, 0));
    for (const [subject, says] of [
      ['strategy', /\(town\) is in order/],
      ['sources', /all paths/],
      ['recipient', /test-only .*does not expire/],
      ['state', /is there/],
      ['folder', /only \S+ may write/],
      ['space', /are free/],
      ['permissions', /stored, read back, listed and removed/],
    ] as const) {
      expectFinding(found, subject, 'good', says);
    }
    expectFinding(found, 'signing key', 'note', /pin it: signer:/);
    expectFinding(found, 'newest point', 'good', /point 1 of .* old/);
    expectFinding(
      found,
      'newest point',
      'good',
      /town\/commits\/0000000001-[0-9a-f]{32}.json is in the store/,
    );
    expectFinding(found, 'disk', 'warning', /one broken disk takes both/);
    expectFinding(found, 'points', 'good', /the only one is whole/);
  });

  test('whose points cannot all be restored: which, and what to do', async () => {
    const machine = await withPoint();
    const volume = () =>
      join(machine.store, 'town/sets', machine.sets().at(-1) as string, 'vol-000001.tar.zst.pgp');
    const lost = volume();
    rmSync(lost);
    const found = await doctor(machine, 1);
    expectFinding(
      found,
      'points',
      'bad',
      /point 1, the newest, is not whole: missing or of another size: \S+vol-000001/,
    );
    machine.write('b', 'b');
    await machine.backup(3);
    expectFinding(
      await doctor(machine, 0),
      'points',
      'warning',
      /newest point is whole, but 1 of 2 are not.* 1: missing/,
    );
    const key = readdirSync(join(machine.store, 'town/commits')).find((name) =>
      name.endsWith('.json'),
    ) as string;
    writeFileSync(join(machine.store, 'town/commits', key), 'altered');
    expectFinding(await doctor(machine, 1), 'points', 'bad', /is no point: its signature is not good/);
  });

  test('whose strategy anybody may change', async () => {
    const machine = await withPoint();
    const file = join(machine.folder, 'holdfast.yaml');
    chmodSync(file, 0o666);
    const found = await doctor(machine, 0);
    expectFinding(found, 'strategy', 'warning', /can be changed by everybody/);
  });

  test('in text: marks, advice, and a last line that sums up', async () => {
    const machine = await withPoint();
    const { code, stdout, stderr } = await machine.run('doctor');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^ok {4}strategy {6}\//);
    expect(stdout).toMatch(/^WARN {2}disk .*\n +-> /m);
    expect(stdout).toMatch(/\n\nNothing is bad; 1 warning\.\n$/);
    renameSync(machine.store, `${machine.store}-away`);
    const broken = await machine.run('doctor');
    expect(broken.code).toBe(1);
    expect(broken.stdout).toMatch(/^BAD {3}folder .*mount it, or create it if it is to be a new store$/m);
    expect(broken.stdout).toMatch(/\n\n1 BAD, 0 warnings\. Begin with the first/);
    expect(existsSync(machine.store)).toBe(false);
  });

  test('that is not initialised: that is said, and the rest is looked at', async () => {
    const machine = await Machine.prepare();
    machine.write('a', 'a');
    const found = await leavesNames(machine.folder, () => doctor(machine, 1));
    expect(subjects(found, 'bad')).toEqual(['signing key']);
    expectFinding(found, 'signing key', 'bad', /run holdfast init/);
    expectFinding(found, 'state', 'note', /there is no state folder/);
    expectFinding(found, 'permissions', 'good');
    expect(existsSync(machine.state)).toBe(false);
  });

  test('with a wrong strategy: its problems, and the store all the same', async () => {
    const machine = await withPoint();
    machine.writeStrategy({ more: { recipiants: [] } });
    const found = await doctor(machine, 1);
    expect(subjects(found, 'bad')).toEqual(['strategy']);
    expectFinding(found, 'strategy', 'bad', /recipiants/);
    expectFinding(found, 'permissions', 'good');
    writeFileSync(join(machine.folder, 'holdfast.yaml'), 'name: [\n');
    expectFinding(await doctor(machine, 1), 'skipped', 'note', /does not say what to look at/);
  });

  test('with keys, sources and state that are not as they should be', async () => {
    const machine = await withPoint();
    machine.writeStrategy({
      recipients: [machine.publicKey, machine.secretKey, join(machine.folder, 'none.asc')],
      paths: [machine.source, '/nonexistent'],
      more: { signer: 'A'.repeat(40) },
    });
    chmodSync(join(machine.state, 'town'), 0o777);
    const found = await doctor(machine, 1);
    expectFinding(found, 'recipient', 'good');
    expectFinding(found, 'recipient', 'bad', /holds a SECRET key/);
    expectFinding(found, 'recipient', 'bad', /none\.asc/);
    expectFinding(found, 'sources', 'warning', /\/nonexistent of the strategy is not there/);
    expectFinding(found, 'signing key', 'warning', /will not believe/);
    expectFinding(found, 'state', 'bad', /can be written by other users/);
    chmodSync(join(machine.folder, 'town.signer.asc'), 0o644);
    expectFinding(await doctor(machine, 1), 'signing key', 'bad', /chmod 600/);
  });

  test('whose backups have ceased, or whose clock was set back', async () => {
    const machine = await withPoint({ objectives: { rpo: '26h' } });
    const late = await doctor(machine, 0, [], { clockAhead: 3 * 86_400_000 });
    expectFinding(late, 'newest point', 'warning', /3d.* old, older than objectives.rpo/);
    const early = await doctor(machine, 1, [], { clockAhead: -86_400_000 });
    expectFinding(early, 'newest point', 'warning', /ahead of the clock/);
  });

  test('with another store in the place of its own', async () => {
    const machine = await withPoint();
    rmSync(machine.store, { recursive: true });
    mkdirSync(machine.store);
    expectFinding(await doctor(machine, 1), 'newest point', 'bad', /is this the right store/);
  });

  test('read-only: not even a probe', async () => {
    const machine = await withPoint();
    const found = await leavesAlone(machine.folder, () => doctor(machine, 0, ['--read-only']));
    expectFinding(found, 'read', 'good', /was not tried/);
  });
});

describe('a machine that restores', () => {
  test('by --store and --name, and by a short strategy: the store alone', async () => {
    const machine = await withPoint();
    const store = ['--store', `directory:${machine.store}`, '--name', 'town'];
    const named = await doctor(machine, 0, store, { cwd: '/' });
    expect(named.map(({ subject }) => subject)).not.toContain('recipient');
    expectFinding(named, 'permissions', 'good');

    const file = join(machine.folder, 'short.yaml');
    writeFileSync(file, `name: town\nstore:\n  directory: ${machine.store}\n`);
    const short = await doctor(machine, 0, ['-c', file]);
    expectFinding(short, 'strategy', 'good', /one for restoring/);
    expectFinding(short, 'permissions', 'good');
    for (const command of [['backup'], ['init'], ['diff', '1'], ['why', '/etc']])
      expectRefused(await machine.run(...command, '-c', file), 2, /is a strategy for restoring/);
    // A key that is misspelt is none of a restore.
    writeFileSync(file, `name: town\nstore:\n  directory: ${machine.store}\nsource: []\n`);
    expect((await machine.run('backup', '-c', file)).stderr).toContain('did you mean "sources"');
  });

  test('a call that is wrong is refused', async () => {
    const machine = await Machine.prepare();
    expectRefused(await machine.run('doctor', '--store', 'directory:/x'), 2, /go together/);
    expectRefused(await machine.run('doctor', '--store', 'disk:/x', '--name', 'town'), 2, /is no store/);
    expectRefused(await machine.run('doctor', '-c', 'nowhere.yaml'), 2, /there is no strategy file/);
  });
});
