/** A chain of incrementals has many small volumes, of which each takes longer to come than to be written. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { faultyStore } from '../helpers/faulty-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { at, fileOf, makeRestoreKeys, memoryRig, newestPoint, restoreNewest } from './rig.ts';

test('several are fetched at once, but not all of them', async () => {
  const keys = await makeRestoreKeys();
  const { quick, memory } = memoryRig(keys);
  const chunks = Array.from({ length: 30 }, (_, i) => Buffer.alloc(1000 + i, i));
  const entries = chunks.map((chunk, i) =>
    fileOf(`/f${String(i).padStart(2, '0')}`, chunk, [at(i + 1, 0, chunk.length)]),
  );
  await quick.add({ seq: 1, volumes: chunks.map((chunk) => [chunk]), entries });
  const slow = faultyStore(memory);
  const get = slow.get.bind(slow);
  let now = 0;
  let most = 0;
  slow.get = async (name, limit, options) => {
    if (!name.includes('vol-')) return get(name, limit, options);
    most = Math.max(most, ++now);
    await sleep(10);
    now--;
    return get(name, limit, options);
  };
  const root = join(await temporaryFolder(), 'back');
  const result = await restoreNewest(quick, keys, {
    target: root,
    store: slow,
    point: await newestPoint(quick),
  });
  expect(result).toMatchObject({ damaged: [], lost: [], restored: entries.length });
  for (const [i, chunk] of chunks.entries())
    expect(readFileSync(join(root, `f${String(i).padStart(2, '0')}`)).equals(chunk)).toBe(true);
  expect(most).toBe(8);
});
