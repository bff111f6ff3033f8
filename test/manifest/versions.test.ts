import { describe, expect, test } from 'vitest';
import type { ManifestItem } from '../../src/manifest/lines.ts';
import { digestOfAttributes, NO_ATTRIBUTES, readVersions, type Stated } from '../../src/manifest/versions.ts';
import type { Entry, ExtendedAttribute } from '../../src/model.ts';

const xattr = (name: string, value: string): ExtendedAttribute => ({ name, value: Buffer.from(value) });
const extent = { seq: 1, volume: 1, position: 0, offset: 0, length: 4 };

function entry(path: string, xattrs: ExtendedAttribute[] = []): Entry {
  const entry: Entry = {
    ...{ source: 'a', path, since: 1, type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, size: 8 },
    extents: [],
  };
  return xattrs.length === 0 ? entry : { ...entry, xattrs };
}

async function read(...batches: ManifestItem[][]): Promise<Stated[]> {
  const given = (async function* () {
    yield* batches;
  })();
  const out: Stated[] = [];
  for await (const batch of readVersions(given)) out.push(...batch);
  return out;
}

describe('the versions of a manifest', () => {
  test('have one digest of all attributes, however these are spread over lines and batches', async () => {
    const all = [xattr('user.a', '1'), xattr('user.b', '22'), xattr('user.c', '')];
    const whole = digestOfAttributes(all);
    const more = (xattrs: ExtendedAttribute[], continues: boolean): ManifestItem => ({
      ...{ kind: 'more', extents: [], continues },
      xattrs,
    });
    const first: ManifestItem = { kind: 'entry', entry: entry('/a', all.slice(0, 1)), continues: true };
    const extents: ManifestItem = { kind: 'more', extents: [extent], continues: true };
    const last: ManifestItem = { ...extents, continues: false };
    const next: ManifestItem = { kind: 'entry', entry: entry('/b'), continues: false };
    const gone: ManifestItem = {
      kind: 'entry',
      entry: { source: 'a', path: '/c', since: 2, type: 'gone' },
      continues: false,
    };
    for (const batches of [
      [[first, more(all.slice(1), false), next, gone]],
      [[first], [more(all.slice(1, 2), true)], [more(all.slice(2), true)], [extents], [last], [next], [gone]],
    ]) {
      const versions = await read(...batches);
      expect(versions.map(({ path, version }) => [path, version?.attributes])).toEqual([
        ['/a', whole],
        ['/b', NO_ATTRIBUTES],
        ['/c', undefined],
      ]);
      expect(versions[2]?.version).toBeUndefined();
      expect(versions[0]?.version).not.toHaveProperty('extents');
      expect(versions[0]?.version).not.toHaveProperty('xattrs');
    }
  });

  test('differ in their digest when a name or a value does, or where one ends and the next begins', () => {
    const lists = [
      [],
      [xattr('user.a', '')],
      [xattr('user.a', '1')],
      [xattr('user.b', '1')],
      [xattr('user.a', '1'), xattr('user.b', '')],
      [xattr('user.a', '1user.b')],
      [xattr('user.a', ''), xattr('user.b', '1')],
    ];
    expect(new Set(lists.map(digestOfAttributes)).size).toBe(lists.length);
  });
});
