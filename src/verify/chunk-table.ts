/** Remembers which chunk lies where, of volumes that were unpacked: 12 bytes a chunk. */
import { Column } from '../restore/columns.ts';

/** Length and the first 64 bits of the digest of every chunk that was seen, by volume and position. */
export class ChunkTable {
  readonly #length = new Column(Uint32Array);
  readonly #high = new Column(Uint32Array);
  readonly #low = new Column(Uint32Array);
  /** Where the chunks of a volume begin, and how many of them are known, by `seq/volume`. */
  readonly #volumes = new Map<string, { start: number; count: number }>();

  /** Notes a chunk that was found to have this SHA-256 (hex). Those of one volume come together and in order. */
  add(seq: number, volume: number, position: number, sha256: string, length: number): void {
    const name = `${seq}/${volume}`;
    let known = this.#volumes.get(name);
    if (known === undefined) {
      known = { start: this.#length.length, count: 0 };
      this.#volumes.set(name, known);
    }
    // Damaged chunks are passed over: their rows say that nothing is known.
    for (; known.count < position; known.count++) this.#push(0, 0, 0);
    this.#push(length, Number.parseInt(sha256.slice(0, 8), 16), Number.parseInt(sha256.slice(8, 16), 16));
    known.count++;
  }

  /** Length of a chunk in bytes; undefined when it is not known. */
  lengthOf(seq: number, volume: number, position: number): number | undefined {
    const row = this.#row(seq, volume, position);
    return row === undefined ? undefined : this.#length.get(row) || undefined;
  }

  /** Whether a known chunk has this SHA-256 (hex). */
  is(seq: number, volume: number, position: number, sha256: string): boolean {
    const row = this.#row(seq, volume, position);
    if (row === undefined) return false;
    const high = this.#high.get(row).toString(16).padStart(8, '0');
    const low = this.#low.get(row).toString(16).padStart(8, '0');
    return sha256.startsWith(high + low);
  }

  #push(length: number, high: number, low: number): void {
    this.#length.push(length);
    this.#high.push(high);
    this.#low.push(low);
  }

  #row(seq: number, volume: number, position: number): number | undefined {
    const known = this.#volumes.get(`${seq}/${volume}`);
    return known !== undefined && position < known.count ? known.start + position : undefined;
  }
}
