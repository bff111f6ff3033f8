/** A walk in a thread of its own finds the same as one in this thread. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { startWalker, type WalkerThread } from '../../src/backup/threads.ts';
import { foundBelow, type WalkedSource, walkAll } from '../../src/backup/walk-ahead.ts';
import { WalkReader } from '../../src/backup/walk-batches.ts';
import { signatureOf } from '../../src/index/compare.ts';
import { selection } from '../../src/source/select.ts';
import type { Stat } from '../../src/source/stat.ts';
import { type Found, walk } from '../../src/source/walk.ts';
import { StopFlag, Stopped } from '../../src/worker/stop.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const started: WalkerThread[] = [];

afterEach(async () => {
  for (const walker of started.splice(0)) {
    walker.stop();
    await walker.ended;
  }
});

function newWalker(): { walker: WalkerThread; below: (source: string, root: string) => Iterable<Found> } {
  const walker = startWalker();
  started.push(walker);
  const reader = new WalkReader(walker.walked, new StopFlag());
  return { walker, below: (source, root) => foundBelow(source, root, () => reader.next()) };
}

/** What was found, with all that anybody looks at of a stat. */
function plain(found: Iterable<Found>): unknown[] {
  const all = (stat: Stat) => [
    signatureOf(stat),
    stat.dev,
    stat.nlink,
    stat.uid,
    stat.gid,
    stat.rdev,
    stat.blocks,
  ];
  return Array.from(found, (one) => ('stat' in one ? { ...one, stat: all(one.stat) } : one));
}

function source(name: string, paths: string[], more: Partial<WalkedSource> = {}): WalkedSource {
  return { name, paths, exclude: [], ...more };
}

describe('a walk in a thread of its own', () => {
  test('finds the same, in the same order, whatever there is', async () => {
    const folder = await temporaryFolder();
    const root = join(folder, 'root');
    mkdirSync(join(root, 'deep', 'er', 'still'), { recursive: true });
    mkdirSync(join(root, 'cache'));
    writeFileSync(join(root, 'cache', '.nobackup'), '');
    writeFileSync(join(root, 'cache', 'x'), 'x');
    writeFileSync(join(root, 'large'), 'x'.repeat(10_000));
    for (const name of ['plain', 'ü', 'new\nline', '"quotes"\\', 'tab\t'])
      writeFileSync(join(root, 'deep', name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/deep/`), Buffer.from([0xff, 0xfe, 0x80])]), 'bytes');
    symlinkSync('nowhere', join(root, 'link'));
    spawnSync('mkfifo', [join(root, 'fifo')]);
    const rules = { excludeIfPresent: ['.nobackup'], excludeLargerThan: 9_000, exclude: ['plain'] };
    const sources = [source('town', [join(folder, 'missing'), root], rules), source('all', [folder])];
    const { walker, below } = newWalker();
    walker.walk({ sources, own: [] });
    for (const { name, paths, ...more } of [sources[1], sources[0]] as WalkedSource[]) {
      for (const path of paths) {
        const here = plain(walk(path, { selection: selection(more), own: new Set() }));
        expect(plain(below(name, path))).toEqual(here);
        expect(here.length).toBeGreaterThan(0);
      }
    }
    await walker.ended;
  });

  test('passes over roots that are not asked for', async () => {
    const folder = await temporaryFolder();
    for (const name of ['a', 'b', 'c']) {
      mkdirSync(join(folder, name));
      for (let i = 0; i < 300; i++) writeFileSync(join(folder, name, `${name}${i}`), '');
    }
    const { walker, below } = newWalker();
    const paths = ['a', 'b', 'c'].map((name) => join(folder, name));
    walker.walk({ sources: [source('s', paths), source('t', paths)], own: [] });
    const count = (name: string, path: string) =>
      [...below(name, path)].filter(({ path: p }) => p.startsWith(path)).length;
    expect(count('s', join(folder, 'b'))).toBe(301);
    expect(count('t', join(folder, 'c'))).toBe(301);
  });

  test('waits while it is far ahead, and comes through to the end', async () => {
    const folder = await temporaryFolder();
    const names = Array.from({ length: 36_000 }, (_, i) => `${String(i).padStart(6, '0')}${'n'.repeat(240)}`);
    for (const name of names) writeFileSync(join(folder, name), '');
    const { walker, below } = newWalker();
    walker.walk({ sources: [source('s', [folder])], own: [] });
    const seen: string[] = [];
    for (const { path } of below('s', folder)) {
      // Long enough for it to fill all that there is.
      if (seen.length === 10) await sleep(2000);
      seen.push(path);
    }
    expect(seen).toEqual([folder, ...names.map((name) => join(folder, name))]);
    await walker.ended;
  }, 60_000);

  test('ends when it is stopped: before it begins, in the midst of it, and while it waits', async () => {
    const folder = await temporaryFolder();
    for (let i = 0; i < 40_000; i++) writeFileSync(join(folder, `${i}${'n'.repeat(245)}`), '');
    const sources = [source('s', [folder])];
    for (const [begins, after] of [
      [false, 0],
      [false, 200],
      [true, 0],
      [true, 50],
      [true, 2000],
    ] as const) {
      const { walker } = newWalker();
      if (begins) walker.walk({ sources, own: [] });
      await sleep(after);
      walker.stop();
      await walker.ended;
    }
  }, 60_000);

  test('ends when it is stopped also where all that it meets is left out', async () => {
    const folder = await temporaryFolder();
    for (let i = 0; i < 100; i++) writeFileSync(join(folder, `${i}`), '');
    let met = 0;
    const walked = walkAll({ sources: [source('s', [folder], { exclude: ['*'] })], own: [] }, () => {
      if (++met === 50) throw new Stopped();
    });
    expect(() => [...walked]).toThrow(Stopped);
    expect(met).toBe(50);
  });

  test('says what is wrong with the program where it cannot go on', async () => {
    const { walker } = newWalker();
    walker.walk({ sources: [{ name: 's', paths: ['/'], exclude: [7 as unknown as string] }], own: [] });
    expect(await walker.failure).toBeInstanceOf(Error);
    await walker.ended;
  });

  test('marks where each root begins and ends', async () => {
    const folder = await temporaryFolder();
    const records = [
      ...walkAll({ sources: [source('b', [folder]), source('a', [folder])], own: [] }, () => {}),
    ];
    const kinds = records.map((record) =>
      record.kind === 'root' ? `${record.source} ${record.root}` : record.kind,
    );
    expect(kinds).toEqual([`a ${folder}`, 'entry', 'end', `b ${folder}`, 'entry', 'end']);
  });
});
