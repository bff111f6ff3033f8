/** Does a bounded number of asynchronous jobs at once and hands out their results in the order of the items. */
import { ahead } from './ahead.ts';

/**
 * Yields each item with what `work` made of it. At most `width` jobs are under way, and no more than that are
 * waiting to be taken. The first failure ends it; jobs that were under way then are waited for, not heard.
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<[item: T, result: R], void> {
  const queue: { item: T; result: Promise<R> }[] = [];
  try {
    for await (const item of items) {
      // Whoever takes it sees the failure.
      queue.push({ item, result: ahead(work(item)) });
      if (queue.length >= width) yield await take(queue);
    }
    while (queue.length > 0) yield await take(queue);
  } finally {
    await Promise.allSettled(queue.map(({ result }) => result));
  }
}

async function take<T, R>(queue: { item: T; result: Promise<R> }[]): Promise<[T, R]> {
  const { item, result } = queue.shift() as { item: T; result: Promise<R> };
  return [item, await result];
}
