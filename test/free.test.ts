import { expect, test } from 'vitest';
import { free } from '../src/free.ts';

test('large bytes are gone at once', () => {
  const bytes = Buffer.allocUnsafeSlow(1 << 20).subarray(0, (1 << 20) - 1);
  free(bytes);
  expect(bytes.buffer.byteLength).toBe(0);
  free(bytes);
});

test('memory that others share stays', () => {
  const [a, b] = [Buffer.from('first'), Buffer.from('second')];
  expect(a.buffer).toBe(b.buffer);
  free(a);
  const whole = Buffer.alloc(1 << 16, 1);
  free(whole.subarray(0, 1 << 15));
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(7);
  free(shared);
  expect([b.toString(), whole[5], shared[0]]).toEqual(['second', 1, 7]);
});
