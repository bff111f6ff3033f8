/** Changes of a body while it streams by: cuts, stalls, flipped bytes, slowness. */
import { Cut, type CutBy } from './endings.ts';

/** A body on its way. `length` is the one that its Content-Length states. */
export type Change = (body: AsyncIterable<Buffer>, length: number | undefined) => AsyncIterable<Buffer>;

/** A place in a body: an offset in bytes, or what `length` gives. One past the end means the last byte. */
export type Place = number | ((length: number | undefined) => number);

/** The middle of a body of stated length. */
export const half: Place = (length) => Math.floor((length ?? 0) / 2);

/** The offset that is meant; never at or past the end where that is known, so that something always stays undone. */
export function offset(place: Place, length: number | undefined): number {
  const wanted = typeof place === 'number' ? place : place(length);
  return length === undefined ? wanted : Math.max(0, Math.min(wanted, length - 1));
}

/** Passes the bytes before `place`, calls `reached` when the next byte is due (or the body has ended), passes the rest. */
async function* pauseAt(
  body: AsyncIterable<Buffer>,
  at: number,
  reached: () => Promise<void> | void,
): AsyncIterable<Buffer> {
  let passed = 0;
  let due = at > 0;
  if (!due) await reached();
  for await (const bytes of body) {
    if (due && passed + bytes.length >= at) {
      const before = at - passed;
      yield bytes.subarray(0, before);
      due = false;
      await reached();
      if (before < bytes.length) yield bytes.subarray(before);
    } else yield bytes;
    passed += bytes.length;
  }
  if (due) await reached();
}

/** Cuts the connection at `place`; a body that ends sooner is cut before its end is told. */
export function cutAt(place: Place, by: CutBy): Change {
  return (body, length) =>
    pauseAt(body, offset(place, length), () => {
      throw new Cut(by);
    });
}

/** Waits at `place`, taking nothing in. */
export function waitAt(place: Place, wait: () => Promise<void>): Change {
  return (body, length) => pauseAt(body, offset(place, length), wait);
}

/** Ends the body after `bytes`. */
export function endAt(bytes: number): Change {
  return async function* (body) {
    let left = bytes;
    if (left === 0) return;
    for await (const piece of body) {
      yield piece.subarray(0, left);
      left -= piece.length;
      if (left <= 0) return;
    }
  };
}

/** Flips the lowest bit of the byte at `place`, which counts from the end when negative (and the length is known). */
export function flipAt(place: Place): Change {
  return async function* (body, length) {
    const wanted = typeof place === 'number' && place < 0 && length !== undefined ? length + place : place;
    const at = offset(wanted, length);
    let passed = 0;
    for await (const bytes of body) {
      const here = at - passed;
      passed += bytes.length;
      if (here < 0 || here >= bytes.length) yield bytes;
      else {
        const flipped = Buffer.from(bytes);
        flipped[here] = flipped[here]! ^ 1;
        yield flipped;
      }
    }
  };
}

/** Passes `bytesPerSecond`, in pieces of a twentieth of a second. */
export function slowly(bytesPerSecond: number, wait: (milliseconds: number) => Promise<void>): Change {
  return async function* (body) {
    const size = Math.max(1, Math.floor(bytesPerSecond / 20));
    for await (const bytes of body) {
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.subarray(at, at + size);
        await wait((piece.length / bytesPerSecond) * 1000);
        yield piece;
      }
    }
  };
}
