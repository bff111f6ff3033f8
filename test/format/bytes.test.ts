/** Byte strings: vectors, and that nothing is lost or forged on any way in or out. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fromBytes,
  fromJson,
  fromText,
  show,
  toBytes,
  toFsPath,
  toJson,
  toLooseText,
  toText,
} from '../../src/format/bytes.ts';
import { readVectors, type Vector } from './vectors.ts';

interface ByteVector extends Vector {
  hex: string;
  property: { path?: string; path64?: string };
  shown?: string;
}

const vectors = readVectors<ByteVector>('byte-strings.json');

describe('vectors', () => {
  test.each(vectors.filter((v) => v.expect === 'ok'))('$what', ({ hex, property, shown }) => {
    const name = fromBytes(Buffer.from(hex, 'hex'));
    expect(toJson('path', name)).toEqual(property);
    expect(fromJson(property.path, property.path64)).toBe(name);
    expect(show(name)).toBe(shown);
  });

  test.each(vectors.filter((v) => v.expect === 'read only'))('$what', ({ hex, property }) => {
    expect(fromJson(property.path, property.path64)).toBe(fromBytes(Buffer.from(hex, 'hex')));
  });

  test.each(vectors.filter((v) => v.expect === 'damage'))('refused: $what', ({ property }) => {
    expect(fromJson(property.path, property.path64)).toBeUndefined();
  });
});

/** Bytes of all kinds: arbitrary ones, valid UTF-8, and valid UTF-8 that was spoilt. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b)),
  fc.string({ unit: 'binary', maxLength: 20 }).map((s) => Buffer.from(s, 'utf8')),
  fc
    .tuple(fc.string({ unit: 'grapheme', maxLength: 10 }), fc.uint8Array({ maxLength: 3 }))
    .map(([s, b]) => Buffer.concat([Buffer.from(s, 'utf8'), b])),
);

describe('any bytes', () => {
  test('survive the way through JSON, as text exactly where they are UTF-8', () => {
    fc.assert(
      fc.property(bytes, (bytes) => {
        const name = fromBytes(bytes);
        const json = JSON.parse(JSON.stringify(toJson('target', name))) as {
          target?: string;
          target64?: string;
        };
        expect(fromJson(json.target, json.target64)).toBe(name);
        const valid = Buffer.from(bytes.toString('utf8')).equals(bytes);
        expect(json.target !== undefined).toBe(valid);
        expect(json.target64 !== undefined).toBe(!valid);
      }),
      { numRuns: 1000 },
    );
  });

  test('survive the way through strings', () => {
    fc.assert(
      fc.property(bytes, (bytes) => {
        const name = fromBytes(bytes);
        expect(toBytes(name).equals(bytes)).toBe(true);
        expect(Buffer.from(toFsPath(name)).equals(bytes)).toBe(true);
        const text = toText(name);
        if (text !== undefined) expect(fromText(text)).toBe(name);
      }),
      { numRuns: 1000 },
    );
  });

  test('survive the way through loose text, which is the text where they are UTF-8', () => {
    fc.assert(
      fc.property(bytes, (b) => {
        const name = fromBytes(b);
        const text = toLooseText(name);
        expect(fromText(text)).toBe(name);
        if (toText(name) !== undefined) expect(text).toBe(toText(name));
        expect(text.isWellFormed()).toBe(toText(name) !== undefined);
      }),
      { numRuns: 2000 },
    );
  });

  test('are shown on one line, without anything that a terminal acts upon', () => {
    fc.assert(
      fc.property(bytes, (bytes) => {
        expect(show(fromBytes(bytes))).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
      }),
      { numRuns: 2000 },
    );
  });

  test('are shown unlike any others', () => {
    // Short ones of few kinds, so that the same thing comes about in several ways.
    const few = fc
      .array(fc.constantFrom(0x0a, 0x5c, 0x6e, 0x78, 0x38, 0x30, 0x75, 0x7b, 0x7d, 0x80, 0x85, 0xc2, 0xff), {
        maxLength: 6,
      })
      .map((b) => Buffer.from(b));
    fc.assert(
      fc.property(few, few, (a, b) => {
        expect(show(fromBytes(a)) === show(fromBytes(b))).toBe(a.equals(b));
      }),
      { numRuns: 5000 },
    );
    expect(show(fromBytes(Buffer.from([0xc2, 0x85])))).not.toBe(show(fromBytes(Buffer.from([0x85]))));
  });
});
