/**
 * Which segment has which SHA-256: the one table that grows with the data, kept to 8 bytes a slot. It keeps 32 bits of each
 * digest; the caller proves a candidate against the segment log.
 */

const SHARDS = 64;
const START = 64;
const MAX_LOAD = 0.9;
const GROWTH = 1.2;

interface Shard {
  /** Pairs of tag and segment number + 1; 0 is an empty slot. */
  slots: Uint32Array;
  capacity: number;
  used: number;
}

export class DigestTable {
  readonly #shards: Shard[];
  #size = 0;

  /** `expected`: how many segments are likely to come, so that it need not grow. */
  constructor(expected = 0) {
    const capacity = Math.max(START, Math.ceil((expected / SHARDS / MAX_LOAD) * 1.05));
    this.#shards = Array.from({ length: SHARDS }, () => newShard(capacity));
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that the table takes. */
  get bytes(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.slots.byteLength, 0);
  }

  /**
   * The newest segment among those whose digest may be the given one and for which `isIt` says so; -1 when there is none.
   * `digest` is 32 bytes.
   */
  find(digest: Uint8Array, isIt: (segment: number) => boolean): number {
    const shard = this.#shardOf(digest);
    const tag = tagOf(digest);
    let found = -1;
    let i = slotOf(tag, shard.capacity);
    for (;;) {
      const value = shard.slots[2 * i + 1] as number;
      if (value === 0) return found;
      if (shard.slots[2 * i] === tag && value - 1 > found && isIt(value - 1)) found = value - 1;
      i = i + 1 === shard.capacity ? 0 : i + 1;
    }
  }

  /** Adds a segment under its digest. */
  add(digest: Uint8Array, segment: number): void {
    const shard = this.#shardOf(digest);
    if (shard.used + 1 > shard.capacity * MAX_LOAD) grow(shard);
    insert(shard, tagOf(digest), segment + 1);
    this.#size++;
  }

  #shardOf(digest: Uint8Array): Shard {
    return this.#shards[(digest[0] as number) % SHARDS] as Shard;
  }
}

function newShard(capacity: number): Shard {
  return { slots: new Uint32Array(2 * capacity), capacity, used: 0 };
}

function tagOf(digest: Uint8Array): number {
  return (digest[4]! | (digest[5]! << 8) | (digest[6]! << 16) | (digest[7]! << 24)) >>> 0;
}

/** The tag alone chooses the slot: a shard that grows has nothing else left of the digest. */
function slotOf(tag: number, capacity: number): number {
  return tag % capacity;
}

function insert(shard: Shard, tag: number, value: number): void {
  let i = slotOf(tag, shard.capacity);
  while (shard.slots[2 * i + 1] !== 0) i = i + 1 === shard.capacity ? 0 : i + 1;
  shard.slots[2 * i] = tag;
  shard.slots[2 * i + 1] = value;
  shard.used++;
}

function grow(shard: Shard): void {
  const bigger = newShard(Math.ceil(shard.capacity * GROWTH) + 1);
  for (let i = 0; i < shard.capacity; i++) {
    const value = shard.slots[2 * i + 1] as number;
    if (value !== 0) insert(bigger, shard.slots[2 * i] as number, value);
  }
  shard.slots = bigger.slots;
  shard.capacity = bigger.capacity;
}
