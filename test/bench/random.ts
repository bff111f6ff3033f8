/** Content that looks random and is the same each time: bytes, and lines of text half of which nothing foretells. */
import { createCipheriv, createHash } from 'node:crypto';

const WORDS =
  'order account street river council meeting garden school bridge permit notice window report letter council winter'.split(
    ' ',
  );

/** Gives the next so many bytes of the stream that belongs to `seed`, in a buffer of their own. */
export function randomStream(seed: string): (bytes: number) => Buffer {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return (bytes) => cipher.update(Buffer.alloc(bytes));
}

/** Text in lines: words, and as many letters of base64. */
export class LineStream {
  readonly #random: (bytes: number) => Buffer;
  #text = '';
  #at = 0;

  constructor(seed: string) {
    this.#random = randomStream(seed);
  }

  /** The next so many characters, fewer than 64 Ki. */
  next(length: number): string {
    if (this.#at + length > this.#text.length) {
      this.#text = this.#text.slice(this.#at) + this.#more();
      this.#at = 0;
    }
    this.#at += length;
    return this.#text.slice(this.#at - length, this.#at);
  }

  /** A number below 2^32. */
  number(): number {
    return this.#random(4).readUInt32LE();
  }

  /** At least 64 Ki characters. */
  #more(): string {
    const random = this.#random(64 << 10);
    const lines: string[] = [];
    for (let i = 0; i + 32 <= random.length; i += 32) {
      const words = Array.from(random.subarray(i, i + 6), (byte) => WORDS[byte % WORDS.length]);
      lines.push(`${words.join(' ')}: ${random.subarray(i + 6, i + 32).toString('base64')}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
