/**
 * Which segment has which SHA-256: the one table that grows with the data, kept to 8 bytes a slot. It keeps 32 bits of each
 * digest; the caller proves a candidate against the segment log.
 *
 * It lies in shards, each in small pages that are not beside each other: one that grows gets pages more, and gives none back. Were
 * each in one piece, its older and smaller pieces would be left as holes that nothing fits into.
 */

const SHARDS = 64;
const MAX_LOAD = 0.9;
const GROWTH = 1.2;
/** Slots of a page, as a power of two. */
const PAGE_LOG = 6;
const PAGE = 2 ** PAGE_LOG;
/** Pages that are got at once, as a power of two: memory that the system gives as it is, without looking for it. */
const SLAB_LOG = 5;
const SLAB = 2 ** SLAB_LOG;

interface Shard {
  /** Where its pages lie, in the order of its slots. */
  pages: number[];
  used: number;
}

export class DigestTable {
  readonly #shards: Shard[];
  /** Pages, SLAB in each: pairs of tag and segment number + 1; 0 is an empty slot. */
  readonly #slabs: Uint32Array[] = [];
  #pages = 0;
  /** What a shard holds while it is put into more pages. */
  #moved = new Uint32Array(0);
  #size = 0;

  /** `expected`: how many segments are likely to come, so that it need not grow. */
  constructor(expected = 0) {
    const pages = Math.max(1, Math.ceil((expected / SHARDS / MAX_LOAD / PAGE) * 1.05));
    this.#shards = Array.from({ length: SHARDS }, () => ({ pages: [], used: 0 }));
    for (const shard of this.#shards) this.#extend(shard, pages);
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that the table takes. */
  get bytes(): number {
    return this.#slabs.reduce((sum, slab) => sum + slab.byteLength, this.#moved.byteLength);
  }

  /**
   * The newest segment among those whose digest may be the given one and for which `isIt` says so; -1 when there is none.
   * `digest` is 32 bytes.
   */
  find(digest: Uint8Array, isIt: (segment: number) => boolean): number {
    const { pages } = this.#shardOf(digest);
    const tag = tagOf(digest);
    const slot = slotOf(tag, pages);
    let found = -1;
    let [page, at] = [slot >>> PAGE_LOG, slot & (PAGE - 1)];
    for (;;) {
      const slab = this.#slabOf(pages[page] as number);
      const start = startOf(pages[page] as number);
      for (; at < PAGE; at++) {
        const value = slab[start + 2 * at + 1] as number;
        if (value === 0) return found;
        if (slab[start + 2 * at] === tag && value - 1 > found && isIt(value - 1)) found = value - 1;
      }
      at = 0;
      page = page + 1 === pages.length ? 0 : page + 1;
    }
  }

  /** Adds a segment under its digest. */
  add(digest: Uint8Array, segment: number): void {
    const shard = this.#shardOf(digest);
    if (shard.used + 1 > shard.pages.length * PAGE * MAX_LOAD) this.#grow(shard);
    this.#insert(shard.pages, tagOf(digest), segment + 1);
    shard.used++;
    this.#size++;
  }

  #shardOf(digest: Uint8Array): Shard {
    return this.#shards[(digest[0] as number) % SHARDS] as Shard;
  }

  #slabOf(page: number): Uint32Array {
    return this.#slabs[page >>> SLAB_LOG] as Uint32Array;
  }

  #insert(pages: readonly number[], tag: number, value: number): void {
    const slot = slotOf(tag, pages);
    let [page, at] = [slot >>> PAGE_LOG, slot & (PAGE - 1)];
    for (;;) {
      const slab = this.#slabOf(pages[page] as number);
      const start = startOf(pages[page] as number);
      for (; at < PAGE; at++) {
        if (slab[start + 2 * at + 1] !== 0) continue;
        slab[start + 2 * at] = tag;
        slab[start + 2 * at + 1] = value;
        return;
      }
      at = 0;
      page = page + 1 === pages.length ? 0 : page + 1;
    }
  }

  #grow(shard: Shard): void {
    const { pages } = shard;
    if (this.#moved.length < 2 * shard.used) this.#moved = new Uint32Array(4 * shard.used);
    const moved = this.#moved;
    let length = 0;
    for (const page of pages) {
      const slab = this.#slabOf(page);
      const start = startOf(page);
      for (let at = start; at < start + 2 * PAGE; at += 2) {
        if (slab[at + 1] === 0) continue;
        moved[length] = slab[at] as number;
        moved[length + 1] = slab[at + 1] as number;
        length += 2;
      }
      slab.fill(0, start, start + 2 * PAGE);
    }
    this.#extend(shard, Math.ceil(pages.length * (GROWTH - 1)));
    for (let i = 0; i < length; i += 2) this.#insert(pages, moved[i] as number, moved[i + 1] as number);
  }

  #extend(shard: Shard, pages: number): void {
    for (let i = 0; i < pages; i++) {
      if (this.#pages % SLAB === 0) this.#slabs.push(new Uint32Array(SLAB * PAGE * 2));
      shard.pages.push(this.#pages++);
    }
  }
}

/** Where a page begins in its slab. */
function startOf(page: number): number {
  return (page & (SLAB - 1)) * PAGE * 2;
}

/** The tag alone chooses the slot: a shard that grows has nothing else left of the digest. */
function slotOf(tag: number, pages: readonly number[]): number {
  return tag % (pages.length * PAGE);
}

function tagOf(digest: Uint8Array): number {
  return (digest[4]! | (digest[5]! << 8) | (digest[6]! << 16) | (digest[7]! << 24)) >>> 0;
}
