/**
 * Memory that objects are fetched into, used again and again. It is shared memory: V8 counts that against no thread, so that large objects
 * bring no garbage collections about, and the kernel need not clear it anew for each of them.
 */

/** Gives memory for at least so many bytes. */
export type TakePlace = (bytes: number) => Uint8Array;

export class ObjectPlaces {
  readonly #largest: number;
  readonly #free: SharedArrayBuffer[] = [];
  /** Those in use, by what was fetched into them. */
  readonly #used = new Map<object, SharedArrayBuffer>();

  /** `largest`: bytes of the largest object that is to come. */
  constructor(largest: number) {
    this.#largest = largest;
  }

  /** Fetches something into a place, which is its own until give(). When fetching fails, the place is free again. */
  async fetch<T extends object>(fetch: (place: TakePlace) => Promise<T>): Promise<T> {
    const place = this.#free.pop() ?? new SharedArrayBuffer(this.#largest + SPARE);
    let fetched: T;
    try {
      fetched = await fetch((needed) => {
        if (needed > place.byteLength) throw new Error('an object is larger than was said');
        return new Uint8Array(place);
      });
    } catch (error) {
      this.#free.push(place);
      throw error;
    }
    this.#used.set(fetched, place);
    return fetched;
  }

  /** Gives back the place of what was fetched, at which nobody looks any more. */
  give(fetched: object): void {
    const place = this.#used.get(fetched);
    this.#used.delete(fetched);
    if (place !== undefined) this.#free.push(place);
  }
}

/** Stores ask for a byte more than an object has, by which they see that it grows. */
const SPARE = 1;
