import process from 'node:process';
import { expect, test } from 'vitest';
import { Garbage } from '../src/garbage.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

test('buffers that were left behind do not gather beyond what was said, by far', () => {
  const garbage = new Garbage(2 * MIB);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let i = 0; i < 4000; i++) {
    // As an answer comes: each piece in memory of its own.
    Buffer.allocUnsafeSlow(64 * KIB).fill(i, 0, 16);
    garbage.add(64 * KIB);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(most).toBeLessThan(10 * MIB);
});
