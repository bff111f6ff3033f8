/**
 * Memory for taking volumes apart, used for one after the other. Memory that is new has to be found and cleared by the system page by page, which on a virtual
 * machine can take longer than what is done with it: with new memory for each volume and each large chunk, a restore of photos took a fifth longer.
 */
import { PIECE_SIZE } from '../crypto/pieces.ts';
import { CHUNK_LIMIT, WINDOW_LOG } from '../format/limits.ts';
import { freeBuffer } from '../free.ts';

/** Gives memory for so many bytes. */
export type Place = (bytes: number) => Buffer;

/** Frames of so much content, more than the program makes, are opened in one call, if they have not grown. */
export const ONE_CALL = 2 ** WINDOW_LOG;

/** What is never used of it takes no room, but for the rest of a huge page. One volume at a time. */
export class VolumeMemory {
  readonly #place: Place | undefined;
  #frame: Buffer | undefined;
  #content: Buffer | undefined;
  #chunk: Buffer | undefined;

  /** `place`: gives memory for the content of frames, one after the other, where it is not to be this one's own. */
  constructor(place?: Place) {
    this.#place = place;
  }

  /** For a frame as it is stored. */
  frame(): Buffer {
    this.#frame ??= Buffer.allocUnsafeSlow(ONE_CALL + 2 * PIECE_SIZE);
    return this.#frame;
  }

  /** For the content of a frame: ONE_CALL bytes at most. */
  content(bytes: number): Buffer {
    if (this.#place !== undefined) return this.#place(bytes);
    this.#content ??= Buffer.allocUnsafeSlow(ONE_CALL);
    return this.#content.subarray(0, bytes);
  }

  /** For a chunk that lies in several pieces. */
  chunk(bytes: number): Buffer {
    this.#chunk ??= Buffer.allocUnsafeSlow(CHUNK_LIMIT);
    return this.#chunk.subarray(0, bytes);
  }

  /** Somebody may still read what frame() has given: it is not used again. */
  leaveFrame(): void {
    this.#frame = undefined;
  }

  /** Gives all of it back; it can be used again after that. */
  free(): void {
    for (const buffer of [this.#frame, this.#content, this.#chunk])
      if (buffer !== undefined) freeBuffer(buffer.buffer);
    this.#frame = undefined;
    this.#content = undefined;
    this.#chunk = undefined;
  }
}
