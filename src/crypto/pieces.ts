/** Cuts and gathers streams of bytes into pieces of a size that OpenPGP streams digest fast; copies only small pieces. */

/** Bytes of a piece. openpgp.js needs three times as long when it is given one large buffer, or many small ones. */
export const PIECE_SIZE = 1024 * 1024;

/** Cuts one buffer into pieces of at most PIECE_SIZE bytes; they share the buffer's memory. */
export function* cut(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += PIECE_SIZE) yield bytes.subarray(at, at + PIECE_SIZE);
}

/** The same bytes in pieces of about PIECE_SIZE: larger pieces are cut, small ones are gathered, empty ones dropped. */
export async function* regroup(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    const small = piece.length < PIECE_SIZE / 2;
    if (small && piece.length > 0) {
      held.push(piece);
      length += piece.length;
    }
    if (length > 0 && (!small || length >= PIECE_SIZE)) {
      yield Buffer.concat(held, length);
      held = [];
      length = 0;
    }
    if (!small) yield* cut(piece);
  }
  if (length > 0) yield Buffer.concat(held, length);
}
