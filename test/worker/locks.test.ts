import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Locks } from '../../src/worker/locks.ts';
import { project } from '../helpers/script.ts';

const MODULE = new URL(`file://${project('src/worker/locks.ts')}`).href;

/** Runs code in a thread, which has `locks`, and the words `shared`; resolves when the thread has ended. */
function inThread(locks: Locks, shared: Int32Array, code: string): Promise<void> {
  const source = `
    import { workerData } from 'node:worker_threads';
    const { Locks } = await import(${JSON.stringify(MODULE)});
    const locks = new Locks(workerData.memory);
    const { shared } = workerData;
    ${code}
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { memory: locks.memory, shared },
  });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}

const words = () => new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));

test('of three threads only one at a time does something under a number', async () => {
  const locks = new Locks();
  const shared = words();
  const rounds = 5000;
  // In two steps, between which others would come if they could.
  const adding = `
    Atomics.add(shared, 0, 1);
    Atomics.notify(shared, 0);
    while (Atomics.load(shared, 0) < 3) Atomics.wait(shared, 0, Atomics.load(shared, 0), 100);
    for (let i = 0; i < ${rounds}; i++) {
      locks.hold(7, () => {
        const seen = shared[1];
        for (let spin = 0; spin < 20; spin++) shared[2] = spin;
        if (i % 100 === 0) Atomics.wait(shared, 3, 0, 1);
        shared[1] = seen + 1;
      });
    }
  `;
  await Promise.all([0, 1, 2].map(() => inThread(locks, shared, adding)));
  expect(shared[1]).toBe(3 * rounds);
  // Nothing was left behind.
  expect([...new Int32Array(locks.memory)].every((word) => word === 0)).toBe(true);
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

test('different numbers do not wait for each other', async () => {
  const locks = new Locks();
  const shared = words();
  await inThread(
    locks,
    shared,
    'locks.hold(0, () => locks.hold(1, () => locks.hold(63, () => { shared[1] = 1; })));',
  );
  expect(shared[1]).toBe(1);
});

test('a lock that a thread has taken with it when it ended holds nobody up', async () => {
  const locks = new Locks();
  const shared = words();
  // An exit runs no finally, as little as an end for want of memory does.
  await inThread(locks, shared, 'locks.hold(5, () => process.exit());');
  expect(new Int32Array(locks.memory)[5]).not.toBe(0);
  await inThread(locks, shared, 'for (let i = 0; i < 2; i++) locks.hold(5, () => { shared[1]++; });');
  expect(shared[1]).toBe(2);
});
