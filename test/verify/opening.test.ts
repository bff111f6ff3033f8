import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openSessionKey } from '../../src/crypto/session-key.ts';
import { Opening } from '../../src/verify/opening.ts';
import { FRAME_CONTENT } from '../../src/volume/compress.ts';
import { noise } from '../chunk/noise.ts';
import { compressWhole } from '../helpers/compress-whole.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeKeys, QuickStore } from '../helpers/quick-store.ts';

const MIB = 1024 * 1024;

let quick: QuickStore;
let opening: Opening;

beforeAll(async () => {
  quick = new QuickStore(new MemoryStore(), await makeKeys());
});

beforeEach(() => {
  opening = new Opening();
});

afterEach(() => opening.close());

/** A sealed object of that content, in frames as the program makes them, or in one. */
async function sealed(content: Buffer, frameSize = FRAME_CONTENT) {
  const frames: Buffer[] = [];
  for (let at = 0; at < content.length; at += frameSize)
    frames.push(compressWhole(content.subarray(at, at + frameSize), 1));
  const ciphertext = await quick.seal(Buffer.concat(frames));
  return { ciphertext, sessionKey: await openSessionKey(ciphertext, quick.keys.secret, 'o') };
}

async function whole(
  { ciphertext, sessionKey }: Awaited<ReturnType<typeof sealed>>,
  name = 'o',
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of opening.contentOf(ciphertext, sessionKey, name)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

test.each([
  ['in frames as the program makes them', FRAME_CONTENT],
  ['in short frames', 100_000],
  ['in frames longer than the program makes', 7 * MIB],
  ['in one frame, which is too long for one call', 1024 * MIB],
])('volumes come whole, one after the other: %s', async (_, frameSize) => {
  for (const length of [1, 300_000, 30 * MIB + 17]) {
    const content = noise(length, `volume ${length}`);
    expect((await whole(await sealed(content, frameSize))).equals(content)).toBe(true);
  }
});

test.each([
  ['in frames as the program makes them', FRAME_CONTENT],
  ['in one frame, which is too long for one call', 1024 * MIB],
])('of a volume that is given up in its midst nothing comes among the next one: %s', async (_, frameSize) => {
  const first = await sealed(noise(60 * MIB, 'first'), frameSize);
  for (const after of [1, 3, 1, 2]) {
    const { sessionKey } = first;
    let pieces = 0;
    for await (const _ of opening.contentOf(Uint8Array.from(first.ciphertext), sessionKey, 'first')) {
      if (++pieces === after) break;
    }
    const next = noise(20 * MIB, `next ${after}`);
    expect((await whole(await sealed(next))).equals(next)).toBe(true);
  }
});

test('damage is told with the name of the object, and the next volume is none the worse', async () => {
  const content = noise(20 * MIB, 'damaged');
  const { ciphertext, sessionKey } = await sealed(content);
  for (const at of [ciphertext.length >> 1, ciphertext.length - 1]) {
    const altered = Buffer.from(ciphertext);
    altered[at] = (altered[at] as number) ^ 1;
    await expect(whole({ ciphertext: altered, sessionKey }, 'town/vol-7')).rejects.toMatchObject({
      name: 'HoldfastError',
      code: 'damage',
      object: 'town/vol-7',
      message: expect.stringContaining('town/vol-7'),
    });
    expect((await whole(await sealed(content))).equals(content)).toBe(true);
  }
});

test('it ends in the midst of a volume', async () => {
  const { ciphertext, sessionKey } = await sealed(noise(60 * MIB, 'ended'));
  const pieces = opening.contentOf(ciphertext, sessionKey, 'o');
  await pieces.next();
  await opening.close();
});

test.each([FRAME_CONTENT, 7 * MIB])(
  'a piece stays as it is until the next one is asked for, in frames of %i bytes',
  async (size) => {
    const content = noise(40 * MIB, 'held');
    const { ciphertext, sessionKey } = await sealed(content, size);
    let at = 0;
    for await (const piece of opening.contentOf(ciphertext, sessionKey, 'o')) {
      // The thread has time to go as far ahead as it may.
      await sleep(100);
      expect(piece.equals(content.subarray(at, at + piece.length))).toBe(true);
      at += piece.length;
    }
    expect(at).toBe(content.length);
  },
);
