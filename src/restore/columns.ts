/** Tables of numbers and names for a million entries: no object for each, and no copying when they grow. */
import type { ByteString } from '../model.ts';

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

const SHIFT = 14;
const BLOCK = 1 << SHIFT;
const MASK = BLOCK - 1;

/** A growing array of numbers of one size. Reading beyond its end is a defect and throws. */
export class Column<T extends Numbers> {
  readonly #type: new (
    length: number,
  ) => T;
  readonly #blocks: T[] = [];
  #length = 0;

  constructor(type: new (length: number) => T) {
    this.#type = type;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a number at the end; returns its index. */
  push(value: number): number {
    const index = this.#length;
    if ((index & MASK) === 0 && index >>> SHIFT === this.#blocks.length)
      this.#blocks.push(new this.#type(BLOCK));
    this.#length = index + 1;
    this.set(index, value);
    return index;
  }

  get(index: number): number {
    if (index >= this.#length) throw new RangeError(`no row ${index}`);
    return (this.#blocks[index >>> SHIFT] as T)[index & MASK] as number;
  }

  set(index: number, value: number): void {
    if (index >= this.#length) throw new RangeError(`no row ${index}`);
    (this.#blocks[index >>> SHIFT] as T)[index & MASK] = value;
  }

  /** Forgets all from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }
}

const POOL_SHIFT = 20;
const POOL_BLOCK = 1 << POOL_SHIFT;
const LAST_OFFSET = 0xffffffff;

/** Byte strings, none longer than a MiB, one after the other, found again by offset and length. */
export class NamePool {
  readonly #blocks: Buffer[] = [];
  #end = 0;

  /** Returns the offset, a number below 2^32. */
  add(name: ByteString): number {
    if (name.length > POOL_BLOCK) throw new RangeError('a name is too long');
    // A string does not go over the edge of a block.
    if (this.#end % POOL_BLOCK === 0 || (this.#end % POOL_BLOCK) + name.length > POOL_BLOCK) {
      this.#end = this.#blocks.length * POOL_BLOCK;
      this.#blocks.push(Buffer.allocUnsafe(POOL_BLOCK));
    }
    const offset = this.#end;
    if (offset > LAST_OFFSET) throw new RangeError('there are too many names');
    this.#blocks[this.#blocks.length - 1]?.write(name, offset % POOL_BLOCK, name.length, 'latin1');
    this.#end += name.length;
    return offset;
  }

  get(offset: number, length: number): ByteString {
    const at = offset % POOL_BLOCK;
    return (this.#blocks[offset >>> POOL_SHIFT] as Buffer).toString('latin1', at, at + length);
  }
}

const DIGEST_SIZE = 32;

/** SHA-256 digests, one a row. */
export class DigestColumn {
  readonly #blocks: Buffer[] = [];
  #length = 0;

  /** Adds a digest, given as 64 hex digits; returns its index. */
  push(hex: string): number {
    const index = this.#length++;
    if ((index & MASK) === 0) this.#blocks.push(Buffer.allocUnsafe(BLOCK * DIGEST_SIZE));
    this.#blocks[index >>> SHIFT]?.write(hex, (index & MASK) * DIGEST_SIZE, DIGEST_SIZE, 'hex');
    return index;
  }

  /** Lower-case hex. */
  get(index: number): string {
    const at = (index & MASK) * DIGEST_SIZE;
    return (this.#blocks[index >>> SHIFT] as Buffer).toString('hex', at, at + DIGEST_SIZE);
  }
}
