import fc from 'fast-check';
import { expect, test } from 'vitest';
import { copyBytes } from '../src/copy.ts';
import { noise } from './chunk/noise.ts';

const KIB = 1024;

function memory(isShared: boolean, length: number): Buffer {
  return Buffer.from((isShared ? new SharedArrayBuffer(length) : new ArrayBuffer(length)) as ArrayBuffer);
}

test('bytes are copied as they are, whatever memory they lie in, from and to any place', () => {
  const lengths = fc.oneof(
    fc.nat(300),
    fc.nat(200 * KIB),
    fc.constantFrom(0, 255, 256, 64 * KIB, 128 * KIB, 128 * KIB + 1),
  );
  const content = noise(201 * KIB, 'copied');
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.nat(20),
      fc.nat(20),
      fc.nat(20),
      lengths,
      (a, b, from, base, at, length) => {
        const source = memory(a, 201 * KIB);
        content.copy(source);
        const target = memory(b, 201 * KIB).fill(7);
        copyBytes(source.subarray(from, from + length), target.subarray(base), at);
        const begin = base + at;
        expect(target.subarray(begin, begin + length).equals(content.subarray(from, from + length))).toBe(
          true,
        );
        expect(target.subarray(0, begin).every((byte) => byte === 7)).toBe(true);
        expect(target.subarray(begin + length, begin + length + 100).every((byte) => byte === 7)).toBe(true);
      },
    ),
  );
});
