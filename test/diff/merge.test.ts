import { describe, expect, test } from 'vitest';
import { differences, type Side } from '../../src/diff/merge.ts';
import { NO_ATTRIBUTES, type Version } from '../../src/manifest/versions.ts';

const BASE: Version = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, size: 0 };

/** What is said of one path whose two versions are BASE but for this. */
async function said(from: Partial<Version>, to: Partial<Version>, more: Partial<Side> = {}) {
  const side = (version: Partial<Version>): Side => ({
    ...{ source: 'a', path: '/x' },
    version: { ...BASE, ...version },
  });
  const out: unknown[] = [];
  for await (const { kind, fields, error } of differences([side(from)], [{ ...side(to), ...more }]))
    out.push([kind, fields, ...(error === undefined ? [] : [error])]);
  return out;
}

describe('extended attributes of two versions', () => {
  test('are metadata that can differ', async () => {
    expect(await said({ attributes: 'one' }, { attributes: 'two' })).toEqual([['metadata', ['xattrs']]]);
    expect(await said({ attributes: 'one' }, { attributes: NO_ATTRIBUTES })).toEqual([
      ['metadata', ['xattrs']],
    ]);
    expect(await said({ attributes: 'one', mode: 0 }, { attributes: 'two' })).toEqual([
      ['metadata', ['mode', 'xattrs']],
    ]);
    expect(await said({ attributes: 'one' }, { attributes: 'one' })).toEqual([]);
  });

  test('are left out where this machine does not know them', async () => {
    expect(await said({ attributes: 'one' }, {})).toEqual([]);
  });

  test('are unknown, and nothing else is, where some could not be read, now or for a point', async () => {
    const unknown = (error: string) => ['unknown', ['xattrs'], error];
    expect(await said({ attributes: 'one' }, {}, { attributesError: 'EACCES' })).toEqual([unknown('EACCES')]);
    expect(await said({ attributes: 'one', partial: true }, { attributes: 'two' })).toEqual([
      unknown('partial'),
    ]);
    expect(await said({ attributes: 'one' }, { attributes: 'two', partial: true, uid: 1 })).toEqual([
      ['metadata', ['uid']],
      unknown('partial'),
    ]);
  });
});
