import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../../src/errors.ts';
import { type Persistence, persist } from '../../../src/store/swift/attempts.ts';
import { Transient } from '../../../src/store/swift/failure.ts';

/** Runs an operation whose attempts fail with what `failures` give, on a clock that goes on by itself; when each attempt was made, in seconds. */
async function attempts(
  failures: (number: number) => Error | undefined,
  given: Partial<Persistence> = {},
  transfer: (moved: () => void, take: (milliseconds: number) => void) => void = () => undefined,
): Promise<{ at: number[]; lines: string[]; error: unknown }> {
  const at: number[] = [];
  const lines: string[] = [];
  let clock = 0;
  const persistence: Persistence = {
    deadline: 180_000,
    now: () => clock,
    random: () => 0,
    signal: new AbortController().signal,
    onRetry: (line) => lines.push(line),
    sleep: async (ms) => {
      clock += ms;
    },
    ...given,
  };
  const error: unknown = await persist(
    'store x: a',
    persistence,
    async (number, moved) => {
      at.push(clock / 1000);
      transfer(moved, (milliseconds) => {
        clock += milliseconds;
      });
      const failure = failures(number);
      if (failure !== undefined) throw failure;
    },
    'a',
  ).then(
    () => undefined,
    (e: unknown) => e,
  );
  return { at, lines, error };
}

describe('an operation', () => {
  test('that succeeds is done once', async () => {
    expect(await attempts(() => undefined)).toEqual({ at: [0], lines: [], error: undefined });
  });

  test('that fails for a while is repeated after 1, 2, 4 … seconds, and each time is told', async () => {
    const { at, lines, error } = await attempts((n) =>
      n < 6 ? new Transient('store x: a: 503') : undefined,
    );
    expect(at).toEqual([0, 1, 3, 7, 15, 31]);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toBe('store x: a: 503; trying again in 1.0 s, for 179 s more while nothing moves');
    expect(error).toBeUndefined();
  });

  test('that goes on failing is given up when the time is up, with a last attempt then', async () => {
    const { at, error } = await attempts(() => new Transient('store x: a: the server answered 503'));
    expect(at).toEqual([0, 1, 3, 7, 15, 31, 63, 127, 180]);
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({
      code: 'store',
      object: 'a',
      message:
        'store x: a: the server answered 503 (given up: tried 9 times within 180 s); check the store with "holdfast doctor", then run the command again',
    });
  });

  test('is given up when less is left than a clock shows', async () => {
    let clock = 4_000_000;
    const held = 4_000_000 / 3;
    const { at, error } = await attempts(
      (number) => new Transient(number < 100 ? 'store x: a: 503' : 'tried without end'),
      {
        deadline: 20_000,
        now: () => clock,
        heldBack: () => held,
        random: () => 1 / 3,
        sleep: async (milliseconds) => {
          // What a clock shows is not to the last digit what was waited.
          clock += Math.max(0, milliseconds - 1e-6);
        },
      },
    );
    expect(at.length).toBeLessThan(10);
    expect(error).toMatchObject({ message: expect.stringContaining('store x: a: 503 (given up') });
  });

  describe('whose transfers take longer than the deadline', () => {
    const SLOW = 240_000;
    const failing = () => new Transient('store x: a: the connection was cut off');

    test('is tried as often as a quick one, and the time that it took is told', async () => {
      const { at, error, lines } = await attempts(failing, {}, (moved, take) => {
        for (let i = 0; i < 10; i++) {
          take(SLOW / 10);
          moved();
        }
      });
      expect(at).toHaveLength(9);
      expect(lines[1]).toContain('trying again in 2.0 s, for 177 s more while nothing moves');
      expect(error).toMatchObject({ message: expect.stringContaining('tried 9 times within 2340 s)') });
    });

    test('is given up when the deadline is over without anything that moves', async () => {
      const { at } = await attempts(failing, {}, (moved, take) => {
        take(SLOW);
        moved();
        take(60_000);
      });
      expect(at).toHaveLength(4);
      expect((await attempts(failing, {}, (_, take) => take(SLOW))).at).toHaveLength(2);
    });
  });

  test('waits at random between half of the time and all of it', async () => {
    expect((await attempts((n) => (n < 3 ? new Transient('x') : undefined), { random: () => 1 })).at).toEqual(
      [0, 0.5, 1.5],
    );
  });

  test('waits as long as the server asks for, and not beyond the deadline', async () => {
    const asks = (retryAfter: number) => (n: number) =>
      n < 2 ? new Transient('store x: a: 429', { retryAfter }) : undefined;
    expect((await attempts(asks(20_000))).at).toEqual([0, 20]);
    const { at, error } = await attempts(asks(3_600_000));
    expect(at).toEqual([0]);
    expect(error).toMatchObject({
      message: expect.stringContaining(
        '(given up: tried once, and the server asks to wait 3600 s, longer than the deadline leaves)',
      ),
    });
  });

  test('whose failure will not pass is not repeated', async () => {
    for (const failure of [new HoldfastError('store', 'no'), new TypeError('a defect')]) {
      expect(await attempts(() => failure)).toMatchObject({ at: [0], error: failure });
    }
  });

  test('that is interrupted while it waits ends at once', async () => {
    const controller = new AbortController();
    const error = attempts(() => new Transient('x', { retryAfter: 60_000 }), {
      signal: controller.signal,
      sleep: undefined,
    });
    controller.abort();
    expect((await error).error).toMatchObject({ code: 'interrupted' });
  });
});
