import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plan, type Situation, volumesToGiveUp } from '../../src/backup/plan.ts';
import { INDEX_VERSION, type IndexHeader, type IndexSet } from '../../src/index/header.ts';

const MIB = 1024 * 1024;

function set(seq: number, volumes: [number, number, number][]): IndexSet {
  return {
    seq,
    id: seq.toString(16).padStart(32, '0'),
    commitSha256: '0'.repeat(64),
    time: '2026-11-22T02:30:00.000Z',
    volumes,
    manifests: [1],
  };
}

const index: IndexHeader = {
  version: INDEX_VERSION,
  cutter: 1,
  strategy: 'town',
  signer: 'S',
  writer: 'a'.repeat(32),
  recipients: ['A', 'B'],
  sets: [set(1, [[100, 50, 50]])],
  entries: { file: 'entries', sha256: '', live: 1 },
  logs: { base: 'chain', segments: 0, extents: 0, blocks: 0, blockSecret: 'b5'.repeat(32) },
};

/** Little is left of the first set: to be given up. */
const scattered: IndexHeader = {
  ...index,
  sets: [set(1, [[100 * MIB, 1000, 10]]), set(2, [[10 * MIB, 100, 100]])],
};

const QUIET: Situation = {
  requested: 'auto',
  index,
  recipients: ['A', 'B'],
  signer: 'S',
  due: { due: false, reason: 'the last full is 1 day old' },
  lost: undefined,
  absentRoot: undefined,
  carries: false,
};
const DUE = { due: true, reason: 'the last full is 8 days old' };

describe('what kind of set is made', () => {
  test.each<[string, Partial<Situation>, string, RegExp]>([
    ['nothing speaks against an incremental', {}, 'incremental', /1 day old/],
    ['recipients come in another order', { recipients: ['B', 'A'] }, 'incremental', /1 day old/],
    ['a full is due', { due: DUE }, 'full', /8 days old/],
    [
      'a full is due, but entries are carried over',
      { due: DUE, carries: true },
      'incremental',
      /waits until everything can be read/,
    ],
    [
      'a full is due, but a root is away',
      { due: DUE, absentRoot: '/srv' },
      'incremental',
      /waits until \/srv is back/,
    ],
    ['a full is asked for', { requested: 'full' }, 'full', /asked for/],
    [
      'a full is asked for though a root is away',
      { requested: 'full', absentRoot: '/srv' },
      'full',
      /asked for/,
    ],
    ['an incremental is asked for', { requested: 'incremental' }, 'incremental', /asked for/],
    [
      'an incremental is asked for though a full is due',
      { requested: 'incremental', due: DUE },
      'incremental',
      /asked for/,
    ],
    ['there is no index', { index: { none: 'no index here' } }, 'full', /no index here/],
    [
      'there is no index, and a full is asked for',
      { index: { none: 'no index' }, requested: 'full' },
      'full',
      /no index/,
    ],
    ['a recipient came', { recipients: ['A', 'B', 'C'] }, 'full', /recipients/],
    ['a recipient went', { recipients: ['A'] }, 'full', /recipients/],
    ['the recipients are others', { recipients: ['A', 'C'] }, 'full', /recipients/],
    ['the signer is another', { signer: 'T' }, 'full', /signing key/],
    ['something is lost', { lost: 'town/sets/x' }, 'full', /town\/sets\/x/],
    [
      'something is lost and a root is away',
      { lost: 'town/sets/x', absentRoot: '/srv' },
      'full',
      /town\/sets\/x/,
    ],
    ['old volumes hold little', { index: scattered }, 'incremental', /stored anew/],
  ])('%s', (_what, change, type, reason) => {
    const decision = plan({ ...QUIET, ...change });
    expect(decision).toMatchObject({ type });
    expect('reason' in decision && decision.reason).toMatch(reason);
    if ('parent' in decision)
      expect(decision.parent).toBe((change.index as IndexHeader | undefined) ?? index);
  });

  test.each<[string, Partial<Situation>]>([
    ['there is no index', { index: { none: 'no index here' } }],
    ['the recipients changed', { recipients: ['A'] }],
    ['the signer changed', { signer: 'T' }],
    ['something is lost', { lost: 'town/sets/x' }],
  ])('an incremental that is asked for is refused, with the reason, when %s', (_what, change) => {
    const reason = plan({ ...QUIET, ...change });
    expect(plan({ ...QUIET, ...change, requested: 'incremental' })).toEqual({
      refused: 'reason' in reason && reason.reason,
    });
  });
});

/** What restoring the newest point fetches, and what of that is of use, after some volumes were stored anew. */
function fetchAfter(sets: readonly IndexSet[], givenUp: readonly { seq: number; volumes: number[] }[]) {
  let fetched = 0;
  let worth = 0;
  for (const { seq, volumes } of sets) {
    const given = new Set(givenUp.find((g) => g.seq === seq)?.volumes);
    for (const [i, [size, atFirst, now]] of volumes.entries()) {
      if (now === 0) continue;
      const left = atFirst === 0 ? size : size * Math.min(1, now / atFirst);
      worth += left;
      fetched += given.has(i + 1) ? left : size;
    }
  }
  return { fetched, worth };
}

describe('volumes of which little is used', () => {
  const volume = fc
    .tuple(
      fc.integer({ min: 1, max: 40 * MIB }),
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(([size, atFirst, part]): [number, number, number] => [size, atFirst, Math.floor(atFirst * part)]);
  const sets = fc
    .array(fc.array(volume, { maxLength: 8 }), { minLength: 1, maxLength: 30 })
    .map((list) => list.map((volumes, i) => set(i * 2 + 1, volumes)));

  test('are given up before a restore fetches twice what the point is worth', () => {
    fc.assert(
      fc.property(sets, (sets) => {
        const givenUp = volumesToGiveUp(sets);
        const { fetched, worth } = fetchAfter(sets, givenUp);
        // What is wasted on a point of a few mebibytes hurts nobody.
        expect(fetched).toBeLessThan(Math.max(2 * worth, worth + 2 * MIB));
      }),
      { numRuns: 500 },
    );
  });

  test('are named once each, in order, and are there', () => {
    fc.assert(
      fc.property(sets, (sets) => {
        const givenUp = volumesToGiveUp(sets);
        const seqs = givenUp.map(({ seq }) => seq);
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        for (const { seq, volumes } of givenUp) {
          expect(volumes).toEqual([...new Set(volumes)].sort((a, b) => a - b));
          const count = sets.find((s) => s.seq === seq)?.volumes.length ?? 0;
          for (const v of volumes) expect(v >= 1 && v <= count).toBe(true);
        }
      }),
    );
  });

  test('are the emptiest ones, and no more than needed: full ones are never stored anew', () => {
    fc.assert(
      fc.property(sets, (sets) => {
        const givenUp = volumesToGiveUp(sets);
        const share = ([, atFirst, now]: [number, number, number]) => now / atFirst;
        const all = sets.flatMap(({ seq, volumes }) =>
          volumes.map((v, i) => ({ key: `${seq}/${i + 1}`, v })),
        );
        const given = new Set(givenUp.flatMap(({ seq, volumes }) => volumes.map((v) => `${seq}/${v}`)));
        const used = all.filter(({ v }) => v[2] > 0);
        const kept = used.filter(({ key }) => !given.has(key)).map(({ v }) => share(v));
        const gone = used.filter(({ key }) => given.has(key)).map(({ v }) => share(v));
        if (kept.length > 0 && gone.length > 0)
          expect(Math.max(...gone)).toBeLessThanOrEqual(Math.min(...kept));
        expect(gone.includes(1)).toBe(false);
      }),
    );
  });

  test('are none where all is used, and none where nothing is', () => {
    expect(volumesToGiveUp([set(1, [[100 * MIB, 1000, 1000]])])).toEqual([]);
    expect(volumesToGiveUp([set(1, [[100 * MIB, 1000, 0]])])).toEqual([]);
    expect(volumesToGiveUp([set(1, [])])).toEqual([]);
  });
});
