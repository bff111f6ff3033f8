/** Tables of numbers and names for a million entries: no object for each, and no copying when they grow. */
import type { ByteString } from '../model.ts';
import { type Page, Pages } from './pages.ts';

/** What a column's numbers are. */
type Numbers = typeof Uint8Array | typeof Uint16Array | typeof Uint32Array | typeof Float64Array;

const SHIFT = 13;
const BLOCK = 1 << SHIFT;
const MASK = BLOCK - 1;

/** A growing array of numbers of one size. Reading beyond its end is a defect and throws. */
export class Column {
  readonly #type: Numbers;
  readonly #pages: Pages;
  readonly #blocks: Page[] = [];
  #length = 0;
  /** The block that was turned to last: its bytes as they were then, and as numbers. */
  #at = -1;
  #bytes: Uint8Array | undefined;
  #numbers: InstanceType<Numbers> = new Uint8Array(0);

  /** `pages`: its memory; its own, which has no bound, where that is not given. */
  constructor(type: Numbers, pages = new Pages()) {
    this.#type = type;
    this.#pages = pages;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a number at the end; returns its index. */
  push(value: number): number {
    const index = this.#length;
    if ((index & MASK) === 0 && index >>> SHIFT === this.#blocks.length)
      this.#blocks.push(this.#pages.make(BLOCK * this.#type.BYTES_PER_ELEMENT));
    this.#length = index + 1;
    this.set(index, value);
    return index;
  }

  get(index: number): number {
    if (index >= this.#length) throw new RangeError(`no row ${index}`);
    this.#turn(index >>> SHIFT);
    return this.#numbers[index & MASK] as number;
  }

  set(index: number, value: number): void {
    if (index >= this.#length) throw new RangeError(`no row ${index}`);
    this.#turn(index >>> SHIFT).changed = true;
    this.#numbers[index & MASK] = value;
  }

  /** Forgets all from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  #turn(block: number): Page {
    const page = this.#blocks[block] as Page;
    if (block === this.#at && page.bytes !== undefined && page.bytes === this.#bytes) return page;
    this.#bytes = this.#pages.read(page);
    this.#numbers = new this.#type(this.#bytes.buffer as ArrayBuffer);
    this.#at = block;
    return page;
  }
}

const POOL_SHIFT = 20;
const POOL_BLOCK = 1 << POOL_SHIFT;
const LAST_OFFSET = 0xffffffff;

/** Byte strings, none longer than a MiB, one after the other, found again by offset and length. */
export class NamePool {
  readonly #pages: Pages;
  readonly #blocks: Page[] = [];
  #end = 0;

  constructor(pages = new Pages()) {
    this.#pages = pages;
  }

  /** Returns the offset, a number below 2^32. */
  add(name: ByteString): number {
    if (name.length > POOL_BLOCK) throw new RangeError('a name is too long');
    // A string does not go over the edge of a block.
    if (this.#end % POOL_BLOCK === 0 || (this.#end % POOL_BLOCK) + name.length > POOL_BLOCK) {
      this.#end = this.#blocks.length * POOL_BLOCK;
      this.#blocks.push(this.#pages.make(POOL_BLOCK));
    }
    const offset = this.#end;
    if (offset > LAST_OFFSET) throw new RangeError('there are too many names');
    const block = this.#blocks.at(-1) as Page;
    this.#bytes(block).write(name, offset % POOL_BLOCK, name.length, 'latin1');
    block.changed = true;
    this.#end += name.length;
    return offset;
  }

  get(offset: number, length: number): ByteString {
    const at = offset % POOL_BLOCK;
    const block = this.#blocks[offset >>> POOL_SHIFT] as Page;
    return this.#bytes(block).toString('latin1', at, at + length);
  }

  #bytes(block: Page): Buffer {
    return Buffer.from(this.#pages.read(block).buffer);
  }
}

const DIGEST_SIZE = 32;
const DIGEST_SHIFT = 11;
const DIGESTS = 1 << DIGEST_SHIFT;

/** SHA-256 digests, one a row. */
export class DigestColumn {
  readonly #pages: Pages;
  readonly #blocks: Page[] = [];
  #length = 0;

  constructor(pages = new Pages()) {
    this.#pages = pages;
  }

  /** Adds a digest, given as 64 hex digits; returns its index. */
  push(hex: string): number {
    const index = this.#length++;
    if (index % DIGESTS === 0) this.#blocks.push(this.#pages.make(DIGESTS * DIGEST_SIZE));
    const block = this.#blocks.at(-1) as Page;
    this.#bytes(block).write(hex, (index % DIGESTS) * DIGEST_SIZE, DIGEST_SIZE, 'hex');
    block.changed = true;
    return index;
  }

  /** Lower-case hex. */
  get(index: number): string {
    const at = (index % DIGESTS) * DIGEST_SIZE;
    const block = this.#blocks[index >>> DIGEST_SHIFT] as Page;
    return this.#bytes(block).toString('hex', at, at + DIGEST_SIZE);
  }

  #bytes(block: Page): Buffer {
    return Buffer.from(this.#pages.read(block).buffer);
  }
}
