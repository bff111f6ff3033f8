import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredCommit } from '../../src/chain/commits.ts';
import type { Point } from '../../src/chain/points.ts';
import { History } from '../../src/find/history.ts';
import { type Line, toLines } from '../../src/find/lines.ts';
import type { Version } from '../../src/manifest/versions.ts';

function version(size: number, more: Partial<Version> = {}): Version {
  return { type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, size, sha256: `${size}`, ...more };
}

/** Points of that many sets a chain, as far as lines need them. */
function chains(...lengths: number[]): Point[] {
  let seq = 0;
  return lengths.flatMap((length) => {
    const sets: StoredCommit[] = [];
    return Array.from({ length }, (_, ordinal) => {
      const commit = { commit: { ordinal, seq: ++seq } } as StoredCommit;
      sets.push(commit);
      return { seq, commit, problem: undefined, at: (n: number) => sets[n] } as unknown as Point;
    });
  });
}

/** Rows as `first-last:size`. */
function rowsOf(history: History, lines: readonly Line[]): string[] {
  return history.rows(lines).map(({ first, last, version: { size } }) => `${first.seq}-${last.seq}:${size}`);
}

describe('a history', () => {
  test('is what looking at every point tells, over random chains and changes', () => {
    const state = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.array(fc.array(state, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        (all) => {
          const points = chains(...all.map(({ length }) => length));
          const { lines, spots } = toLines(points);
          expect(lines).toHaveLength(all.length);
          const history = new History();
          for (const [line, states] of all.entries()) {
            for (const [index, size] of states.entries()) {
              // A full lists what is there; an incremental, what is otherwise than before.
              if (index === 0 ? size === undefined : size === states[index - 1]) continue;
              history.note({ line, index }, size === undefined ? undefined : version(size));
            }
          }
          expect(spots.size).toBe(points.length);
          const expected: string[] = [];
          const flat = all.flat();
          for (let i = 0; i < flat.length; ) {
            let end = i;
            while (end + 1 < flat.length && flat[end + 1] === flat[i]) end++;
            if (flat[i] !== undefined) expected.push(`${i + 1}-${end + 1}:${flat[i]}`);
            i = end + 1;
          }
          expect(rowsOf(history, lines)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('goes on in both branches where a chain forks', () => {
    const points = chains(3);
    const fork = {
      seq: 9,
      commit: { commit: { ordinal: 2, seq: 9 } },
      problem: undefined,
      at: points[0]?.at,
    };
    const { lines } = toLines([...points, fork as unknown as Point]);
    expect(lines).toHaveLength(2);
    expect(lines[1]?.before).toEqual({ line: 0, index: 1 });
    const history = new History();
    history.note({ line: 0, index: 0 }, version(1));
    history.note({ line: 0, index: 2 }, version(2));
    expect(rowsOf(history, lines)).toEqual(['1-2:1', '3-3:2', '9-9:1']);
  });

  test('takes what was carried over, or listed anew by a full, for the version that it is', () => {
    const { lines } = toLines(chains(3, 1));
    const history = new History();
    history.note({ line: 0, index: 0 }, version(1));
    history.note({ line: 0, index: 1 }, version(1, { carried: true }));
    history.note({ line: 0, index: 2 }, version(1));
    history.note({ line: 1, index: 0 }, version(1, { link: 'another' }));
    expect(rowsOf(history, lines)).toEqual(['1-4:1']);
    history.note({ line: 1, index: 0 }, version(1, { mode: 0o600 }));
    expect(rowsOf(history, lines)).toEqual(['1-3:1', '4-4:1']);
  });

  test('has no part in points whose line of parents is broken', () => {
    const [first, second] = chains(2) as [Point, Point];
    const { lines } = toLines([first, { ...second, problem: 'builds on nothing' }]);
    expect(lines.map(({ points }) => points.length)).toEqual([1]);
  });
});
