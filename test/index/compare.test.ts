import { execFileSync } from 'node:child_process';
import {
  type BigIntStats,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { comparePaths } from '../../src/format/order.ts';
import {
  type Change,
  type ComparedSource,
  compare,
  type Incident,
  signatureOf,
} from '../../src/index/compare.ts';
import { EntriesReader, EntriesWriter, encodeIndexLine } from '../../src/index/entries-file.ts';
import type { ByteString } from '../../src/model.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { asNobody, mountTmpfs, unmount } from '../source/rights.ts';
import { apply, edit } from './edits.ts';

/** What a comparison found, by path; incidents and what was skipped apart. */
interface Outcome {
  /** In the order in which they came: `source path` and the kind. */
  changes: [path: string, kind: string][];
  incidents: Incident[];
  skipped: string[];
}

/** One host: sources on disk, and the index of the last comparison. */
class Host {
  readonly folder: string;
  sources: ComparedSource[];
  #index: string | undefined;
  #runs = 0;

  constructor(folder: string, sources: (Pick<ComparedSource, 'name' | 'paths'> & Partial<ComparedSource>)[]) {
    this.folder = folder;
    this.sources = sources.map((source) => ({ exclude: [], allowEmpty: false, ...source }));
  }

  /** Compares, and keeps what was found as the index for the next time. `own` are folders to leave out. */
  compare(own: ReadonlySet<string> = new Set()): Outcome {
    return this.#with(this.#index, own);
  }

  #with(index: string | undefined, own: ReadonlySet<string>, before?: string): Outcome {
    const old = index === undefined ? undefined : new EntriesReader(index);
    const next = join(this.folder, `entries-${++this.#runs}`);
    const writer = new EntriesWriter(next);
    const outcome: Outcome = { changes: [], incidents: [], skipped: [] };
    try {
      for (const change of compare(this.sources, old, own, before)) this.#take(change, writer, outcome);
      writer.finish();
    } finally {
      old?.close();
      writer.close();
    }
    this.#index = next;
    return outcome;
  }

  /** Compares with nothing, as a full does, beside the index. */
  full(): Outcome {
    return this.#with(undefined, new Set(), this.#index);
  }

  /** Makes the index as one was before mount points were marked. */
  forgetMounts(): void {
    const reader = new EntriesReader(this.#index as string);
    const writer = new EntriesWriter(join(this.folder, 'unmarked'));
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) {
      writer.line(reader.source, encodeIndexLine({ ...entry, flags: entry.flags.replace('m', '') }));
    }
    reader.close();
    writer.finish();
    this.#index = writer.file;
  }

  #take(change: Change, writer: EntriesWriter, outcome: Outcome): void {
    if (change.kind === 'incident') {
      outcome.incidents.push(change.incident);
      return;
    }
    if (change.kind === 'skipped') {
      outcome.skipped.push(`${change.why} ${change.path}`);
      return;
    }
    if (change.kind === 'vanished') return;
    if (change.kind === 'emptied') {
      outcome.skipped.push(`emptied ${change.path} of ${change.entries} by ${change.marker}`);
      return;
    }
    const { source, path } =
      change.kind === 'fresh' ? change : { source: change.old.source, path: change.old.entry.path };
    const line = (signature: string, flags: string, head = headOf(change)) =>
      writer.line(source, encodeIndexLine({ path, signature, flags, changed: 0, segments: '', head }));
    let kind: string = change.kind;
    switch (change.kind) {
      case 'fresh':
        line(signatureOf(change.stat), change.isMount ? 'm' : '');
        kind = change.old === undefined || change.old.entry.flags === 'g' ? 'new' : 'changed';
        break;
      case 'same':
        writer.copy(source, change.old.lines);
        break;
      case 'carried':
        line(
          change.old.entry.signature,
          change.old.entry.flags.includes('m') ? 'cm' : 'c',
          change.old.entry.head,
        );
        break;
      case 'gone':
        if (change.leftOut !== undefined) kind = `left out by ${change.leftOut}`;
        line('', 'g');
        break;
      default:
        line('', 'g');
    }
    outcome.changes.push([`${source} ${path}`, kind]);
  }
}

/** As much of an entry's head as a comparison looks at. */
function headOf(change: Change): string {
  if (change.kind !== 'fresh' && change.kind !== 'same') return '';
  return `"type":"${change.stat.isDirectory() ? 'dir' : 'file'}"`;
}

/** All that changed, as an object from path to kind; what is as before is left out. */
function differences({ changes }: Outcome): Record<string, string> {
  return Object.fromEntries(changes.filter(([, kind]) => kind !== 'same' && kind !== 'still-gone'));
}

async function newHost(...names: string[]): Promise<{ host: Host; root: string }> {
  const folder = await temporaryFolder();
  chmodSync(folder, 0o755);
  const root = join(folder, 'root');
  mkdirSync(root);
  return {
    host: new Host(
      folder,
      (names.length > 0 ? names : ['a']).map((name) => ({ name, paths: [root] })),
    ),
    root,
  };
}

function put(root: string, tree: Record<string, string>): void {
  for (const [name, content] of Object.entries(tree)) {
    const path = join(root, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
  }
}

// The plainest of models: a list of what is there, made with paths as buffers.

const signature = (s: BigIntStats) => [s.mode & 0o170000n, s.size, s.mtimeNs, s.ctimeNs, s.ino].join();

function listAll(path: Buffer, into: Map<ByteString, string> = new Map()): Map<ByteString, string> {
  const stat = lstatSync(path, { bigint: true });
  into.set(path.toString('latin1'), signature(stat));
  if (stat.isDirectory()) {
    for (const name of readdirSync(path, { encoding: 'buffer' }))
      listAll(Buffer.concat([path, Buffer.from('/'), name]), into);
  }
  return into;
}

/** What the comparison has to say, given what was there the last time, and which paths have gone before. */
function expected(
  before: ReadonlyMap<ByteString, string>,
  now: ReadonlyMap<ByteString, string>,
  gone: ReadonlySet<ByteString>,
): [string, string][] {
  const paths = new Set([...before.keys(), ...now.keys(), ...gone]);
  return [...paths].sort(comparePaths).map((path) => {
    const [was, is] = [before.get(path), now.get(path)];
    if (is === undefined) return [path, was === undefined ? 'still-gone' : 'gone'];
    return [path, was === undefined ? 'new' : was === is ? 'same' : 'changed'];
  });
}

describe('a comparison of sources with the index', () => {
  test('says of every path what the plainest of models says, over random trees and edits', async () => {
    const folder = await temporaryFolder();
    let runs = 0;
    fc.assert(
      fc.property(fc.array(fc.array(edit, { maxLength: 25 }), { minLength: 2, maxLength: 5 }), (steps) => {
        const root = join(folder, `${++runs}`);
        mkdirSync(root);
        const host = new Host(folder, [{ name: 'a', paths: [root], allowEmpty: true }]);
        let before = new Map<ByteString, string>();
        const gone = new Set<ByteString>();
        for (const edits of steps) {
          for (const e of edits) apply(root, e);
          const now = listAll(Buffer.from(root));
          const { changes, incidents } = host.compare();
          expect(incidents).toEqual([]);
          expect(changes).toEqual(expected(before, now, gone).map(([p, kind]) => [`a ${p}`, kind]));
          for (const p of [...before.keys()]) if (!now.has(p)) gone.add(p);
          for (const p of now.keys()) gone.delete(p);
          before = now;
        }
        rmSync(root, { recursive: true });
      }),
      { numRuns: 40 },
    );
  });

  test('tells a change of type from file to folder to link and back', async () => {
    const { host, root } = await newHost();
    const kinds = [
      () => put(root, { 'x/inner': '1' }),
      () => put(root, { x: 'file' }),
      () => symlinkSync('y', join(root, 'x')),
    ];
    put(root, { x: 'first', y: '' });
    host.compare();
    for (const [i, make] of [...kinds, ...kinds].entries()) {
      rmSync(join(root, 'x'), { recursive: true });
      make();
      const found = differences(host.compare());
      expect(found).toMatchObject({ [`a ${root}/x`]: 'changed' });
      expect(found[`a ${root}/x/inner`], `step ${i}`).toBe(['new', 'gone', undefined][i % 3]);
    }
  });

  test('knows a file that was replaced under the same size and times by its inode', async () => {
    const { host, root } = await newHost();
    put(root, { x: 'one' });
    host.compare();
    execFileSync('sh', [
      '-c',
      'cp -p "$0/x" "$0/y" && printf two > "$0/y" && touch -r "$0/x" "$0/y" && mv "$0/y" "$0/x"',
      root,
    ]);
    expect(differences(host.compare())).toMatchObject({ [`a ${root}/x`]: 'changed' });
  });

  test('tells sources apart: one that is renamed or removed has gone, one that is added is new', async () => {
    const { host, root } = await newHost('a', 'b');
    put(root, { x: '' });
    host.compare();
    host.sources = host.sources.map((s) => (s.name === 'a' ? { ...s, name: 'c' } : s));
    expect(differences(host.compare())).toEqual({
      [`a ${root}`]: 'gone',
      [`a ${root}/x`]: 'gone',
      [`c ${root}`]: 'new',
      [`c ${root}/x`]: 'new',
    });
    host.sources = host.sources.filter((s) => s.name === 'c');
    expect(differences(host.compare())).toEqual({ [`b ${root}`]: 'gone', [`b ${root}/x`]: 'gone' });
    expect(host.compare().changes).toEqual([
      [`a ${root}`, 'still-gone'],
      [`a ${root}/x`, 'still-gone'],
      [`b ${root}`, 'still-gone'],
      [`b ${root}/x`, 'still-gone'],
      [`c ${root}`, 'same'],
      [`c ${root}/x`, 'same'],
    ]);
  });

  test('goes through several roots of a source in order, however they are written down', async () => {
    const folder = await temporaryFolder();
    const roots = ['a', 'a-b', 'b'].map((n) => join(folder, n));
    for (const root of roots) put(root, { x: '' });
    const host = new Host(folder, [{ name: 's', paths: [...roots].reverse() }]);
    const { changes } = host.compare();
    expect(changes.map(([p]) => p)).toEqual(roots.flatMap((root) => [`s ${root}`, `s ${root}/x`]));
    host.sources = [
      { ...(host.sources[0] as ComparedSource), paths: [roots[0] as string, roots[2] as string] },
    ];
    expect(differences(host.compare())).toEqual({ [`s ${roots[1]}`]: 'gone', [`s ${roots[1]}/x`]: 'gone' });
  });

  test('counts what comes to be excluded as left out, and what no longer is as new', async () => {
    const { host, root } = await newHost();
    put(root, { 'cache/x': '', y: '' });
    host.compare();
    const [source] = host.sources as [ComparedSource];
    host.sources = [{ ...source, exclude: ['cache/'] }];
    expect(differences(host.compare())).toEqual({
      [`a ${root}/cache`]: 'left out by pattern',
      [`a ${root}/cache/x`]: 'left out by pattern',
    });
    host.sources = [source];
    expect(differences(host.compare())).toEqual({ [`a ${root}/cache`]: 'new', [`a ${root}/cache/x`]: 'new' });
  });

  test('counts apart what a marker or its size leaves out, and names a folder that a marker emptied, once', async () => {
    const { host, root } = await newHost();
    put(root, { 'a/1': '', 'a/b/2': '', 'a/c': '', 'b/big': '12', 'b/small': '1', 'c/scratch/x': '', z: '' });
    host.compare();
    rmSync(join(root, 'b/small'));
    put(root, { 'a/.nobackup': '' });
    const [source] = host.sources as [ComparedSource];
    host.sources = [
      {
        ...source,
        excludeIfPresent: ['.nobackup'],
        excludeLargerThan: 1,
        exclude: ['scratch/'],
        include: [`${root}/a/c`],
      },
    ];
    const found = host.compare();
    expect(differences(found)).toMatchObject({
      [`a ${root}/a`]: 'changed',
      [`a ${root}/a/.nobackup`]: 'new',
      [`a ${root}/a/1`]: 'left out by marker',
      [`a ${root}/a/b`]: 'left out by marker',
      [`a ${root}/a/b/2`]: 'left out by marker',
      [`a ${root}/b/big`]: 'left out by size',
      [`a ${root}/b/small`]: 'gone',
      [`a ${root}/c/scratch`]: 'left out by pattern',
      [`a ${root}/c/scratch/x`]: 'left out by pattern',
    });
    expect(found.changes).toContainEqual([`a ${root}/a/c`, 'same']);
    expect(found.skipped).toEqual([
      ...[`marker ${root}/a`, `emptied ${root}/a of 3 by .nobackup`, `size ${root}/b/big`],
    ]);
    expect(host.compare().skipped).toEqual([`marker ${root}/a`, `size ${root}/b/big`]);
  });

  test('drops what was carried over once a pattern leaves it out, also while its root is missing', async () => {
    const { host, root } = await newHost();
    put(root, { 'a/1': '', 'b/2': '' });
    host.compare();
    renameSync(root, `${root}-away`);
    expect(differences(host.compare())).toMatchObject({ [`a ${root}/a/1`]: 'carried' });
    const [source] = host.sources as [ComparedSource];
    host.sources = [{ ...source, exclude: [`${root}/a/`] }];
    expect(differences(host.compare())).toEqual({
      [`a ${root}`]: 'carried',
      [`a ${root}/a`]: 'left out by pattern',
      [`a ${root}/a/1`]: 'left out by pattern',
      [`a ${root}/b`]: 'carried',
      [`a ${root}/b/2`]: 'carried',
    });
  });

  test('says what it leaves out: mounted file systems, and folders of its own', async () => {
    const { host, root } = await newHost();
    put(root, { 'own/x': '', z: '' });
    mountTmpfs(join(root, 'mounted'));
    put(root, { 'mounted/x': '' });
    const { dev, ino } = statSync(join(root, 'own'));
    const { changes, skipped } = host.compare(new Set([`${dev}:${ino}`]));
    expect(changes.map(([p]) => p)).toEqual([`a ${root}`, `a ${root}/mounted`, `a ${root}/z`]);
    expect(skipped).toEqual([`mount ${root}/mounted`, `own ${root}/own`]);
  });
});

describe('what a comparison cannot read', () => {
  test('is carried over, not gone: a root that is missing, until it is back', async () => {
    const { host, root } = await newHost('a', 'b');
    put(root, { x: '1', 'd/y': '2' });
    host.compare();
    renameSync(root, `${root}-away`);
    for (let run = 0; run < 2; run++) {
      const { changes, incidents } = host.compare();
      expect(new Set(changes.map(([, kind]) => kind))).toEqual(new Set(['carried']));
      expect(changes.length).toBe(8);
      expect(incidents).toEqual([
        { kind: 'missing', path: root, carried: true },
        { kind: 'missing', path: root, carried: true },
      ]);
    }
    renameSync(`${root}-away`, root);
    const back = host.compare();
    expect(back.incidents).toEqual([]);
    expect(new Set(back.changes.map(([, kind]) => kind))).toEqual(new Set(['changed']));
    expect(differences(host.compare())).toEqual({});
  });

  test('is said where there is nothing to carry over: a root that never was there', async () => {
    const folder = await temporaryFolder();
    const host = new Host(folder, [{ name: 'a', paths: [join(folder, 'none')] }]);
    for (let run = 0; run < 2; run++) {
      const { changes, incidents } = host.compare();
      expect(changes).toEqual([]);
      expect(incidents).toEqual([{ kind: 'missing', path: join(folder, 'none'), carried: false }]);
    }
  });

  test('is carried over, not gone: a root that is suddenly empty, unless emptiness is right', async () => {
    const { host, root } = await newHost();
    put(root, { x: '1' });
    host.compare();
    rmSync(join(root, 'x'));
    const { changes, incidents } = host.compare();
    expect(incidents).toEqual([{ kind: 'empty', path: root, carried: true }]);
    expect(changes).toEqual([
      [`a ${root}`, 'carried'],
      [`a ${root}/x`, 'carried'],
    ]);
    host.sources = host.sources.map((s) => ({ ...s, allowEmpty: true }));
    const allowed = host.compare();
    expect(allowed.incidents).toEqual([]);
    expect(differences(allowed)).toEqual({ [`a ${root}`]: 'changed', [`a ${root}/x`]: 'gone' });
    expect(differences(host.compare())).toEqual({});
  });

  test('is no incident where a root was empty all the time, or has been emptied before', async () => {
    const { host, root } = await newHost();
    for (let run = 0; run < 2; run++) expect(host.compare().incidents).toEqual([]);
    put(root, { x: '1' });
    host.sources = host.sources.map((s) => ({ ...s, allowEmpty: true }));
    host.compare();
    rmSync(join(root, 'x'));
    host.compare();
    host.sources = host.sources.map((s) => ({ ...s, allowEmpty: false }));
    const { changes, incidents } = host.compare();
    expect(incidents).toEqual([]);
    expect(changes).toEqual([
      [`a ${root}`, 'same'],
      [`a ${root}/x`, 'still-gone'],
    ]);
  });

  test('is carried over, not gone: a file system that is not mounted', async () => {
    const folder = await temporaryFolder();
    const root = join(folder, 'mounted');
    mountTmpfs(root);
    put(root, { x: '1' });
    const host = new Host(folder, [{ name: 'a', paths: [root] }]);
    host.compare();
    unmount(root);
    const { changes, incidents } = host.compare();
    expect(incidents).toEqual([{ kind: 'empty', path: root, carried: true }]);
    expect(changes.map(([, kind]) => kind)).toEqual(['carried', 'carried']);
  });

  describe('is carried over, not gone: a file system below a root that is not mounted', () => {
    async function mounted(rules: Partial<ComparedSource> = {}) {
      const { host, root } = await newHost();
      put(root, { a: '', z: '' });
      mountTmpfs(join(root, 'mnt'));
      put(root, { 'mnt/x': '1', 'mnt/d/y': '2' });
      host.sources = host.sources.map((s) => ({ ...s, oneFileSystem: false, ...rules }));
      host.compare();
      return { host, root, mnt: join(root, 'mnt') };
    }

    test('until it is back', async () => {
      const { host, root, mnt } = await mounted();
      expect(differences(host.compare())).toEqual({});
      unmount(mnt);
      for (let run = 0; run < 2; run++) {
        const found = host.compare();
        expect(found.incidents).toEqual([{ kind: 'empty', path: mnt, carried: true }]);
        expect(found.changes).toEqual([
          [`a ${root}`, 'same'],
          [`a ${root}/a`, 'same'],
          ...['', '/d', '/d/y', '/x'].map((name) => [`a ${mnt}${name}`, 'carried']),
          [`a ${root}/z`, 'same'],
        ]);
      }
      execFileSync('mount', ['-t', 'tmpfs', 'none', mnt]);
      put(root, { 'mnt/x': '1' });
      const back = host.compare();
      expect(back.incidents).toEqual([]);
      expect(differences(back)).toMatchObject({ [`a ${mnt}/x`]: 'changed', [`a ${mnt}/d/y`]: 'gone' });
    });

    test('unless emptiness is right, or other file systems are not entered any more', async () => {
      for (const rules of [{ allowEmpty: true }, { oneFileSystem: true }]) {
        const { host, mnt } = await mounted();
        unmount(mnt);
        host.sources = host.sources.map((s) => ({ ...s, ...rules }));
        const found = host.compare();
        expect(found.incidents).toEqual([]);
        expect(differences(found)).toMatchObject({ [`a ${mnt}`]: 'changed', [`a ${mnt}/x`]: 'gone' });
      }
    });

    test('while what was deleted in one that is mounted has gone, and so has a folder that was never a mount point', async () => {
      const { host, root, mnt } = await mounted();
      put(root, { 'plain/x': '' });
      host.compare();
      for (const path of [`${mnt}/x`, `${mnt}/d`, `${root}/plain/x`]) rmSync(path, { recursive: true });
      const found = host.compare();
      expect(found.incidents).toEqual([]);
      expect(differences(found)).toMatchObject({ [`a ${mnt}/x`]: 'gone', [`a ${root}/plain/x`]: 'gone' });
      unmount(mnt);
      expect(host.compare().incidents).toEqual([]);
    });

    test('also where the mount point itself is left out, and something in it is not', async () => {
      const { host, root, mnt } = await mounted({ exclude: ['mnt/'], include: ['y'] });
      unmount(mnt);
      const found = host.compare();
      expect(found.incidents).toEqual([{ kind: 'empty', path: mnt, carried: true }]);
      expect(found.changes).toContainEqual([`a ${root}/mnt/d/y`, 'carried']);
    });

    test('but not where the strategy has no path any more that it lies in', async () => {
      const { host, root, mnt } = await mounted();
      unmount(mnt);
      put(root, { 'other/x': '' });
      host.sources = host.sources.map((s) => ({ ...s, paths: [join(root, 'other')] }));
      const found = host.compare();
      expect(found.incidents).toEqual([]);
      expect(found.changes).toContainEqual([`a ${mnt}/x`, 'gone']);
    });

    test('but not where patterns leave all of it out by now', async () => {
      const { host, mnt } = await mounted();
      unmount(mnt);
      host.sources = host.sources.map((s) => ({ ...s, exclude: ['mnt/'] }));
      const found = host.compare();
      expect(found.incidents).toEqual([]);
      expect(found.changes).toContainEqual([`a ${mnt}/x`, 'left out by pattern']);
    });

    test('also in an index without the marks, from the run on that has seen the file system', async () => {
      const { host, mnt } = await mounted();
      host.forgetMounts();
      expect(differences(host.compare())).toEqual({ [`a ${mnt}`]: 'changed' });
      unmount(mnt);
      expect(host.compare().incidents).toEqual([{ kind: 'empty', path: mnt, carried: true }]);
    });

    test('and is said by a full, which has nothing to carry over', async () => {
      const { host, root, mnt } = await mounted();
      unmount(mnt);
      const found = host.full();
      expect(found.incidents).toEqual([{ kind: 'empty', path: mnt, carried: false }]);
      expect(found.changes.map(([path]) => path)).toEqual(
        [root, `${root}/a`, `${root}/z`].map((p) => `a ${p}`),
      );
    });
  });

  test('is carried over, not gone: folders that cannot be listed or entered; and said each time', async () => {
    const { host, root } = await newHost();
    put(root, { 'closed/x': '1', 'closed/d/y': '2', 'names/z': '3', open: '4' });
    chmodSync(host.folder, 0o777);
    await asNobody(() => host.compare());
    chmodSync(join(root, 'closed'), 0o700);
    chmodSync(join(root, 'names'), 0o744);
    for (let run = 0; run < 2; run++) {
      const { changes, incidents } = await asNobody(() => host.compare());
      expect(incidents).toEqual([
        { kind: 'unreadable', path: `${root}/closed`, error: 'EACCES', carried: true },
        { kind: 'unreadable', path: `${root}/names/z`, error: 'EACCES', carried: true },
      ]);
      const folders = run === 0 ? 'changed' : 'same';
      expect(changes).toEqual([
        [`a ${root}`, 'same'],
        [`a ${root}/closed`, folders],
        [`a ${root}/closed/d`, 'carried'],
        [`a ${root}/closed/d/y`, 'carried'],
        [`a ${root}/closed/x`, 'carried'],
        [`a ${root}/names`, folders],
        [`a ${root}/names/z`, 'carried'],
        [`a ${root}/open`, 'same'],
      ]);
    }
  });

  test('does not count as carried where all that is known of it is that it has gone', async () => {
    const { host, root } = await newHost();
    put(root, { 'd/x': '1', y: '2' });
    chmodSync(host.folder, 0o777);
    await asNobody(() => host.compare());
    rmSync(join(root, 'd/x'));
    await asNobody(() => host.compare());
    chmodSync(join(root, 'd'), 0o700);
    const { changes, incidents } = await asNobody(() => host.compare());
    expect(incidents).toEqual([{ kind: 'unreadable', path: `${root}/d`, error: 'EACCES', carried: false }]);
    expect(changes).toContainEqual([`a ${root}/d/x`, 'still-gone']);
    const away = await newHost();
    put(away.root, { x: '' });
    away.host.compare();
    away.host.sources = [];
    away.host.compare();
    rmSync(away.root, { recursive: true });
    away.host.sources = [{ name: 'a', paths: [away.root], exclude: [], allowEmpty: false }];
    expect(away.host.compare().incidents).toEqual([{ kind: 'missing', path: away.root, carried: false }]);
  });

  test.each([
    ['deleted', ['same', 'same', 'carried', 'carried', 'incident']],
    // What is open is still seen.
    ['moved away', ['same', 'same', 'same', 'same', 'incident']],
  ])('is not gone: the rest of a root that is %s in the middle', async (how, expected) => {
    const { host, root } = await newHost();
    put(root, { a: '', b: '', c: '' });
    host.compare();
    const file = join(host.folder, 'entries-1');
    const reader = new EntriesReader(file);
    const kinds: string[] = [];
    for (const change of compare(host.sources, reader, new Set())) {
      kinds.push(change.kind);
      if (change.kind !== 'same' || change.old.entry.path !== `${root}/a`) continue;
      if (how === 'deleted') rmSync(root, { recursive: true });
      else renameSync(root, `${root}-away`);
    }
    reader.close();
    expect(kinds).toEqual(expected);
  });

  test('can be a root of which not even the stat can be had', async () => {
    const { host, root } = await newHost();
    put(root, { 'inner/x': '1' });
    host.sources = [{ name: 'a', paths: [join(root, 'inner')], exclude: [], allowEmpty: false }];
    chmodSync(host.folder, 0o777);
    await asNobody(() => host.compare());
    chmodSync(root, 0o700);
    const { changes, incidents } = await asNobody(() => host.compare());
    expect(incidents).toEqual([
      { kind: 'unreadable', path: `${root}/inner`, error: 'EACCES', carried: true },
    ]);
    expect(changes.map(([, kind]) => kind)).toEqual(['carried', 'carried']);
  });
});
