/** A backup that is killed or told to end at any moment harms no point, and the next run needs nobody's help. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { differences, record, type Snapshot } from '../demo/snapshot.ts';
import { launcherTree } from '../helpers/launcher-tree.ts';
import { ended } from '../helpers/script.ts';
import { makeFolder } from '../helpers/temporary.ts';
import { expectRefused, jsonLines, leavesAlone, Machine, noise, until } from './program.ts';

/** So small that a set has many objects, and a moment falls between any two of them. */
const SMALL_VOLUMES = { more: { volume: { size: '128KiB' } } };
const FILES = 12;
const FILE_BYTES = 300_000;

/** Changes a quarter of the content. */
function change(machine: Machine, round: number): void {
  for (let i = 0; i < FILES; i += 4) {
    machine.write(`file-${(i + round) % FILES}`, noise(FILE_BYTES, 1000 * round + i));
  }
  machine.write(`new-${round}`, `of round ${round}`);
  rmSync(machine.at(`new-${round - 2}`), { force: true });
}

/** Numbers from 0 to 1 that a seed repeats. */
function random(seed: number): () => number {
  let x = seed >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x = (x ^ (x << 5)) >>> 0;
    return x / 2 ** 32;
  };
}

/** Names of what a run puts into the store for a set. */
function objects(machine: Machine): string[] {
  return readdirSync(machine.store, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(pgp|json|asc)$/.test(name),
  );
}

test('after kill -9 at any moment the next run goes on with an incremental, and every point comes back', async () => {
  const seed = Number(process.env.HOLDFAST_TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`kill -9: HOLDFAST_TEST_SEED=${seed}`);
  const next = random(seed);
  const machine = await Machine.make(SMALL_VOLUMES);
  for (let i = 0; i < FILES; i++) machine.write(`file-${i}`, noise(FILE_BYTES, i));
  const points = new Map<number, Snapshot>();
  const started = performance.now();
  await machine.backup();
  const lasts = performance.now() - started;
  points.set(1, machine.recordSource());

  let killed = 0;
  let committed = 0;
  for (let round = 1; round <= 10; round++) {
    change(machine, round);
    const before = objects(machine);
    const child = machine.start(round % 3 === 0 ? ['backup', '--type', 'full'] : ['backup']);
    const result = ended(child);
    // Most at random; some between the signature, the commit and the end.
    const last = round === 4 ? /commits\/.*\.asc$/ : round === 8 ? /commits\/.*\.json$/ : undefined;
    if (last === undefined) await sleep(next() * lasts);
    else
      await until(
        () => hasEnded(child) || objects(machine).some((name) => last.test(name) && !before.includes(name)),
      );
    child.kill('SIGKILL');
    if ((await result).signal === 'SIGKILL') killed++;

    const seqs = machine.commits().map((name) => Number(name.slice(0, 10)));
    const context = `seed ${seed}, round ${round}`;
    if (seqs.length > points.size) committed++;
    const { point, reason } = await machine.backup();
    expect(`${point.type}: ${reason}`, context).toMatch(/^incremental: /);
    expect(machine.sets(), context).toEqual(machine.commits());
    const state = machine.recordSource();
    for (const name of machine.commits()) {
      const seq = Number(name.slice(0, 10));
      if (!points.has(seq)) points.set(seq, state);
    }
    expect([...points.keys()], context).toEqual(machine.commits().map((name) => Number(name.slice(0, 10))));
  }
  expect(killed, `seed ${seed}: no run was caught alive`).toBeGreaterThan(0);
  console.log(`kill -9: ${killed} runs killed, ${committed} of them after their commit`);
  await machine.well('verify', '--full', '--secret-key', machine.secretKey);
  for (const [seq, state] of points) await machine.expectRestored(seq, state);
}, 300_000);

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

describe('a backup that is told to end', () => {
  let old: { folder: string; node: string };

  beforeAll(async () => {
    const folder = await makeFolder();
    // The machine's own Node where that is too old, else one that says so.
    const { oldPath } = await launcherTree(folder);
    old = { folder, node: join(oldPath, 'node') };
    const version = spawnSync(old.node, ['--version'], { encoding: 'utf8' }).stdout;
    expect(version).toMatch(/^v(18|2[0-2])\./);
  });

  afterAll(() => rmSync(old.folder, { recursive: true }));

  /** A machine with one point, and a good second's work for the next: it is told to take its time. */
  async function busyMachine(): Promise<Machine> {
    const machine = await Machine.make({ more: { volume: { size: '256KiB', compression: 19 } } });
    machine.write('small', 'first');
    await machine.backup();
    machine.write('large', noise(10_000_000, 5));
    return machine;
  }

  /** Waits until the run has stored the first volume of its set. */
  async function inTheMiddle(machine: Machine): Promise<void> {
    const sets = join(machine.store, 'town/sets');
    await until(() =>
      readdirSync(sets).some(
        (name) => name.startsWith('0000000002') && readdirSync(join(sets, name)).length > 0,
      ),
    );
  }

  test.each([
    ['SIGTERM', 143, 'this Node'],
    ['SIGINT', 130, 'this Node'],
    ['SIGHUP', 129, 'this Node'],
    ['SIGTERM', 143, 'an old Node'],
    ['SIGINT', 130, 'an old Node'],
  ] as const)(
    'by %s ends with %i under %s; nothing is committed, and the next run is fine',
    async (signal, code, node) => {
      // An old Node hands a signal on after a while only.
      const machine = await busyMachine();
      const child = machine.start(['backup', '--json'], node === 'this Node' ? {} : { node: old.node });
      const result = ended(child);
      await inTheMiddle(machine);
      child.kill(signal);
      const { stdout, ...rest } = await result;
      expectRefused({ ...rest, stdout: '' }, code, /interrupted/);
      expect(jsonLines(stdout)).toEqual([expect.objectContaining({ event: 'error', code: 'interrupted' })]);
      expect(machine.commits()).toHaveLength(1);
      expect(await machine.backup()).toMatchObject({
        point: { seq: 2, type: 'incremental' },
        incomplete: [],
      });
      expect(machine.sets()).toEqual(machine.commits());
      await machine.expectRestored(2, machine.recordSource());
    },
  );

  test('by kill -9 of the old Node that started it ends too, and leaves the lock', async () => {
    const machine = await busyMachine();
    const child = machine.start(['backup'], { node: old.node });
    const result = ended(child);
    await inTheMiddle(machine);
    const { pid } = JSON.parse(readFileSync(join(machine.state, 'town/lock'), 'utf8')) as { pid: number };
    expect(pid).not.toBe(child.pid);
    child.kill('SIGKILL');
    await result;
    await until(() => !existsSync(`/proc/${pid}`));
    expect(machine.commits()).toHaveLength(1);
    machine.writeStrategy();
    expect(await machine.backup()).toMatchObject({ point: { seq: 2, type: 'incremental' } });
  });

  test('exit codes and answers come through an old Node as they are', async () => {
    const machine = await busyMachine();
    machine.writeStrategy();
    const under = { node: old.node };
    expect(await machine.runAs(under, 'backup')).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    await leavesAlone(machine.folder, async () => {
      expectRefused(await machine.runAs(under, 'backup', '-c', 'nix.yaml'), 2, /nix\.yaml/);
      expect(
        jsonLines((await machine.runAs(under, 'ls', '--json', '--secret-key', machine.secretKey)).stdout),
      ).toHaveLength(3);
    });
  });
});

test('a restore that was ended goes on when the same command is given again', async () => {
  const machine = await Machine.make(SMALL_VOLUMES);
  mkdirSync(machine.at('folder'));
  for (let i = 0; i < 10; i++) machine.write(`folder/${i}`, noise(2_000_000, i));
  await machine.backup();
  const to = join(machine.folder, 'back');
  const command = ['restore', '--secret-key', machine.secretKey, '--to', to];
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGKILL', 'SIGKILL'],
  ] as const) {
    const child = machine.start(command);
    const result = ended(child);
    // So that it is still under way when this test comes to look.
    setPriority(child.pid ?? 0, 19);
    await until(() => hasEnded(child) || (existsSync(to) && readdirSync(to, { recursive: true }).length > 5));
    child.kill(signal);
    const { code: exit, signal: by, stderr } = await result;
    expect(exit ?? by, stderr).toBe(code);
  }
  const { code, stderr } = await machine.run(...command);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('Going on with the interrupted restore of point 1');
  await machine.expectRestored(1, machine.recordSource());
  expect(differences(machine.recordSource(), record(join(to, machine.source)))).toEqual([]);
});
