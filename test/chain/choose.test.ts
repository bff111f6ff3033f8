import { describe, expect, test } from 'vitest';
import { choose, nameOf, nearestWhole } from '../../src/chain/choose.ts';
import type { Rejected, StoredCommit } from '../../src/chain/commits.ts';
import { type Point, toPoints } from '../../src/chain/points.ts';
import { parseWhen } from '../../src/chain/when.ts';
import { type ErrorCode, HoldfastError } from '../../src/errors.ts';
import { StrategyNames } from '../../src/format/names.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { makeCommit, stored } from '../helpers/quick-store.ts';

const NAMES = new StrategyNames('town');
const NOW = new Date('2026-11-22T12:00:00Z');

function make(seq: number, parent?: StoredCommit, branch = 0): StoredCommit {
  const id = (seq * 16 + branch).toString(16).padStart(8, '0').padEnd(32, '0');
  const time = new Date(Date.UTC(2026, 10, seq)).toISOString();
  return stored(makeCommit({ seq, id, time, ...(parent && { parent }) }), NAMES);
}

function refusedCommit(seq: number, code: ErrorCode = 'damage'): Rejected {
  const { name, commit } = make(seq);
  return {
    name,
    seq,
    id: commit.id,
    error: new HoldfastError(code, `${name} is no point`, { object: name }),
  };
}

function ask(points: Point[], rejected: Rejected[], when: string) {
  return choose(points, rejected, parseWhen(when, NOW), (time) => time.toISOString().slice(0, 10));
}

const full = make(1);
const second = make(2, full);
const third = make(3, second);
const POINTS = toPoints([full, second, third], []);

describe('a point that is whole is chosen', () => {
  test.each([
    ['latest', 3],
    ['2', 2],
    ['id:00000010', 1],
    ['2026-11-02T12:00Z', 2],
  ])('by %s', (when, seq) => {
    expect(ask(POINTS, [], when)).toMatchObject({ seq });
  });

  test('by its seq, also when the newest commit is refused', () => {
    expect(ask(POINTS, [refusedCommit(4)], '3')).toMatchObject({ seq: 3 });
  });

  test('by a time, when what was refused is newer than the point after it', () => {
    expect(ask(POINTS, [refusedCommit(4)], '2026-11-02T12:00Z')).toMatchObject({ seq: 2 });
  });

  test('when an older commit was refused', () => {
    const other = toPoints([make(5)], []);
    expect(ask(other, [refusedCommit(4)], 'latest')).toMatchObject({ seq: 5 });
  });
});

describe('an older point never stands in for', () => {
  test('a newer commit that was refused', () => {
    const refusal = ask(POINTS, [refusedCommit(4)], 'latest');
    expect(refusal).toMatchObject({ code: 'damage', object: make(4).name, beside: 4 });
    expect(ask(POINTS, [refusedCommit(4, 'format-version')], 'latest')).toMatchObject({
      code: 'format-version',
    });
  });

  test('a refused commit that may be the one that a time means', () => {
    const points = toPoints([full, make(5)], []);
    expect(ask(points, [refusedCommit(3)], '2026-11-04')).toMatchObject({ code: 'damage', beside: 3 });
  });

  test('a refused commit that is named', () => {
    expect(ask(POINTS, [refusedCommit(4)], '4')).toMatchObject({ code: 'damage', beside: 4 });
    expect(ask(POINTS, [refusedCommit(4)], 'id:00000040')).toMatchObject({ code: 'damage', beside: 4 });
  });

  test('a point whose line of parents is broken', () => {
    const refusal = ask(toPoints([full, third], []), [], 'latest');
    expect(refusal).toMatchObject({ code: 'damage', object: third.name, beside: 3 });
    expect((refusal as { message: string }).message).toContain('set 2');
  });

  test('anything at all, where every commit was refused', () => {
    expect(ask([], [refusedCommit(1), refusedCommit(2)], 'latest')).toMatchObject({ beside: 2 });
    expect(ask([], [refusedCommit(1)], '2026-11-04')).toMatchObject({ beside: 1 });
  });
});

describe('latest is refused where two hosts went on from one set', () => {
  test('with both named as --at takes them', () => {
    const other = make(4, second, 1);
    const forked = toPoints([full, second, third, other], []);
    expect(() => ask(forked, [], 'latest')).toThrow(/--at 3.*--at 4/);
    expect(() => ask(forked, [], 'latest')).toThrow(expect.objectContaining({ code: 'no-point' }));
    expect(ask(forked, [], '3')).toMatchObject({ seq: 3 });
  });

  test('also when one of them has gone further, and when both wrote the same seq', () => {
    const other = make(4, second, 1);
    const longer = toPoints([full, second, third, other, make(5, other), make(6, make(5, other))], []);
    expect(() => ask(longer, [], 'latest')).toThrow(/--at 3.*--at 6/);
    const twin = make(3, second, 1);
    expect(() => ask(toPoints([full, second, third, twin], []), [], 'latest')).toThrow(
      /id:00000030.*id:00000031/,
    );
  });

  test('until a full has ended the doubt', () => {
    const other = make(4, second, 1);
    expect(ask(toPoints([full, second, third, other, make(5)], []), [], 'latest')).toMatchObject({ seq: 5 });
  });
});

describe('the nearest whole points', () => {
  async function nearest(points: Point[], beside: number, lost: StoredCommit[] = [], damaged?: Set<string>) {
    const store = new MemoryStore();
    for (const { commit } of points) {
      const { name } = commit.commit.objects[0] as { name: string };
      if (!lost.includes(commit)) store.objects.set(NAMES.object(commit.commit, name), Buffer.alloc(1));
    }
    return (await nearestWhole(store, NAMES, points, beside, damaged)).map(({ seq }) => seq);
  }
  const points = toPoints([full, second, third, make(7), make(8)], []);

  test('are the next older one and the next one that is not older, as far as there are such', async () => {
    expect(await nearest(points, 7)).toEqual([3, 7]);
    expect(await nearest(points, 1)).toEqual([1]);
    expect(await nearest(points, 9)).toEqual([8]);
    expect(await nearest([], 1)).toEqual([]);
  });

  test('have everything that they need in the store, and nothing that was found damaged', async () => {
    expect(await nearest(points, 7, [second])).toEqual([3, 7]);
    expect(await nearest(points, 3, [second])).toEqual([1, 3]);
    expect(await nearest(points, 3, [full])).toEqual([7]);
    const object = NAMES.object(full.commit, full.commit.objects[0]?.name ?? '');
    expect(await nearest(points, 3, [], new Set([object]))).toEqual([7]);
  });

  test('have no broken line of parents', async () => {
    expect(await nearest(toPoints([full, third, make(7)], []), 4)).toEqual([1, 7]);
  });

  test('is named by its id where two points have its seq', () => {
    const twins = toPoints([full, second, make(2, full, 1)], []);
    expect(twins.map((p) => nameOf(p, twins))).toEqual(['1', `id:${twins[1]?.id}`, `id:${twins[2]?.id}`]);
  });
});
