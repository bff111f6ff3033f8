/** What every store must keep to; each kind of store runs this suite on itself. */
import { createHash, hash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStat, Store, StoredObject } from '../../src/store/store.ts';

const MANY = 2_500;
const LIMIT = 64 << 20;

export function md5(...body: readonly Uint8Array[]): string {
  return body.reduce((hash, bytes) => hash.update(bytes), createHash('md5')).digest('hex');
}

/** What a store says of an object that holds some bytes. */
export function statOf(store: Store, body: Uint8Array): ObjectStat {
  return store.knowsMd5
    ? { size: body.length, md5: md5(body) }
    : { size: body.length, sha256: hash('sha256', body) };
}

/** Puts a text or some bytes with the right MD5. */
export async function put(store: Store, name: string, body: string | Uint8Array): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  await store.put(name, [bytes], { md5: md5(bytes) });
}

export async function listed(store: Store, prefix: string): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects;
}

async function names(store: Store, prefix: string): Promise<string[]> {
  return (await listed(store, prefix)).map((object) => object.name);
}

async function content(store: Store, name: string): Promise<string | undefined> {
  const bytes = await store.get(name, LIMIT);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Declares the suite. `make` gives an empty store that can be used; `cleanup` ends and removes it; `many` objects make a long listing. */
export function storeContract(
  name: string,
  make: () => Promise<{ store: Store; cleanup: () => Promise<void> }>,
  many: number = MANY,
): void {
  describe(`every store: ${name}`, () => {
    let store: Store;
    let cleanup: () => Promise<void>;

    beforeEach(async () => {
      ({ store, cleanup } = await make());
    });

    afterEach(() => cleanup());

    test('an empty store passes its check and lists nothing', async () => {
      await store.check();
      expect(await listed(store, '')).toEqual([]);
      expect(await listed(store, 'town/sets/')).toEqual([]);
      expect(store.label).toMatch(/^[a-z]+:./);
      expect(store.uploads).toBeGreaterThanOrEqual(1);
    });

    test('what was put is got, measured and listed as it was', async () => {
      const body = randomBytes(300_001);
      await put(store, 'town/sets/0000000001-aa/vol-000001', body);
      const got = await store.get('town/sets/0000000001-aa/vol-000001', body.length);
      expect(got && Buffer.compare(got, body)).toBe(0);
      expect(await store.stat('town/sets/0000000001-aa/vol-000001')).toEqual(statOf(store, body));
      const object = { name: 'town/sets/0000000001-aa/vol-000001', size: 300_001 };
      expect(await listed(store, '')).toEqual([object]);
      expect(await listed(store, 'town/sets/')).toEqual([object]);
    });

    test('a body of several pieces, empty ones among them, is one object', async () => {
      const pieces = [3, 0, 2_500_000, 1, 1 << 20, 0].map((length) => randomBytes(length));
      await store.put('town/pieces', pieces, { md5: md5(...pieces) });
      const whole = Buffer.concat(pieces);
      const got = await store.get('town/pieces', LIMIT);
      expect(got && Buffer.compare(got, whole)).toBe(0);
      expect(await store.stat('town/pieces')).toEqual(statOf(store, whole));
    });

    test('a piece that is a window on a larger buffer is stored as that window alone', async () => {
      const large = randomBytes(5000);
      const piece = new Uint8Array(large.buffer, large.byteOffset + 1000, 2000);
      await store.put('town/window', [piece], { md5: md5(piece) });
      expect(Buffer.compare((await store.get('town/window', 2000)) ?? Buffer.alloc(0), piece)).toBe(0);
    });

    test('an empty object exists, whether made of no pieces or of an empty one', async () => {
      await store.put('town/none', [], { md5: md5() });
      await store.put('town/empty', [new Uint8Array(0)], { md5: md5() });
      for (const object of ['town/none', 'town/empty']) {
        expect(await store.get(object, 0)).toHaveLength(0);
        expect(await store.stat(object)).toEqual(statOf(store, Buffer.alloc(0)));
      }
      expect(await listed(store, 'town/')).toEqual([
        { name: 'town/empty', size: 0 },
        { name: 'town/none', size: 0 },
      ]);
    });

    test('a body that is not what its MD5 says is refused and leaves nothing', async () => {
      const wrong = store.put('town/wrong', [Buffer.from('abc')], { md5: md5(Buffer.from('abd')) });
      await expect(wrong).rejects.toMatchObject({
        name: 'HoldfastError',
        code: 'store',
        object: 'town/wrong',
      });
      expect(await store.get('town/wrong', LIMIT)).toBeUndefined();
      expect(await store.stat('town/wrong')).toBeUndefined();
      expect(await listed(store, '')).toEqual([]);
    });

    test('a refused replacement leaves the former object as it was', async () => {
      await put(store, 'town/kept', 'first');
      await expect(store.put('town/kept', [Buffer.from('second')], { md5: md5() })).rejects.toThrow();
      expect(await content(store, 'town/kept')).toBe('first');
    });

    test('a second put replaces the object, also by a shorter one', async () => {
      await put(store, 'town/a', 'the first content');
      await put(store, 'town/a', 'second');
      expect(await content(store, 'town/a')).toBe('second');
      expect(await store.stat('town/a')).toEqual(statOf(store, Buffer.from('second')));
      expect(await listed(store, '')).toEqual([{ name: 'town/a', size: 6 }]);
    });

    test('what is not there is undefined, not an error', async () => {
      await put(store, 'town/a', 'x');
      for (const absent of ['nothing', 'town/b', 'town/a/b', 'other/deep/er']) {
        expect(await store.get(absent, LIMIT)).toBeUndefined();
        expect(await store.stat(absent)).toBeUndefined();
      }
    });

    test('an object larger than the limit is refused by its name; one of that size is not', async () => {
      await put(store, 'town/large', '12345');
      expect(await store.get('town/large', 5)).toHaveLength(5);
      const got = store.get('town/large', 4);
      await expect(got).rejects.toMatchObject({ code: 'damage', object: 'town/large' });
      await expect(got).rejects.toThrow('town/large');
    });

    test('a removed object is gone, its neighbours are not, and removing it again is no error', async () => {
      await put(store, 'town/a', 'a');
      await put(store, 'town/a-b', 'b');
      await put(store, 'town/c/d', 'd');
      await store.remove(['town/a']);
      await store.remove(['town/a']);
      await store.remove(['town/never/there']);
      expect(await store.get('town/a', LIMIT)).toBeUndefined();
      expect(await names(store, '')).toEqual(['town/a-b', 'town/c/d']);
    });

    test('an object can be put again where the last one of a folder was removed', async () => {
      await put(store, 'town/sets/1/a', 'a');
      await store.remove(['town/sets/1/a']);
      expect(await listed(store, '')).toEqual([]);
      await put(store, 'town/sets/1/b', 'b');
      expect(await names(store, '')).toEqual(['town/sets/1/b']);
    });

    test('a listing holds what its prefix names, and neither siblings nor what is above', async () => {
      const all = ['town-2/a', 'town/a', 'town/b/c', 'town/b/d/e', 'town/b-c', 'townhall/a', 'zoo'];
      for (const object of all) await put(store, object, object);
      expect(await names(store, '')).toEqual([...all].sort(bytewise));
      expect(await names(store, 'town/')).toEqual(['town/a', 'town/b-c', 'town/b/c', 'town/b/d/e']);
      expect(await names(store, 'town/b/')).toEqual(['town/b/c', 'town/b/d/e']);
      expect(await names(store, 'town/b/d/')).toEqual(['town/b/d/e']);
      expect(await names(store, 'town/a/')).toEqual([]);
      expect(await names(store, 'tow/')).toEqual([]);
    });

    test('names of all allowed characters are kept, and ordered by their bytes', async () => {
      const printable = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i));
      const each = printable.filter((c) => c !== '/').map((c) => `chars/x${c}y`);
      const others = [
        `chars/${printable.filter((c) => c !== '/').join('')}`,
        'chars/...',
        'chars/.hidden',
        'chars/~',
        'chars/a.b',
        'chars/a/b',
        'chars/a-b',
        'chars/a b/c d',
        'chars/Rathaus-Übersicht',
        'chars/U\u0308',
        // Above the surrogates in UTF-16 and below them in UTF-8, and the other way round.
        'chars/\uff5e',
        'chars/\u{1f600}',
        'chars/\u{10ffff}',
        `chars/${'n'.repeat(255)}`,
      ];
      const all = [...new Set([...each, ...others])].sort(bytewise);
      for (const object of all) await put(store, object, object);
      expect(await names(store, 'chars/')).toEqual(all);
      for (const object of all) expect(await content(store, object)).toBe(object);
    });

    test(`a listing of ${many} objects is complete and in order`, async () => {
      const all = Array.from({ length: many }, (_, i) => `town/sets/${i % 7}/object-${(i * 7919) % 100_000}`);
      await inParallel(8, all, (object) => put(store, object, object.slice(-3)));
      const objects = await listed(store, 'town/');
      expect(objects.map((object) => object.name)).toEqual([...all].sort(bytewise));
      expect(objects.every((object) => object.size === 3)).toBe(true);
      expect(await names(store, 'town/sets/3/')).toEqual(
        all.filter((object) => object.startsWith('town/sets/3/')).sort(bytewise),
      );
    });

    test('puts at the same time, of several names and of one, all end with whole objects', async () => {
      const bodies = Array.from({ length: 24 }, (_, i) => randomBytes(100_000 + i));
      const started = bodies.map((body, i) => put(store, i % 2 ? 'one/name' : `new/${i}/name`, body));
      await Promise.all(started);
      for (const [i, body] of bodies.entries()) {
        if (i % 2 === 0) expect(await store.stat(`new/${i}/name`)).toEqual(statOf(store, body));
      }
      const one = await store.stat('one/name');
      expect(bodies.filter((_, i) => i % 2).map((body) => statOf(store, body))).toContainEqual(one);
      expect(await listed(store, '')).toHaveLength(13);
    });

    test('a name that no object can have is refused before anything is done', async () => {
      const bad = ['', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a/.', 'a\0b', 'a\nb', '.tmp-a', '\ud800'];
      for (const name of [...bad, 'n'.repeat(256), `${'abc/'.repeat(300)}a`]) {
        await expect(put(store, name, 'x')).rejects.toThrow('BUG');
        await expect(store.get(name, LIMIT)).rejects.toThrow('BUG');
        await expect(store.stat(name)).rejects.toThrow('BUG');
        await expect(store.remove([name])).rejects.toThrow('BUG');
      }
      for (const prefix of ['a', '/', '../', 'a//', 'a/../']) {
        await expect(listed(store, prefix)).rejects.toThrow('BUG');
      }
      expect(await listed(store, '')).toEqual([]);
    });
  });
}

async function inParallel<T>(n: number, items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: n }, async () => {
      for (const item of queue) await act(item);
    }),
  );
}
