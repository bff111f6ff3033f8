import { truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import * as openpgp from 'openpgp';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ConveyorOptions, runConveyor } from '../../src/backup/conveyor.ts';
import { ReadyThreads } from '../../src/backup/threads.ts';
import { unpackVolume } from '../../src/volume/unpack.ts';
import { noise } from '../chunk/noise.ts';
import { makeKeys, type QuickKeys } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const MIB = 1024 * 1024;

let keys: QuickKeys;
let recipient: Uint8Array;

beforeAll(async () => {
  keys = await makeKeys();
  recipient = (await openpgp.readKey({ armoredKey: keys.publicArmored })).write();
});

/** A run over some files, the first root of which is missing: that is the first thing that is heard of it. */
async function newRun(files: number, more: Partial<ConveyorOptions> = {}): Promise<ConveyorOptions> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'root'));
  for (let i = 0; i < files; i++) writeFileSync(join(folder, 'root', `${i}`), noise(MIB, `${i}`));
  const paths = [join(folder, 'missing'), join(folder, 'root')];
  return {
    produce: {
      strategy: 'town',
      seq: 1,
      id: 'a'.repeat(32),
      sources: [{ name: 'www', paths, exclude: [], allowEmpty: false }],
      own: [],
      parent: undefined,
      before: undefined,
      seqs: [1],
      base: null,
      logs: {
        base: join(folder, 'chain'),
        lengths: { segments: 0, extents: 0, blocks: 0 },
        blockSecret: 'b5'.repeat(32),
      },
      entriesFile: join(folder, 'entries'),
      givenUp: [],
      limits: { size: 2 * MIB, plainSize: 1 << 28, level: 3 },
      keepAccessTime: true,
    },
    recipients: [recipient],
    now: new Date('2026-11-22T04:00:00Z'),
    store: async () => {},
    md5: true,
    uploads: 2,
    onEvent: () => {},
    onProgress: () => {},
    signal: new AbortController().signal,
    ...more,
  };
}

/** Ports that keep this process from ending: each worker has some. */
function ports(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
}

async function portsSoon(expected: number): Promise<number> {
  for (let i = 0; i < 20 && ports() !== expected; i++) await sleep(50);
  return ports();
}

describe('the conveyor', () => {
  test('ends threads that were ready also where it is interrupted before it begins', async () => {
    const before = ports();
    const threads = new ReadyThreads();
    threads.readyProducer();
    const run = runConveyor(await newRun(3, { threads, signal: AbortSignal.abort() }));
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
    await threads.close();
    expect(await portsSoon(before)).toBe(before);
  });

  test.each([
    ['starts itself', () => undefined],
    [
      'finds ready',
      () => {
        const threads = new ReadyThreads();
        threads.readyProducer();
        return threads;
      },
    ],
  ])(
    'stores every object once, lists them in order, and what it lists is what it stored, with threads that it %s',
    async (_, make) => {
      const threads = make();
      const stored = new Map<string, Buffer>();
      const store = async (name: string, { pieces }: { pieces: Uint8Array[] }) => {
        // The memory is used again afterwards: what is kept must be a copy.
        await sleep(Math.random() * 20);
        expect(stored.has(name)).toBe(false);
        stored.set(name, Buffer.concat(pieces));
      };
      const { objects, result } = await runConveyor(await newRun(9, { store, threads }));
      expect(threads?.takeProducer()).toBeUndefined();
      expect(objects.map(({ name }) => name)).toEqual(
        [...stored.keys()].sort((a, b) => (a[0] === b[0] ? (a < b ? -1 : 1) : a < b ? 1 : -1)),
      );
      expect(result.counts).toMatchObject({ files: 9, bytes: 9 * MIB });
      let chunks = 0;
      for (const { name, size, plainSize } of objects) {
        const bytes = stored.get(name) as Buffer;
        expect(bytes.length).toBe(size);
        if (!name.startsWith('vol-')) continue;
        await unpackVolume(bytes, keys.secret, { object: name, plainSize }, { take: () => void chunks++ });
      }
      expect(chunks).toBeGreaterThanOrEqual(9);
    },
  );

  test('never has more puts under way than were asked for', async () => {
    let underWay = 0;
    let most = 0;
    const store = async () => {
      most = Math.max(most, ++underWay);
      await sleep(30);
      underWay--;
    };
    await runConveyor(await newRun(10, { store, uploads: 1 }));
    expect(most).toBe(1);
  });

  test('ends with the first failure of a put, and leaves nothing running', async () => {
    const before = ports();
    const store = () => Promise.reject(new Error('the store is full'));
    await expect(runConveyor(await newRun(6, { store }))).rejects.toThrow('the store is full');
    expect(await portsSoon(before)).toBe(before);
  });

  test('that is interrupted begins nothing any more: neither a worker that nobody ends, nor a put', async () => {
    const before = ports();
    for (let round = 0; round < 5; round++) {
      const controller = new AbortController();
      let ended = false;
      let late = 0;
      const run = runConveyor(
        await newRun(2, {
          signal: controller.signal,
          // What comes right behind the first event is on its way already.
          onEvent: () => controller.abort(),
          store: async () => {
            if (ended) late++;
          },
        }),
      ).finally(() => {
        ended = true;
      });
      await expect(run).rejects.toMatchObject({ code: 'interrupted' });
      expect(await portsSoon(before)).toBe(before);
      expect(late).toBe(0);
    }
  });

  test('that is interrupted begins no put for what was sealed and waited for its turn', async () => {
    const controller = new AbortController();
    const first = Promise.withResolvers<void>();
    let begun = 0;
    const store = () => {
      begun++;
      return first.promise;
    };
    const run = runConveyor(await newRun(8, { store, uploads: 1, signal: controller.signal }));
    // Long enough for the next volume to be sealed as well.
    await sleep(1500);
    expect(begun).toBe(1);
    controller.abort();
    await sleep(100);
    first.resolve();
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
    await sleep(100);
    expect(begun).toBe(1);
  });

  test('that is interrupted in the middle of one huge file does not go on to its end', async () => {
    const before = ports();
    const controller = new AbortController();
    const run = await newRun(1, {
      signal: controller.signal,
      // The file with a hole that takes hours to digest comes right behind the folder that is missing.
      onEvent: () => setTimeout(() => controller.abort(), 200),
    });
    truncateSync(join(run.produce.sources[0]?.paths[1] as string, '0'), 8 * 1024 ** 4);
    await expect(runConveyor(run)).rejects.toMatchObject({ code: 'interrupted' });
    expect(await portsSoon(before)).toBe(before);
  });
});
