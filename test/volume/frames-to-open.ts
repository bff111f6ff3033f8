/** Frames, good and damaged, that both ways of opening them have to tell apart alike. */
import { constants, zstdCompressSync } from 'node:zlib';
import { expect } from 'vitest';
import { FrameDecompressor } from '../../src/volume/decompress.ts';
import { noise } from '../chunk/noise.ts';

const CHECKSUM = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

const CONTENTS: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'repeated bytes': Buffer.alloc(3_000_000, 'again'),
  noise: noise(400_000, 'frames'),
  'as much as the program puts into one': Buffer.concat([
    noise(2 ** 21, 'half'),
    Buffer.alloc(2 ** 21, 'half'),
  ]),
  'as much as is opened in one call': Buffer.alloc(2 ** 23, 'long'),
};

/** Good frames give what they hold, one after the other; each is good until the next. */
export function openGoodFrames(): void {
  for (const place of [undefined, (bytes: number) => Buffer.from(new SharedArrayBuffer(bytes + 5))]) {
    const decompressor = new FrameDecompressor(place);
    for (let round = 0; round < 3; round++) {
      for (const [name, content] of Object.entries(CONTENTS)) {
        const found = decompressor.decompress(zstdCompressSync(content, CHECKSUM), content.length);
        expect(found.equals(content), name).toBe(true);
      }
    }
    decompressor.free();
    expect(decompressor.decompress(zstdCompressSync(Buffer.from('again')), 5).toString()).toBe('again');
    decompressor.free();
  }
}

/** Damaged ones are refused, and the next one is none the worse. */
export function refuseDamagedFrames(): void {
  const decompressor = new FrameDecompressor();
  const content = Buffer.concat([noise(100_000, 'damage'), Buffer.alloc(100_000, 'damage')]);
  const frame = zstdCompressSync(content, CHECKSUM);
  const refused = (bytes: Buffer, size = content.length) => {
    expect(() => decompressor.decompress(bytes, size)).toThrow(/./);
    expect(decompressor.decompress(frame, content.length).equals(content)).toBe(true);
  };
  for (let at = 0; at < frame.length; at += at < 32 ? 1 : 997) {
    const changed = Buffer.from(frame);
    changed[at] = (changed[at] as number) ^ 0x15;
    // A header that says another size is believed by nobody: the caller has read it.
    refused(changed);
  }
  for (const length of [0, 1, 4, 9, 1000, frame.length - 4, frame.length - 1])
    refused(frame.subarray(0, length));
  refused(frame, content.length - 1);
  refused(frame, 0);
  refused(Buffer.from('no frame at all'));
}
