/** Writes the manifest of a set: lines into parts, parts to the sink, and last the contents list. */
import { show } from '../format/bytes.ts';
import { type Contents, encodeContents, encodeSource, isSafePath, PART_SIZE } from '../format/manifest.ts';
import { manifestName } from '../format/names.ts';
import { compareNames, comparePaths } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { forLines } from '../volume/compress.ts';
import { type ObjectSink, type ObjectWriter, ROOM } from '../volume/sink.ts';

/** The most bytes that a unit of a string becomes in UTF-8. */
const BYTES_PER_UNIT = 3;

export class ManifestWriter {
  readonly #sink: ObjectSink;
  readonly #level: number;
  readonly #parts: Contents['parts'] = [];
  #object: ObjectWriter | undefined;
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
  entry(source: string, path: ByteString, lines: Iterable<string>): void {
    const last = this.#last;
    const isInOrder =
      last === undefined ||
      (last.source === source ? comparePaths(last.path, path) < 0 : compareNames(last.source, source) < 0);
    if (!isInOrder || !isSafePath(path)) throw new Error(`a manifest cannot list ${show(path)} here`);
    this.#last = { source, path };
    this.listed++;
    for (const line of lines) {
      if (this.#bytes >= PART_SIZE) this.#cut();
      if (this.#first === undefined || source !== this.#source) {
        this.#first ??= { source, path };
        this.#source = source;
        this.#push(encodeSource(source));
      }
      this.#push(line);
    }
  }

  /** Ends the last part and writes the contents list. */
  finish(head: Omit<Contents, 'parts'>): void {
    this.#cut();
    const object = this.#sink.open(manifestName(0), forLines(this.#level));
    object.write(encodeContents({ ...head, parts: this.#parts }));
    object.end();
  }

  #push(line: string): void {
    this.#object ??= this.#sink.open(manifestName(this.#parts.length + 1), forLines(this.#level));
    this.#count++;
    const most = line.length * BYTES_PER_UNIT;
    if (most > ROOM) {
      const bytes = Buffer.from(line);
      this.#object.write(bytes);
      this.#bytes += bytes.length;
      return;
    }
    const length = this.#object.room(most).write(line);
    this.#object.filled(length);
    this.#bytes += length;
  }

  #cut(): void {
    if (this.#first === undefined) return;
    this.#parts.push({ ...this.#first, lines: this.#count });
    this.#count = 0;
    this.#first = undefined;
    this.#bytes = 0;
    this.#object?.end();
    this.#object = undefined;
  }
}
