import { describe, expect, test } from 'vitest';
import { encodeEnd, encodeHeader, FLAG, type Member, padding } from '../../src/tar/header.ts';

const PLAIN: Member = { path: 'a', flag: FLAG.file, mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, size: 0 };

/** The records of an extended header, by their key; fails where a length is wrong. */
function recordsOf(header: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  if (header.length === 512) return records;
  expect(header.toString('latin1', 156, 157)).toBe('x');
  const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
  for (let at = 512; at < 512 + size; ) {
    const length = Number(/^\d+/.exec(header.toString('latin1', at, at + 10))?.[0]);
    const [, key = '', value = ''] =
      /^\d+ ([^=]+)=(.*)\n$/s.exec(header.toString('latin1', at, at + length)) ?? [];
    expect(key).not.toBe('');
    records.set(key, value);
    at += length;
  }
  return records;
}

describe('a header', () => {
  test('is a plain one where that holds all', () => {
    const header = encodeHeader({
      ...PLAIN,
      path: 'x'.repeat(100),
      uid: 0o7777777,
      mtimeNs: 8_589_934_591_000_000_000n,
    });
    expect(header).toHaveLength(512);
    const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
    expect(Number.parseInt(header.toString('latin1', 148, 154), 8)).toBe(sum);
    expect(header.toString('latin1', 257, 265)).toBe('ustar\u000000');
  });

  test('says exactly what a plain one cannot hold', () => {
    const records = recordsOf(
      encodeHeader({
        ...PLAIN,
        path: 'p'.repeat(101),
        target: 't'.repeat(101),
        user: 'u'.repeat(32),
        group: 'ä'.repeat(16),
        uid: 0o10000000,
        gid: 0xffffffff,
        size: 0o100000000000,
        mtimeNs: -1_500_000_000n,
      }),
    );
    expect(Object.fromEntries(records)).toEqual({
      path: 'p'.repeat(101),
      linkpath: 't'.repeat(101),
      uname: 'u'.repeat(32),
      gname: Buffer.from('ä'.repeat(16)).toString('latin1'),
      uid: '2097152',
      gid: '4294967295',
      size: '8589934592',
      mtime: '-1.5',
    });
  });

  test('counts the length of its records right, whatever their number of digits', () => {
    for (let length = 101; length < 1100; length++) {
      const path = 'p'.repeat(length);
      const header = encodeHeader({ ...PLAIN, path });
      expect(header.length % 512).toBe(0);
      if (recordsOf(header).get('path') !== path) expect(length).toBe('right');
    }
  });

  test('says that names are no UTF-8 where they are not, and holds times to the nanosecond', () => {
    const path = '\xff'.repeat(101);
    expect(Object.fromEntries(recordsOf(encodeHeader({ ...PLAIN, path })))).toEqual({
      hdrcharset: 'BINARY',
      path,
    });
    const time = (mtimeNs: bigint) => recordsOf(encodeHeader({ ...PLAIN, mtimeNs })).get('mtime');
    expect(time(1n)).toBe('0.000000001');
    expect(time(1_700_000_000_120_000_000n)).toBe('1700000000.12');
    expect(time(-1n)).toBe('-0.000000001');
    expect(time(-2_000_000_000n)).toBe('-2');
    expect(time(5_000_000_000n)).toBeUndefined();
  });

  test('has extended attributes as GNU tar knows them, any bytes of them, which do not make names binary', () => {
    const value = Buffer.from([0, 0xff, 0x0a, 0x3d]);
    const header = encodeHeader({
      ...PLAIN,
      xattrs: [
        { name: 'user.a', value },
        { name: 'user.50%=\xff', value: Buffer.alloc(0) },
        { name: 'user.long', value: Buffer.alloc(65_536, 'x') },
      ],
    });
    expect(Object.fromEntries(recordsOf(header))).toEqual({
      'SCHILY.xattr.user.a': value.toString('latin1'),
      'SCHILY.xattr.user.50%25%3D\xff': '',
      'SCHILY.xattr.user.long': 'x'.repeat(65_536),
    });
  });

  test('is followed by whole blocks, and an archive ends with two of them, in whole records', () => {
    expect([0, 1, 511, 512, 513].map((size) => padding(size).length)).toEqual([0, 511, 1, 0, 511]);
    for (const size of [0, 512, 9216, 9728, 10_240]) {
      expect((size + encodeEnd(size).length) % 10_240).toBe(0);
      expect(encodeEnd(size).length).toBeGreaterThanOrEqual(1024);
    }
  });
});
