/**
 * The entries of the newest point, as lines in the order of the walk, in compressed frames: written and read from
 * front to back, never whole in memory. One line is one entry or one deletion; see docs/index.md.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { constants as zstd, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { HoldfastError } from '../errors.ts';
import { fromText } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { stateError } from './append-log.ts';

const FRAME = 1024 * 1024;
/** Few lines are longer than what this leaves for the one that makes a frame full. */
const FRAME_ROOM = FRAME + 64 * 1024;
/** A line is never cut: the segments of one file of many terabytes are one line, and that is one frame. */
const FRAME_LIMIT = 256 * 1024 * 1024;
const HEADER = 8;
/** Begins the line that names a source. */
const SOURCE_MARK = 0x3d;

/** One entry of the index. */
export interface IndexEntry {
  path: ByteString;
  /** What lstat said, as one string to compare; empty for a deletion. */
  signature: string;
  /**
   * `g` deletion, `r` read again next time (its time stamps are too young to be trusted), `c` carried over, `p` some of its extended
   * attributes could not be read; and `m` on a folder on which another file system was mounted, and was entered.
   */
  flags: string;
  /** Ordinal of the set in which the entry last changed. */
  changed: number;
  /** Files: the numbers of its segments in order, as ranges (encodeSegments). */
  segments: string;
  /** The rest of its manifest line (encodeHead), as a byte string; empty for a deletion. */
  head: ByteString;
  /** Its extended attributes (joinXattrs), as a byte string; absent where there are none. */
  xattrs?: ByteString;
}

/** Stands between the attributes of an entry: JSON escapes it, so it is in none of them. */
const XATTR_END = '\x01';

/** Extended attributes, each as encodeXattrs gives it, as one string without tabs and newlines. */
export function joinXattrs(xattrs: readonly string[]): string {
  return xattrs.join(XATTR_END);
}

/** The inverse of joinXattrs. */
export function splitXattrs(joined: string | undefined): string[] {
  return joined === undefined || joined === '' ? [] : joined.split(XATTR_END);
}

/** The line of an entry, with its newline. */
export function encodeIndexLine(e: IndexEntry): string {
  return `${escapePath(e.path)}\t${e.signature}\t${e.flags}\t${e.changed}\t${e.segments}\t${e.xattrs ?? ''}\t${e.head}\n`;
}

/** Segment numbers as ranges: `3`, `3-7`, `3-7,12`. */
export function encodeSegments(numbers: readonly number[]): string {
  let text = '';
  for (let i = 0; i < numbers.length; ) {
    const from = numbers[i] as number;
    let to = from;
    for (i++; i < numbers.length && numbers[i] === to + 1; i++) to++;
    text += `${text === '' ? '' : ','}${from}${to > from ? `-${to}` : ''}`;
  }
  return text;
}

/** The inverse of encodeSegments, one number after the other. */
export function* decodeSegments(ranges: string): Generator<number> {
  if (ranges === '') return;
  for (const range of ranges.split(',')) {
    const dash = range.indexOf('-');
    const from = Number(dash < 0 ? range : range.slice(0, dash));
    const to = dash < 0 ? from : Number(range.slice(dash + 1));
    for (let n = from; n <= to; n++) yield n;
  }
}

function escapePath(path: ByteString): string {
  return /[\t\n%]/.test(path)
    ? path.replace(/[\t\n%]/g, (c) => (c === '\t' ? '%09' : c === '\n' ? '%0a' : '%25'))
    : path;
}

function unescapePath(path: string): ByteString {
  return path.includes('%')
    ? path.replace(/%(09|0a|25)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : path;
}

/** A frame that was read. */
interface Frame {
  /** Its lines. */
  text: string;
  /** As it stands in the file, with its header. */
  packed: Buffer;
}

/** Some lines of a frame: an entry's, and the source's before it where there is one. */
export interface Lines {
  frame: Frame;
  from: number;
  to: number;
}

/** Writes an entries file. */
export class EntriesWriter {
  readonly file: string;
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  /** Lines of the next frame. Not kept as strings: those would outlive their generation, and grow the heap. */
  #lines = Buffer.allocUnsafeSlow(FRAME_ROOM);
  #pending = 0;
  #source = '';
  /** Lines that are to be copied, which go on growing: they come before whatever is written next. */
  #copied: Lines | undefined;
  #closed = false;

  /** Creates the file anew. Throws `state`, `no-space`. */
  constructor(file: string) {
    this.file = file;
    try {
      this.#fd = openSync(
        file,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
        0o600,
      );
    } catch (cause) {
      throw stateError(file, cause);
    }
  }

  /** Appends the line of an entry, with its newline. Entries come in the order of the manifest. */
  line(source: string, line: string): void {
    this.#endCopy();
    this.#name(source);
    this.#append(line);
    if (this.#pending >= FRAME) this.#frame();
  }

  /** Appends an entry as it stands in another file, from which the same frames are taken where all of it stays as it is. */
  copy(source: string, lines: Lines): void {
    const { frame, from, to } = lines;
    const copied = this.#copied;
    if (copied?.frame === frame && copied.to === from) {
      copied.to = to;
    } else {
      this.#endCopy();
      if (frame.text.charCodeAt(from) !== SOURCE_MARK) this.#name(source);
      this.#copied = { ...lines };
    }
    this.#source = source;
  }

  /** Ends the file durably; returns its SHA-256, hex. */
  finish(): string {
    this.#endCopy();
    this.#frame();
    try {
      fsyncSync(this.#fd);
    } catch (cause) {
      throw stateError(this.file, cause);
    }
    this.close();
    return this.#hash.digest('hex');
  }

  /** Closes the file; what is not finished by then is of no use. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  /** Says of which source all is that follows. */
  #name(source: string): void {
    if (source === this.#source) return;
    this.#source = source;
    this.#append(`=${source}\n`);
  }

  #endCopy(): void {
    const copied = this.#copied;
    if (copied === undefined) return;
    this.#copied = undefined;
    const { frame, from, to } = copied;
    const { length } = frame.text;
    // A small one is joined to what is beside it: else frames would become ever more, and ever smaller.
    if (from === 0 && to === length && length >= FRAME / 2) {
      this.#frame();
      this.#write(frame.packed);
      return;
    }
    if (this.#pending + (to - from) > FRAME_ROOM) this.#frame();
    this.#append(frame.text.slice(from, to));
    if (this.#pending >= FRAME) this.#frame();
  }

  #append(line: string): void {
    if (this.#pending + line.length > this.#lines.length) {
      const larger = Buffer.allocUnsafeSlow(this.#pending + line.length);
      larger.set(this.#lines.subarray(0, this.#pending));
      this.#lines = larger;
    }
    this.#pending += this.#lines.write(line, this.#pending, 'latin1');
  }

  #frame(): void {
    if (this.#pending === 0) return;
    const plain = this.#lines.subarray(0, this.#pending);
    this.#pending = 0;
    const packed = zstdCompressSync(plain, { params: { [zstd.ZSTD_c_compressionLevel]: 1 } });
    const frame = Buffer.allocUnsafe(HEADER + packed.length);
    frame.writeUInt32LE(packed.length, 0);
    frame.writeUInt32LE(plain.length, 4);
    frame.set(packed, HEADER);
    this.#write(frame);
    if (this.#lines.length > FRAME_ROOM) this.#lines = Buffer.allocUnsafeSlow(FRAME_ROOM);
  }

  #write(frame: Buffer): void {
    this.#hash.update(frame);
    try {
      for (let offset = 0; offset < frame.length; ) offset += writeSync(this.#fd, frame, offset);
    } catch (cause) {
      throw stateError(this.file, cause);
    }
  }
}

/** Reads an entries file from front to back. */
export class EntriesReader {
  readonly file: string;
  readonly #fd: number;
  #frame: Frame = { text: '', packed: Buffer.alloc(0) };
  #source = '';
  /** Where the lines of the entry that was read last begin, where its own does, and where they end. */
  #from = 0;
  #line = 0;
  #at = 0;

  /** Opens the file. Throws `state`. */
  constructor(file: string) {
    this.file = file;
    try {
      this.#fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (cause) {
      throw stateError(file, cause);
    }
  }

  /** Source of the entry that next() returned last. */
  get source(): string {
    return this.#source;
  }

  /** The line of the entry that next() returned last, with its newline. */
  get line(): string {
    return this.#frame.text.slice(this.#line, this.#at);
  }

  /** Where it stands: to be copied as it is. */
  get lines(): Lines {
    return { frame: this.#frame, from: this.#from, to: this.#at };
  }

  /** The next entry, or undefined at the end. */
  next(): IndexEntry | undefined {
    this.#from = this.#at;
    for (;;) {
      if (this.#at >= this.#frame.text.length && !this.#fill()) return undefined;
      const { text } = this.#frame;
      const end = text.indexOf('\n', this.#at) + 1;
      if (end === 0) throw this.#corrupt();
      this.#line = this.#at;
      this.#at = end;
      if (text.charCodeAt(this.#line) !== SOURCE_MARK) return this.#parse(text.slice(this.#line, end));
      this.#source = text.slice(this.#line + 1, end - 1);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #parse(line: string): IndexEntry {
    const a = line.indexOf('\t');
    const b = line.indexOf('\t', a + 1);
    const c = line.indexOf('\t', b + 1);
    const d = line.indexOf('\t', c + 1);
    const e = line.indexOf('\t', d + 1);
    const f = line.indexOf('\t', e + 1);
    if (a < 0 || b < 0 || c < 0 || d < 0 || e < 0 || f < 0) throw this.#corrupt();
    const entry: IndexEntry = {
      path: unescapePath(line.slice(0, a)),
      signature: line.slice(a + 1, b),
      flags: line.slice(b + 1, c),
      changed: Number(line.slice(c + 1, d)),
      segments: line.slice(d + 1, e),
      head: line.slice(f + 1, -1),
    };
    if (f > e + 1) entry.xattrs = line.slice(e + 1, f);
    return entry;
  }

  #fill(): boolean {
    const header = Buffer.alloc(HEADER);
    const n = this.#read(header);
    if (n === 0) return false;
    const packedLength = header.readUInt32LE(0);
    const plainLength = header.readUInt32LE(4);
    if (n < HEADER || packedLength > FRAME_LIMIT || plainLength > FRAME_LIMIT) throw this.#corrupt();
    const packed = Buffer.allocUnsafe(HEADER + packedLength);
    header.copy(packed);
    const frame = packed.subarray(HEADER);
    if (this.#read(frame) < packedLength) throw this.#corrupt();
    let text: string;
    try {
      text = zstdDecompressSync(frame, { maxOutputLength: plainLength }).toString('latin1');
    } catch (cause) {
      throw this.#corrupt(cause);
    }
    this.#frame = { text, packed };
    this.#from = 0;
    this.#at = 0;
    return true;
  }

  #read(into: Buffer): number {
    let done = 0;
    try {
      while (done < into.length) {
        const n = readSync(this.#fd, into, done, into.length - done, null);
        if (n === 0) break;
        done += n;
      }
    } catch (cause) {
      throw stateError(this.file, cause);
    }
    return done;
  }

  #corrupt(cause?: unknown): HoldfastError {
    return new HoldfastError('broken-index', `${this.file} is corrupt`, { path: this.file, cause });
  }
}

/** A head as encodeHead makes it, as it stands in the index. */
export function headToIndex(head: string): ByteString {
  return fromText(head);
}
