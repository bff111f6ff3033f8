/** What Linux is asked beyond node:fs, on real files of all kinds. */
import { execFileSync } from 'node:child_process';
import { closeSync, lstatSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBytes, fromText } from '../../src/format/bytes.ts';
import { nextData } from '../../src/linux/holes.ts';
import { makeNode } from '../../src/linux/nodes.ts';
import { setTime } from '../../src/linux/times.ts';
import { getAttribute, listAttributes, removeAttribute, setAttribute } from '../../src/linux/xattrs.ts';
import { toTimespec } from '../../src/target/times.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { asNobody } from '../source/rights.ts';

const ROOT = process.geteuid?.() === 0;

test('attributes of files, folders, links and pipes are what was set, whatever bytes they are', async () => {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder, name);
  writeFileSync(at('file'), '');
  mkdirSync(at('dir'));
  symlinkSync('nowhere', at('link'));
  makeNode(fromText(at('pipe')), 'fifo', undefined);
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .map((b) => `${ROOT ? 'trusted' : 'user'}.${fromBytes(b.map((c) => c || 1))}`);
  const value = fc.uint8Array({ maxLength: 100 });
  const places = ROOT ? ['file', 'dir', 'link', 'pipe'] : ['file', 'dir'];
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.dictionary(name, value, { maxKeys: 4 }), (which, wanted) => {
      const place = fromText(at(which));
      for (const [name, value] of Object.entries(wanted)) setAttribute(place, name, value);
      expect(listAttributes(place)).toEqual(Object.keys(wanted).sort());
      for (const [name, value] of Object.entries(wanted)) {
        expect(getAttribute(place, name)?.equals(value)).toBe(true);
        removeAttribute(place, name);
      }
      expect(getAttribute(place, 'user.none')).toBe(undefined);
    }),
    { numRuns: 200 },
  );
  const fd = openSync(at('file'), 'r');
  setAttribute(fd, 'user.open', Buffer.from('x'));
  expect(listAttributes(fd)).toEqual(['user.open']);
  expect(execFileSync('getfattr', ['--only-values', '-n', 'user.open', at('file')]).toString()).toBe('x');
  closeSync(fd);
});

test('errors have the codes of the system', async () => {
  const folder = await temporaryFolder();
  const code = (work: () => unknown) => {
    try {
      work();
      return 'none';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const file = fromText(join(folder, 'f'));
  writeFileSync(file, '');
  expect(code(() => listAttributes(`${file}/x`))).toBe('ENOTDIR');
  expect(code(() => listAttributes(`${file}x`))).toBe('ENOENT');
  expect(code(() => setAttribute(file, 'nonsense', Buffer.from('x')))).toBe('ENOTSUP');
  expect(code(() => makeNode(file, 'fifo', undefined))).toBe('EEXIST');
  expect(code(() => makeNode(`${file}d`, 'block', [2 ** 33, 0]))).toBe('EINVAL');
  if (ROOT) {
    execFileSync('chown', ['65534', folder]);
    expect(await asNobody(() => code(() => makeNode(`${file}d`, 'char', [1, 3])))).toBe('EPERM');
  }
  // A file system without attributes has none.
  expect(listAttributes('/proc/self/status')).toEqual([]);
});

test('times are set to the nanosecond, of links too, before 1970 and after 2038', async () => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, 'f'), '');
  symlinkSync('f', join(folder, 'l'));
  const times = fc.bigInt({ min: -2_147_483_647_000_000_000n, max: 15_000_000_000_000_000_000n });
  fc.assert(
    fc.property(fc.constantFrom('f', 'l'), times, (name, ns) => {
      expect(setTime(fromText(join(folder, name)), toTimespec(ns))).toBe(true);
      expect(lstatSync(join(folder, name), { bigint: true }).mtimeNs).toBe(ns);
    }),
    { numRuns: 300 },
  );
});

test('holes are found where they are', async () => {
  const file = join(await temporaryFolder(), 'f');
  execFileSync('bash', [
    '-c',
    'truncate -s 10M "$0"; printf x | dd of="$0" bs=1 seek=5000000 conv=notrunc status=none; truncate -s 20M "$0"',
    file,
  ]);
  const fd = openSync(file, 'r');
  const data = nextData(fd, 0, 20 * 1024 * 1024);
  expect(data?.from).toBeLessThanOrEqual(5_000_000);
  expect(data?.from).toBeGreaterThan(4_900_000);
  expect(data?.to).toBeGreaterThan(5_000_000);
  expect(data?.to).toBeLessThan(5_100_000);
  expect(nextData(fd, data?.to ?? 0, 20 * 1024 * 1024)).toBe(undefined);
  closeSync(fd);
});
