import { lstatSync, lutimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timeArgument, toSeconds, toTimespec } from '../../src/target/times.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const SECOND = 1_000_000_000n;
/** What ext4 and tmpfs can hold: 1901 to 2446. */
const FIRST = -2_147_483_648n * SECOND;
const LAST = 15_032_385_535n * SECOND;

async function setter(): Promise<(ns: bigint) => bigint> {
  const file = join(await temporaryFolder(), 'f');
  writeFileSync(file, '');
  return (ns) => {
    const time = timeArgument(toSeconds(toTimespec(ns)));
    lutimesSync(file, time, time);
    return lstatSync(file, { bigint: true }).mtimeNs;
  };
}

function floorTo(unit: bigint, ns: bigint): bigint {
  return ns - (((ns % unit) + unit) % unit);
}

test('a time keeps its microsecond, before 1970 and after 2038 too', async () => {
  const set = await setter();
  const times = fc.bigInt({ min: FIRST, max: 8_000_000_000n * SECOND });
  fc.assert(
    fc.property(times, (ns) => floorTo(1000n, set(ns)) === floorTo(1000n, ns)),
    { numRuns: 3000 },
  );
});

test('a whole second comes back exactly, and none ever becomes the next', async () => {
  const set = await setter();
  fc.assert(
    fc.property(fc.bigInt({ min: FIRST / SECOND, max: LAST / SECOND - 1n }), (seconds) => {
      expect(set(seconds * SECOND)).toBe(seconds * SECOND);
      expect(floorTo(SECOND, set(seconds * SECOND + SECOND - 1000n))).toBe(seconds * SECOND);
    }),
    { numRuns: 2000 },
  );
});

test('times of this century are off by less than 500 ns', async () => {
  const set = await setter();
  const times = fc.bigInt({ min: 946_684_800n * SECOND, max: 4_102_444_800n * SECOND });
  fc.assert(
    fc.property(times, (ns) => {
      const off = set(ns) - ns;
      expect(off < 500n && off > -500n).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

test('the awkward moments come back', async () => {
  const set = await setter();
  for (const ns of [0n, 1000n, -1000n, -1n * SECOND, -1_500_000_000n, FIRST, 2_147_483_648n * SECOND, LAST]) {
    expect(set(ns)).toBe(ns);
  }
});
