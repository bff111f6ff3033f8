/**
 * Headers of a tar archive in PAX format (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"): what the old header cannot
 * hold exactly stands in an extended one before it. Names are written as the bytes that they are.
 */
import { toText } from '../format/bytes.ts';
import type { ByteString, ExtendedAttribute } from '../model.ts';

/** Size of all parts of an archive, in bytes. */
export const BLOCK = 512;

/** Kinds of members, by their type flags. */
export const FLAG = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
} as const;

/** One member of an archive. */
export interface Member {
  /** Relative; a folder's ends with a slash. */
  path: ByteString;
  flag: (typeof FLAG)[keyof typeof FLAG];
  mode: number;
  uid: number;
  gid: number;
  user?: string;
  group?: string;
  mtimeNs: bigint;
  /** Bytes that follow. */
  size: number;
  /** What a symlink points to, or which member a link is another name of. */
  target?: ByteString;
  rdev?: [number, number];
  xattrs?: readonly ExtendedAttribute[];
}

const NAME = 100;
const OWNER = 31;
/** Keys of extended attributes, ACLs and capabilities among them, as GNU tar, bsdtar and star know them. */
const XATTR = 'SCHILY.xattr.';
/** The largest numbers that 7 and 11 octal digits hold. */
const SEVEN = 0o7777777;
const ELEVEN = 0o77777777777;

/** All that stands before a member's content. */
export function encodeHeader(member: Member): Buffer {
  const {
    path,
    target = '',
    uid,
    gid,
    user = '',
    group = '',
    mtimeNs,
    size,
    rdev = [0, 0],
    xattrs = [],
  } = member;
  const records: [string, Uint8Array][] = [];
  const bytes = { path: latin1(path), linkpath: latin1(target), uname: utf8(user), gname: utf8(group) };
  if (bytes.path.length > NAME) records.push(['path', bytes.path]);
  if (bytes.linkpath.length > NAME) records.push(['linkpath', bytes.linkpath]);
  if (bytes.uname.length > OWNER) records.push(['uname', bytes.uname]);
  if (bytes.gname.length > OWNER) records.push(['gname', bytes.gname]);
  if (uid > SEVEN) records.push(['uid', utf8(String(uid))]);
  if (gid > SEVEN) records.push(['gid', utf8(String(gid))]);
  if (size > ELEVEN) records.push(['size', utf8(String(size))]);
  const seconds = floorDivide(mtimeNs, 1_000_000_000n);
  if (mtimeNs % 1_000_000_000n !== 0n || seconds < 0n || seconds > BigInt(ELEVEN)) {
    records.push(['mtime', utf8(formatSeconds(mtimeNs))]);
  }
  const inOld = { ...member, ...bytes, seconds, rdev };
  // Names are UTF-8 unless it is said that they are not. That is not said of values of attributes: they are bytes in any case.
  const isText = records.every(([, value]) => toText(Buffer.from(value).toString('latin1')) !== undefined);
  if (!isText) records.unshift(['hdrcharset', utf8('BINARY')]);
  for (const { name, value } of xattrs) records.push([`${XATTR}${attributeKey(name)}`, value]);
  if (records.length === 0) return old(inOld);
  const body = Buffer.concat(records.flatMap(([key, value]) => record(key, value)));
  const extended = old({
    ...inOld,
    path: latin1('PaxHeaders/holdfast'),
    linkpath: Buffer.alloc(0),
    flag: 'x',
    mode: 0o600,
    size: body.length,
    seconds: 0n,
    rdev: [0, 0],
  });
  return Buffer.concat([extended, body, padding(body.length), old(inOld)]);
}

/** What fills up the last block of so many bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** What ends an archive of so many bytes: two empty blocks, and as much as fills up a record of 20 blocks, as tar writes it. */
export function encodeEnd(size: number): Buffer {
  const record = 20 * BLOCK;
  const end = 2 * BLOCK;
  return Buffer.alloc(end + ((record - ((size + end) % record)) % record));
}

interface OldFields {
  path: Buffer;
  linkpath: Buffer;
  uname: Buffer;
  gname: Buffer;
  flag: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  seconds: bigint;
  rdev: readonly [number, number];
}

/** A ustar header. What does not fit is cut: the extended header has it. */
function old(fields: OldFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const text = (value: Buffer, at: number, most: number) =>
    value.copy(block, at, 0, Math.min(value.length, most));
  const number = (value: number, at: number, digits: number) => {
    const most = 8 ** digits - 1;
    block.write(Math.max(0, Math.min(value, most)).toString(8).padStart(digits, '0'), at, 'latin1');
  };
  text(fields.path, 0, NAME);
  number(fields.mode, 100, 7);
  number(fields.uid > SEVEN ? 0 : fields.uid, 108, 7);
  number(fields.gid > SEVEN ? 0 : fields.gid, 116, 7);
  number(fields.size > ELEVEN ? 0 : fields.size, 124, 11);
  number(Number(fields.seconds), 136, 11);
  block.write('        ', 148, 'latin1');
  block.write(fields.flag, 156, 'latin1');
  text(fields.linkpath, 157, NAME);
  block.write('ustar\u000000', 257, 'latin1');
  text(fields.uname, 265, OWNER);
  text(fields.gname, 297, OWNER);
  number(fields.rdev[0], 329, 7);
  number(fields.rdev[1], 337, 7);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** One record of an extended header: its length, which counts itself, a blank, key (bytes), value, newline. */
function record(key: ByteString, value: Uint8Array): Uint8Array[] {
  const before = latin1(` ${key}=`);
  const rest = before.length + value.length + 1;
  let length = rest;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return [utf8(String(length)), before, value, utf8('\n')];
}

/** The name of an attribute as GNU tar writes and reads it (xheader.c): what ends a key is written otherwise. */
function attributeKey(name: ByteString): ByteString {
  return name.replaceAll('%', '%25').replaceAll('=', '%3D');
}

/** A time as seconds with as many digits after the point as it needs. */
function formatSeconds(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const positive = ns < 0n ? -ns : ns;
  const rest = String(positive % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${sign}${positive / 1_000_000_000n}${rest === '' ? '' : `.${rest}`}`;
}

function floorDivide(a: bigint, b: bigint): bigint {
  return a / b - (a % b < 0n ? 1n : 0n);
}

function latin1(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

function utf8(text: string): Buffer {
  return Buffer.from(text, 'utf8');
}
