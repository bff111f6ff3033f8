import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ReadyThreads } from '../../src/backup/threads.ts';

test.each([0, 20, 80, 400])('threads that nobody has taken end %i ms after their start', async (after) => {
  const threads = new ReadyThreads();
  await sleep(after);
  // Resolves only when they have ended by themselves.
  await threads.close();
  await threads.close();
});

test('each is taken once, and whoever takes it ends it', async () => {
  const threads = new ReadyThreads();
  const producer = threads.takeProducer();
  const sealer = threads.takeSealer();
  expect(threads.takeProducer()).toBeUndefined();
  expect(threads.takeSealer()).toBeUndefined();
  await threads.close();
  const ended = Promise.race([producer?.ended, sealer?.ended].map((end) => end?.then(() => 'ended')));
  expect(await Promise.race([ended, sleep(200, 'both run')])).toBe('both run');
  producer?.tell({ kind: 'stop' });
  sealer?.worker.postMessage({ kind: 'stop' });
  await Promise.all([producer?.ended, sealer?.ended]);
});
