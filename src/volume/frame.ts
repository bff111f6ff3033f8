/** Finds the end of a zstd frame (RFC 8878, section 3.1) in a stream of bytes, and refuses a window that is too large; decompresses nothing. */
import { WINDOW_LOG } from '../format/limits.ts';

const MAGIC = 0xfd2fb528;
const BLOCK_HEADER = 3;
const RLE = 1;
const RESERVED = 3;

type Expecting = 'start' | 'header' | 'block' | 'checksum' | 'nothing';

/** What is not as RFC 8878 says; whoever knows the object's name turns it into an error. */
export class MalformedFrame extends Error {}

/**
 * Follows one frame from block to block. zlib's decompressor takes whatever stands after a frame for a further frame, or
 * passes over it, depending on how the bytes are cut; and it does not look at the window when the content fits into the
 * buffer that it is given. So both are looked at here.
 */
export class FrameEnd {
  #expecting: Expecting = 'start';
  /** Bytes of the field that is being gathered. */
  readonly #field = Buffer.alloc(18);
  #have = 0;
  #need = 5;
  /** Bytes of a block's content still to pass over. */
  #skip = 0;
  #last = false;
  #checksum = false;
  /** Whether a byte that tells the window begins the rest of the header. */
  #hasWindow = false;

  /** Takes the next bytes. Throws MalformedFrame for bytes that cannot stand there, also for any after the frame. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - at);
        this.#skip -= step;
        at += step;
        if (this.#skip === 0) this.#afterBlock();
        continue;
      }
      if (this.#expecting === 'nothing') throw new MalformedFrame('bytes follow the zstd frame');
      this.#field[this.#have++] = bytes[at++] as number;
      if (this.#have === this.#need) this.#take();
    }
  }

  /** Throws MalformedFrame unless the frame is complete. */
  end(): void {
    if (this.#expecting !== 'nothing') throw new MalformedFrame('the zstd frame is cut short');
  }

  #take(): void {
    switch (this.#expecting) {
      case 'start':
        this.#takeStart();
        return;
      case 'header':
        if (this.#hasWindow) checkWindow(this.#field[0] as number);
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
    if (this.#field.readUInt32LE(0) !== MAGIC) throw new MalformedFrame('its content is not a zstd frame');
    const descriptor = this.#field[4] as number;
    const singleSegment = (descriptor & 0x20) !== 0;
    this.#checksum = (descriptor & 0x04) !== 0;
    this.#hasWindow = !singleSegment;
    const window = singleSegment ? 0 : 1;
    const dictionary = [0, 1, 2, 4][descriptor & 3] as number;
    const size = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
    this.#expect('header', window + dictionary + size);
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

/** The window descriptor (RFC 8878, section 3.1.1.1.2): exponent and mantissa. */
function checkWindow(descriptor: number): void {
  const base = 2 ** (10 + (descriptor >> 3));
  if (base + (base / 8) * (descriptor & 7) > 2 ** WINDOW_LOG) {
    throw new MalformedFrame('it asks for a zstd window of more than 8 MiB');
  }
}
