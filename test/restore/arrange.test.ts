import { describe, expect, test } from 'vitest';
import type { Entry } from '../../src/model.ts';
import { type Arrangement, AS_IT_IS, arrange, describeArrangement } from '../../src/restore/arrange.ts';
import { Decisions } from '../../src/restore/existing.ts';
import type { PlanItem } from '../../src/restore/plan.ts';
import { file, folder } from '../helpers/quick-store.ts';
import { at } from './rig.ts';

const TREE = [
  folder('/srv', 1),
  folder('/srv/a', 1),
  folder('/srv/a/deep', 1),
  file('/srv/a/deep/x.log', 1),
  file('/srv/a/y', 1),
  folder('/srv/b', 1),
  file('/srv/b/z.log', 1),
];

/** Paths of what comes of some entries, given in batches of two; of each, also that what continues it comes right after it. */
async function arranged(entries: readonly Entry[], wishes: Partial<Arrangement>): Promise<string[]> {
  const items = entries.flatMap((entry): PlanItem[] => [
    { kind: 'entry', entry, continues: true },
    { kind: 'more', extents: [at(1, entries.indexOf(entry), 1)], continues: false },
  ]);
  async function* batches(): AsyncGenerator<PlanItem[]> {
    for (let i = 0; i < items.length; i += 3) yield items.slice(i, i + 3);
  }
  const out: PlanItem[] = [];
  for await (const batch of arrange(batches(), { ...AS_IT_IS, ...wishes })) out.push(...batch);
  const paths: string[] = [];
  for (const [i, item] of out.entries()) {
    if (item.kind === 'more') continue;
    paths.push(item.entry.path);
    const place = entries.findIndex(({ path }) => path.endsWith(item.entry.path));
    expect(out[i + 1]).toMatchObject({ kind: 'more', extents: [{ position: place }] });
  }
  expect(out).toHaveLength(paths.length * 2);
  return paths;
}

describe('an arrangement', () => {
  test('that asks for nothing changes nothing', async () => {
    expect(await arranged(TREE, {})).toEqual(TREE.map(({ path }) => path));
    expect(describeArrangement(AS_IT_IS)).toBe('');
  });

  test('leaves out what patterns leave out, and brings the folders of what they take back in', async () => {
    expect(await arranged(TREE, { exclude: ['*.log'] })).toEqual([
      ...['/srv', '/srv/a', '/srv/a/deep', '/srv/a/y', '/srv/b'],
    ]);
    expect(await arranged(TREE, { exclude: ['/srv/a/'], include: ['x.log'] })).toEqual([
      ...['/srv', '/srv/a', '/srv/a/deep', '/srv/a/deep/x.log', '/srv/b', '/srv/b/z.log'],
    ]);
    expect(await arranged(TREE, { exclude: ['*'], include: ['/srv/b/'] })).toEqual([
      ...['/srv', '/srv/b', '/srv/b/z.log'],
    ]);
    expect(await arranged(TREE, { exclude: ['*'], include: ['nothing'] })).toEqual([]);
  });

  test('takes leading components off', async () => {
    expect(await arranged(TREE, { strip: 1 })).toEqual([
      '/a',
      '/a/deep',
      '/a/deep/x.log',
      '/a/y',
      '/b',
      '/b/z.log',
    ]);
    expect(await arranged(TREE, { strip: 2 })).toEqual(['/deep', '/deep/x.log', '/y', '/z.log']);
    await expect(arranged(TREE, { strip: 3 })).rejects.toThrow(
      '--strip 3 takes the whole path of /srv/a/y away',
    );
    const twins = [file('/srv/a/same', 1), file('/srv/b/same', 1)];
    await expect(arranged(twins, { strip: 2 })).rejects.toThrow(
      '/srv/a/same and /srv/b/same would both become same',
    );
    const hostile = [file('/srv/a/\x1b[31m', 1), file('/srv/b/\x1b[31m', 1)];
    await expect(arranged(hostile, { strip: 2 })).rejects.toThrow('/srv/a/\\x1b[31m and');
  });

  test('is named so that no other has its name', () => {
    expect(describeArrangement({ exclude: ['a', 'b'], include: ['c'], strip: 2 })).toBe(
      '--exclude=a --exclude=b --include=c --strip=2',
    );
  });
});

test('decisions come back from their text, and what is no text of theirs is none', () => {
  for (const count of [0, 1, 7, 8, 9, 20_000]) {
    const decisions = new Decisions();
    for (let i = 0; i < count; i++) decisions.add(i % 3 === 0);
    const back = Decisions.parse(decisions.toText()) as Decisions;
    for (let i = 0; i < count; i++) if (back.isKept(i) !== (i % 3 === 0)) expect(i).toBe('as decided');
    expect(back.isKept(count + 100)).toBe(false);
  }
  expect(Decisions.parse('not deflated')).toBeUndefined();
});
