/** Which entries of a point are further names of one before. Memory grows with those that have several names. */
import type { ByteString, Entry } from '../model.ts';

/** Asked of all entries of a point in their order, it gives the first name of each further one. */
export class FirstNames {
  readonly #known = new Map<string, { path: ByteString; what: string }>();

  /** The first name of the same one; undefined where there is none before. Names that differ in type or content are no names of one. */
  of({ source, path, link, type, size, sha256, target, rdev }: Entry): ByteString | undefined {
    if (link === undefined || type === 'dir') return undefined;
    const key = `${source}\0${link}`;
    const what = [type, size, sha256, rdev?.join(), target].join('\0');
    const first = this.#known.get(key);
    if (first?.what === what) return first.path;
    this.#known.set(key, { path, what });
    return undefined;
  }
}
