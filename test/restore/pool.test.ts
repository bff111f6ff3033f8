import { join } from 'node:path';
import { expect, test } from 'vitest';
import { WorkerPool } from '../../src/restore/pool.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { at, fileOf, makeRestoreKeys, memoryRig, restoreNewest } from './rig.ts';

test('a pool that was closed takes no job, and starts no worker for one', async () => {
  const pool = new WorkerPool();
  pool.begin({ root: await temporaryFolder(), rootFd: undefined, owner: false, replace: false }, () => {});
  await pool.close();
  let isMade = false;
  const job = () => {
    isMade = true;
    throw new Error('no job is due');
  };
  await expect(pool.run(job)).rejects.toThrow('after its end');
  expect(isMade).toBe(false);
  pool.prepare(2);
  await pool.close();
});

test('workers that were started beforehand end when there is nothing for them to do, at any moment', async () => {
  for (const wait of [0, 20, 300]) {
    const pool = new WorkerPool();
    pool.prepare(1);
    await new Promise((resolve) => setTimeout(resolve, wait));
    pool.prepare(5);
    await pool.close();
    await pool.close();
  }
});

test('a target is kept from others until the workers of a restore that was interrupted have ended', async () => {
  const keys = await makeRestoreKeys();
  const { quick } = memoryRig(keys);
  const content = Buffer.alloc(5000, 'x');
  const entries = [fileOf('/x', content, [at(1, 0, content.length)])];
  await quick.add({ seq: 1, volumes: [[content]], entries });
  const root = join(await temporaryFolder(), 'back');
  const interrupt = new AbortController();
  let other: Promise<unknown> | undefined;
  class SlowPool extends WorkerPool {
    override async close() {
      other ??= restoreNewest(quick, keys, { target: root }).catch((error: unknown) => error);
      await other;
      await super.close();
    }
  }
  const attempt = restoreNewest(quick, keys, {
    target: root,
    signal: interrupt.signal,
    pool: new SlowPool(),
    observer: { phase: (name) => name === 'restoring' && interrupt.abort() },
  });
  await expect(attempt).rejects.toMatchObject({ code: 'interrupted' });
  expect(await other).toMatchObject({ code: 'locked' });
  expect(await restoreNewest(quick, keys, { target: root })).toMatchObject({ damaged: [] });
});
