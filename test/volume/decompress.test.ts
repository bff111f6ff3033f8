/** Frames opened by Node's own zstd, into memory that is used again. */
import { zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { native } from '../../src/native.ts';
import { FrameDecompressor } from '../../src/volume/decompress.ts';
import { openGoodFrames, refuseDamagedFrames } from './frames-to-open.ts';

test('this Node has the functions: else nothing here would be tested', () => {
  expect(() => native()?.find('void *ZSTD_createDCtx()')).not.toThrow();
  expect(native()).toBeDefined();
});

test('good frames give what they hold', openGoodFrames);

test('damaged frames are refused', refuseDamagedFrames);

test('one memory serves for all frames, and only as much of it is written to as was asked for', () => {
  const memory = Buffer.alloc(1000, 7);
  const decompressor = new FrameDecompressor(() => memory);
  const found = decompressor.decompress(zstdCompressSync(Buffer.alloc(600, 1)), 600);
  expect(found.buffer).toBe(memory.buffer);
  expect(memory.subarray(600).every((byte) => byte === 7)).toBe(true);
  // A frame that holds more than its place has room for does not go beyond it.
  expect(() => decompressor.decompress(zstdCompressSync(Buffer.alloc(990, 2)), 600)).toThrow(/./);
  expect(memory.subarray(600).every((byte) => byte === 7)).toBe(true);
  expect(() => decompressor.decompress(zstdCompressSync(Buffer.alloc(2000, 2)), 2000)).toThrow('no place');

  const own = new FrameDecompressor();
  const first = own.decompress(zstdCompressSync(Buffer.alloc(5000, 1)), 5000);
  const second = own.decompress(zstdCompressSync(Buffer.alloc(3000, 2)), 3000);
  expect(second.buffer).toBe(first.buffer);
});
