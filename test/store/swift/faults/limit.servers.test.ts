/** The upload limit, measured where the bytes arrive, by a clock of the test's own. */
import { expect, test } from 'vitest';
import { Throttle } from '../../../../src/store/throttle.ts';
import { SlowClock } from '../../../helpers/slow-clock.ts';
import { nth, put } from '../../../servers/faulty-path.ts';
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
});
