/** The upload limit, measured where the bytes arrive, by a clock of the test's own. */
import { expect, test } from 'vitest';
import { Throttle } from '../../../../src/store/throttle.ts';
import { SlowClock } from '../../../helpers/slow-clock.ts';
import { firstOfEach, forever, half, nth, once, put, stallUpload } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import { behindPath, body, says } from './around.ts';

describeWithSwift('an upload limit', (swift) => {
  test('is true within a tenth for several uploads at once, those that are repeated among them', async () => {
    const rate = 500_000;
    const clock = new SlowClock();
    const at = await behindPath(swift(), { throttle: new Throttle(rate, clock) });
    const fault = at.path.on(put(), nth(3), says(503));
    const given = Array.from({ length: 6 }, (_, i) => body(1_000_000, `limited ${i}`));
    await Promise.all(given.map(({ pieces, md5 }, i) => at.store.put(`town/vol-${i}`, pieces, { md5 })));
    expect(fault.acted).toBe(1);
    const bytes = at.requests(put()).reduce((sum, { received }) => sum + received, 0);
    expect(bytes).toBe(7_000_000);
    const seconds = clock.now() / 1000;
    expect(bytes / seconds / rate).toBeGreaterThan(0.9);
    expect(bytes / seconds / rate).toBeLessThan(1.1);
  });

  test('that holds an upload back for longer than a silent server is given does not end it', async () => {
    const at = await behindPath(swift(), {
      throttle: new Throttle(10_000),
      // Six seconds without the limit, which takes eight.
      times: { stall: 4000, whole: 5000, slowest: 1 << 20 },
    });
    expect(at.store.uploads).toBe(1);
    const { pieces, md5 } = body(80_000);
    await at.store.put('town/vol-1', pieces, { md5 });
    expect(at.retries).toEqual([]);
    expect(await at.truth.stat('town/vol-1')).toEqual({ size: 80_000, md5 });
  });

  test('does not excuse a server that falls silent', async () => {
    const at = await behindPath(swift(), {
      throttle: new Throttle(2_000_000),
      times: { whole: 500, slowest: 4 << 20 },
    });
    const { pieces, md5 } = body(3_000_000);
    const rule = at.path.on(put(), once, stallUpload(half, forever));
    await at.store.put('town/vol-1', pieces, { md5 });
    expect(rule.acted).toBe(1);
    expect(at.retries[0]).toMatch(
      /not finished after 1 s(, besides \d s for which limits.upload held it back)?;/,
    );
    expect(await at.truth.stat('town/vol-1')).toEqual({ size: 3_000_000, md5 });
  });

  test('does not use up the time for which a failed upload is tried again', async () => {
    const clock = new SlowClock();
    const at = await behindPath(swift(), {
      throttle: new Throttle(1000, clock),
      deadline: 20_000,
      pace: clock,
    });
    const { pieces, md5 } = body(30_000);
    const fault = at.path.on(put(), firstOfEach(4), says(503));
    await at.store.put('town/vol-1', pieces, { md5 });
    expect(fault.acted).toBe(4);
    expect(clock.now()).toBeGreaterThan(5 * 29_000);
    expect(await at.truth.stat('town/vol-1')).toEqual({ size: 30_000, md5 });
    // An outage ends all the same.
    at.path.on(put(), says(503));
    const before = clock.now();
    const { message } = await at.refusal(at.store.put('town/vol-2', pieces, { md5 }));
    // Of the time that went by, only the waits were counted.
    const spent = Math.round((clock.now() - before) / 1000);
    const [, tries, within] = /given up: tried (\d+) times within (\d+) s/.exec(message) ?? [];
    expect(Number(tries)).toBeGreaterThanOrEqual(5);
    expect(Math.abs(Number(within) - spent)).toBeLessThanOrEqual(1);
  });
});
