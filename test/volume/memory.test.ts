/** Memory that serves one volume after the other: what an earlier one left in it must not show. */
import { hash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { openSessionKey } from '../../src/crypto/session-key.ts';
import { unpackChunks } from '../../src/volume/chunks.ts';
import { FRAME_CONTENT } from '../../src/volume/compress.ts';
import { VolumeMemory } from '../../src/volume/memory.ts';
import { noise } from '../chunk/noise.ts';
import { compressWhole } from '../helpers/compress-whole.ts';
import { tar } from '../helpers/handmade-set.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeKeys, QuickStore } from '../helpers/quick-store.ts';

const MIB = 1024 * 1024;
const NEVER = 1024 * MIB;

let quick: QuickStore;

beforeAll(async () => {
  quick = new QuickStore(new MemoryStore(), await makeKeys());
});

/** A volume of those chunks, in frames of so much content; `cut` leaves out what lies behind so many bytes of the archive. */
async function volumeOf(chunks: readonly Buffer[], frame = FRAME_CONTENT, cut = NEVER) {
  const archive = tar(chunks.map((bytes) => ({ bytes })));
  const content = archive.subarray(0, cut);
  const frames: Buffer[] = [];
  for (let at = 0; at < content.length; at += frame)
    frames.push(compressWhole(content.subarray(at, at + frame), 1));
  const ciphertext = await quick.seal(Buffer.concat(frames));
  const sessionKey = await openSessionKey(ciphertext, quick.keys.secret, 'o');
  return { chunks, ciphertext, sessionKey, plainSize: archive.length };
}

/** SHA-256 of what comes, as it is given and not as it is called; `until` ends it. */
async function digests(
  { ciphertext, sessionKey, plainSize }: Awaited<ReturnType<typeof volumeOf>>,
  memory: VolumeMemory,
  until = Number.POSITIVE_INFINITY,
): Promise<{ found: string[]; error: unknown }> {
  const found: string[] = [];
  const taker = {
    // Nothing is left to the digests that chunks are checked by.
    checks: () => true,
    take(position: number, _digest: string, bytes: Uint8Array) {
      if (position === until) throw new Error('enough');
      found.push(hash('sha256', bytes, 'hex'));
    },
  };
  const error = await unpackChunks(ciphertext, sessionKey, { object: 'o', plainSize }, taker, memory).catch(
    (e: unknown) => e,
  );
  return { found, error };
}

test('volumes that come one after the other through the same memory are what they are alone', async () => {
  const large = [noise(9 * MIB, 'a'), noise(5 * MIB + 1, 'b'), Buffer.alloc(15 * MIB, 'c'), noise(700, 'd')];
  const small = [noise(5 * MIB, 'e'), noise(3 * MIB + 5, 'f'), Buffer.from('g'), noise(4 * MIB, 'h')];
  const good = [
    await volumeOf(large),
    await volumeOf(small),
    await volumeOf(small, 100_000),
    await volumeOf(small, 7 * MIB),
    // One frame, which is too long for one call.
    await volumeOf(large, NEVER),
  ];
  const broken = [
    await volumeOf(large, FRAME_CONTENT, 11 * MIB),
    await volumeOf(large, NEVER, 3 * MIB),
    { ...(await volumeOf(large)), plainSize: 12 * MIB },
  ];
  const memory = new VolumeMemory();
  for (let round = 0; round < 2; round++) {
    for (const volume of good) {
      for (const bad of broken) {
        const { found, error } = await digests(bad, memory);
        expect(error).toMatchObject({ code: 'damage' });
        expect(found.length).toBeLessThan(large.length);
      }
      // Given up in the midst of a frame, or of the stream that a long one is.
      for (const given of [good[0], good[4]]) {
        if (given === undefined) throw new Error('there is none');
        expect((await digests(given, memory, 1)).error).toMatchObject({ message: 'enough' });
      }
      const { found, error } = await digests(volume, memory);
      expect(error).toBe(undefined);
      expect(found).toEqual(volume.chunks.map((bytes) => hash('sha256', bytes, 'hex')));
    }
    memory.free();
  }
});
