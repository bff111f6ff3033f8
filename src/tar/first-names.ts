/** Which files of a point are further names of one before. Memory grows with the files that have several names. */
import type { ByteString, Entry } from '../model.ts';

/** Asked of all files of a point in their order, it gives the first name of each further one. */
export class FirstNames {
  readonly #known = new Map<string, { path: ByteString; size: number; sha256: string | undefined }>();

  /** The first name of the same file; undefined for a file that has none before. Names that differ in content are no names of one file. */
  of({ source, path, link, size, sha256 }: Entry): ByteString | undefined {
    if (link === undefined) return undefined;
    const key = `${source}\0${link}`;
    const first = this.#known.get(key);
    if (first !== undefined && first.size === size && first.sha256 === sha256) return first.path;
    this.#known.set(key, { path, size, sha256 });
    return undefined;
  }
}
