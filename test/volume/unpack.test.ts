import { Cipheriv, hash } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { CFB_PIECE } from '../../src/crypto/cfb.ts';
import { openSessionKey } from '../../src/crypto/session-key.ts';
import { CHUNK_LIMIT } from '../../src/format/limits.ts';
import type { ChunkTaker } from '../../src/volume/archive.ts';
import { unpackChunks } from '../../src/volume/chunks.ts';
import { FRAME_CONTENT } from '../../src/volume/compress.ts';
import { unpackVolume } from '../../src/volume/unpack.ts';
import { noise } from '../chunk/noise.ts';
import { compressWhole } from '../helpers/compress-whole.ts';
import { tar } from '../helpers/handmade-set.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeKeys, QuickStore } from '../helpers/quick-store.ts';

let quick: QuickStore;

beforeAll(async () => {
  quick = new QuickStore(new MemoryStore(), await makeKeys());
});

const CHUNKS = [
  Buffer.from('first'),
  Buffer.alloc(3_000_000, 'second'),
  Buffer.from('third'),
  Buffer.alloc(512, 7),
];
/** Bytes that a decipher gathers its input in. */
const DECIPHER_INPUT = CFB_PIECE + 32;
const OBJECT = 'town/sets/x/vol-000001.tar.zst.pgp';

interface Unpacked {
  chunks: Map<number, string>;
  error: unknown;
}

/** Unpacks a volume of that archive; `frame` may change what is sealed. */
async function unpack(
  archive: Buffer,
  options: { frame?: Buffer; plainSize?: number } & Omit<ChunkTaker, 'take'> = {},
): Promise<Unpacked> {
  const sealed = await quick.seal(options.frame ?? compressWhole(archive, 3));
  const chunks = new Map<number, string>();
  const { wants, checks, isDone } = options;
  const take = (position: number, digest: string, bytes: Uint8Array) => {
    if (checks === undefined) expect(hash('sha256', bytes, 'hex')).toBe(digest);
    chunks.set(position, digest);
  };
  const taker: ChunkTaker = {
    take,
    ...(wants && { wants }),
    ...(checks && { checks }),
    ...(isDone && { isDone }),
  };
  const expected = { object: OBJECT, plainSize: options.plainSize ?? archive.length };
  const error = await unpackVolume(sealed, quick.keys.secret, expected, taker).catch((e: unknown) => e);
  return { chunks, error };
}

function archiveOf(chunks: readonly Buffer[]): Buffer {
  return tar(chunks.map((bytes) => ({ bytes })));
}

/** An archive in frames as a backup makes them. */
function inFrames(archive: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < archive.length; at += FRAME_CONTENT)
    frames.push(compressWhole(archive.subarray(at, at + FRAME_CONTENT), 3));
  return Buffer.concat(frames);
}

async function damage(archive: Buffer, options: Parameters<typeof unpack>[1] = {}): Promise<string> {
  const { error } = await unpack(archive, options);
  expect(error).toMatchObject({ name: 'HoldfastError', code: 'damage', object: OBJECT });
  expect((error as Error).message).toContain(OBJECT);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
}

/** An archive of one member with another header than a chunk's. */
async function strange(
  header: Parameters<ReturnType<typeof pack>['entry']>[0],
  body: Buffer,
): Promise<Buffer> {
  const archive = pack();
  archive.entry(header, body);
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

test('every chunk comes with its position and its digest', async () => {
  const { chunks, error } = await unpack(archiveOf(CHUNKS));
  expect(error).toBeUndefined();
  expect([...chunks]).toEqual(CHUNKS.map((bytes, i) => [i, hash('sha256', bytes, 'hex')]));
});

test('only chunks that are wanted come, and the others need not even match their digests', async () => {
  const archive = archiveOf(CHUNKS);
  archive[512] = 0;
  const { chunks, error } = await unpack(archive, { wants: (position) => position >= 2 });
  expect(error).toBeUndefined();
  expect([...chunks.keys()]).toEqual([2, 3]);
});

test('once no further chunk is wanted, the rest is not looked at', async () => {
  const archive = archiveOf(CHUNKS);
  const rest = archive.indexOf(CHUNKS[2] as Buffer) - 512;
  archive.fill(0xff, rest);
  let last = -1;
  const asked: number[] = [];
  const wants = (position: number) => {
    asked.push(position);
    last = position;
    return position === 1;
  };
  const enough = await unpack(archive, { wants, isDone: () => last === 1 });
  expect(enough.error).toBeUndefined();
  expect([...enough.chunks.keys()]).toEqual([1]);
  expect(asked).toEqual([0, 1]);
  expect(await damage(archive, { wants })).toContain('position 1');
});

test('an archive without chunks is a volume', async () => {
  expect((await unpack(archiveOf([]))).error).toBeUndefined();
});

test('a chunk that does not match its digest is not handed on, those around it are, and the volume is damaged', async () => {
  const archive = archiveOf(CHUNKS);
  archive[1024 + 512 + 1_000_000] = 0;
  const { chunks, error } = await unpack(archive);
  expect([...chunks.keys()]).toEqual([0, 2, 3]);
  expect(error).toMatchObject({ code: 'damage', object: OBJECT });
  expect((error as Error).message).toContain('position 1');
});

test('a chunk that its taker checks is handed on as it is; the others are checked', async () => {
  const archive = archiveOf(CHUNKS);
  archive[512] = 0;
  archive[1024 + 512 + 1_000_000] = 0;
  const { chunks, error } = await unpack(archive, { checks: (position) => position === 1 });
  expect([...chunks.keys()]).toEqual([1, 2, 3]);
  expect((error as Error).message).toContain('position 0');
});

test('what the taker of chunks throws comes through as it is, at once or later', async () => {
  const sealed = await quick.seal(compressWhole(archiveOf(CHUNKS), 3));
  const expected = { object: OBJECT, plainSize: archiveOf(CHUNKS).length };
  const full = new Error('disk full');
  const now = unpackVolume(sealed, quick.keys.secret, expected, {
    take: () => {
      throw full;
    },
  });
  await expect(now).rejects.toBe(full);
  const later = unpackVolume(sealed, quick.keys.secret, expected, { take: () => Promise.reject(full) });
  await expect(later).rejects.toBe(full);
});

test('a taker that needs time gets one chunk at a time', async () => {
  const sealed = await quick.seal(compressWhole(archiveOf(CHUNKS), 3));
  let busy = 0;
  let most = 0;
  await unpackVolume(
    sealed,
    quick.keys.secret,
    { object: OBJECT, plainSize: archiveOf(CHUNKS).length },
    {
      take: async () => {
        most = Math.max(most, ++busy);
        await new Promise((resolve) => setTimeout(resolve, 5));
        busy--;
      },
    },
  );
  expect(most).toBe(1);
});

test('more plaintext than the commit says is refused as soon as it comes, not when all of it is there', async () => {
  const bomb = compressWhole(Buffer.alloc(400 * 1024 * 1024), 1);
  const before = process.memoryUsage().arrayBuffers;
  expect(await damage(archiveOf(CHUNKS), { frame: bomb })).toContain('more than');
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  expect(await damage(archiveOf(CHUNKS), { plainSize: archiveOf(CHUNKS).length - 1 })).toContain('more than');
});

test('less plaintext than the commit says is refused', async () => {
  await damage(archiveOf(CHUNKS), { plainSize: archiveOf(CHUNKS).length + 1 });
  await damage(archiveOf(CHUNKS), { plainSize: archiveOf(CHUNKS).length + 512 });
});

test('content in several frames is one, wherever it is cut', async () => {
  const archive = archiveOf(CHUNKS);
  for (const lengths of [[1], [511, 1], [512, 5, 507], [700_000], [archive.length - 1], [0, 1024, 0]]) {
    const frames: Buffer[] = [];
    let at = 0;
    for (const length of [...lengths, archive.length]) {
      frames.push(compressWhole(archive.subarray(at, at + length), 3));
      at += length;
    }
    const { chunks, error } = await unpack(archive, { frame: Buffer.concat(frames) });
    expect(error).toBeUndefined();
    expect([...chunks]).toEqual(CHUNKS.map((bytes, i) => [i, hash('sha256', bytes, 'hex')]));
  }
});

test('a volume as large as those of a backup comes out of its frames', async () => {
  const chunks = Array.from({ length: 12 }, (_, i) => noise(2_500_000, `chunk ${i}`));
  const archive = archiveOf(chunks);
  expect(archive.length).toBeGreaterThan(3 * FRAME_CONTENT);
  const { chunks: found, error } = await unpack(archive, { frame: inFrames(archive) });
  expect(error).toBeUndefined();
  expect(found.size).toBe(chunks.length);
});

test('frames that together hold more than the commit says are refused', async () => {
  const archive = archiveOf(CHUNKS);
  const frame = compressWhole(archive, 3);
  expect(await damage(archive, { frame: Buffer.concat([frame, frame]) })).toContain('more than');
  const more = compressWhole(Buffer.alloc(512), 3);
  expect(await damage(archive, { frame: Buffer.concat([frame, more]) })).toContain('more than');
});

test('bytes after a frame that are no frame are refused', async () => {
  const archive = archiveOf(CHUNKS);
  const frame = compressWhole(archive, 3);
  for (const tail of [Buffer.from([0]), Buffer.from('no frame'), Buffer.from('502a4d180100000000', 'hex')]) {
    expect(await damage(archive, { frame: Buffer.concat([frame, tail]) })).toContain('zstd frame');
  }
});

test('a frame that is cut short, that is none, or that does not match its checksum is refused', async () => {
  const archive = archiveOf(CHUNKS);
  const frame = compressWhole(archive, 3);
  await damage(archive, { frame: frame.subarray(0, frame.length - 5) });
  await damage(archive, { frame: Buffer.from('no frame') });
  await damage(archive, { frame: Buffer.alloc(0) });
  const wrong = Buffer.from(frame);
  wrong[wrong.length - 1] = (wrong[wrong.length - 1] as number) ^ 1;
  await damage(archive, { frame: wrong });
});

test('a frame with a window of more than 8 MiB is refused', async () => {
  const archive = archiveOf([Buffer.alloc(12 * 1024 * 1024, 'window')]);
  const params = { [constants.ZSTD_c_windowLog]: 24, [constants.ZSTD_c_checksumFlag]: 1 };
  await damage(archive, { frame: zstdCompressSync(archive, { params }) });
});

test('members that are no files, have other names, are empty or too large are refused', async () => {
  const body = Buffer.from('body');
  const name = hash('sha256', body, 'hex');
  await damage(await strange({ name, type: 'symlink', linkname: '/etc/passwd', size: 0 }, Buffer.alloc(0)));
  await damage(await strange({ name, type: 'directory', size: 0 }, Buffer.alloc(0)));
  await damage(await strange({ name: '../../etc/passwd', size: 4 }, body));
  await damage(await strange({ name: name.toUpperCase(), size: 4 }, body));
  await damage(archiveOf([Buffer.alloc(0)]));
  const large = Buffer.alloc(CHUNK_LIMIT + 1);
  expect(await damage(archiveOf([large]))).toContain(String(CHUNK_LIMIT + 1));
  expect((await unpack(archiveOf([large.subarray(1)]))).error).toBeUndefined();
});

test('headers beside those of the chunks, and bytes after the end of the archive, are refused', async () => {
  const body = Buffer.from('body');
  const extended = await strange(
    { name: hash('sha256', body, 'hex'), size: 4, pax: { comment: 'x' } } as never,
    body,
  );
  await damage(extended);
  await damage(Buffer.concat([archiveOf(CHUNKS), Buffer.alloc(512)]));
  await damage(Buffer.concat([archiveOf(CHUNKS), Buffer.alloc(512, 1)]));
  await damage(archiveOf(CHUNKS).subarray(0, -512));
  await damage(archiveOf(CHUNKS).subarray(0, 2000));
});

test('a message for another key is no damage but a matter of the key', async () => {
  const { secret } = await makeKeys();
  const sealed = await quick.seal(compressWhole(archiveOf(CHUNKS), 3));
  const attempt = unpackVolume(sealed, secret, { object: OBJECT, plainSize: 1 }, { take() {} });
  await expect(attempt).rejects.toMatchObject({ code: 'key' });
});

test('a changed ciphertext is damage', async () => {
  const archive = archiveOf(CHUNKS);
  const sealed = await quick.seal(compressWhole(archive, 3));
  for (const at of [sealed.length - 22, sealed.length >> 1, 5]) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] as number) ^ 0x40;
    const attempt = unpackVolume(
      changed,
      quick.keys.secret,
      { object: OBJECT, plainSize: archive.length },
      { take() {} },
    );
    await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(/^(damage|key)$/) });
  }
});

describe('of a volume of which only the beginning is wanted', () => {
  /** Unpacks such a volume; what of the buffers that were made, and decrypted into, is still there. */
  async function left(frames: (archive: Buffer) => Buffer): Promise<{ made: number[]; decrypted: number[] }> {
    const seeds = ['a', 'b', 'c'];
    const archive = archiveOf([Buffer.from('first'), ...seeds.map((seed) => noise(FRAME_CONTENT, seed))]);
    const sealed = await quick.seal(frames(archive));
    const session = await openSessionKey(sealed, quick.keys.secret, OBJECT);
    const spies = [vi.spyOn(Buffer, 'allocUnsafeSlow'), vi.spyOn(Cipheriv.prototype, 'update')];
    onTestFinished(() => spies.forEach((spy) => void spy.mockRestore()));
    let taken = 0;
    const taker = { take: () => void taken++, isDone: () => taken > 0 };
    await unpackChunks(sealed, session, { object: OBJECT, plainSize: archive.length }, taker);
    expect(taken).toBe(1);
    const [made = [], decrypted = []] = spies.map(({ mock }) => {
      const buffers = mock.results.map(({ value }) => (value as Buffer).buffer);
      expect(buffers.length).toBeGreaterThan(0);
      return [...new Set(buffers)].map(({ byteLength }) => byteLength).filter((length) => length > 0);
    });
    return { made, decrypted };
  }

  test('nothing is left to the garbage collector', async () => {
    expect(await left(inFrames)).toEqual({ made: [], decrypted: [] });
  });

  test('what a thread may still be reading is left: the beginning of a long frame, and its last piece', async () => {
    const { made, decrypted } = await left((archive) => compressWhole(archive, 3));
    expect(made).not.toContain(DECIPHER_INPUT);
    expect(made).toHaveLength(1);
    expect(decrypted).toHaveLength(1);
  });
});
