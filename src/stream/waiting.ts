/** Pieces of content that wait for their time: in memory up to a bound, beyond it on disk, encrypted. */
import { Scratch } from '../verify/scratch.ts';

/** Where a piece waits: in memory, or else in the scratch, at an offset. */
export interface Place {
  bytes: Uint8Array | undefined;
  offset: number;
  readonly length: number;
}

/** Bytes that may wait in memory. */
const MEMORY = 64 * 1024 * 1024;

/** Pieces that wait. */
export class WaitingPieces {
  readonly #scratch: Scratch;
  readonly #memory: number;
  readonly #held = new Set<Place>();
  #bytes = 0;
  #onDisk = 0;

  /** `folder`: where what does not fit into `memory` bytes goes. */
  constructor(folder: string, memory = MEMORY) {
    this.#scratch = new Scratch(folder);
    this.#memory = memory;
  }

  /** Keeps a copy of a piece. Errors: those of the scratch. */
  put(piece: Uint8Array): Place {
    const { length } = piece;
    if (this.#bytes + length > this.#memory) return { bytes: undefined, offset: this.#spill(piece), length };
    const place = { bytes: Buffer.from(piece), offset: 0, length };
    this.#held.add(place);
    this.#bytes += length;
    return place;
  }

  /** A piece, which does not wait any longer. Errors: those of the scratch. */
  take(place: Place): Uint8Array {
    if (place.bytes !== undefined) {
      this.#held.delete(place);
      this.#bytes -= place.length;
      return place.bytes;
    }
    const piece = this.#scratch.read(place.offset, place.length);
    if (--this.#onDisk === 0) this.#scratch.clear();
    return piece;
  }

  /** What waits longest must not keep the pieces of the next volume, which are due first, from the memory. */
  makeRoom(): void {
    if (this.#bytes <= this.#memory / 2) return;
    for (const place of this.#held) {
      place.offset = this.#spill(place.bytes as Uint8Array);
      place.bytes = undefined;
    }
    this.#held.clear();
    this.#bytes = 0;
  }

  close(): void {
    this.#scratch.close();
  }

  /** The offset at which it lies then. */
  #spill(piece: Uint8Array): number {
    const offset = this.#scratch.allot(piece.length);
    this.#scratch.write(offset, piece);
    this.#onDisk++;
    return offset;
  }
}
