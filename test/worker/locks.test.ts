import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Locks } from '../../src/worker/locks.ts';
import { project } from '../helpers/script.ts';

/** Starts a thread that adds `rounds` times one to `counters[1]`, under the lock of `number`, in two steps between which others would come if they could. */
function adding(locks: Locks, counters: Int32Array, number: number, rounds: number): Promise<void> {
  const code = `
    import { workerData } from 'node:worker_threads';
    const { Locks } = await import(workerData.module);
    const locks = new Locks(workerData.memory);
    const { counters, number, rounds } = workerData;
    Atomics.add(counters, 0, 1);
    Atomics.notify(counters, 0);
    while (Atomics.load(counters, 0) < 3) Atomics.wait(counters, 0, Atomics.load(counters, 0), 100);
    for (let i = 0; i < rounds; i++) {
      locks.hold(number, () => {
        const seen = counters[1];
        for (let spin = 0; spin < 20; spin++) counters[2] = spin;
        if (i % 100 === 0) Atomics.wait(counters, 3, 0, 1);
        counters[1] = seen + 1;
      });
    }
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    workerData: {
      memory: locks.memory,
      counters,
      number,
      rounds,
      module: new URL(`file://${project('src/worker/locks.ts')}`).href,
    },
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}

const counters = () => new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));

test('of three threads only one at a time does something under a number', async () => {
  const locks = new Locks();
  const shared = counters();
  const rounds = 5000;
  await Promise.all([0, 1, 2].map(() => adding(locks, shared, 7, rounds)));
  expect(shared[1]).toBe(3 * rounds);
  // Free again: nobody was left behind.
  let done = false;
  locks.hold(7, () => {
    done = true;
  });
  expect(done).toBe(true);
});

test('a lock is let go when what is done under it throws', () => {
  const locks = new Locks();
  expect(() =>
    locks.hold(3, () => {
      throw new Error('disk full');
    }),
  ).toThrow('disk full');
  expect([...new Int32Array(locks.memory)].every((word) => word === 0)).toBe(true);
});

test('different numbers do not wait for each other', () => {
  const locks = new Locks();
  const seen: number[] = [];
  locks.hold(0, () => locks.hold(1, () => locks.hold(63, () => seen.push(1))));
  expect(seen).toEqual([1]);
});
