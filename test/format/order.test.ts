/** The order of paths: a vector, and the definition of section 5.1 written out over bytes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes, toBytes } from '../../src/format/bytes.ts';
import { isSafePath } from '../../src/format/manifest.ts';
import { comparePaths, isWithin, joinPath } from '../../src/format/order.ts';
import type { ByteString } from '../../src/model.ts';
import { readVectors, type Vector } from './vectors.ts';

/** Component by component, bytewise: as the specification says it, and slow. */
function compareByComponents(a: ByteString, b: ByteString): number {
  const [left, right] = [components(a), components(b)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = Buffer.compare(left[i] as Buffer, right[i] as Buffer);
    if (order !== 0) return order;
  }
  return Math.sign(left.length - right.length);
}

function components(path: ByteString): Buffer[] {
  return path === '/' ? [] : path.slice(1).split('/').map(toBytes);
}

const byte = fc.oneof(
  fc.constantFrom(0x01, 0x20, 0x2d, 0x2e, 0x30, 0x61, 0x62, 0xff),
  fc.integer({ min: 1, max: 255 }),
);
const component = fc
  .array(
    byte.filter((b) => b !== 0x2f),
    { minLength: 1, maxLength: 4 },
  )
  .map((b) => fromBytes(Buffer.from(b)))
  .filter((c) => c !== '.' && c !== '..');
const path = fc.array(component, { maxLength: 4 }).map((c) => `/${c.join('/')}`);

describe('the order of paths', () => {
  test('is that of the vector', () => {
    const sorted = readVectors<Vector & { hex: string }>('order.json').map((v) =>
      fromBytes(Buffer.from(v.hex, 'hex')),
    );
    expect(sorted.length).toBeGreaterThan(40);
    for (const [i, a] of sorted.entries()) {
      for (const [j, b] of sorted.entries()) {
        expect(Math.sign(comparePaths(a, b)), `${a} and ${b}`).toBe(Math.sign(i - j));
      }
    }
  });

  test('is component by component, bytewise', () => {
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(Math.sign(comparePaths(a, b))).toBe(compareByComponents(a, b));
      }),
      { numRuns: 5000 },
    );
  });

  test('has every folder just before everything inside it', () => {
    fc.assert(
      fc.property(fc.array(path, { maxLength: 20 }), path, (paths, folder) => {
        const sorted = [...new Set([...paths, folder])].sort(comparePaths);
        const at = sorted.indexOf(folder);
        const inside = sorted.filter((p) => p !== folder && isWithin(p, folder));
        expect(sorted.slice(at + 1, at + 1 + inside.length)).toEqual(inside);
      }),
      { numRuns: 1000 },
    );
  });

  test('a joined path lies within its folder, and is one that may be written', () => {
    fc.assert(
      fc.property(path, component, (folder, name) => {
        const joined = joinPath(folder, name);
        expect(isSafePath(joined)).toBe(true);
        expect(isWithin(joined, folder)).toBe(true);
        expect(comparePaths(folder, joined)).toBeLessThan(0);
        expect(isWithin(folder, joined)).toBe(false);
      }),
    );
  });
});
