/** Compressed objects that go nowhere: kept in memory by name, as they would be sealed and stored. */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { zstdOptions } from '../../src/volume/compress.ts';
import { type Compression, type ObjectSink, type ObjectWriter, ROOM } from '../../src/volume/sink.ts';

/** An object that has ended. */
export interface MemoryObject {
  frame: Buffer;
  plainSize: number;
}

export class MemorySink implements ObjectSink {
  readonly objects = new Map<string, MemoryObject>();
  /** Names in the order in which their first content came. */
  readonly opened: string[] = [];
  /** Names of the objects that are open, and the most at once. */
  readonly #open = new Set<string>();
  mostOpen = 0;

  open(name: string, compression: Compression): ObjectWriter {
    const slabs: Buffer[] = [];
    const figures = { taken: 0, out: 0 };
    let slab = newSlab();
    let used = 0;
    /** Slabs go in one by one: what comes out of the last one is not known yet. */
    const hand = () => {
      if (used === 0) return;
      if (slabs.length === 0) {
        if (this.opened.includes(name)) throw new Error(`${name} is opened twice`);
        this.opened.push(name);
        this.#open.add(name);
        this.mostOpen = Math.max(this.mostOpen, this.#open.size);
      }
      const last = slabs.at(-1);
      if (last !== undefined) {
        figures.taken += last.length;
        figures.out += zstdCompressSync(last, zstdOptions(compression)).length;
      }
      slabs.push(Buffer.from(slab.subarray(0, used)));
      // Whoever still writes into a slab that was handed on spoils what is being compressed.
      slab.fill(0xdd);
      slab = newSlab();
      used = 0;
    };
    const writer: ObjectWriter = {
      figures,
      room: (bytes) => {
        if (this.objects.has(name)) throw new Error(`${name} has ended`);
        if (bytes > ROOM) throw new Error(`room for ${bytes} bytes is more than there ever is`);
        if (ROOM - used < bytes) hand();
        this.onRoom(name);
        return slab.subarray(used);
      },
      filled(bytes) {
        used += bytes;
        if (used > ROOM) throw new Error('more was filled than there was room for');
        if (used === ROOM) hand();
      },
      write(bytes) {
        for (let at = 0; at < bytes.length; ) {
          const room = writer.room(1);
          const part = bytes.subarray(at, at + room.length);
          room.set(part);
          writer.filled(part.length);
          at += part.length;
        }
      },
      end: () => {
        hand();
        const content = Buffer.concat(slabs);
        if (content.length === 0) throw new Error(`${name} is empty`);
        this.#open.delete(name);
        this.objects.set(name, {
          frame: zstdCompressSync(content, zstdOptions(compression)),
          plainSize: content.length,
        });
      },
      discard() {
        if (used > 0 || slabs.length > 0) throw new Error(`${name} was given up in the midst of it`);
      },
    };
    return writer;
  }

  /** Called whenever room is asked for in an object: a test may let something happen then. */
  protected onRoom(_name: string): void {}

  /** The content of an object. */
  content(name: string): Buffer {
    const object = this.objects.get(name);
    if (object === undefined) throw new Error(`there is no object ${name}`);
    return zstdDecompressSync(object.frame);
  }

  /** Names of objects that begin with `prefix`, in order. */
  names(prefix: string): string[] {
    return [...this.objects.keys()].filter((name) => name.startsWith(prefix)).sort();
  }
}

/** Memory that was used before: what nobody has written is not zero. */
function newSlab(): Buffer {
  return Buffer.alloc(ROOM, 0xee);
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
