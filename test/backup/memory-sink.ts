/** Compressed objects that go nowhere: kept in memory by name, as they would be sealed and stored. */
import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import type { ObjectSink, ObjectWriter } from '../../src/volume/sink.ts';

/** An object that has ended. */
export interface MemoryObject {
  frame: Buffer;
  plainSize: number;
}

export class MemorySink implements ObjectSink {
  readonly objects = new Map<string, MemoryObject>();
  /** Names in the order in which they were opened. */
  readonly opened: string[] = [];
  /** Most objects that were open at once. */
  mostOpen = 0;
  #open = 0;
  /** Whether every second call takes a turn of the event loop, as a busy store would make it. */
  readonly #slow: boolean;

  constructor(slow = false) {
    this.#slow = slow;
  }

  async open(name: string): Promise<ObjectWriter> {
    if (this.opened.includes(name)) throw new Error(`${name} is opened twice`);
    this.opened.push(name);
    this.mostOpen = Math.max(this.mostOpen, ++this.#open);
    await this.#wait();
    const pieces: Buffer[] = [];
    const digests: string[] = [];
    return {
      write: (piece) => {
        if (this.objects.has(name)) throw new Error(`${name} has ended`);
        pieces.push(piece as Buffer);
        digests.push(digestOf(piece));
      },
      ready: () => this.#wait(),
      end: async (plainSize) => {
        await this.#wait();
        // Pieces are given away: whoever writes into one afterwards spoils what is being sealed.
        if (pieces.some((piece, i) => digestOf(piece) !== digests[i])) throw new Error(`${name} was changed`);
        this.#open--;
        this.objects.set(name, { frame: Buffer.concat(pieces), plainSize });
      },
    };
  }

  /** The content of an object, which must have the size that it is said to have. */
  content(name: string): Buffer {
    const object = this.objects.get(name);
    if (object === undefined) throw new Error(`there is no object ${name}`);
    const content = zstdDecompressSync(object.frame);
    if (content.length !== object.plainSize)
      throw new Error(`${name} has another size than it is said to have`);
    return content;
  }

  /** Names of objects that begin with `prefix`, in order. */
  names(prefix: string): string[] {
    return [...this.objects.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  async #wait(): Promise<void> {
    if (this.#slow && Math.random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The chunks of a volume's content, straight from the layout of ustar: name and bytes of each member. */
export function chunksOf(archive: Buffer): { name: string; bytes: Buffer }[] {
  const chunks: { name: string; bytes: Buffer }[] = [];
  let at = 0;
  while (archive[at] !== 0) {
    const header = archive.subarray(at, at + 512);
    const text = (from: number, to: number) => header.toString('latin1', from, to).replace(/\0.*$/s, '');
    const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
    if (Number.parseInt(text(148, 156), 8) !== sum) throw new Error('the checksum of a header is wrong');
    if (text(257, 263) !== 'ustar' || text(156, 157) !== '0')
      throw new Error('a member is no regular file of ustar');
    const fields = [text(100, 108), text(108, 116), text(116, 124), text(136, 148)].map((f) =>
      Number.parseInt(f, 8),
    );
    if (fields.join() !== [0o600, 0, 0, 0].join()) throw new Error(`mode, owner or time is wrong: ${fields}`);
    const size = Number.parseInt(text(124, 136), 8);
    chunks.push({ name: text(0, 100), bytes: archive.subarray(at + 512, at + 512 + size) });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  const rest = archive.subarray(at);
  if (rest.length !== 1024 || rest.some((byte) => byte !== 0))
    throw new Error('the end of an archive is wrong');
  return chunks;
}

function digestOf(piece: Uint8Array): string {
  return createHash('sha1').update(piece).digest('hex');
}
