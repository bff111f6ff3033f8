/** Writes the manifest of a set: lines into parts, parts to the sink, and last the contents list. */
import { show } from '../format/bytes.ts';
import { type Contents, encodeContents, encodeSource, isSafePath, PART_SIZE } from '../format/manifest.ts';
import { manifestName } from '../format/names.ts';
import { compareNames, comparePaths } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { compressWhole, FrameWriter } from '../volume/compress.ts';
import type { ObjectSink } from '../volume/sink.ts';

/** Bytes that are compressed at a time. */
const SLAB = 256 * 1024;

/** Only a part's compressed bytes are kept until it is full, and an object begun only then: volumes come in between. */
export class ManifestWriter {
  readonly #sink: ObjectSink;
  readonly #level: number;
  readonly #parts: Contents['parts'] = [];
  readonly #slab = Buffer.allocUnsafeSlow(SLAB);
  #slabUsed = 0;
  #frame: FrameWriter | undefined;
  /** Bytes and lines of the part so far. */
  #bytes = 0;
  #count = 0;
  #first: { source: string; path: ByteString } | undefined;
  #source = '';
  #last: { source: string; path: ByteString } | undefined;
  /** Entries listed, deletions included. */
  listed = 0;

  constructor(sink: ObjectSink, level: number) {
    this.#sink = sink;
    this.#level = level;
  }

  /**
   * Lists an entry or deletion by its lines (each with its newline). Waits when too much is on its way. Throws for what no reader
   * would take: rather no point than one that cannot be restored.
   */
  async entry(source: string, path: ByteString, lines: Iterable<string>): Promise<void> {
    const last = this.#last;
    const isInOrder =
      last === undefined ||
      compareNames(last.source, source) < 0 ||
      (last.source === source && comparePaths(last.path, path) < 0);
    if (!isInOrder || !isSafePath(path)) throw new Error(`a manifest cannot list ${show(path)} here`);
    this.#last = { source, path };
    this.listed++;
    for (const line of lines) {
      if (this.#bytes >= PART_SIZE) await this.#cut();
      if (this.#first === undefined || source !== this.#source) {
        this.#first ??= { source, path };
        this.#source = source;
        await this.#push(encodeSource(source));
      }
      const waiting = this.#push(line);
      if (waiting !== undefined) await waiting;
    }
  }

  /** Ends the last part and writes the contents list. */
  async finish(head: Omit<Contents, 'parts'>): Promise<void> {
    await this.#cut();
    const contents = encodeContents({ ...head, parts: this.#parts });
    await this.#object(manifestName(0), [compressWhole(contents, this.#level)], contents.length);
  }

  /** Takes one line; no promise where there is nothing to wait for. */
  #push(line: string): Promise<void> | undefined {
    this.#count++;
    const length = Buffer.byteLength(line);
    if (length > SLAB - this.#slabUsed) return this.#write(Buffer.from(line));
    this.#slabUsed += this.#slab.write(line, this.#slabUsed);
    this.#bytes += length;
    return undefined;
  }

  async #cut(): Promise<void> {
    if (this.#first === undefined) return;
    this.#parts.push({ ...this.#first, lines: this.#count });
    this.#count = 0;
    this.#first = undefined;
    await this.#write(this.#slab.subarray(0, 0));
    const pieces = (await this.#frame?.end()) ?? [];
    const plainSize = this.#bytes;
    this.#frame = undefined;
    this.#bytes = 0;
    await this.#object(manifestName(this.#parts.length), pieces, plainSize);
  }

  /** Compresses what is in the slab, and then `bytes`. */
  async #write(bytes: Uint8Array): Promise<void> {
    const slab = this.#slab.subarray(0, this.#slabUsed);
    this.#slabUsed = 0;
    this.#bytes += bytes.length;
    this.#frame ??= new FrameWriter(this.#level);
    for (const piece of [slab, bytes]) if (piece.length > 0) await this.#frame.write(piece);
  }

  async #object(name: string, pieces: readonly Buffer[], plainSize: number): Promise<void> {
    const writer = await this.#sink.open(name);
    for (const piece of pieces) {
      await writer.ready();
      writer.write(piece);
    }
    await writer.end(plainSize);
  }
}
