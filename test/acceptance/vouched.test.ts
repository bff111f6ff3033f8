/** A chain whose older signatures are lost or altered: what comes back all the same, and who says what is wrong. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { jsonLines, Machine } from './program.ts';

/** The signature of the set with that seq, by its path. */
function signatureOf(machine: Machine, seq: number): string {
  const folder = join(machine.store, 'town/commits');
  const name = readdirSync(folder).find((each) => Number(each.slice(0, 10)) === seq && each.endsWith('.asc'));
  return join(folder, name as string);
}

async function threePoints(): Promise<Machine> {
  const machine = await Machine.make();
  for (const name of ['a', 'b', 'c']) {
    machine.write(name, name);
    await machine.backup();
  }
  return machine;
}

test('lost: all points come back; points, verify, doctor and the next backup name it', async () => {
  const machine = await threePoints();
  const [full, older] = [signatureOf(machine, 1), signatureOf(machine, 2)];
  rmSync(full);
  writeFileSync(
    older,
    readFileSync(older, 'latin1').replace(/[A-Za-z](?=\n=)/, (c) => (c === 'x' ? 'y' : 'x')),
  );

  for (const [seq, names] of [
    [1, ['a']],
    [2, ['a', 'b']],
    [3, ['a', 'b', 'c']],
  ] as const) {
    const to = join(machine.folder, `back-${seq}`);
    const words = ['restore', '--secret-key', machine.secretKey, '--at', String(seq), '--to', to];
    const ran = await machine.run(...words);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).not.toMatch(/warning|\.asc/);
    expect(readdirSync(join(to, machine.source)).sort()).toEqual(names);
  }

  const listed = await machine.run('points', '--json');
  expect(listed.code).toBe(0);
  expect(JSON.parse(listed.stdout).map(({ whole }: { whole: boolean }) => whole)).toEqual([true, true, true]);
  const verified = await machine.run('verify', '--json');
  expect(verified.code).toBe(4);
  expect(jsonLines(verified.stdout).at(-1)).toMatchObject({
    event: 'summary',
    points: 3,
    whole: 3,
    findings: 2,
  });
  const looked = await machine.run('doctor');
  expect(looked.code).toBe(1);
  for (const said of [listed.stderr, verified.stdout, looked.stdout])
    expect(said).toMatch(/0000000001-\S*\.asc is not there: no point is lost by that/);
  for (const said of [listed.stderr, verified.stdout])
    expect(said).toMatch(/0000000002-\S*\.asc is no good signature of its commit .*no point is lost by that/);

  machine.write('d', 'd');
  const next = await machine.run('backup', '--json');
  expect(next.code).toBe(3);
  expect(next.stderr).toMatch(/0000000001-\S*\.asc is gone .* vouch for that one/);
  expect(jsonLines(next.stdout).at(-1)).toMatchObject({ point: { type: 'full' } });
});

test('lost of the newest point: it is none, and the one before comes back', async () => {
  const machine = await threePoints();
  rmSync(signatureOf(machine, 3));
  const refused = await machine.run(
    'restore',
    '--secret-key',
    machine.secretKey,
    '--to',
    join(machine.folder, 'back'),
  );
  expect(refused.code).toBe(4);
  expect(refused.stderr).toMatch(/0000000003-\S*\.json has no signature.* --at 2/);
  await machine.restore(2);
});
