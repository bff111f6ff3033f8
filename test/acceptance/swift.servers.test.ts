/** The built program with its store in a real Swift: the whole way with each kind of sign-in, and onwards with standard tools. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { differences, record } from '../demo/snapshot.ts';
import { project } from '../helpers/script.ts';
import { createApplicationCredential } from '../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../servers/servers.ts';
import { tempAuthEnv } from '../store/swift/opening.ts';
import { tool } from './program.ts';
import { change, type SwiftMachine, swiftMachine } from './swift-machine.ts';

/** A full and an incremental; each is listed, verifies and comes back, the first on another machine with nothing but the environment. */
async function wholeWay(at: SwiftMachine, env: NodeJS.ProcessEnv): Promise<void> {
  const { machine } = at;
  await at.point('full');
  change(machine, 1);
  await at.point('incremental');
  const points = await machine.points();
  expect(points.map(({ seq, type, whole }) => [seq, type, whole]).sort()).toEqual([
    [1, 'full', true],
    [2, 'incremental', true],
  ]);
  await at.expectWhole();
  const to = join(machine.folder, 'elsewhere');
  const where = [
    '--store',
    `swift:${at.container}/web01`,
    '--name',
    'town',
    '--secret-key',
    machine.secretKey,
  ];
  const { code, stderr } = await machine.runAs(
    { env, cwd: '/' },
    'restore',
    ...where,
    '--at',
    '1',
    '--to',
    to,
  );
  expect(code, stderr).toBe(0);
  expect(differences(at.states.get(1) ?? new Map(), record(join(to, machine.source)))).toEqual([]);
}

describeWithSwift('with TempAuth', (swift) => {
  test('points are made, listed, verified and restored', async () => {
    const env = tempAuthEnv(swift());
    await wholeWay(await swiftMachine(env), env);
  });

  test('what "swift download" leaves in a folder is restored, by Holdfast and without it', async () => {
    const env = tempAuthEnv(swift());
    const at = await swiftMachine(env);
    const { machine } = at;
    await at.point('full');
    change(machine, 1);
    await at.point('incremental');
    const folder = join(machine.folder, 'downloaded');
    const download = ['download', at.container, '--output-dir', folder];
    execFileSync('/usr/bin/swift', download, { env: { PATH: '/usr/bin', ...env }, stdio: 'pipe' });
    const store = join(folder, 'web01');

    for (const [seq, state] of at.states) {
      const to = join(machine.folder, `back-${seq}`);
      const where = ['--store', `directory:${store}`, '--name', 'town', '--secret-key', machine.secretKey];
      await machine.well('restore', ...where, '--at', String(seq), '--to', to);
      expect(differences(state, record(join(to, machine.source))), `point ${seq}`).toEqual([]);
    }
    const gnupg = await Gnupg.start();
    try {
      gnupg.run(['--import'], readFileSync(machine.secretKey));
      const to = join(machine.folder, 'recovered');
      const where = ['--store', store, '--name', 'town', '--to', to];
      tool('env', [`GNUPGHOME=${gnupg.home}`, 'python3', project('docs/recover.py'), ...where]);
      expect(differences(machine.recordSource(), record(join(to, machine.source)))).toEqual([]);
    } finally {
      gnupg.stop();
    }
  });
});

describeWithKeystone('with an application credential of Keystone', (servers) => {
  test('points are made, listed, verified and restored', async () => {
    const { keystone } = servers();
    const { id, secret } = await createApplicationCredential(keystone, 'acceptance');
    const env = {
      OS_AUTH_URL: keystone.authUrl,
      OS_REGION_NAME: keystone.regions[1],
      OS_APPLICATION_CREDENTIAL_ID: id,
      OS_APPLICATION_CREDENTIAL_SECRET: secret,
    };
    await wholeWay(await swiftMachine(env), env);
  });
});
