import { setTimeout as sleep } from 'node:timers/promises';
import * as openpgp from 'openpgp';
import { expect, test } from 'vitest';
import { SealPool } from '../../src/backup/seal-pool.ts';

test.each([0, 50, 150, 300])(
  'a pool that is closed after %i ms ends its workers by itself',
  async (after) => {
    const { publicKey } = await openpgp.generateKey({ userIDs: [{ name: 'x' }], format: 'binary' });
    const pool = new SealPool({ recipients: Array(50).fill(publicKey), now: Date.now() + 1000 }, 2);
    const failures: Error[] = [];
    pool.onFailure = (error) => failures.push(error);
    for (const _ of [1, 2]) pool.open(new SharedArrayBuffer(1 << 20), () => {}).end();
    await sleep(after);
    // Resolves only when they have ended; terminating them in the middle of a key would abort this process.
    await pool.close();
    expect(failures).toEqual([]);
  },
);
