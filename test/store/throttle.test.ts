/** The upload limit, on a clock of the test's own. */
import { describe, expect, test } from 'vitest';
import { Throttle, throttled, worthAtOnce } from '../../src/store/throttle.ts';
import { SlowClock } from '../helpers/slow-clock.ts';

const RATES = [1000, 20 * 1024, 1 << 20, 20 << 20, 1 << 30];

describe('an upload limit', () => {
  test.each(RATES)(
    'of %i bytes a second is kept by one and by many transfers, within a tenth',
    async (rate) => {
      for (const transfers of [1, 4, 16]) {
        const clock = new SlowClock();
        const throttle = new Throttle(rate, clock);
        const passed: { at: number; bytes: number }[] = [];
        const length = Math.ceil((rate * 10) / transfers);
        const transfer = async () => {
          for await (const { length: bytes } of throttled([Buffer.allocUnsafe(length)], throttle)) {
            passed.push({ at: clock.now(), bytes });
          }
        };
        await Promise.all(Array.from({ length: transfers }, transfer));
        // Ten seconds' worth: the last piece leaves when those before it have had their time.
        const last = passed.at(-1)?.at ?? 0;
        expect(last).toBeGreaterThan(9000);
        expect(last).toBeLessThanOrEqual(10_000);
        // Nor is it exceeded in any second on the way.
        for (const { at } of passed.filter((_, i) => i % 10 === 0)) {
          const within = passed.filter((other) => other.at >= at && other.at < at + 1000);
          expect(within.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(rate * 1.1);
        }
      }
    },
    60_000,
  );

  test('gives no credit for time in which nothing was sent', async () => {
    const clock = new SlowClock();
    const throttle = new Throttle(1000, clock);
    await throttle.pass(1000);
    await clock.sleep(60_000);
    const began = clock.now();
    await throttle.pass(1000);
    await throttle.pass(1000);
    await throttle.pass(1);
    expect(clock.now() - began).toBe(2000);
  });

  test('hands on every byte, in order', async () => {
    const pieces = [Buffer.from('abc'), Buffer.alloc(0), Buffer.alloc(700_000, 'd'), Buffer.from('e')];
    for (const throttle of [undefined, new Throttle(1 << 20, new SlowClock())]) {
      const parts: Uint8Array[] = [];
      for await (const part of throttled(pieces, throttle)) parts.push(part);
      expect(Buffer.compare(Buffer.concat(parts), Buffer.concat(pieces))).toBe(0);
    }
  });

  test('tells for how long it held a transfer back', async () => {
    const clock = new SlowClock();
    const throttle = new Throttle(1000, clock);
    const held = [{ milliseconds: 0 }, { milliseconds: 0 }];
    await Promise.all(
      held.map(async (one) => {
        for await (const _ of throttled([Buffer.alloc(5000)], throttle, one)) await clock.sleep(0);
      }),
    );
    // Both were under way all the time, and waited for nothing else.
    for (const { milliseconds } of held) {
      expect(milliseconds).toBeGreaterThan(9000);
      expect(milliseconds).toBeLessThanOrEqual(10_000);
    }
    const free = { milliseconds: 0 };
    for await (const _ of throttled([Buffer.alloc(5000)], undefined, free)) await clock.sleep(1000);
    expect(free.milliseconds).toBe(0);
  });

  test.each([
    [4, undefined, 4],
    [4, 1000, 1],
    [4, 64 * 1024, 1],
    [4, 150 * 1024, 2],
    [4, 256 * 1024, 4],
    [32, 20 << 20, 32],
    [1, 20 << 20, 1],
  ])('of %s wanted transfers at %s bytes a second lets %s be worth having', (wanted, rate, worth) => {
    expect(worthAtOnce(wanted, rate === undefined ? undefined : new Throttle(rate))).toBe(worth);
  });
});
