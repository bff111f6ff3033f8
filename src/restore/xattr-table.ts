/** The extended attributes of the entries of a restore: equal ones are kept once, for whole trees have the same ACL or label. */
import { createHash } from 'node:crypto';
import type { ExtendedAttribute } from '../model.ts';

/** Stands for no attributes. */
export const NO_XATTRS = 0;

export class XattrTable {
  readonly #sets: (readonly ExtendedAttribute[])[] = [[]];
  #known: Map<string, number> | undefined = new Map();

  /** Returns the number of a list, the same for equal ones. */
  add(xattrs: readonly ExtendedAttribute[]): number {
    if (xattrs.length === 0) return NO_XATTRS;
    const hash = createHash('sha256');
    for (const { name, value } of xattrs) {
      hash.update(`${name}\0${value.length}\0`, 'latin1').update(value);
    }
    const key = hash.digest('hex');
    const known = this.#known?.get(key);
    if (known !== undefined) return known;
    // A small Buffer is a part of a large one, which would be kept, and posted, as a whole.
    const own = xattrs.map(({ name, value }) => ({ name, value: Uint8Array.from(value) }));
    const number = this.#sets.push(own) - 1;
    this.#known?.set(key, number);
    return number;
  }

  get(number: number): readonly ExtendedAttribute[] {
    return this.#sets[number] as readonly ExtendedAttribute[];
  }

  /** Gives back what only add() needs. */
  seal(): void {
    this.#known = undefined;
  }
}
