import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/chunk/digest.ts';
import { type PackLimits, SPACE_MAX, VolumePacker } from '../../src/volume/pack.ts';
import type { ObjectSink } from '../../src/volume/sink.ts';
import { chunksOf, MemorySink } from '../backup/memory-sink.ts';
import { noise } from '../chunk/noise.ts';
import { compressWhole } from '../helpers/compress-whole.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const LIMITS: PackLimits = { size: 32 * MIB, plainSize: 256 * MIB, level: 3 };

interface Packed {
  sink: MemorySink;
  places: { volume: number; position: number }[];
}

/** Packs chunks as the program does: some made in place, others from one buffer that is used again. */
function pack(chunks: Iterable<Buffer>, limits = LIMITS): Packed {
  const sink = new MemorySink();
  const packer = new VolumePacker(sink, (volume) => `vol-${volume}`, limits);
  const places: { volume: number; position: number }[] = [];
  const buffer = Buffer.alloc(16 * MIB);
  let n = 0;
  for (const chunk of chunks) {
    if (++n % 3 > 0 && chunk.length < SPACE_MAX) {
      // A space that comes to nothing, and one that is larger than what is kept of it.
      packer.space(SPACE_MAX).fill(0xaa);
      packer.space(chunk.length + 1).set(chunk);
      places.push(packer.keep(sha256(chunk), chunk.length));
      continue;
    }
    chunk.copy(buffer);
    const bytes = buffer.subarray(0, chunk.length);
    places.push(packer.reserve());
    packer.add(sha256(bytes), bytes);
    bytes.fill(0xee);
  }
  packer.finish();
  expect(packer.volumes).toBe(sink.objects.size);
  return { sink, places };
}

/** Checks that each chunk lies where it was promised to lie, and nothing else anywhere. */
function check({ sink, places }: Packed, chunks: readonly Buffer[]): void {
  const volumes = new Map(sink.names('vol-').map((name) => [name, chunksOf(sink.content(name))]));
  let wrong = 0;
  for (const [i, { volume, position }] of places.entries()) {
    const found = volumes.get(`vol-${volume}`)?.[position];
    const chunk = chunks[i] as Buffer;
    if (found === undefined || !found.bytes.equals(chunk) || found.name !== sha256(chunk)) wrong++;
  }
  expect(wrong).toBe(0);
  expect([...volumes.values()].reduce((n, v) => n + v.length, 0)).toBe(chunks.length);
}

function some(count: number, length: (i: number) => number, seed: string): Buffer[] {
  const lengths = Array.from({ length: count }, (_, i) => length(i));
  const data = noise(
    lengths.reduce((a, b) => a + b, 0),
    seed,
  );
  let at = 0;
  return lengths.map((n) => {
    at += n;
    return data.subarray(at - n, at);
  });
}

describe('volumes', () => {
  test('hold each chunk where it was promised to lie, whatever its size', async () => {
    const sizes = [
      1,
      511,
      512,
      513,
      1024,
      64 * KIB,
      256 * KIB - 1,
      256 * KIB,
      256 * KIB + 1,
      2 * MIB - 1,
      2 * MIB,
    ];
    const chunks = some(60, (i) => (sizes[(i * 7) % sizes.length] as number) + (i % 3), 'sizes');
    chunks.push(...some(3, () => 4 * MIB, 'largest'));
    check(pack(chunks), chunks);
  });

  test('hold chunks of random sizes and limits', async () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 300 * KIB }),
      fc.integer({ min: 1, max: 3 * MIB }),
    );
    fc.assert(
      fc.property(fc.array(size, { maxLength: 25 }), fc.integer({ min: 1, max: 6 }), (sizes, mib) => {
        const chunks = some(sizes.length, (i) => sizes[i] as number, 'random');
        check(pack(chunks, { ...LIMITS, size: mib * MIB }), chunks);
      }),
      { numRuns: 12 },
    );
  });

  test('hold very many very small chunks', async () => {
    const chunks = some(40_000, (i) => 1 + (i % 5), 'tiny');
    check(pack(chunks), chunks);
  });

  test('are none where there are no chunks', async () => {
    const { sink } = pack([]);
    expect(sink.opened).toEqual([]);
  });

  test('are closed at about their size', async () => {
    const chunks = some(120, () => 400 * KIB, 'size');
    const packed = pack(chunks, { ...LIMITS, size: 8 * MIB });
    check(packed, chunks);
    const sizes = packed.sink.opened.map((name) => packed.sink.objects.get(name)?.frame.length ?? 0);
    expect(sizes.length).toBeGreaterThanOrEqual(5);
    for (const size of sizes.slice(0, -1)) {
      expect(size).toBeGreaterThan(7 * MIB);
      expect(size).toBeLessThan(12 * MIB);
    }
    expect(packed.sink.mostOpen).toBe(1);
  });

  test('are not closed early while it is not known what compression makes of them, if that of the one before is', () => {
    const sizes: number[] = [];
    /** What waits for compression, of all volumes: 24 MiB always do. */
    const waiting: { figures: { taken: number; out: number }; bytes: number }[] = [];
    let bytesWaiting = 0;
    const lagging: ObjectSink = {
      open: () => {
        const figures = { taken: 0, out: 0 };
        let plain = 0;
        const took = (bytes: number) => {
          plain += bytes;
          waiting.push({ figures, bytes });
          bytesWaiting += bytes;
          for (let next = waiting[0]; next !== undefined && bytesWaiting > 24 * MIB; next = waiting[0]) {
            waiting.shift();
            bytesWaiting -= next.bytes;
            next.figures.taken += next.bytes;
            next.figures.out += next.bytes / 10;
          }
        };
        return {
          figures,
          room: (bytes) => Buffer.alloc(bytes),
          filled: took,
          write: (bytes) => took(bytes.length),
          end: () => void sizes.push(plain),
          discard: () => {},
        };
      },
    };
    const packer = new VolumePacker(lagging, (volume) => `vol-${volume}`, { ...LIMITS, size: 8 * MIB });
    const chunk = Buffer.alloc(256 * KIB);
    for (let at = 0; at < 300 * MIB; at += chunk.length) {
      packer.space(chunk.length);
      packer.keep('0'.repeat(64), chunk.length);
    }
    packer.finish();
    // Of the first three, nothing is known before they are closed.
    expect(sizes[0]).toBeLessThan(10 * MIB);
    expect(sizes.length).toBeGreaterThan(5);
    for (const size of sizes.slice(4, -1)) expect(size).toBeGreaterThan(75 * MIB);
  });

  test('are closed at their plain size, however little comes out', async () => {
    const chunks = Array.from({ length: 100 }, (_, i) => Buffer.alloc(MIB, i));
    const packed = pack(chunks, { ...LIMITS, plainSize: 16 * MIB });
    check(packed, chunks);
    expect(packed.sink.objects.size).toBeGreaterThanOrEqual(6);
    for (const { plainSize, frame } of packed.sink.objects.values()) {
      expect(plainSize).toBeLessThan(18 * MIB);
      expect(frame.length).toBeLessThan(MIB);
    }
  });

  test('keep a reserved place until it is taken, also where the volume is full by then', async () => {
    const sink = new MemorySink();
    const packer = new VolumePacker(sink, (volume) => `vol-${volume}`, { ...LIMITS, size: MIB });
    const [chunk] = some(1, () => MIB, 'reserved') as [Buffer];
    expect(packer.reserve()).toEqual({ volume: 1, position: 0 });
    packer.add(sha256(chunk), chunk);
    expect(() => packer.add(sha256(chunk), chunk)).toThrow('without reserve');
    expect(packer.reserve()).toEqual({ volume: 2, position: 0 });
    packer.add(sha256(chunk), chunk);
    packer.finish();
    expect(sink.names('vol-')).toEqual(['vol-1', 'vol-2']);
  });

  test('are one zstd frame each, with a checksum and a window of at most 8 MiB, at every level', async () => {
    for (const level of [1, 3, 19]) {
      const chunks = some(3, () => MIB, `level ${level}`);
      const packed = pack(chunks, { ...LIMITS, level });
      for (const { frame } of packed.sink.objects.values()) {
        const { checksum, window } = frameHeader(frame);
        expect(checksum).toBe(true);
        expect(window).toBeLessThanOrEqual(8 * MIB);
      }
    }
  });

  test('are listed and unpacked by stock zstd and tar', async () => {
    const folder = await temporaryFolder();
    const chunks = some(20, (i) => 1 + i * 5000, 'stock');
    const { sink } = pack(chunks);
    writeFileSync(join(folder, 'vol.tar.zst'), (sink.objects.get('vol-1') as { frame: Buffer }).frame);
    const sh = (script: string) => execFileSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' });
    expect(sh('zstd -dc vol.tar.zst | tar -t').trim().split('\n')).toEqual(chunks.map(sha256));
    expect(sh("zstd -dc vol.tar.zst | tar -x && sha256sum ????* | grep -v vol.tar | awk '$1 != $2'")).toBe(
      '',
    );
  });

  test('are begun by nothing but a chunk: a space that is not kept makes none', () => {
    const sink = new MemorySink();
    const packer = new VolumePacker(sink, (volume) => `vol-${volume}`, LIMITS);
    packer.space(1000);
    packer.finish();
    expect({ volumes: packer.volumes, opened: sink.opened }).toEqual({ volumes: 0, opened: [] });
    expect(() => packer.keep(sha256(Buffer.alloc(1)), 1)).toThrow('without space');
  });

  test('end with the error of whoever takes them', () => {
    const sink = new MemorySink();
    const broken: ObjectSink = {
      open: (name, compression) => ({
        ...sink.open(name, compression),
        filled: () => {
          throw new Error('the store is gone');
        },
      }),
    };
    const packer = new VolumePacker(broken, (volume) => `vol-${volume}`, LIMITS);
    packer.reserve();
    expect(() => packer.add('0'.repeat(64), noise(1000, 'broken'))).toThrow('the store is gone');
  });
});

describe('an object that is compressed in one go', () => {
  test('is one zstd frame with a checksum and a window of at most 8 MiB', () => {
    for (const content of [Buffer.alloc(0), noise(10, 'a'), noise(5 * MIB, 'b'), Buffer.alloc(8 * MIB)]) {
      const frame = compressWhole(content, 3);
      expect(zstdDecompressSync(frame).equals(content)).toBe(true);
      expect(frameHeader(frame).checksum).toBe(true);
      expect(frameHeader(frame).window).toBeLessThanOrEqual(8 * MIB);
    }
  });
});

/** Checksum flag and window size of a zstd frame (RFC 8878, section 3.1.1.1). */
function frameHeader(frame: Buffer): { checksum: boolean; window: number } {
  expect(frame.readUInt32LE(0)).toBe(0xfd2fb528);
  const descriptor = frame[4] as number;
  expect(descriptor & 0b11).toBe(0);
  const single = (descriptor & 0x20) !== 0;
  const checksum = (descriptor & 0x04) !== 0;
  if (!single) {
    const byte = frame[5] as number;
    const base = 2 ** (10 + (byte >> 3));
    return { checksum, window: base + (base / 8) * (byte & 7) };
  }
  const lengths = [1, 2, 4, 8];
  const length = lengths[descriptor >> 6] as number;
  const size = frame.readUIntLE(5, Math.min(length, 6)) + (length === 2 ? 256 : 0);
  return { checksum, window: size };
}
