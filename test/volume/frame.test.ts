import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type Frame, framesOf, MalformedFrame } from '../../src/volume/frame.ts';

const CHECKSUM = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const SKIPPABLE = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

/** The frames of bytes that come in pieces of a size. */
function frames(bytes: Uint8Array, piece: number): Buffer[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
  const found: Buffer[] = [];
  for (const frame of framesOf(pieces)) found.push(Buffer.concat([...frame.pieces]));
  return found;
}

/** Bytes that zstd cannot make smaller. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

async function streamed(pieces: readonly Buffer[]): Promise<Buffer> {
  const zstd = createZstdCompress(CHECKSUM);
  const out: Buffer[] = [];
  zstd.on('data', (piece: Buffer) => out.push(piece));
  // Each write is awaited: Node adds an empty second frame when a stream is ended before its last write was worked off.
  for (const piece of pieces) await new Promise<void>((resolve) => zstd.write(piece, () => resolve()));
  await new Promise((resolve) => zstd.end().on('end', resolve));
  return Buffer.concat(out);
}

const FRAMES: Record<string, () => Buffer | Promise<Buffer>> = {
  'empty content': () => zstdCompressSync(Buffer.alloc(0)),
  'empty content with checksum': () => zstdCompressSync(Buffer.alloc(0), CHECKSUM),
  'one byte': () => zstdCompressSync(Buffer.from('x'), CHECKSUM),
  'repeated bytes': () => zstdCompressSync(Buffer.alloc(3_000_000), CHECKSUM),
  'raw blocks': () => zstdCompressSync(noise(400_000), CHECKSUM),
  'no checksum': () => zstdCompressSync(Buffer.from('some text '.repeat(500))),
  'size unknown beforehand': () => streamed([noise(200_000), Buffer.alloc(300_000), noise(7)]),
};

for (const [name, make] of Object.entries(FRAMES)) {
  test(`the end of a frame is found where it is, however it is cut: ${name}`, async () => {
    const frame = await make();
    for (const piece of [1, 2, 7, 1000, frame.length + 1]) {
      const found = frames(frame, piece);
      expect(found).toHaveLength(1);
      expect(found[0]?.equals(frame)).toBe(true);
    }
  });

  test(`frames one behind the other are told apart, however they are cut: ${name}`, async () => {
    const frame = await make();
    const other = zstdCompressSync(noise(100_000), CHECKSUM);
    const bytes = Buffer.concat([frame, other, frame]);
    for (const piece of [1, 13, frame.length, frame.length + 3, bytes.length]) {
      const found = frames(bytes, piece);
      expect(found.map((one) => one.equals(frame))).toEqual([true, false, true]);
      expect(found[1]?.equals(other)).toBe(true);
    }
  });

  test(`what stands after a frame and is none is refused, however it is cut: ${name}`, async () => {
    const frame = await make();
    for (const tail of [Buffer.from([0]), Buffer.from('some text'), SKIPPABLE, frame.subarray(0, -1)]) {
      const bytes = Buffer.concat([frame, tail]);
      for (const piece of [1, 13, frame.length, bytes.length]) {
        expect(() => frames(bytes, piece)).toThrow(MalformedFrame);
      }
    }
  });

  test(`a frame that is cut short is refused: ${name}`, async () => {
    const frame = await make();
    for (const length of [0, 1, 5, 6, frame.length - 4, frame.length - 1]) {
      expect(() => frames(frame.subarray(0, length), 1000)).toThrow(MalformedFrame);
    }
  });
}

test.each([0, 1, 255, 256, 257, 65_791, 65_792, 1_000_000])(
  'a frame whose header says that it holds %i bytes is known to',
  (length) => {
    const [frame] = framesOf([zstdCompressSync(Buffer.alloc(length, 'x'), CHECKSUM)]);
    expect([...(frame as Frame).pieces]).toHaveLength(1);
    expect(frame?.contentSize).toBe(length);
  },
);

test('a frame whose header does not say how much it holds', async () => {
  const [frame] = framesOf([await streamed([Buffer.from('some text')])]);
  expect([...(frame as Frame).pieces]).toHaveLength(1);
  expect(frame?.contentSize).toBeUndefined();
});

test('a single segment of more than 8 MiB is a window of more than 8 MiB', () => {
  for (const size of [2 ** 23, 2 ** 23 + 1]) {
    const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 1, 0, 0]);
    header.writeUInt32LE(size, 5);
    if (size > 2 ** 23) expect(() => frames(header, 100)).toThrow('window');
    else expect(frames(header, 100)).toHaveLength(1);
  }
});

test('what begins with a skippable frame, or is no frame, is refused', () => {
  const frame = zstdCompressSync(Buffer.from('x'), CHECKSUM);
  expect(() => frames(Buffer.concat([SKIPPABLE, frame]), 1000)).toThrow(MalformedFrame);
  expect(() => frames(Buffer.from('this is no frame'), 1000)).toThrow(MalformedFrame);
});
