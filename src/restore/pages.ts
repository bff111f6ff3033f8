/**
 * The memory of tables that grow with the entries: pages up to a bound, and beyond it in a scratch file, encrypted by a key that is in memory
 * only. Where there is no scratch, or no room in it, all pages stay in memory.
 */
import { HoldfastError } from '../errors.ts';
import { free } from '../free.ts';
import { Scratch } from '../verify/scratch.ts';

/** Bytes of pages that are kept in memory. A plan has some 20 tables, and each is read in order: few of its pages are in use at once. */
const MEMORY = 12 * 1024 * 1024;

/** A stretch of a table. */
export interface Page {
  /** Undefined while it lies in the scratch. */
  bytes: Uint8Array | undefined;
  /** Where it lies there, once it was written. */
  offset: number | undefined;
  readonly size: number;
  /** Whether it differs from what lies there. */
  changed: boolean;
  /** Whether it was turned to since it was last thought of as one to give up. */
  used: boolean;
}

export class Pages {
  readonly #scratch: Scratch | undefined;
  readonly #limit: number;
  #held: Page[] = [];
  #bytes = 0;
  /** The page to think of next. */
  #hand = 0;
  #mayWrite: boolean;

  /** `folder`: where the scratch is made when it is needed; undefined for none. `limit`: bytes that stay in memory. */
  constructor(folder?: string, limit = MEMORY) {
    this.#scratch = folder === undefined ? undefined : new Scratch(folder);
    this.#mayWrite = folder !== undefined;
    this.#limit = limit;
  }

  /** A new page of zeros. */
  make(size: number): Page {
    const page: Page = { bytes: new Uint8Array(size), offset: undefined, size, changed: true, used: true };
    this.#hold(page);
    return page;
  }

  /** The bytes of a page, good until another page is asked for. Errors: `io`, when the scratch cannot be read. */
  read(page: Page): Uint8Array {
    page.used = true;
    if (page.bytes !== undefined) return page.bytes;
    if (this.#scratch === undefined || page.offset === undefined) throw new Error('a page is nowhere');
    const bytes = new Uint8Array(page.size);
    const read = this.#scratch.read(page.offset, page.size);
    bytes.set(read);
    free(read);
    page.bytes = bytes;
    page.changed = false;
    this.#hold(page);
    return bytes;
  }

  /** Gives everything back; no page can be read any more. */
  close(): void {
    this.#scratch?.close();
    this.#held = [];
  }

  #hold(page: Page): void {
    this.#held.push(page);
    this.#bytes += page.size;
    while (this.#mayWrite && this.#bytes > this.#limit && this.#held.length > 1) this.#giveUpOne(page);
  }

  /** Gives up a page that was not used since the hand passed it last; never `kept`. */
  #giveUpOne(kept: Page): void {
    for (;;) {
      if (this.#hand >= this.#held.length) this.#hand = 0;
      const page = this.#held[this.#hand] as Page;
      if (page !== kept && !page.used) break;
      page.used = false;
      this.#hand++;
    }
    const page = this.#held[this.#hand] as Page;
    if (!this.#write(page)) return;
    const last = this.#held.pop() as Page;
    if (last !== page) this.#held[this.#hand] = last;
    this.#bytes -= page.size;
    const { buffer } = page.bytes as Uint8Array<ArrayBuffer>;
    page.bytes = undefined;
    buffer.transfer(0);
  }

  /** Has the scratch hold a page as it is; false where it takes no more. */
  #write(page: Page): boolean {
    if (!page.changed) return true;
    try {
      // Always somewhere else: bytes that differ must not be encrypted with the same stretch of a key stream.
      const offset = (this.#scratch as Scratch).allot(page.size);
      (this.#scratch as Scratch).write(offset, page.bytes as Uint8Array);
      page.offset = offset;
      page.changed = false;
      return true;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#mayWrite = false;
      return false;
    }
  }
}
