/** Does a bounded number of asynchronous jobs at once and hands out their results in the order of the items. */

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
      const result = work(item);
      // Whoever takes it sees the failure; until then it must not count as unhandled.
      result.catch(() => undefined);
      queue.push({ item, result });
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
