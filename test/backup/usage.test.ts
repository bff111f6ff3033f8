import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chainAfter, dependsOf } from '../../src/backup/commit.ts';
import { SegmentSet, segmentsIn, usageOf } from '../../src/backup/usage.ts';
import { sha256 } from '../../src/chunk/digest.ts';
import { encodeSegments } from '../../src/index/entries-file.ts';
import { SegmentLog } from '../../src/index/segment-log.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

test('a set of segments holds what was added, also as ranges, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30_000)), fc.array(fc.nat(30_000), { maxLength: 5 }), (added, asked) => {
      const set = new SegmentSet();
      for (const n of added.slice(0, 3)) set.add(n);
      set.addRanges(encodeSegments(added.slice(3)));
      const model = new Set(added);
      for (const n of [...added, ...asked]) expect(set.has(n)).toBe(model.has(n));
      expect(set.hasAnyOf(encodeSegments(asked))).toBe(asked.some((n) => model.has(n)));
    }),
  );
});

test('what a point uses of each volume is counted from its segments, holes not at all', async () => {
  const log = new SegmentLog(join(await temporaryFolder(), 'chain'), { segments: 0, extents: 0, blocks: 0 });
  const digest = (n: number) => sha256(Buffer.from(`${n}`));
  log.addChunk(digest(0), { seq: 1, volume: 1, position: 0, offset: 0, length: 100 });
  log.addChunk(digest(1), { seq: 1, volume: 2, position: 0, offset: 0, length: 10 });
  log.addHole(digest(2), 1000);
  const extent = (seq: number, volume: number, length: number) => ({
    seq,
    volume,
    position: 1,
    offset: 5,
    length,
    patch: true,
  });
  log.addExtents(digest(3), 7, [extent(1, 1, 3), extent(2, 5, 4)]);
  const live = new SegmentSet();
  live.addRanges('0,2-3');
  const usage = usageOf(log, live);
  expect([...usage].map(([seq, volumes]) => [seq, [...volumes]])).toEqual([
    [1, [[1, 103]]],
    [2, [[5, 4]]],
  ]);
  const inVolume = segmentsIn(log, (seq, volume) => seq === 1 && volume === 1);
  expect([0, 1, 2, 3].filter((n) => inVolume.has(n))).toEqual([0, 3]);
  log.close();
});

test('a commit names the volumes that its point depends on as ranges, and the index counts what is used of them', () => {
  const usage = [
    {
      seq: 3,
      volumes: [
        [1, 5],
        [2, 5],
        [3, 5],
        [7, 1],
      ] as [number, number][],
    },
    { seq: 9, volumes: [[1, 8]] as [number, number][] },
  ];
  const earlier = [
    { seq: 3, id: 'a'.repeat(32) },
    { seq: 4, id: 'b'.repeat(32) },
  ];
  expect(dependsOf(usage, earlier)).toEqual([
    {
      seq: 3,
      id: 'a'.repeat(32),
      volumes: [
        [1, 3],
        [7, 7],
      ],
    },
  ]);
  const set = (seq: number, volumes: [number, number, number][]) => ({
    seq,
    id: `${seq}`,
    commitSha256: '',
    time: '',
    volumes,
    manifests: [1],
  });
  const object = (name: string, size: number) => ({ name, size, plainSize: 1, md5: '', sha256: '' });
  const made = { seq: 9, id: '9', commitSha256: 'c', time: 't' };
  const objects = [
    object('vol-000001.tar.zst.pgp', 70),
    object('manifest-0000.json.zst.pgp', 8),
    object('manifest-0001.jsonl.zst.pgp', 9),
  ];
  const chain = chainAfter(
    [
      set(3, [
        [50, 9, 9],
        [60, 9, 0],
      ]),
      set(4, [[20, 2, 2]]),
    ],
    usage,
    { ...made, objects },
  );
  expect(chain).toEqual([
    set(3, [
      [50, 9, 5],
      [60, 9, 5],
    ]),
    set(4, [[20, 2, 0]]),
    { ...made, volumes: [[70, 8, 8]], manifests: [8, 9] },
  ]);
});
