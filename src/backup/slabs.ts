/**
 * Memory through which content goes from the producer to the sealing threads, and the two bounds on what is on its way: slabs of content, and
 * objects. The producer waits here without turning its event loop; all others only say what has become free.
 */
import { FRAME_CONTENT, FRAME_ROOM } from '../volume/compress.ts';
import { CHANGES_WORDS, Changes } from '../worker/changes.ts';
import type { StopFlag } from '../worker/stop.ts';

/** Bytes of plain content that a slab takes: those of a frame. What becomes of them takes their place. */
export const SLAB = FRAME_CONTENT;
/** Two fill (one of a volume, one of a manifest), one is full, so that who compresses finds the next one ready. */
const FILLING = 3;

/** Words of the control memory: a count of all that became free, the objects on their way, and for each slab whether it is in use. */
const CHANGES = 0;
const OBJECTS = CHANGES_WORDS;
const FIRST = OBJECTS + 1;

/** Places of the figures of an object in a Float64Array: bytes of content that are compressed, and bytes that have come out of it. */
export const FIGURES = { taken: 0, out: 1 } as const;
export const FIGURES_LENGTH = 2;

/** What threads are given to share the same slabs. */
export interface SlabsMemory {
  bytes: SharedArrayBuffer;
  control: SharedArrayBuffer;
}

/** New memory, all of it free, for so many threads that compress. */
export function newSlabs(threads: number): SlabsMemory {
  const slabs = threads + FILLING;
  return {
    bytes: new SharedArrayBuffer(slabs * FRAME_ROOM),
    control: new SharedArrayBuffer((FIRST + slabs) * Int32Array.BYTES_PER_ELEMENT),
  };
}

export class Slabs {
  readonly #bytes: SharedArrayBuffer;
  readonly #control: Int32Array;
  readonly #changes: Changes;

  constructor({ bytes, control }: SlabsMemory) {
    this.#bytes = bytes;
    this.#control = new Int32Array(control);
    this.#changes = new Changes(this.#control, CHANGES);
  }

  /** The memory of a slab: SLAB bytes for content, and beyond them what a frame that grew needs. */
  view(slab: number): Buffer {
    return Buffer.from(this.#bytes, slab * FRAME_ROOM, FRAME_ROOM);
  }

  /** Takes a free slab, for the producer; waits for one. Throws Stopped. */
  take(stop: StopFlag): number {
    return this.#changes.await(stop, () => this.tryTake());
  }

  /** Takes a free slab; undefined when there is none. */
  tryTake(): number | undefined {
    for (let at = FIRST; at < this.#control.length; at++) {
      if (Atomics.compareExchange(this.#control, at, 0, 1) === 0) return at - FIRST;
    }
    return undefined;
  }

  /** Gives a slab back. */
  give(slab: number): void {
    Atomics.store(this.#control, FIRST + slab, 0);
    this.wake();
  }

  /** Counts one object more, for the producer; waits while there are `most`. Throws Stopped. */
  beginObject(most: number, stop: StopFlag): void {
    this.#changes.await(stop, () => {
      if (Atomics.load(this.#control, OBJECTS) >= most) return undefined;
      return Atomics.add(this.#control, OBJECTS, 1);
    });
  }

  /** Says that an object is stored. */
  endObject(): void {
    Atomics.sub(this.#control, OBJECTS, 1);
    this.wake();
  }

  /** Lets whoever waits look again: also after the stop flag was set. */
  wake(): void {
    this.#changes.tell();
  }
}
