import { describe, expect, test } from 'vitest';
import {
  compressInPlace,
  FRAME_CONTENT,
  FRAME_ROOM,
  forLines,
  forVolumes,
} from '../../src/volume/compress.ts';
import { noise } from '../chunk/noise.ts';
import { decompressAll } from '../helpers/compress-whole.ts';

/** Content of FRAME_CONTENT bytes at most, at the start of memory that several threads may share, with other bytes behind it. */
function memoryWith(content: Uint8Array): Buffer {
  const memory = Buffer.from(new SharedArrayBuffer(FRAME_ROOM)).fill(0xee);
  memory.set(content);
  return memory;
}

const CONTENTS: Record<string, () => Buffer> = {
  'one byte': () => Buffer.from('x'),
  'what cannot be made smaller': () => noise(FRAME_CONTENT, 'incompressible'),
  'a little of what cannot be made smaller': () => noise(1000, 'incompressible'),
  zeros: () => Buffer.alloc(FRAME_CONTENT),
  text: () => Buffer.from('all work and no play makes a dull backup\n'.repeat(90_000)),
};

describe('a frame takes the place of its content', () => {
  for (const [name, make] of Object.entries(CONTENTS)) {
    test.each([1, 3, 9])(`${name}, at level %i`, (level) => {
      const content = make();
      for (const compression of [forVolumes(level), forLines(level)]) {
        const memory = memoryWith(content);
        const length = compressInPlace(memory, content.length, compression);
        expect(length).toBeLessThanOrEqual(FRAME_ROOM);
        expect(decompressAll(memory.subarray(0, length)).equals(content)).toBe(true);
      }
    });
  }
});

test('frames one behind the other are what zstd joins again', () => {
  const contents = [noise(300_000, 'a'), Buffer.alloc(500_000, 'b'), noise(1, 'c')];
  const frames = contents.map((content) => {
    const memory = memoryWith(content);
    return Buffer.from(memory.subarray(0, compressInPlace(memory, content.length, forVolumes(3))));
  });
  expect(decompressAll(Buffer.concat(frames)).equals(Buffer.concat(contents))).toBe(true);
});

test('a frame has a checksum, and no window of more than 8 MiB', () => {
  for (const content of [noise(10, 'a'), Buffer.alloc(FRAME_CONTENT), noise(FRAME_CONTENT, 'b')]) {
    const memory = memoryWith(content);
    compressInPlace(memory, content.length, forVolumes(3));
    const descriptor = memory[4] as number;
    expect(descriptor & 0x04).toBe(0x04);
    // A single segment: its window is its content.
    expect(descriptor & 0x20).toBe(0x20);
  }
});
