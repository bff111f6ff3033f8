import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { signatureOf } from '../../src/index/compare.ts';
import { packStat, STAT_WORDS, type Stat, unpackStat } from '../../src/source/stat.ts';
import { typeOf } from '../../src/source/stat-entry.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

function through(stat: Stat): Stat {
  const words = new BigInt64Array(STAT_WORDS + 2).fill(-7n);
  packStat(stat, words, 1);
  expect([words[0], words.at(-1)]).toEqual([-7n, -7n]);
  return unpackStat(words, 1);
}

test('a stat is the same after it was packed, its kind too', async () => {
  const folder = await temporaryFolder();
  mkdirSync(join(folder, 'dir'));
  writeFileSync(join(folder, 'file'), 'x'.repeat(5000));
  symlinkSync('file', join(folder, 'link'));
  for (const path of [join(folder, 'dir'), join(folder, 'file'), join(folder, 'link'), '/dev/null']) {
    const stat = lstatSync(path, { bigint: true });
    const packed = through(stat);
    expect(signatureOf(packed)).toBe(signatureOf(stat));
    expect(typeOf(packed)).toBe(typeOf(stat));
    expect(packed.isDirectory()).toBe(stat.isDirectory());
    for (const key of ['dev', 'nlink', 'uid', 'gid', 'rdev', 'blocks', 'mode'] as const)
      expect(packed[key]).toBe(stat[key]);
  }
});

test('numbers of 64 bits come through as node:fs gives them: with a sign', () => {
  const word = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  // Seconds of 64 bits may be had, and are more than that in nanoseconds.
  const time = fc.oneof(word, fc.bigInt({ min: -(2n ** 63n) * 10n ** 9n, max: 2n ** 63n * 10n ** 9n }));
  fc.assert(
    fc.property(fc.tuple(word, word, time, time), ([ino, size, mtimeNs, ctimeNs]) => {
      const stat = { ...lstatSync('/', { bigint: true }), ino, size, mtimeNs, ctimeNs } as Stat;
      expect(signatureOf(through(stat))).toBe(signatureOf(stat));
    }),
  );
});
