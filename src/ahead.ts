/** Begins now what is awaited later: questions to a store that is far away are asked at once, and heard in their order. */

/** The same promise, whose failure does not count as unhandled before it is awaited. */
export function ahead<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
