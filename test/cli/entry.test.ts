import { expect, test } from 'vitest';
import { entryJson } from '../../src/cli/entry.ts';

test('an entry in JSON says every doubt about it', () => {
  const entry = { type: 'file', mode: 0, uid: 0, gid: 0, mtimeNs: 0n, size: 0 } as const;
  expect(JSON.parse(JSON.stringify(entryJson(entry)))).not.toHaveProperty('partial');
  expect(entryJson({ ...entry, carried: true, torn: true, partial: true })).toMatchObject({
    carried: true,
    torn: true,
    partial: true,
  });
});
