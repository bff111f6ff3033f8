import { expect, test } from 'vitest';
import { WorkerPool } from '../../src/restore/pool.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

test('a pool that was closed takes no job, and starts no worker for one', async () => {
  const data = { root: await temporaryFolder(), rootFd: undefined, owner: false, replace: false };
  const pool = new WorkerPool(data, 2, () => {});
  await pool.close();
  let isMade = false;
  const job = () => {
    isMade = true;
    throw new Error('no job is due');
  };
  await expect(pool.run(job)).rejects.toThrow('after its end');
  expect(isMade).toBe(false);
});
