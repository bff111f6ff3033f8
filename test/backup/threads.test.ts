import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ReadyThreads } from '../../src/backup/threads.ts';

test.each([0, 20, 80, 400])('threads that nobody has taken end %i ms after their start', async (after) => {
  const threads = new ReadyThreads();
  threads.readyProducer();
  await sleep(after);
  // Resolves only when they have ended by themselves.
  await threads.close();
  await threads.close();
});

test('a walker that is of no use is not taken for one that walks, and its end is waited for', async () => {
  const threads = new ReadyThreads();
  threads.walk({ sources: [], own: [] });
  threads.dropWalker();
  expect(threads.takeWalker()).toBeUndefined();
  await threads.close();
});

test('each is taken once, and whoever takes it ends it', async () => {
  const threads = new ReadyThreads();
  expect(threads.takeProducer()).toBeUndefined();
  threads.readyProducer();
  const producer = threads.takeProducer();
  expect(producer).toBeDefined();
  const walker = threads.takeWalker();
  expect(threads.takeProducer()).toBeUndefined();
  expect(threads.takeWalker()).toBeUndefined();
  await threads.close();
  const ended = Promise.race([producer?.ended, walker?.ended].map((end) => end?.then(() => 'ended')));
  expect(await Promise.race([ended, sleep(200, 'both run')])).toBe('both run');
  producer?.tell({ kind: 'stop' });
  walker?.stop();
  await Promise.all([producer?.ended, walker?.ended]);
});
