import { expect, test } from 'vitest';
import { WorkerPool } from '../../src/restore/pool.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

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
