import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Scratch } from '../../src/verify/scratch.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

/** What this process holds open in a folder, though it has no name there. */
function nameless(folder: string): string[] {
  const open = readdirSync('/proc/self/fd').map((fd) => join('/proc/self/fd', fd));
  return open.filter((fd) => {
    try {
      return readlinkSync(fd).startsWith(folder);
    } catch {
      return false;
    }
  });
}

test('what was written at any offset is read back, whatever the pieces', async () => {
  const folder = await temporaryFolder();
  const piece = fc.record({
    at: fc.integer({ min: 0, max: 5000 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 700 }),
  });
  const property = fc.property(fc.array(piece, { minLength: 1, maxLength: 20 }), (pieces) => {
    const scratch = new Scratch(folder);
    const plain = Buffer.alloc(6000);
    try {
      for (const { at, bytes } of pieces) {
        scratch.write(at, bytes);
        plain.set(bytes, at);
      }
      for (const { at, bytes } of pieces) {
        expect(scratch.read(at, bytes.length)).toEqual(plain.subarray(at, at + bytes.length));
      }
    } finally {
      scratch.close();
    }
  });
  fc.assert(property, { numRuns: 50 });
});

test('the file has no name, and holds nothing of what was written', async () => {
  const folder = await temporaryFolder();
  const scratch = new Scratch(folder);
  const secret = Buffer.from('the salaries of the town hall '.repeat(100));
  scratch.write(7, secret);
  expect(readdirSync(folder)).toEqual([]);
  const [file, ...others] = nameless(folder);
  expect(others).toEqual([]);
  const bytes = readFileSync(file as string);
  expect(bytes).toHaveLength(7 + secret.length);
  expect(bytes.includes('salaries')).toBe(false);
  scratch.close();
  expect(nameless(folder)).toEqual([]);
});

test('after clear() the same offsets are encrypted anew, with another key', async () => {
  const folder = await temporaryFolder();
  const scratch = new Scratch(folder);
  const plain = randomBytes(64);
  const seen: Buffer[] = [];
  for (let i = 0; i < 2; i++) {
    expect(scratch.allot(64)).toBe(0);
    expect(scratch.allot(10)).toBe(64);
    scratch.write(0, plain);
    seen.push(readFileSync(nameless(folder)[0] as string));
    scratch.clear();
    expect(readFileSync(nameless(folder)[0] as string)).toHaveLength(0);
  }
  expect(seen[0]?.equals(seen[1] as Buffer)).toBe(false);
  scratch.close();
});

test('a folder that is not there is named, with the option to use', async () => {
  const scratch = new Scratch(join(await temporaryFolder(), 'none'));
  expect(() => scratch.write(0, Buffer.from('x'))).toThrow(/none.*--scratch/);
  expect(() => scratch.write(0, Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'io' }));
});
