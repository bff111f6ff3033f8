/** What a walk finds, as bytes in memory that threads share: one record behind the other, an entry in few and cheap words. */
import type { ByteString } from '../model.ts';
import { packStat, STAT_WORDS, unpackStat } from './stat.ts';
import type { Found } from './walk.ts';

/** What stands in the bytes: what was found, and before and behind what was found below a root, a mark. */
export type FoundRecord = Found | { kind: 'root'; source: string; root: ByteString } | { kind: 'end' };

/** Words of 32 bits at the beginning of a record: its length in bytes, what it is, and the length of its text. */
const LENGTH = 0;
const KIND = 1;
const TEXT = 2;
const HEAD = 16;
/** An entry has its stat behind the head, and its path for a text; all else is JSON. */
const ENTRY = 0;
const MOUNT = 1;
const OTHER = 2;
const TEXT_AT = { [ENTRY]: HEAD + STAT_WORDS * 8, [MOUNT]: HEAD + STAT_WORDS * 8, [OTHER]: HEAD };

/** Bytes in which records are written and read. Their memory is shared; who uses it when is for others to say. */
export class FoundBytes {
  readonly #bytes: Buffer;
  readonly #words: Int32Array;
  readonly #stats: BigInt64Array;

  /** The `length` bytes of `memory` from `from` on: multiples of 8. */
  constructor(memory: SharedArrayBuffer, from: number, length: number) {
    this.#bytes = Buffer.from(memory, from, length);
    this.#words = new Int32Array(memory, from, length / 4);
    this.#stats = new BigInt64Array(memory, from, length / 8);
  }

  /** Writes a record at `at`; returns where the next one belongs, or undefined when there is no room for this one. */
  write(at: number, record: FoundRecord): number | undefined {
    if (record.kind === 'entry') {
      const end = this.#text(at, record.isMount ? MOUNT : ENTRY, record.path);
      if (end !== undefined) packStat(record.stat, this.#stats, (at + HEAD) / 8);
      return end;
    }
    return this.#text(at, OTHER, JSON.stringify(record));
  }

  /** The record at `at`, and where the next one is. */
  read(at: number): { record: FoundRecord; next: number } {
    const word = at / 4;
    const kind = this.#words[word + KIND] as 0 | 1 | 2;
    const from = at + TEXT_AT[kind];
    const text = this.#bytes.toString('latin1', from, from + (this.#words[word + TEXT] as number));
    const next = at + (this.#words[word + LENGTH] as number);
    if (kind === OTHER) return { record: JSON.parse(text) as FoundRecord, next };
    const stat = unpackStat(this.#stats, (at + HEAD) / 8);
    if (kind === ENTRY) return { record: { kind: 'entry', path: text, stat }, next };
    return { record: { kind: 'entry', path: text, stat, isMount: true }, next };
  }

  /** Writes head and text: byte strings, of which each character is a byte. */
  #text(at: number, kind: 0 | 1 | 2, text: ByteString): number | undefined {
    const from = at + TEXT_AT[kind];
    const end = from + text.length;
    if (end > this.#bytes.length) return undefined;
    this.#bytes.write(text, from, 'latin1');
    const next = (end + 7) & ~7;
    const word = at / 4;
    this.#words[word + LENGTH] = next - at;
    this.#words[word + KIND] = kind;
    this.#words[word + TEXT] = text.length;
    return next;
  }
}
