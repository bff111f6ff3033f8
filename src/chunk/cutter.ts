/**
 * Cuts what lies in its memory into segments, and digests their blocks: in WebAssembly, which takes an eighth of the time; in plain
 * JavaScript where that cannot be had, as on processors without SSE 4.1, or, with an older Node than 24, under a limit of address space.
 */
import { BLOCK_RECORD, BlockDigest, type BlockKey, type BlockList, blockKey } from './block-digest.ts';
import { cutSegment, GEAR, NUMBERS, newCuts, SEGMENT_BLOCKS, type SegmentCuts } from './cut.ts';
import { CUTTER_CODE } from './cutter-code.ts';

/** Bytes that a cutter can hold: two of the longest segments. */
export const CUTTER_DATA = 4 * 1024 * 1024;

/** A place for data, and what finds the segments in it. */
export interface Cutter {
  /** CUTTER_DATA bytes, to be filled by the caller. */
  readonly data: Buffer;
  /**
   * The length in bytes of the segment that begins at `start`. The data end at `end`; unless they are the last of the file, at least
   * SEGMENT_MAX bytes must follow `start`.
   */
  cut(start: number, end: number): number;
  /** The blocks of the segment that was cut last. Valid until the next call. */
  blocks(): BlockList;
}

/** A cutter whose digests are those of a secret (hex). */
export function newCutter(secret: string): Cutter {
  const key = blockKey(secret);
  try {
    return new CompiledCutter(key);
  } catch {
    return new PlainCutter(key);
  }
}

/** What cutter.wat exports. Positions are bytes from the start of its memory. */
interface Compiled {
  memory: { buffer: ArrayBuffer };
  GEAR: { value: number };
  KEY: { value: number };
  COEFFICIENTS: { value: number };
  ENDS: { value: number };
  RECORDS: { value: number };
  DATA: { value: number };
  cut(start: number, end: number): number;
  digest(start: number, blocks: number): void;
}

/** Of what every JavaScript engine offers (not under --jitless), what is used here: TypeScript knows it only of browsers. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: Record<string, Record<string, number>>) => { exports: unknown };
};

export class CompiledCutter implements Cutter {
  readonly data: Buffer;
  readonly #code: Compiled;
  readonly #dataAt: number;
  readonly #ends: Uint32Array;
  readonly #records: Buffer;
  #start = 0;
  #blocks = 0;

  /** Throws where there is no WebAssembly, none with vectors, or no room for its memory. */
  constructor({ key, coefficients }: BlockKey) {
    const module = new WebAssembly.Module(Buffer.from(CUTTER_CODE, 'base64'));
    this.#code = new WebAssembly.Instance(module, { cut: NUMBERS }).exports as Compiled;
    const { memory, GEAR: gear, KEY, COEFFICIENTS, ENDS, RECORDS, DATA } = this.#code;
    new Uint32Array(memory.buffer, gear.value, GEAR.length).set(GEAR);
    new Uint8Array(memory.buffer, KEY.value, key.length).set(key);
    new Uint8Array(memory.buffer, COEFFICIENTS.value, coefficients.length).set(coefficients);
    this.#ends = new Uint32Array(memory.buffer, ENDS.value, SEGMENT_BLOCKS);
    this.#records = Buffer.from(memory.buffer, RECORDS.value, SEGMENT_BLOCKS * BLOCK_RECORD);
    this.#dataAt = DATA.value;
    this.data = Buffer.from(memory.buffer, DATA.value, CUTTER_DATA);
  }

  cut(start: number, end: number): number {
    this.#start = this.#dataAt + start;
    this.#blocks = this.#code.cut(this.#start, this.#dataAt + end);
    return this.#ends[this.#blocks - 1] as number;
  }

  blocks(): BlockList {
    this.#code.digest(this.#start, this.#blocks);
    return this.#records.subarray(0, this.#blocks * BLOCK_RECORD);
  }
}

export class PlainCutter implements Cutter {
  readonly data = Buffer.allocUnsafeSlow(CUTTER_DATA);
  readonly #digest: BlockDigest;
  readonly #cuts: SegmentCuts = newCuts();
  readonly #records = Buffer.allocUnsafeSlow(SEGMENT_BLOCKS * BLOCK_RECORD);
  #start = 0;

  constructor(key: BlockKey) {
    this.#digest = new BlockDigest(key);
  }

  cut(start: number, end: number): number {
    cutSegment(this.data, start, end, this.#cuts);
    this.#start = start;
    return this.#cuts.length;
  }

  blocks(): BlockList {
    const { blocks, ends } = this.#cuts;
    let from = this.#start;
    for (let i = 0; i < blocks; i++) {
      const to = this.#start + (ends[i] as number);
      this.#digest.write(this.data.subarray(from, to), this.#records, i * BLOCK_RECORD);
      from = to;
    }
    return this.#records.subarray(0, blocks * BLOCK_RECORD);
  }
}
