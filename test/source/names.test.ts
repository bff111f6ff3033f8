import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type Names, SortedNames } from '../../src/source/names.ts';

/** Any bytes but NUL and the slash, as names have them. */
const name = fc
  .array(
    fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f),
    { minLength: 1, maxLength: 40 },
  )
  .map((bytes) => Buffer.from(bytes).toString('latin1'));

function all(names: Names): string[] {
  const list: string[] = [];
  for (let next = names.next(); next !== undefined; next = names.next()) list.push(next);
  return list;
}

describe('many names', () => {
  test.each([1, 2, 7, 100])('come in the order of their bytes, each once, from runs of %i', (run) => {
    fc.assert(
      fc.property(
        fc.array(name, { maxLength: 120 }),
        fc.array(fc.nat(119), { maxLength: 20 }),
        (given, again) => {
          const names = new SortedNames(run);
          const added = [...given, ...again.flatMap((i) => given[i] ?? [])];
          for (const one of added) names.add(one);
          names.sort();
          expect(all(names)).toEqual([...new Set(added)].sort());
        },
      ),
    );
  });

  test('take little more memory than what tells them from their neighbours', () => {
    const names = new SortedNames(16 * 1024);
    for (let i = 0; i < 200_000; i++) {
      names.add(`a long beginning that all of them share, ${String((i * 7919) % 200_003).padStart(10, '0')}`);
    }
    names.sort();
    expect(names.bytes).toBeLessThan(200_000 * 9);
    let last = '';
    let count = 0;
    for (let next = names.next(); next !== undefined; next = names.next()) {
      expect(next > last).toBe(true);
      last = next;
      count++;
    }
    expect(count).toBe(200_000);
  });
});
