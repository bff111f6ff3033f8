import { hash } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import * as openpgp from 'openpgp';
import { beforeAll, expect, test } from 'vitest';
import {
  type SealedObject,
  type Sealing,
  SealPool,
  type SealPoolOptions,
} from '../../src/backup/seal-pool.ts';
import { FIGURES_LENGTH, newSlabs, Slabs } from '../../src/backup/slabs.ts';
import { open, type ParsedSecretKey } from '../../src/crypto/open.ts';
import { noise } from '../chunk/noise.ts';
import { collect } from '../crypto/streams.ts';
import { decompressAll } from '../helpers/compress-whole.ts';
import { makeKeys } from '../helpers/quick-store.ts';

const MIB = 1024 * 1024;

let recipient: Uint8Array;
let secret: ParsedSecretKey;

beforeAll(async () => {
  const keys = await makeKeys();
  secret = keys.secret;
  recipient = (await openpgp.readKey({ armoredKey: keys.publicArmored })).write();
});

const PLAIN = { level: 1, windowLog: 20 };

/** A pool, and the slabs that its content comes in. */
class Rig {
  readonly pool: SealPool;
  readonly slabs: Slabs;
  readonly failures: Error[] = [];

  constructor(more: Partial<SealPoolOptions> = {}) {
    const memory = newSlabs(more.width ?? 2);
    this.slabs = new Slabs(memory);
    const now = new Date(Date.now() + 1000);
    const options = { recipients: [recipient], now, md5: true, width: 2, places: 64, slabs: memory };
    this.pool = new SealPool({ ...options, ...more });
    this.pool.onFailure = (error) => this.failures.push(error);
  }

  open(): Sealing & { figures: Float64Array } {
    const memory = new SharedArrayBuffer(FIGURES_LENGTH * 8);
    return { ...this.pool.open(PLAIN, memory), figures: new Float64Array(memory) };
  }

  /** Hands on content of at most a slab, in a free one; waits for that without blocking the pool, which lives in this thread. */
  async write(sealing: Sealing, content: Buffer): Promise<void> {
    const slab = await this.#free();
    content.copy(this.slabs.view(slab));
    sealing.write(slab, content.length);
  }

  async #free(): Promise<number> {
    for (;;) {
      const slab = this.slabs.tryTake();
      if (slab !== undefined) return slab;
      await sleep(5);
    }
  }

  /** What a sealed object holds. */
  async content({ pieces, size }: SealedObject): Promise<Buffer> {
    const sealed = Buffer.concat(pieces);
    expect(sealed.length).toBe(size);
    return decompressAll(await collect(open(sealed, secret)));
  }
}

test.each([0, 50, 150, 300])(
  'a pool that is closed after %i ms ends its workers by itself',
  async (after) => {
    const rig = new Rig({ recipients: Array(50).fill(recipient) });
    for (const _ of [1, 2]) rig.open().end();
    await sleep(after);
    // Resolves only when they have ended; terminating them in the middle of a key would abort this process.
    await rig.pool.close();
    expect(rig.failures).toEqual([]);
    expect(() => rig.open()).toThrow('after its end');
  },
);

test.each([1, 2])('objects whose pieces come in turn do not mix in %i workers', async (width) => {
  const rig = new Rig({ width });
  const contents = [0, 1, 2].map((i) => noise(3 * MIB + 1000 * i, `object ${i}`));
  const sealings = contents.map(() => rig.open());
  for (let at = 0; at < 4 * MIB; at += 500_000) {
    for (const [i, sealing] of sealings.entries()) {
      const piece = contents[i]?.subarray(at, at + 500_000) as Buffer;
      if (piece.length > 0) await rig.write(sealing, piece);
    }
  }
  const objects = await Promise.all(sealings.map((sealing) => sealing.end()));
  for (const [i, object] of objects.entries()) {
    expect((await rig.content(object)).equals(contents[i] as Buffer)).toBe(true);
    const [taken, out] = (sealings[i] as { figures: Float64Array }).figures;
    expect(taken).toBe(contents[i]?.length);
    expect(out).toBeGreaterThan(3 * MIB);
  }
  expect(rig.failures).toEqual([]);
  await rig.pool.close();
});

test.each([true, false])('a sealed object comes with its digests, with MD5: %s', async (md5) => {
  const rig = new Rig({ md5 });
  const sealing = rig.open();
  await rig.write(sealing, noise(2 * MIB, 'digests'));
  const object = await sealing.end();
  const sealed = Buffer.concat(object.pieces);
  expect(object).toMatchObject({
    md5: md5 ? hash('md5', sealed) : undefined,
    sha256: hash('sha256', sealed),
    crc32: crc32(sealed),
  });
  await rig.pool.close();
});

test('small objects are sealed in this thread; others begin when the first large one comes', async () => {
  const rig = new Rig();
  const ports = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
  const before = ports();
  const small = [0, 1, 2].map((i) => noise(100_000 + i, `small ${i}`));
  const seal = async (content: Buffer) => {
    const sealing = rig.open();
    for (let at = 0; at < content.length; at += MIB) await rig.write(sealing, content.subarray(at, at + MIB));
    const sealed = await sealing.end();
    expect((await rig.content(sealed)).equals(content)).toBe(true);
    expect(sealed.sha256).toBe(hash('sha256', Buffer.concat(sealed.pieces)));
    sealing.release();
    return sealing;
  };
  const sealings = await Promise.all(small.map(seal));
  expect(ports()).toBe(before);
  expect(sealings.map(({ figures }) => figures[0])).toEqual(small.map(({ length }) => length));
  await Promise.all([seal(noise(3 * MIB, 'large')), seal(small[0] as Buffer), seal(noise(2 * MIB, 'other'))]);
  expect(ports()).toBeGreaterThan(before);
  await seal(small[1] as Buffer);
  expect(rig.failures).toEqual([]);
  await rig.pool.close();
});

test('an object that begins small and goes on comes through as well', async () => {
  const rig = new Rig();
  const content = noise(2 * MIB, 'goes on');
  const sealing = rig.open();
  for (const [from, to] of [
    [0, 1000],
    [1000, MIB],
    [MIB, 2 * MIB],
  ] as const)
    await rig.write(sealing, content.subarray(from, to));
  expect((await rig.content(await sealing.end())).equals(content)).toBe(true);
  await rig.pool.close();
});

test('what is sealed and not stored yet is bounded, and all comes through none the less', async () => {
  const rig = new Rig({ width: 1, places: 8 });
  const content = noise(5 * MIB, 'bounded');
  const seal = async () => {
    const sealing = rig.open();
    for (let at = 0; at < content.length; at += MIB) await rig.write(sealing, content.subarray(at, at + MIB));
    return { sealed: sealing.end(), release: sealing.release, figures: sealing.figures };
  };
  const first = await seal();
  await first.sealed;
  const second = await seal();
  let isSealed = false;
  second.sealed.then(() => {
    isSealed = true;
  });
  // All of it is compressed, but two places are left for it: six are the first one's.
  while ((second.figures[0] as number) < content.length) await sleep(5);
  await sleep(200);
  expect(isSealed).toBe(false);
  first.release();
  expect((await rig.content(await second.sealed)).equals(content)).toBe(true);
  expect(rig.failures).toEqual([]);
  await rig.pool.close();
});

test('an object that needs more places than there are gets them when nothing else can give any', async () => {
  const rig = new Rig({ width: 1, places: 2 });
  const content = noise(5 * MIB, 'alone');
  const sealing = rig.open();
  for (let at = 0; at < content.length; at += MIB) await rig.write(sealing, content.subarray(at, at + MIB));
  expect((await rig.content(await sealing.end())).equals(content)).toBe(true);
  await rig.pool.close();
});

test('a recipient whose key is not valid yet is named before anything is sealed', async () => {
  const rig = new Rig({ now: new Date(0) });
  rig.open();
  while (rig.failures.length === 0) await sleep(5);
  expect(rig.failures[0]).toMatchObject({ code: 'key' });
  await rig.pool.close();
});
