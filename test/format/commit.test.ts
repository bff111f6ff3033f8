/** Commits: vectors to the byte, and that nothing which is not as specified is taken for a commit. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baseOf, encodeCommit, manifestsOf, parseCommit, volumesOf } from '../../src/format/commit.ts';
import { StrategyNames } from '../../src/format/names.ts';
import { answers, outcome, readVectors, type Vector } from './vectors.ts';

interface CommitVector extends Vector {
  canonical?: boolean;
  object: string;
  text: string;
  sha256: string;
}

const STRATEGY = 'townhall-web';
const names = new StrategyNames(STRATEGY);
const vectors = readVectors<CommitVector>('commits.json');
const good = vectors.filter((v) => v.expect === 'ok');

function parse(text: string | Uint8Array, object: string) {
  const set = names.parseCommit(object);
  if (set === undefined) throw new Error(`${object} is not the name of a commit`);
  return parseCommit(Buffer.from(text), object, { ...set, strategy: STRATEGY });
}

describe('vectors', () => {
  test.each(good)('$what', ({ text, object, sha256, canonical }) => {
    expect(createHash('sha256').update(text).digest('hex')).toBe(sha256);
    const commit = parse(text, object);
    expect(commit).toEqual(JSON.parse(text));
    // Every member of an object is kept as it was; only order and white space are the writer's own.
    if (canonical) expect(encodeCommit(commit).toString('utf8')).toBe(text);
  });

  test.each(vectors.filter((v) => v.expect !== 'ok'))(
    'refused: $what',
    ({ text, object, expect: expected }) => {
      const found = outcome(() => parse(text, object));
      expect(answers(found, expected), found).toBe(true);
      expect(found).toContain(object);
      expect(found).not.toContain('\n');
    },
  );
});

describe('commits', () => {
  const { text, object } = good[1] as CommitVector;

  test('one that is cut short anywhere is refused', () => {
    const json = text.trimEnd();
    for (let length = 0; length < json.length; length++) {
      expect(outcome(() => parse(json.slice(0, length), object))).toMatch(/^damage: /);
    }
  });

  test('one that is not UTF-8 is refused', () => {
    const bytes = Buffer.from(text.replace('holdfast 0.1.0', 'holdfast \xff'), 'latin1');
    expect(outcome(() => parse(bytes, object))).toMatch(/^damage: .* is not JSON/);
  });

  test('no JSON whatever does more than be refused', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(outcome(() => parse(json, object))).toMatch(/^damage: /);
      }),
    );
  });

  test('anything else in the place of a list of dependencies, or of a part of it, is refused with that place', () => {
    const { text, object } = good.find((v) => JSON.parse(v.text).depends.length > 0) as CommitVector;
    const place = fc.constantFrom(
      ['depends'],
      ['depends', 0],
      ['depends', 0, 'seq'],
      ['depends', 0, 'id'],
      ['depends', 0, 'volumes'],
      ['depends', 0, 'volumes', 0],
      ['depends', 0, 'volumes', 0, 0],
      ['depends', 0, 'volumes', 0, 1],
      ['depends', 0, 'more'],
    );
    const odd = fc.oneof(
      fc.jsonValue().filter((value) => !Number.isSafeInteger(value) || (value as number) < 1),
      fc.constant(undefined),
    );
    fc.assert(
      fc.property(place, odd, (path, value) => {
        const json = JSON.parse(text);
        const last = path.at(-1) as string | number;
        // An empty list of dependencies is one; that nothing was put there is no fault.
        fc.pre(!(path.length === 1 && Array.isArray(value) && value.length === 0));
        fc.pre(!(last === 'more' && value === undefined));
        const holder = path.slice(0, -1).reduce((found, key) => found[key], json);
        if (value === undefined && typeof last === 'string') delete holder[last];
        else holder[last] = value;
        expect(outcome(() => parse(JSON.stringify(json), object))).toMatch(
          /^damage: .* is malformed at depends/,
        );
      }),
      { numRuns: 1000 },
    );
  });

  test('a commit that is not as specified is not encoded', () => {
    const commit = parse(text, object);
    expect(() => encodeCommit({ ...commit, seq: 0 })).toThrow();
    expect(() => encodeCommit({ ...commit, more: 1 } as typeof commit)).toThrow();
  });

  test('volumes and manifest objects are told apart', () => {
    const commit = parse(good[0]?.text ?? '', good[0]?.object ?? '');
    expect(volumesOf(commit).map((o) => o.name)).toEqual([
      'vol-000001.tar.zst.pgp',
      'vol-000002.tar.zst.pgp',
    ]);
    expect(manifestsOf(commit).map((o) => o.name)).toEqual([
      'manifest-0000.json.zst.pgp',
      'manifest-0001.jsonl.zst.pgp',
    ]);
  });
});

describe('the base of an ordinal', () => {
  test('has one bit less, and is on the way to the full', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 199, 200].map(baseOf)).toEqual([
      null,
      0,
      0,
      2,
      0,
      4,
      4,
      6,
      0,
      198,
      192,
    ]);
  });

  test('the 200th incremental is read with at most nine manifests', () => {
    for (let ordinal = 0; ordinal <= 200; ordinal++) {
      let manifests = 1;
      for (let n = baseOf(ordinal); n !== null; n = baseOf(n)) manifests++;
      expect(manifests).toBeLessThanOrEqual(9);
      expect(manifests).toBeLessThanOrEqual(1 + Math.log2(ordinal + 1));
    }
  });
});
