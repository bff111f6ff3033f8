/** Writes the manifest of a set: lines into parts, parts to the sink, and last the contents list. */
import { show } from '../format/bytes.ts';
import { type Contents, encodeContents, encodeSource, isSafePath, PART_SIZE } from '../format/manifest.ts';
import { manifestName } from '../format/names.ts';
import { compareNames, comparePaths } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { compressWhole } from '../volume/pack.ts';
import type { ObjectSink } from '../volume/sink.ts';

export class ManifestWriter {
  readonly #sink: ObjectSink;
  readonly #level: number;
  readonly #parts: Contents['parts'] = [];
  #lines: string[] = [];
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
        this.#push(encodeSource(source));
      }
      this.#push(line);
    }
  }

  /** Ends the last part and writes the contents list. */
  async finish(head: Omit<Contents, 'parts'>): Promise<void> {
    await this.#cut();
    const contents = encodeContents({ ...head, parts: this.#parts });
    await this.#object(manifestName(0), contents);
  }

  #push(line: string): void {
    this.#lines.push(line);
    this.#bytes += Buffer.byteLength(line);
    this.#count++;
  }

  async #cut(): Promise<void> {
    if (this.#first === undefined) return;
    this.#parts.push({ ...this.#first, lines: this.#count });
    const content = Buffer.from(this.#lines.join(''), 'utf8');
    this.#lines = [];
    this.#bytes = 0;
    this.#count = 0;
    this.#first = undefined;
    await this.#object(manifestName(this.#parts.length), content);
  }

  async #object(name: string, content: Buffer): Promise<void> {
    const writer = await this.#sink.open(name);
    writer.write(compressWhole(content, this.#level));
    await writer.end(content.length);
  }
}
