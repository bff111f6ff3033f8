/** Tells zstd frames (RFC 8878, section 3.1) in a stream of bytes apart, and refuses a window that is too large; decompresses nothing. */
import { WINDOW_LOG } from '../format/limits.ts';

const MAGIC = 0xfd2fb528;
const BLOCK_HEADER = 3;
const RLE = 1;
const RESERVED = 3;

type Expecting = 'start' | 'header' | 'block' | 'checksum' | 'nothing';

/** What is not as RFC 8878 says; whoever knows the object's name turns it into an error. */
export class MalformedFrame extends Error {}

/** One frame, which is to be taken to its end before the next one is asked for, or no more are wanted. */
export interface Frame {
  /** A piece of the content is not looked at again once all that lies in it was taken. */
  pieces: Iterator<Uint8Array, void> & Iterable<Uint8Array>;
  /** Bytes of its content by its header, once that has passed; undefined where it does not say. */
  readonly contentSize: number | undefined;
}

/**
 * The frames of an object's content: as many as there are, at least one. Throws MalformedFrame, in the middle of a frame
 * too, for whatever is not frames to its end.
 *
 * zlib's decompressor takes whatever stands after a frame for a further frame, or passes over it, depending on how the bytes are
 * cut; and it does not look at the window when the content fits into the buffer that it is given. So both are looked at here.
 */
export function* framesOf(pieces: Iterable<Uint8Array>): Generator<Frame, void> {
  const source = pieces[Symbol.iterator]();
  let rest: Uint8Array = new Uint8Array(0);
  const hasMore = () => {
    while (rest.length === 0) {
      const { done, value } = source.next();
      if (done) return false;
      rest = value;
    }
    return true;
  };
  function* upTo(end: FrameEnd): Generator<Uint8Array, void> {
    while (!end.isReached) {
      if (!hasMore()) throw new MalformedFrame('the zstd frame is cut short');
      const length = end.look(rest);
      const piece = rest.subarray(0, length);
      rest = rest.subarray(length);
      yield piece;
    }
  }
  try {
    do {
      const end = new FrameEnd();
      yield {
        pieces: upTo(end),
        get contentSize() {
          return end.contentSize;
        },
      };
    } while (hasMore());
  } finally {
    // Whoever wants no more frames needs no more pieces.
    source.return?.();
  }
}

/** Follows one frame from block to block. */
class FrameEnd {
  #expecting: Expecting = 'start';
  /** Bytes of the field that is being gathered. */
  readonly #field = Buffer.alloc(18);
  #have = 0;
  #need = 5;
  /** Bytes of a block's content still to pass over. */
  #skip = 0;
  #last = false;
  #checksum = false;
  /** What the rest of the header is made of, in bytes: a byte that tells the window or none, a dictionary's number, and the size of the content. */
  #header = { window: 0, dictionary: 0, size: 0 };
  contentSize: number | undefined;

  get isReached(): boolean {
    return this.#expecting === 'nothing';
  }

  /** Looks at the next bytes; returns how many of them belong to the frame. Throws MalformedFrame for bytes that cannot stand there. */
  look(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.isReached) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - at);
        this.#skip -= step;
        at += step;
        if (this.#skip === 0) this.#afterBlock();
        continue;
      }
      this.#field[this.#have++] = bytes[at++] as number;
      if (this.#have === this.#need) this.#take();
    }
    return at;
  }

  #take(): void {
    switch (this.#expecting) {
      case 'start':
        this.#takeStart();
        return;
      case 'header':
        this.#takeHeader();
        this.#expect('block', BLOCK_HEADER);
        return;
      case 'block':
        this.#takeBlock();
        return;
      default:
        this.#expect('nothing', 0);
    }
  }

  #takeStart(): void {
    if (this.#field.readUInt32LE(0) !== MAGIC)
      throw new MalformedFrame('it is not made of zstd frames alone');
    const descriptor = this.#field[4] as number;
    const singleSegment = (descriptor & 0x20) !== 0;
    this.#checksum = (descriptor & 0x04) !== 0;
    const window = singleSegment ? 0 : 1;
    const dictionary = [0, 1, 2, 4][descriptor & 3] as number;
    const size = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
    this.#header = { window, dictionary, size };
    this.#expect('header', window + dictionary + size);
  }

  #takeHeader(): void {
    const { window, dictionary, size } = this.#header;
    if (size > 0) this.contentSize = contentSize(this.#field.subarray(window + dictionary), size);
    if (window > 0) checkWindow(this.#field[0] as number);
    // A single segment, which is its own window.
    else if ((this.contentSize ?? 0) > 2 ** WINDOW_LOG) throw largeWindow();
  }

  #takeBlock(): void {
    const header = this.#field.readUIntLE(0, BLOCK_HEADER);
    const type = (header >> 1) & 3;
    if (type === RESERVED) throw new MalformedFrame('the zstd frame has a block of unknown type');
    this.#last = (header & 1) !== 0;
    this.#skip = type === RLE ? 1 : header >> 3;
    if (this.#skip === 0) this.#afterBlock();
  }

  #afterBlock(): void {
    if (!this.#last) this.#expect('block', BLOCK_HEADER);
    else if (this.#checksum) this.#expect('checksum', 4);
    else this.#expect('nothing', 0);
  }

  #expect(what: Expecting, bytes: number): void {
    this.#expecting = what;
    this.#have = 0;
    this.#need = bytes;
  }
}

/** The field of the content's size (RFC 8878, section 3.1.1.1.4): the one of two bytes counts from 256. */
function contentSize(field: Buffer, bytes: number): number {
  if (bytes === 8) return Number(field.readBigUInt64LE(0));
  return field.readUIntLE(0, bytes) + (bytes === 2 ? 256 : 0);
}

/** The window descriptor (RFC 8878, section 3.1.1.1.2): exponent and mantissa. */
function checkWindow(descriptor: number): void {
  const base = 2 ** (10 + (descriptor >> 3));
  if (base + (base / 8) * (descriptor & 7) > 2 ** WINDOW_LOG) throw largeWindow();
}

function largeWindow(): MalformedFrame {
  return new MalformedFrame('it asks for a zstd window of more than 8 MiB');
}
