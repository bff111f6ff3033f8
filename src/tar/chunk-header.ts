/** The header of a volume's member: a ustar header (POSIX.1-2017, pax, "ustar Interchange Format") in which only name, size and checksum differ. */
import { BLOCK, encodeHeader, FLAG } from './header.ts';

const SIZE_AT = 124;
const SIZE_DIGITS = 11;
const CHECKSUM_AT = 148;
const CHECKSUM_DIGITS = 6;
/** Bytes of a SHA-256 in hex. */
const NAME = 64;
const ZERO = 0x30;

const TEMPLATE = encodeHeader({
  path: '',
  flag: FLAG.file,
  mode: 0o600,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  size: 0,
});
/** Sum of the template's bytes, the checksum itself taken for blanks, without the digits of the size. */
const SUM =
  TEMPLATE.reduce((sum, byte, at) => sum + (at >= CHECKSUM_AT && at < CHECKSUM_AT + 8 ? 0x20 : byte), 0) -
  SIZE_DIGITS * ZERO;

/** Writes the header of a chunk, whose name is its SHA-256 in hex, to the first BLOCK bytes of `into`; `size` is its length in bytes. */
export function writeChunkHeader(into: Buffer, name: string, size: number): void {
  TEMPLATE.copy(into);
  into.write(name, 0, NAME, 'latin1');
  let sum = SUM;
  for (let i = 0; i < NAME; i++) sum += name.charCodeAt(i);
  let rest = size;
  for (let at = SIZE_AT + SIZE_DIGITS - 1; at >= SIZE_AT; at--) {
    const digit = ZERO + (rest & 7);
    into[at] = digit;
    sum += digit;
    rest = Math.floor(rest / 8);
  }
  for (let at = CHECKSUM_AT + CHECKSUM_DIGITS - 1; at >= CHECKSUM_AT; at--) {
    into[at] = ZERO + (sum & 7);
    sum >>= 3;
  }
}

/** Bytes that a member takes in an archive whose content has `size` bytes: header, content and padding. */
export function memberSize(size: number): number {
  return BLOCK + Math.ceil(size / BLOCK) * BLOCK;
}
