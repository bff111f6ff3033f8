/** What a walk leaves out besides patterns, and that explain() says of every path what the walk does. */
import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromText } from '../../src/format/bytes.ts';
import { comparePaths } from '../../src/format/order.ts';
import { Patterns } from '../../src/select/patterns.ts';
import { explain } from '../../src/source/explain.ts';
import { type SelectionRules, selection } from '../../src/source/select.ts';
import { walk } from '../../src/source/walk.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { mountTmpfs } from './rights.ts';

const SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n';

/** A root with these files (their content by path) in it. */
async function newRoot(files: Record<string, string>): Promise<string> {
  const root = join(await temporaryFolder(), 'root');
  mkdirSync(root);
  put(root, files);
  return root;
}

function put(root: string, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Paths of the entries that a walk finds, below the root; what else it says of paths as `kind path`. */
function found(root: string, rules: Partial<SelectionRules>, own: ReadonlySet<string> = new Set()): string[] {
  const options = { selection: selection({ exclude: [], ...rules }), own };
  return [...walk(fromText(root), options)].map(({ kind, path }) => {
    const short = path.slice(root.length) || '/';
    return kind === 'entry' ? short : `${kind} ${short}`;
  });
}

/** Makes sure that explain() says of everything below a root, and of what is not there, what the walk does. */
function expectExplained(root: string, rules: Partial<SelectionRules>, own: ReadonlySet<string> = new Set()) {
  const selected = selection({ exclude: [], ...rules });
  const everything = [
    ...walk(fromText(root), { selection: selection({ exclude: [], oneFileSystem: false }), own: new Set() }),
  ];
  const entries = new Set(
    [...walk(fromText(root), { selection: selected, own })].flatMap((f) =>
      f.kind === 'entry' ? [f.path] : [],
    ),
  );
  for (const one of everything) {
    if (one.kind !== 'entry') continue;
    const asFolder = one.stat.isDirectory();
    const { reason, exists, isOnlyItself } = explain(fromText(root), one.path, {
      selection: selected,
      own,
      asFolder,
    });
    expect(exists).toBe(true);
    // A folder that is left out is there for what is taken back in.
    if ('mayHold' in reason && reason.mayHold) continue;
    const isIn = reason.kind === 'backed-up' || isOnlyItself === true;
    expect(isIn, `${one.path}: ${reason.kind}`).toBe(entries.has(one.path));
    if (isOnlyItself && !('mayHold' in reason && reason.mayHold)) {
      const inside = [...entries].filter((path) => path.startsWith(`${one.path}/`));
      const markers = 'marker' in reason ? [...(rules.excludeIfPresent ?? []), 'CACHEDIR.TAG'] : [];
      expect(inside.filter((path) => !markers.includes(basename(path)))).toEqual([]);
    }
  }
}

describe('a walk with a selection', () => {
  test('enters a folder that is left out only as far as something in it is taken back in', async () => {
    const root = await newRoot({
      'cache/a/big': '',
      'cache/keep/deep/file': '',
      'cache/keep/x.tmp': '',
      'cache/other': '',
      'z.tmp': '',
    });
    const rules = { exclude: [`${root}/cache/`, '*.tmp'], include: [`${root}/cache/keep/`] };
    expect(found(root, rules)).toEqual([
      ...['/', '/cache', '/cache/keep', '/cache/keep/deep', '/cache/keep/deep/file', '/cache/keep/x.tmp'],
    ]);
    expectExplained(root, rules);
    // Where nothing is taken back in, the folder itself is not in the point either.
    expect(found(root, { ...rules, include: [`${root}/cache/none/`] })).toEqual(['/']);
    expect(found(root, { exclude: [`${root}/cache/`], include: ['deep/'] })).toEqual([
      ...['/', '/cache', '/cache/keep', '/cache/keep/deep', '/cache/keep/deep/file', '/z.tmp'],
    ]);
    expectExplained(root, { exclude: [`${root}/cache/`], include: ['deep/'] });
  });

  test('finds what is kept and the folders that it lies in, and nothing else, over random patterns', async () => {
    const names = ['a', 'b', 'ab'];
    const root = await newRoot({});
    const paths: { path: string; isFolder: boolean }[] = [];
    const plant = (folder: string, depth: number) => {
      for (const name of names) {
        const path = `${folder}/${name}`;
        const isFolder = depth < 2 && name !== 'ab';
        paths.push({ path, isFolder });
        if (isFolder) {
          mkdirSync(path);
          plant(path, depth + 1);
        } else {
          writeFileSync(path, '');
        }
      }
    };
    plant(root, 0);
    const piece = fc.constantFrom('a', 'b', 'ab', '*', '**', 'a*', '?');
    const tail = fc.tuple(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '/'));
    const pattern = fc
      .tuple(tail, fc.boolean())
      .map(([[pieces, end], isAnchored]) => `${isAnchored ? `${root}/` : ''}${pieces.join('/')}${end}`);
    const negatable = fc.tuple(fc.constantFrom('', '', '!'), pattern).map(([not, text]) => not + text);
    fc.assert(
      fc.property(
        fc.array(negatable, { maxLength: 4 }),
        fc.array(pattern, { maxLength: 2 }),
        (exclude, include) => {
          const patterns = new Patterns(exclude, include);
          const kept = paths.filter(
            ({ path, isFolder }) => !patterns.leavesOut(patterns.decide(path, isFolder)),
          );
          const expected = new Set(['/']);
          for (const { path } of kept) {
            for (let at = path; at !== root; at = dirname(at)) expected.add(at.slice(root.length));
          }
          expect(found(root, { exclude, include })).toEqual([...expected].sort(comparePaths));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('keeps of a folder with a marker the folder and the marker, and what include takes back in', async () => {
    const root = await newRoot({
      'a/.nobackup': '',
      'a/file': '',
      'a/b/c/file': '',
      'b/.nobackup/file': '',
      'b/file': '',
      'c/file': '',
    });
    const rules = { excludeIfPresent: ['.nobackup'] };
    expect(found(root, rules)).toEqual([
      ...['/', '/a', 'marker /a', '/a/.nobackup', '/b', 'marker /b', '/c', '/c/file'],
    ]);
    expectExplained(root, rules);
    const more = { ...rules, include: ['c/'] };
    expect(found(root, more)).toEqual([
      ...['/', '/a', 'marker /a', '/a/.nobackup', '/a/b', '/a/b/c', '/a/b/c/file'],
      ...['/b', 'marker /b', '/c', '/c/file'],
    ]);
    expectExplained(root, more);
    // Only include overrules a marker.
    const not = { ...rules, exclude: ['x', '!c/'] };
    expect(found(root, not)).not.toContain('/a/b/c/file');
    expectExplained(root, not);
    put(root, { '.nobackup': '' });
    expect(found(root, rules)).toEqual(['/', 'marker /', '/.nobackup']);
    expectExplained(root, rules);
  });

  test('keeps no marker of a folder that lies in one with a marker, whatever is taken back in there', async () => {
    const root = await newRoot({
      'a/.nobackup': '',
      'a/b/.nobackup': '',
      'a/b/keep': '',
      'a/b/c/.nobackup': '',
    });
    const rules = { excludeIfPresent: ['.nobackup'], include: ['keep'] };
    expect(found(root, rules)).toEqual(['/', '/a', 'marker /a', '/a/.nobackup', '/a/b', '/a/b/keep']);
    expectExplained(root, rules);
  });

  test('finds what it is said to, over random trees with markers and patterns', async () => {
    const name = fc.constantFrom('a', 'b', '.nobackup');
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
    const pattern = fc.constantFrom('a', 'b', 'a/', 'a/b', '**/b/a', '.nobackup', '/**/a/b/');
    await fc.assert(
      fc.asyncProperty(
        fc.array(path, { minLength: 1, maxLength: 8 }),
        fc.array(pattern, { maxLength: 2 }),
        fc.array(pattern, { maxLength: 2 }),
        async (paths, exclude, include) => {
          const root = await newRoot({});
          for (const one of paths) {
            try {
              put(root, { [one]: '' });
            } catch {
              // What was a file before cannot be a folder, nor the other way round.
            }
          }
          const rules = { exclude, include, excludeIfPresent: ['.nobackup'] };
          expectExplained(root, rules);
          const own = new Set<string>();
          const options = { selection: selection(rules), own, asFolder: false };
          const entries = new Set(
            [...walk(fromText(root), { selection: options.selection, own })].map((f) => f.path),
          );
          for (const one of entries) {
            const { reason, isOnlyItself } = explain(fromText(root), one, options);
            const isIn =
              reason.kind === 'backed-up' || isOnlyItself || ('mayHold' in reason && reason.mayHold);
            expect(isIn, `${one}: ${reason.kind}`).toBe(true);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('takes a CACHEDIR.TAG for a cache only when it is a regular file with the signature', async () => {
    const root = await newRoot({
      'real/CACHEDIR.TAG': SIGNATURE,
      'real/file': '',
      'bare/CACHEDIR.TAG': SIGNATURE.slice(0, 43),
      'bare/file': '',
      'wrong/CACHEDIR.TAG': SIGNATURE.replace('8a', '8b'),
      'wrong/file': '',
      'short/CACHEDIR.TAG': SIGNATURE.slice(0, 42),
      'late/CACHEDIR.TAG': `\n${SIGNATURE}`,
      'folder/CACHEDIR.TAG/file': '',
      'link/file': '',
    });
    symlinkSync('../real/CACHEDIR.TAG', join(root, 'link/CACHEDIR.TAG'));
    const marked = found(root, { excludeCaches: true }).filter((one) => one.startsWith('marker'));
    expect(marked).toEqual(['marker /bare', 'marker /real']);
    expect(found(root, { excludeCaches: true })).not.toContain('/real/file');
    expect(found(root, { excludeCaches: true })).toContain('/real/CACHEDIR.TAG');
    expect(found(root, {}).filter((one) => one.startsWith('marker'))).toEqual([]);
    expectExplained(root, { excludeCaches: true });
  });

  test('leaves out regular files beyond the limit, and says so', async () => {
    const root = await newRoot({
      at: '12345',
      over: '123456',
      'wanted.db': '1234567',
      'left.tmp': '1234567',
    });
    writeFileSync(join(root, 'sparse'), '');
    truncateSync(join(root, 'sparse'), 1 << 30);
    symlinkSync('a-target-that-is-longer', join(root, 'link'));
    const rules = { excludeLargerThan: 5, include: ['*.db'], exclude: ['*.tmp'] };
    expect(found(root, rules)).toEqual(['/', '/at', '/link', 'size /over', 'size /sparse', '/wanted.db']);
    expectExplained(root, rules);
    expect(found(join(root, 'over'), rules)).toEqual(['/']);
    expectExplained(join(root, 'over'), rules);
  });

  test('enters other file systems when it may, but none that the kernel makes up', async () => {
    const root = await newRoot({ a: '' });
    mountTmpfs(join(root, 'mounted'));
    put(root, { 'mounted/inner/file': '' });
    const expected = ['/', '/a', '/mounted', '/mounted/inner', '/mounted/inner/file'];
    expect(found(root, { oneFileSystem: false })).toEqual(expected);
    expect(found(root, {})).toEqual(['/', '/a', '/mounted', 'mount /mounted']);
    expectExplained(root, {});
    const top = [
      ...walk('/', {
        selection: selection({ exclude: ['/*', '!/proc', '!/sys'], oneFileSystem: false }),
        own: new Set(),
      }),
    ];
    expect(top.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      ...['entry /', 'entry /proc', 'mount /proc', 'entry /sys', 'mount /sys'],
    ]);
  });

  test("does not enter Holdfast's own folders for anything", async () => {
    const root = await newRoot({ 'state/lock': '', 'state/keep/file': '' });
    const { dev, ino } = statSync(join(root, 'state'));
    const own = new Set([`${dev}:${ino}`]);
    const rules = { exclude: ['state/'], include: ['keep/'] };
    expect(found(root, rules, own)).toEqual(['/']);
    expect(found(root, {}, own)).toEqual(['/', 'own /state']);
    expectExplained(root, {}, own);
  });
});

describe('an explanation', () => {
  test('of a folder in which nothing is backed up says that it is the folder only', async () => {
    const root = await newRoot({ 'a/.nobackup': '', 'a/file': '', 'b/c/.nobackup': '', plain: '' });
    mountTmpfs(join(root, 'mounted'));
    const of = (path: string, rules: Partial<SelectionRules> = {}) => {
      const selected = selection({ exclude: [], excludeIfPresent: ['.nobackup'], ...rules });
      return explain(fromText(`${root}`), fromText(`${root}${path}`), {
        selection: selected,
        own: new Set(),
        asFolder: true,
      });
    };
    const marker = (at: string, mayHold = false) => {
      return { kind: 'marker', marker: '.nobackup', at: `${root}${at}`, mayHold };
    };
    expect(of('/a')).toEqual({ exists: true, isOnlyItself: true, reason: marker('/a') });
    expect(of('/a', { include: ['keep'] })).toEqual({
      ...{ exists: true, isOnlyItself: true, reason: marker('/a', true) },
    });
    expect(of('/a', { include: ['a/'] }).reason.kind).toBe('backed-up');
    expect(of('/b').reason.kind).toBe('backed-up');
    expect(of('/mounted')).toEqual({
      ...{ exists: true, isOnlyItself: true },
      reason: { kind: 'mount', at: `${root}/mounted`, isKernelMade: false },
    });
    expect(of('/mounted', { oneFileSystem: false }).reason.kind).toBe('backed-up');
    put(root, { '.nobackup': '' });
    expect(of('')).toEqual({ exists: true, isOnlyItself: true, reason: marker('') });
  });

  test('of a path that is not there says what would become of it', async () => {
    const root = await newRoot({ 'a/.nobackup': '', file: '' });
    symlinkSync('a', join(root, 'link'));
    const rules = { exclude: ['*.tmp', 'cache/'], excludeIfPresent: ['.nobackup'] };
    const of = (path: string, asFolder = false) => {
      const options = { selection: selection(rules), own: new Set<string>(), asFolder };
      const { exists, reason } = explain(fromText(root), fromText(`${root}${path}`), options);
      expect(exists).toBe(false);
      return reason;
    };
    expect(of('/new/deep/file')).toEqual({ kind: 'backed-up', rule: -1 });
    expect(of('/new/deep/x.tmp')).toMatchObject({ kind: 'pattern', rule: 0, at: `${root}/new/deep/x.tmp` });
    expect(of('/cache')).toEqual({ kind: 'backed-up', rule: -1 });
    expect(of('/cache', true)).toMatchObject({ kind: 'pattern', rule: 1 });
    expect(of('/cache/deep/file')).toMatchObject({ kind: 'pattern', rule: 1, at: `${root}/cache` });
    expect(of('/a/b')).toEqual({ kind: 'marker', marker: '.nobackup', at: `${root}/a`, mayHold: false });
    expect(of('/link/b')).toEqual({ kind: 'no-folder', at: `${root}/link`, isLink: true });
    expect(of('/file/b')).toEqual({ kind: 'no-folder', at: `${root}/file`, isLink: false });
  });
});
