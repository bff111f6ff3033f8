/** Reads what streams of bytes yield, and what they fail with, for the tests of the crypto stage. */
import { HoldfastError } from '../../src/errors.ts';

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The HoldfastError with which a promise fails; anything else, success too, fails the test. */
export async function failure(promise: Promise<unknown>): Promise<HoldfastError> {
  const result = await promise.then(
    (value) => new Error(`succeeded: ${String(value).slice(0, 100)}`),
    (error: unknown) => error,
  );
  if (result instanceof HoldfastError) {
    if (/[\r\n]/.test(result.message)) throw new Error(`not one line: ${result.message}`);
    return result;
  }
  throw result;
}
