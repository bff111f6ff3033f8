/** Memory for sealed objects on their way to the store: places for parts of them, made once and used again and again. */
import { PART_ROOM } from '../crypto/data-packet.ts';

const MIB = 1024 * 1024;
/** What all sealed volumes that are on their way may hold together, in bytes, unless two of them are larger. */
const SEALED = 96 * MIB;
/** Room beyond a volume's size: for what was still being compressed when it was closed, for packets, and for a part of the manifest. */
const SLACK = 16 * MIB;

/** How many places a run may use: for all puts and the volume that fills meanwhile, but at least for two volumes. */
export function placesFor(volumeSize: number, uploads: number): number {
  const all = (uploads + 1) * volumeSize + SLACK;
  return Math.ceil(Math.max(2 * volumeSize + SLACK, Math.min(all, SEALED)) / MIB);
}

/** Places for parts of sealed objects, each of PART_ROOM bytes. */
export class Places {
  readonly #most: number;
  #made = 0;
  readonly #free: SharedArrayBuffer[] = [];

  /** `most`: how many there may be, unless one more is needed lest everything stand still. */
  constructor(most: number) {
    this.#most = most;
  }

  /** A place; undefined when all are in use, unless `must`. */
  take(must: boolean): SharedArrayBuffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined || (this.#made >= this.#most && !must)) return free;
    this.#made++;
    return new SharedArrayBuffer(PART_ROOM);
  }

  give(places: readonly SharedArrayBuffer[]): void {
    this.#free.push(...places);
  }
}
