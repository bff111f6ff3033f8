/** Names of objects: vectors, and that parsing takes back what naming makes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSetFolder, StrategyNames, setFolder } from '../../src/format/names.ts';
import { readVectors, type Vector } from './vectors.ts';

interface NameVector extends Vector {
  input: string;
  kind?: 'commit' | 'signature' | 'key' | 'volume' | 'manifest';
  seq: number;
  id: string;
  number: number;
  fingerprint: string;
}

const names = new StrategyNames('townhall-web');
const vectors = readVectors<NameVector>('names.json');

describe('names', () => {
  test.each(vectors.filter((v) => v.expect === 'ok'))('$what: $input', (v) => {
    const set = { seq: v.seq, id: v.id };
    const made = {
      commit: () => names.commit(set),
      signature: () => names.signature(set),
      key: () => names.key(v.fingerprint),
      volume: () => names.volume(set, v.number),
      manifest: () => names.manifest(set, v.number),
    };
    expect(made[v.kind ?? 'commit']()).toBe(v.input);
    expect(names.parseCommit(v.input)).toEqual(v.kind === 'commit' ? set : undefined);
    expect(names.parseKey(v.input)).toBe(v.kind === 'key' ? v.fingerprint : undefined);
  });

  test.each(vectors.filter((v) => v.expect === 'ignored'))('ignored: $what', ({ input }) => {
    expect(names.parseCommit(input)).toBeUndefined();
    expect(names.parseKey(input)).toBeUndefined();
  });

  test('every set gets its own name back, and names sort as the numbers do while they have ten digits', () => {
    const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => Buffer.from(b).toString('hex'));
    fc.assert(
      fc.property(seq, id, (seq, id) => {
        expect(parseSetFolder(setFolder({ seq, id }))).toEqual({ seq, id });
      }),
    );
    const small = fc.integer({ min: 1, max: 9_999_999_999 });
    fc.assert(
      fc.property(small, small, id, (a, b, id) => {
        expect(setFolder({ seq: a, id }) < setFolder({ seq: b, id })).toBe(a < b);
      }),
    );
  });
});
