import { hash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { HoldfastError } from '../../src/errors.ts';
import type { Entry, Extent } from '../../src/model.ts';
import { ContentDamage, Contents } from '../../src/stream/contents.ts';
import { file } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import {
  at,
  fileOf,
  hole,
  makeRestoreKeys,
  memoryRig,
  newestPoint,
  type RestoreKeys,
} from '../restore/rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

/** A number below `end`, the same for a seed. */
function dice(seed: number): (end: number) => number {
  let x = (seed * 2654435761 + 1) >>> 0;
  return (end) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x % end;
  };
}

/** A point whose files have their extents in any order over some volumes, with holes; and the files' contents. */
async function site(seed: number, volumeCount = 4, chunkCount = 6, fileCount = 12) {
  const throwDice = dice(seed);
  const volumes = Array.from({ length: volumeCount }, (_, v) =>
    Array.from({ length: chunkCount }, (_, c) => Buffer.from(`${v}/${c}:`.repeat(20 + throwDice(40)))),
  );
  const entries: Entry[] = [];
  const contents: Buffer[] = [];
  for (let f = 0; f < fileCount; f++) {
    const extents: Extent[] = [];
    const pieces: Buffer[] = [];
    for (let e = throwDice(6); e > 0; e--) {
      if (throwDice(4) === 0) {
        const length = 1 + throwDice(600_000);
        extents.push(hole(length));
        pieces.push(Buffer.alloc(length));
        continue;
      }
      const [v, c] = [throwDice(volumeCount), throwDice(chunkCount)];
      const chunk = volumes[v]?.[c] as Buffer;
      const offset = throwDice(chunk.length - 1);
      const length = 1 + throwDice(chunk.length - offset - 1);
      extents.push(at(v + 1, c, length, offset));
      pieces.push(chunk.subarray(offset, offset + length));
    }
    contents.push(Buffer.concat(pieces));
    entries.push(fileOf(`/srv/${String(f).padStart(3, '0')}`, contents[f] as Buffer, extents));
  }
  const { memory, quick } = memoryRig(keys);
  await quick.putKey();
  const set = await quick.add({ seq: 1, volumes, entries });
  return { memory, quick, entries, contents, set };
}

type Site = Awaited<ReturnType<typeof site>>;

async function open({ quick, entries }: Site, memory: number, scratch: string): Promise<Contents> {
  const point = await newestPoint(quick);
  const contents = new Contents({ point, store: quick.store, key: keys.secret, scratch, memory });
  for (const entry of entries) {
    contents.add({ ...entry, extents: entry.extents.slice(0, 2) });
    contents.more(entry.extents.slice(2));
  }
  contents.begin();
  return contents;
}

async function read(contents: Contents, number: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of contents.read(number)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

describe('contents', () => {
  test('come in the order of the files, each volume fetched once, with much memory, little, and none', async () => {
    const scratch = await temporaryFolder();
    for (let seed = 1; seed <= 8; seed++) {
      const made = await site(seed);
      for (const memory of [1 << 20, 300, 0]) {
        const fetched: string[] = [];
        const { get } = made.memory;
        made.memory.get = (name, limit) => {
          if (name.includes('vol-')) fetched.push(name);
          return get.call(made.memory, name, limit);
        };
        const contents = await open(made, memory, scratch);
        for (const [i, expected] of made.contents.entries()) {
          if (i % 3 === 0) await contents.prepare(i);
          expect((await read(contents, i)).equals(expected), `seed ${seed}, file ${i}`).toBe(true);
        }
        await contents.close();
        made.memory.get = get;
        expect(new Set(fetched).size).toBe(fetched.length);
      }
    }
    // What waited had no name.
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('of files that are passed by are forgotten, and do not hinder those that follow', async () => {
    const made = await site(3);
    for (const memory of [1 << 20, 0]) {
      const contents = await open(made, memory, await temporaryFolder());
      for (const i of [2, 5, 6, 11])
        expect((await read(contents, i)).equals(made.contents[i] as Buffer)).toBe(true);
      await contents.close();
    }
  });

  test('that need a damaged volume are lost, before anything of them is given out where that is asked; others are not', async () => {
    const made = await site(5);
    const name = made.quick.names.volume(made.set.commit, 2);
    await made.quick.put(name, 'what nobody sealed');
    const contents = await open(made, 1 << 20, await temporaryFolder());
    let lost = 0;
    for (const [i, { extents }] of made.entries.entries()) {
      if (extents.some(({ seq, volume }) => seq === 1 && volume === 2)) {
        lost++;
        const error = await contents.prepare(i).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ContentDamage);
        expect((error as ContentDamage).lost).toMatchObject({ code: 'damage', object: name });
        expect((error as ContentDamage).lost).toBeInstanceOf(HoldfastError);
      } else {
        expect((await read(contents, i)).equals(made.contents[i] as Buffer)).toBe(true);
      }
    }
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(made.entries.length);
    await contents.close();
  });

  test('that are not what the manifest says are damage, at their end at the latest', async () => {
    const chunk = Buffer.from('what is there');
    const { quick } = memoryRig(keys);
    await quick.putKey();
    const wrong = { sha256: hash('sha256', 'something else'), size: chunk.length };
    const entries = [
      file('/srv/a', 1, [at(1, 0, chunk.length)], wrong),
      file('/srv/b', 1, [at(1, 7, 5)], wrong),
    ];
    await quick.add({ seq: 1, volumes: [[chunk]], entries: [] });
    const point = await newestPoint(quick);
    const scratch = await temporaryFolder();
    const contents = new Contents({ point, store: quick.store, key: keys.secret, scratch });
    for (const entry of entries) contents.add(entry);
    contents.add(file('/srv/c', 1, [at(9, 0, 5)], wrong));
    contents.begin();
    await expect(read(contents, 0)).rejects.toThrow('does not match its digest');
    await expect(read(contents, 1)).rejects.toThrow('needs a chunk that its volume does not have');
    await expect(read(contents, 2)).rejects.toThrow(
      'needs volume 9 of set 1, which is not part of the point',
    );
    await contents.close();
  });
});
