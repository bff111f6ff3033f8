/** The built program whose backup to Swift cannot go on, or is ended: it says what is wrong, no point is harmed, and the next run needs nobody's help. */
import { expect, test } from 'vitest';
import { ended } from '../helpers/script.ts';
import * as faulty from '../servers/faulty-path.ts';
import { forever, half, nth, put } from '../servers/faulty-path.ts';
import { describeWithSwift } from '../servers/servers.ts';
import { listed } from '../store/contract.ts';
import { expectRefused, jsonLines } from './program.ts';
import { type SwiftMachine, withOnePoint } from './swift-machine.ts';

const VOLUME = put(/\/vol-/);

/** The next run after one that failed needs nobody's help. */
async function expectRecovery(at: SwiftMachine): Promise<void> {
  expect(await at.commits()).toEqual([...at.states.keys()]);
  await at.point('incremental');
  await at.expectWhole();
}

describeWithSwift('a backup ends with a clear error', (swift) => {
  const AWAY = /^holdfast: store swift:backups-[^:]*: .*\(given up: tried \d+ times within \d+ s\)/;

  test('when the server stays away in mid-backup', async () => {
    const at = await withOnePoint(swift());
    at.choose({ deadline: '3s' });
    const fault = at.path.on(
      VOLUME,
      nth(4),
      faulty.callBefore(() => at.path.down()),
    );
    expectRefused(await at.machine.run('backup'), 1, AWAY);
    expect(fault.acted).toBe(1);
    await at.path.up();
    await expectRecovery(at);
  });

  test('when the server is away from the beginning', async () => {
    const at = await withOnePoint(swift());
    at.choose({ deadline: '3s' });
    await at.path.down();
    expectRefused(await at.machine.run('backup'), 1, AWAY);
    await at.path.up();
    await expectRecovery(at);
  });

  test('when the server stores nothing any more, and only says that it accepts', async () => {
    const at = await withOnePoint(swift());
    at.choose({ deadline: '3s' });
    const fault = at.path.on(
      VOLUME,
      faulty.fromOn(4),
      faulty.status(202, { headers: { 'x-trans-id': 'tx1' } }),
    );
    expectRefused(await at.machine.run('backup'), 1, /vol-.* cannot be stored: .*has not stored it \(202\)/);
    expect(fault.acted).toBeGreaterThan(1);
    at.path.clear();
    await expectRecovery(at);
  });

  test('when the quota of the container is reached', async () => {
    const at = await withOnePoint(swift());
    const used = (await listed(at.truth, '')).reduce((sum, { size }) => sum + size, 0);
    const quota = async (bytes: string) => {
      const headers = { 'x-auth-user': swift().user, 'x-auth-key': swift().key };
      const signedIn = await fetch(swift().authUrl, { headers });
      const token = signedIn.headers.get('x-auth-token') ?? '';
      const { status } = await fetch(`${signedIn.headers.get('x-storage-url')}/${at.container}`, {
        method: 'POST',
        headers: { 'x-auth-token': token, 'x-container-meta-quota-bytes': bytes },
      });
      expect(status).toBe(204);
    };
    await quota(String(used + 300_000));
    expectRefused(
      await at.machine.run('backup'),
      1,
      // Several are on their way at once: the server counts when it likes, and refuses the first that it finds too much.
      /\/sets\/.* cannot be stored: the quota .* is reached \(413\): raise it/,
    );
    await quota('');
    await expectRecovery(at);
  });

  test('when the credentials are refused in mid-backup, without telling them', async () => {
    const at = await withOnePoint(swift());
    const faults = [
      at.path.on(VOLUME, nth(4), faulty.expireToken({ early: true })),
      at.path.on(faulty.signIn(), faulty.fromOn(2), faulty.status(401)),
    ];
    const result = await at.machine.run('backup');
    expectRefused(result, 1, /sign-in at .* refused \(401\)/);
    expect(result.stderr).not.toContain(swift().key);
    expect(faults[0]?.acted).toBe(1);
    // Once for all uploads that wait; those that come to it later ask for themselves.
    expect(faults[1]?.acted).toBeGreaterThanOrEqual(1);
    expect(faults[1]?.acted).toBeLessThanOrEqual(4);
    at.path.clear();
    await expectRecovery(at);
  });
});

describeWithSwift('a backup that is ended in mid-upload', (swift) => {
  test.each([
    ['SIGTERM', 143],
    ['SIGKILL', 'SIGKILL'],
  ] as const)('by %s ends at once, and the next run is fine', async (signal, code) => {
    const at = await withOnePoint(swift());
    // Only the signal ends this: the upload would be given up after a minute.
    const fault = at.path.on(VOLUME, nth(4), faulty.stallUpload(half, forever));
    const stalled = at.path.arrival(VOLUME, 4);
    const child = at.machine.start(['backup', '--json']);
    const result = ended(child);
    const upload = await stalled;
    await expect.poll(() => upload.received, { timeout: 20_000 }).toBeGreaterThan(0);
    child.kill(signal);
    const { code: exit, signal: by, stdout, stderr } = await result;
    expect(exit ?? by, stderr).toBe(code);
    expect(jsonLines(stdout).filter(({ event }) => event === 'retry')).toEqual([]);
    if (signal === 'SIGTERM') expect(stderr).toMatch(/^holdfast: [^\n]*interrupted[^\n]*\n$/);
    expect(fault.acted).toBe(1);
    at.path.clear();
    await expectRecovery(at);
  });

  test('by SIGTERM while it waits for a server that is away ends at once', async () => {
    const at = await withOnePoint(swift());
    at.path.on(
      VOLUME,
      nth(4),
      faulty.callBefore(() => at.path.down()),
    );
    const child = at.machine.start(['backup', '--json']);
    const result = ended(child);
    let heard = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      heard += bytes.toString();
    });
    await expect.poll(() => heard, { timeout: 20_000 }).toContain('"retry"');
    child.kill('SIGTERM');
    expect((await result).code).toBe(143);
    await at.path.up();
    await expectRecovery(at);
  });
});
