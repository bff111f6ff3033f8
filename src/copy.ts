/**
 * Copies bytes between shared and other memory. V8 copies to and from shared memory byte by byte, at a tenth of the speed, wherever the two sides do not
 * begin at the same place within a word; so those bytes go through a buffer that lies as the shared side does.
 */

/** Bytes of a word: what V8 copies at once, where it can. */
const WORD = 8;
/** Bytes copied at once: they stay in the processor's cache. */
const PIECE = 64 * 1024;
/** For so few bytes it is not worth the trouble. */
const FEW = 256;

const between = Buffer.allocUnsafeSlow(PIECE + WORD);

/** Copies all of `source` into `target`, from `at` on. The two must not overlap. */
export function copyBytes(source: Uint8Array, target: Uint8Array, at: number): void {
  const from = source.byteOffset % WORD;
  const to = (target.byteOffset + at) % WORD;
  if (source.length < FEW || from === to || !(isShared(source) || isShared(target))) {
    target.set(source, at);
    return;
  }
  // As the shared side lies; where both are, one of the two ways is slow.
  const phase = isShared(target) ? to : from;
  for (let done = 0; done < source.length; done += PIECE) {
    const length = Math.min(PIECE, source.length - done);
    const piece = between.subarray(phase, phase + length);
    piece.set(source.subarray(done, done + length));
    target.set(piece, at + done);
  }
}

function isShared({ buffer }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}
