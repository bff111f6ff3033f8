/** Digests files whose pieces come in the order of the volumes, not in their own: what comes too early waits in the scratch. */
import { RunningDigest } from '../chunk/digest.ts';
import type { ContentTable, Stretch } from '../restore/content.ts';
import type { Scratch } from './scratch.ts';

/** A file of which some pieces have come. */
interface OpenFile {
  digest: RunningDigest;
  /** Bytes digested so far. */
  at: number;
  /** The extent that is due. */
  next: number;
  /** The first extent that is another file's. */
  end: number;
  /** Where its pieces lie in the scratch, once there are any. */
  base: number | undefined;
}

const ZEROS = Buffer.alloc(1024 * 1024);

/** Digests files piece by piece. A file in the order of its volumes, as in most fulls, needs no scratch. */
export class Assembly {
  readonly #content: ContentTable;
  readonly #scratch: Scratch;
  readonly #files = new Map<number, OpenFile>();
  /** Extents that lie in the scratch. */
  readonly #waiting: Uint8Array;

  constructor(content: ContentTable, scratch: Scratch) {
    this.#content = content;
    this.#scratch = scratch;
    this.#waiting = new Uint8Array(content.length);
  }

  /**
   * Takes the piece of a file that `extent` is; `first` is the file's first extent, `size` its length. Returns the
   * SHA-256 of the file with its last piece, else undefined. Errors: those of the scratch.
   */
  add(extent: number, stretch: Stretch, first: number, size: number, piece: Uint8Array): string | undefined {
    const file = this.#files.get(stretch.entry) ?? this.#begin(stretch.entry, first);
    if (extent !== file.next) {
      file.base ??= this.#scratch.allot(size);
      this.#scratch.write(file.base + stretch.at, piece);
      this.#waiting[extent] = 1;
      return undefined;
    }
    digest(file, stretch.at, piece);
    while (file.next < file.end && this.#waiting[file.next] === 1) {
      const { at, length } = this.#content.stretch(file.next);
      digest(file, at, this.#scratch.read((file.base ?? 0) + at, length));
    }
    if (file.next < file.end) return undefined;
    this.#files.delete(stretch.entry);
    digestZeros(file, size);
    return file.digest.hex();
  }

  /** Forgets a file that will not become whole. */
  drop(entry: number): void {
    this.#files.delete(entry);
  }

  #begin(entry: number, first: number): OpenFile {
    const end = first + this.#content.count(entry);
    const file = { digest: new RunningDigest(), at: 0, next: first, end, base: undefined };
    this.#files.set(entry, file);
    return file;
  }
}

/** The SHA-256 of so many bytes of zero, in hex. */
export function digestOfHole(size: number): string {
  const file = { digest: new RunningDigest(), at: 0 };
  digestZeros(file, size);
  return file.digest.hex();
}

function digest(file: OpenFile, at: number, piece: Uint8Array): void {
  digestZeros(file, at);
  file.digest.update(piece);
  file.at += piece.length;
  file.next++;
}

/** Up to `end` there is a hole. */
function digestZeros(file: { digest: RunningDigest; at: number }, end: number): void {
  while (file.at < end) {
    const length = Math.min(ZEROS.length, end - file.at);
    file.digest.update(ZEROS.subarray(0, length));
    file.at += length;
  }
}
