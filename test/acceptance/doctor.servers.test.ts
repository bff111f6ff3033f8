/** `holdfast doctor` as a program, before a real Swift: from no container to a good store, and on a way that does not answer. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import * as faulty from '../servers/faulty-path.ts';
import { describeWithSwift } from '../servers/servers.ts';
import { tempAuthEnv } from '../store/swift/opening.ts';
import { Machine } from './program.ts';

describeWithSwift('doctor', (swift) => {
  test('tells a missing container, a store that init has made, and a key that is wrong', async () => {
    const store = { swift: { container: `test-${randomUUID()}`, prefix: 'web01' } };
    const machine = await Machine.prepare({ store });
    const run = (env: NodeJS.ProcessEnv, ...args: string[]) => machine.runAs({ env }, ...args);
    const env = tempAuthEnv(swift());

    const before = await run(env, 'doctor');
    expect(before.code, before.stdout).toBe(1);
    expect(before.stdout).toMatch(/^BAD {3}container .*is not there.*\n +-> .*"holdfast init" makes/m);

    expect((await run(env, 'init')).code).toBe(0);
    const after = await run(env, 'doctor');
    expect(after.code, after.stdout + after.stderr).toBe(0);
    expect(after.stdout).toMatch(/^ok {4}permissions /m);
    expect(after.stdout).toMatch(/^WARN {2}history /m);

    const wrong = await run({ ...env, ST_KEY: 'a-wrong-secret' }, 'doctor', '--json');
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('user or key is wrong');
    expect(wrong.stdout + wrong.stderr).not.toContain('a-wrong-secret');
  });

  test('ends by itself before a server that takes connections and says nothing', async () => {
    const path = await faulty.startFaultyPath(swift().proxyPort);
    path.on(faulty.any(), faulty.stall(faulty.forever));
    const machine = await Machine.prepare();
    const env = tempAuthEnv({ ...swift(), authUrl: `${path.url}/auth/v1.0` });
    const args = ['doctor', '--store', 'swift:backups', '--name', 'town'];
    const { code, stdout } = await machine.runAs({ env }, ...args);
    expect(code, stdout).toBe(1);
    expect(stdout).toMatch(/^BAD {3}sign-in .*no answer within 15 s/m);
    await path.stop();
  });
});
