import { describe, expect, test } from 'vitest';
import type { Rejected, StoredCommit } from '../../src/chain/commits.ts';
import { manifestChain, neededObjects, toPoints } from '../../src/chain/points.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { Commit } from '../../src/format/commit.ts';
import { manifestName, StrategyNames, volumeName } from '../../src/format/names.ts';
import { makeCommit, stored } from '../helpers/quick-store.ts';

const NAMES = new StrategyNames('town');

function idOf(seq: number, branch = 0): string {
  return (seq * 16 + branch).toString(16).padStart(32, '0');
}

interface Plan {
  branch?: number;
  volumes?: number;
  depends?: Commit['depends'];
}

function make(seq: number, parent?: StoredCommit, { branch = 0, volumes = 1, depends = [] }: Plan = {}) {
  const object = { size: 1, plainSize: 1, md5: '0'.repeat(32), sha256: '0'.repeat(64) };
  const names = Array.from({ length: volumes }, (_, i) => volumeName(i + 1));
  const objects = [...names, manifestName(0), manifestName(1)].map((name) => ({ name, ...object }));
  return stored(
    makeCommit({ seq, id: idOf(seq, branch), objects, depends, ...(parent && { parent }) }),
    NAMES,
  );
}

/** A chain of `length` sets, the full having seq `first`. */
function chain(length: number, first = 1): StoredCommit[] {
  const sets = [make(first)];
  while (sets.length < length) sets.push(make(first + sets.length, sets.at(-1)));
  return sets;
}

function seqs(sets: readonly StoredCommit[]): number[] {
  return sets.map(({ commit }) => commit.seq);
}

describe('the chain of a point', () => {
  test('begins with its full and ends with its own set, whatever the order in which commits come', () => {
    const points = toPoints([...chain(5), ...chain(3, 6)].reverse(), []);
    expect(points.map((p) => p.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(points.map((p) => seqs(p.chain))).toEqual([
      [1],
      [1, 2],
      [1, 2, 3],
      [1, 2, 3, 4],
      [1, 2, 3, 4, 5],
      [6],
      [6, 7],
      [6, 7, 8],
    ]);
    expect(points.every((p) => p.problem === undefined)).toBe(true);
  });

  test("is each one's own where two sets have one parent, below the fork and above it", () => {
    const sets = chain(4);
    const other = make(5, sets[1], { branch: 1 });
    const further = make(6, other, { branch: 1 });
    const twin = make(6, sets[3]);
    const points = toPoints([...sets, other, further, twin], []);
    const by = (seq: number, branch: number) => points.find((p) => p.id === idOf(seq, branch));
    expect(seqs(by(6, 1)?.chain ?? [])).toEqual([1, 2, 5, 6]);
    expect(seqs(by(6, 0)?.chain ?? [])).toEqual([1, 2, 3, 4, 6]);
    expect(by(6, 1)?.find(5)?.commit.id).toBe(idOf(5, 1));
    expect(by(6, 1)?.find(3)).toBeUndefined();
    expect(by(6, 1)?.find(4)).toBeUndefined();
    expect(by(6, 1)?.find(2)?.commit.seq).toBe(2);
    expect(by(6, 0)?.find(5)).toBeUndefined();
    expect(by(6, 1)?.at(2)?.commit.id).toBe(idOf(5, 1));
    expect(by(5, 1)?.at(3)).toBeUndefined();
    expect(by(6, 1)?.find(6)?.commit.id).toBe(idOf(6, 1));
    expect(by(4, 0)?.find(6)).toBeUndefined();
  });

  test('is broken for all that build on a set that is missing, and for no others', () => {
    const sets = chain(6);
    const points = toPoints([...sets.slice(0, 2), ...sets.slice(3)], []);
    expect(points.map((p) => [p.seq, p.problem === undefined])).toEqual([
      [1, true],
      [2, true],
      [4, false],
      [5, false],
      [6, false],
    ]);
    for (const point of points.slice(2)) expect(point.problem).toContain('set 3');
    expect(points.at(-1)?.problem).toContain('not in the store');
  });

  test('is broken by a parent that was refused, and says why that was', () => {
    const sets = chain(3);
    const refused: Rejected = {
      name: 'n',
      seq: 2,
      id: idOf(2),
      error: new HoldfastError('damage', 'bad signature'),
    };
    const points = toPoints([sets[0] as StoredCommit, sets[2] as StoredCommit], [refused]);
    expect(points[1]?.problem).toContain('bad signature');
  });

  test('is broken by a parent with another commit, another place, or one that is not older', () => {
    const [full, first] = chain(2) as [StoredCommit, StoredCommit];
    const altered = { ...full, commitSha256: 'f'.repeat(64) };
    expect(toPoints([altered, first], [])[1]?.problem).toContain('another commit');
    const displaced = { ...first, commit: { ...first.commit, ordinal: 2 } };
    expect(toPoints([full, displaced], [])[1]?.problem).toContain('place');
    // Neither can come from parseCommit; a cycle must do no harm all the same.
    const a = make(1, { ...make(2), commit: { ...make(2).commit, ordinal: 0 } });
    const b = make(2, a);
    const loop = toPoints([{ ...a, commit: { ...a.commit, ordinal: 1 } }, b], []);
    expect(loop.every((p) => p.problem !== undefined)).toBe(true);
  });

  test('of thousands of sets, forks among them, is made in no time and shared', () => {
    const sets = chain(20_000);
    const forks = Array.from({ length: 200 }, (_, i) => make(20_001 + i, sets[i * 50], { branch: 1 }));
    const begun = performance.now();
    const points = toPoints([...sets, ...forks], []);
    const chains = points.map((p) => manifestChain(p).length);
    let needed = 0;
    for (const point of points) for (const _object of neededObjects(point)) needed++;
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(Math.max(...chains)).toBeLessThanOrEqual(15);
    expect(needed).toBeGreaterThan(20_200 * 2);
    expect(points.at(-1)?.chain).toHaveLength(199 * 50 + 2);
  });
});

describe('what a point needs', () => {
  test('are the manifests with ordinals n, base(n), … 0', () => {
    const points = toPoints(chain(45), []);
    const ordinals = (n: number) => manifestChain(points[n] as never).map(({ commit }) => commit.ordinal);
    expect(ordinals(0)).toEqual([0]);
    expect(ordinals(1)).toEqual([1, 0]);
    expect(ordinals(7)).toEqual([7, 6, 4, 0]);
    expect(ordinals(44)).toEqual([44, 40, 32, 0]);
  });

  test('is its own, the manifests that it is read with, and the volumes that it depends on, none twice', () => {
    const full = make(1, undefined, { volumes: 4 });
    const second = make(2, full, { volumes: 2 });
    const third = make(3, second, {
      volumes: 1,
      depends: [
        {
          seq: 1,
          id: idOf(1),
          volumes: [
            [1, 1],
            [3, 4],
          ],
        },
        { seq: 2, id: idOf(2), volumes: [[2, 2]] },
      ],
    });
    const points = toPoints([full, second, third], []);
    const needed = [...neededObjects(points[2] as never)].map(
      ({ set, object }) => `${set.commit.seq}/${object.name}`,
    );
    expect(needed.sort()).toEqual(
      [
        `1/${manifestName(0)}`,
        `1/${manifestName(1)}`,
        `1/${volumeName(1)}`,
        `1/${volumeName(3)}`,
        `1/${volumeName(4)}`,
        `2/${volumeName(2)}`,
        `3/${volumeName(1)}`,
        `3/${manifestName(0)}`,
        `3/${manifestName(1)}`,
      ].sort(),
    );
  });

  test('must lie in its own chain: what depends on anything else is not whole', () => {
    const full = make(1);
    const outside = make(2, undefined, { branch: 3 });
    const wrongSet = make(3, full, { depends: [{ seq: 2, id: idOf(2, 3), volumes: [[1, 1]] }] });
    const wrongId = make(3, full, { branch: 1, depends: [{ seq: 1, id: idOf(1, 9), volumes: [[1, 1]] }] });
    const wrongVolume = make(3, full, { branch: 2, depends: [{ seq: 1, id: idOf(1), volumes: [[1, 2]] }] });
    const points = toPoints([full, outside, wrongSet, wrongId, wrongVolume], []);
    expect(points.map((p) => p.problem === undefined)).toEqual([true, true, false, false, false]);
  });
});
