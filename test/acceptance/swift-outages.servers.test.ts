/** The built program before a Swift that fails for a while in mid-backup: it goes on, and makes a whole point. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import * as faulty from '../servers/faulty-path.ts';
import { any, head, listing, nth, once, put } from '../servers/faulty-path.ts';
import { loseObject } from '../servers/lose-object.ts';
import { describeWithServers, describeWithSwift } from '../servers/servers.ts';
import { startSwift } from '../servers/swift.ts';
import { listed } from '../store/contract.ts';
import { jsonLines } from './program.ts';
import { withOnePoint } from './swift-machine.ts';

const VOLUME = put(/\/vol-/);

describeWithSwift('a backup goes on', (swift) => {
  test('with a new token, where one ends in mid-upload', async () => {
    const at = await withOnePoint(swift());
    const fault = at.path.on(VOLUME, nth(4), faulty.expireToken({ early: true }));
    await at.point('incremental');
    expect(fault.acted).toBe(1);
    await at.expectWhole();
  });

  test('when the server is back after some seconds, in mid-backup', async () => {
    const at = await withOnePoint(swift());
    const outage = async () => {
      await at.path.down();
      setTimeout(() => void at.path.up(), 5000);
    };
    const fault = at.path.on(VOLUME, nth(4), faulty.callBefore(outage));
    const { stdout, code } = await at.machine.run('backup', '--json');
    expect(code, stdout).toBe(0);
    at.states.set(2, at.machine.recordSource());
    expect(fault.acted).toBe(1);
    const retries = jsonLines(stdout).filter(({ event }) => event === 'retry');
    expect(retries.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/cannot be stored: .*(cut off|refused).*; trying again in [\d.]+ s/),
    );
    await at.expectWhole();
  });

  test('though one request in five is cut', async () => {
    const seed = process.env.HOLDFAST_TEST_SEED ?? String(Date.now() % 1_000_000);
    console.log(`one in five: HOLDFAST_TEST_SEED=${seed}`);
    const at = await withOnePoint(swift());
    at.path.on(any(), faulty.cutOneIn(5, seed));
    await at.point('incremental');
    const cuts = at.path.requests.filter(({ done }) => done !== 'forwarded');
    expect(cuts.length, seed).toBeGreaterThan(0);
    at.path.clear();
    await at.expectWhole();
  });

  test('as an incremental, where the listing does not know the volumes yet', async () => {
    const at = await withOnePoint(swift());
    const lag = at.path.on(listing(), faulty.delayListing(/\/vol-/));
    const before = at.path.requests.length;
    await at.point('incremental');
    expect(lag.acted).toBeGreaterThan(0);
    expect(at.path.requests.slice(before).filter(head(/0000000001-.*\/vol-/)).length).toBeGreaterThan(0);
    at.path.clear();
    await at.expectWhole();
  });

  test('and is not led astray by objects that a listing shows and that are not there', async () => {
    const at = await withOnePoint(swift());
    const id = 'f'.repeat(32);
    const ghosts = ['.json', '.json.asc'].map((end) => `web01/town/commits/0000000002-${id}${end}`);
    const rule = at.path.on(
      listing(),
      faulty.ghost(...ghosts, `web01/town/sets/0000000002-${id}/vol-000001.tar.zst.pgp`),
    );
    await at.point('incremental');
    expect(rule.acted).toBeGreaterThan(0);
    at.path.clear();
    await at.expectWhole();
  });

  test('as a full, with the reason, where a volume has really gone', async () => {
    const at = await withOnePoint(swift());
    const volumes = (await listed(at.truth, 'town/sets/')).filter(({ name }) => name.includes('/vol-'));
    await at.truth.remove([volumes[1]?.name ?? '']);
    const { point, reason } = await at.machine.backup(3);
    expect(point.type).toBe('full');
    expect(reason).toContain(volumes[1]?.name);
  });

  test('as a full, with the reason, where a volume has gone and is listed with its size all the same', async () => {
    const at = await withOnePoint(swift());
    const volume = (await listed(at.truth, 'town/sets/')).filter(({ name }) => name.includes('/vol-'))[1];
    loseObject(swift(), at.container, `web01/${volume?.name}`);
    expect(await listed(at.truth, 'town/sets/')).toContainEqual(volume);
    const { point, reason } = await at.machine.backup(3);
    expect(point.type).toBe('full');
    expect(reason).toContain(volume?.name);
  });

  test.each([
    ['of the set itself', /sets\/0000000002-.*\/vol-000001/],
    ['of the set on which it builds', /sets\/0000000001-.*\/vol-000002/],
  ])(
    'but not when a volume %s goes meanwhile, and is listed with its size all the same',
    async (_, which) => {
      const at = await withOnePoint(swift());
      let lost = '';
      const lose = async () => {
        const { name } =
          (await listed(at.truth, 'town/sets/')).find((one) => which.test(one.name)) ?? expect.fail();
        loseObject(swift(), at.container, `web01/${name}`);
        lost = name;
      };
      const fault = at.path.on(put(/sets\/0000000002-.*\/manifest-0000/), once, faulty.callBefore(lose));
      const { code, stderr } = await at.machine.run('backup');
      expect(fault.acted).toBe(1);
      expect(code, stderr).toBe(1);
      expect(stderr).toContain(`${lost} has gone from the store while the backup ran: nothing was committed`);
      expect(await at.commits()).toEqual([1]);
    },
  );
});

describeWithServers('with a Swift of its own', () => {
  test('a backup goes on when the server was stopped for 20 seconds in mid-backup', async () => {
    const swift = await startSwift();
    try {
      const at = await withOnePoint(swift);
      const outage = async () => {
        await swift.stopProxy();
        await sleep(20_000);
        await swift.startProxy();
        await swift.forgetTokens();
      };
      const fault = at.path.on(VOLUME, once, faulty.callBefore(outage));
      await at.point('incremental');
      expect(fault.acted).toBe(1);
      await at.expectWhole();
    } finally {
      await swift.stop();
    }
  }, 240_000);
});
