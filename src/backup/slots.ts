/** Memory shared between the threads of a backup: slots for pieces on their way to sealing, and places for sealed volumes. Allocated once, used again and again. */

/** Bytes of one slot for a piece of compressed content: zlib gives no larger ones. */
export const SLOT = 1024 * 1024;
const SLOTS = 16;
/** Slots that must be free before more content is compressed: what one slab of incompressible content can give at once. */
export const FREE_SLOTS = 8;

/** Memory for all slots. */
export function newSlots(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * SLOT);
}

/** Room beyond a volume's size: for what zstd still held when it was closed, and for packets. */
const SLACK = 8 * 1024 * 1024;

/** Places for sealed objects; as many as are under way at once. Pages that no object has reached cost nothing. */
export class Places {
  readonly #size: number;
  readonly #free: SharedArrayBuffer[] = [];

  /** `volumeSize`: bytes at which a volume is closed. */
  constructor(volumeSize: number) {
    this.#size = volumeSize + SLACK;
  }

  take(): SharedArrayBuffer {
    return this.#free.pop() ?? new SharedArrayBuffer(this.#size);
  }

  give(place: SharedArrayBuffer): void {
    this.#free.push(place);
  }
}
