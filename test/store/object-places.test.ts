import { describe, expect, test } from 'vitest';
import type { CommitObject } from '../../src/format/commit.ts';
import { directoryStore } from '../../src/store/directory.ts';
import { fetchObject } from '../../src/store/fetch-object.ts';
import { ObjectPlaces } from '../../src/store/object-places.ts';
import { difference } from '../../src/store/store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { put, statOf } from './contract.ts';

/** A directory store with an object. */
async function stored(content: string) {
  const store = directoryStore(await temporaryFolder());
  await put(store, 'town/a', content);
  const { size, sha256 } = statOf(store, Buffer.from(content));
  return { store, object: { name: 'vol-000001.tar.zst.pgp', size, plainSize: 1, sha256 } as CommitObject };
}

describe('places for objects', () => {
  test('what was given back is used again, and only that', async () => {
    const { store, object } = await stored('content');
    const places = new ObjectPlaces(100);
    const fetch = () => places.fetch((place) => fetchObject(store, 'town/a', object, place));
    const [first, second] = [await fetch(), await fetch()];
    expect(first.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(second.buffer).not.toBe(first.buffer);
    places.give(first);
    const third = await fetch();
    expect(third.buffer).toBe(first.buffer);
    for (const bytes of [second, third]) expect(Buffer.from(bytes).toString()).toBe('content');
  });

  test('the place of what could not be fetched is free again', async () => {
    const { store, object } = await stored('content');
    const places = new ObjectPlaces(100);
    let seen: ArrayBufferLike | undefined;
    const wrong = { ...object, sha256: '0'.repeat(64) };
    const fetching = places.fetch((place) =>
      fetchObject(store, 'town/a', wrong, (bytes) => {
        const memory = place(bytes);
        seen = memory.buffer;
        return memory;
      }),
    );
    await expect(fetching).rejects.toMatchObject({ code: 'damage', object: 'town/a' });
    const next = await places.fetch((place) => fetchObject(store, 'town/a', object, place));
    expect(next.buffer).toBe(seen);
  });

  test('an object that is larger than any should be is refused before it is read into one', async () => {
    const { store, object } = await stored('content');
    const places = new ObjectPlaces(5);
    const fetching = places.fetch((place) => fetchObject(store, 'town/a', { ...object, size: 5 }, place));
    await expect(fetching).rejects.toMatchObject({ code: 'damage' });
  });
});

test.each([
  [{ size: 1 }, { size: 1 }, undefined],
  [{ size: 1 }, { size: 2 }, 'size'],
  [{ size: 1, md5: 'a' }, { size: 1, md5: 'b' }, 'MD5'],
  [{ size: 1, md5: 'a' }, { size: 1, md5: 'a', sha256: 'b' }, undefined],
  [{ size: 1, sha256: 'a' }, { size: 1, sha256: 'b' }, 'SHA-256'],
  [{ size: 1, sha256: 'a' }, { size: 1, md5: 'b' }, undefined],
] as const)('%o beside %o differs in %s', (found, expected, what) => {
  expect(difference(found, expected)).toBe(what);
});
