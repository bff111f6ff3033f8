import fc from 'fast-check';
import ignore from 'ignore';
import { describe, expect, test } from 'vitest';
import { fromBytes, fromText } from '../../src/format/bytes.ts';
import { faultOfInclude, faultOfPattern } from '../../src/select/faults.ts';
import { NO_RULE, Patterns } from '../../src/select/patterns.ts';

/** Which of some paths (folders end in a slash) the patterns leave out. */
function excluded(exclude: string[], paths: string[], include: string[] = []): string[] {
  const patterns = new Patterns(exclude, include);
  return paths.filter((path) => {
    const plain = fromText(path.replace(/(.)\/$/, '$1'));
    return patterns.leavesOut(patterns.decide(plain, path.endsWith('/')));
  });
}

describe('a pattern that can match nothing', () => {
  test('is refused, and it is said what is wrong', () => {
    const faults: Record<string, RegExp> = {
      ...{ 'a\\': /backslash/, 'a\\/': /backslash/, 'a\\\\\\': /backslash/ },
      ...{
        '[': /closes/,
        'a[bc': /closes/,
        '[]': /closes/,
        '[!]': /closes/,
        '[a\\]': /closes/,
        '[[:alpha:]': /closes/,
      },
      ...{ './a': /"\."/, '/a/../b': /"\.\."/, 'a/.': /"\."/, '..': /"\.\."/, '\\./a': /"\."/ },
      ...{ '/a//b': /slashes/, '//a': /slashes/, 'a//': /slashes/ },
      ...{ '/': /everything/, '!': /nothing after/, '! ': /nothing after/, '!/': /everything/ },
      ...{ '!!a': /"\\!"/, '!#a': /"\\#"/, '!a[': /closes/ },
    };
    for (const [pattern, fault] of Object.entries(faults))
      expect(faultOfPattern(pattern), pattern).toMatch(fault);
    for (const pattern of ['/', 'a[', 'a\\', '../a']) expect(faultOfInclude(pattern), pattern).toBeDefined();
  });

  test('is not one of these', () => {
    for (const pattern of [
      ...[
        'a\\\\',
        '\\[',
        '[]]',
        '[!]]',
        '[]a]',
        '[a\\]]',
        '[[:alpha:]]',
        '[[]',
        '[[:x]',
        '.a',
        '..a',
        '...',
        '.*',
        '/*',
        '/**',
      ],
      ...[
        '/a/',
        '!/a',
        '!a/',
        '\\!',
        '\\#',
        'a\\ ',
        '[a/]x',
        '*.tmp',
        '**/a',
        'a/**/b',
        '/srv/[ab]*/x?',
        '[/]b[]/]',
      ],
    ]) {
      expect(faultOfPattern(pattern), pattern).toBeUndefined();
    }
  });

  test('is only one that the engine matches nothing with', () => {
    const piece = fc.constantFrom('a', '[', ']', '!', '^', '\\', '/', '.', '*', '?', '-', '[:alpha:]', '[:');
    const name = fc.array(fc.constantFrom('a', '[', ']', '!', '\\', '.', '-'), {
      minLength: 1,
      maxLength: 3,
    });
    const path = fc.array(
      name.map((n) => n.join('')).filter((n) => n !== '.' && n !== '..'),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.array(path, { minLength: 20 }),
        (pieces, paths) => {
          const pattern = pieces.join('');
          if (faultOfPattern(pattern) === undefined) return;
          expect(
            excluded(
              [pattern],
              paths.map((names) => `/${names.join('/')}/`),
            ),
            pattern,
          ).toEqual([]);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('patterns', () => {
  test('without a slash match names at any depth; with one they are anchored at the root', () => {
    const paths = ['/a.tmp', '/srv/www/b.tmp', '/srv/www/cache/', '/other/srv/www/cache/', '/srv/b.tmp.txt'];
    expect(excluded(['*.tmp'], paths)).toEqual(['/a.tmp', '/srv/www/b.tmp']);
    expect(excluded(['/srv/www/cache/'], paths)).toEqual(['/srv/www/cache/']);
    expect(excluded(['srv/www/*.tmp'], paths)).toEqual(['/srv/www/b.tmp']);
    expect(excluded(['**/www/cache'], paths)).toEqual(['/srv/www/cache/', '/other/srv/www/cache/']);
  });

  test('with a slash at the end match folders only, and what is in them', () => {
    const paths = ['/cache/', '/srv/cache', '/srv/cache/', '/cache/a', '/cache/b/'];
    expect(excluded(['cache/'], paths)).toEqual(['/cache/', '/srv/cache/', '/cache/a', '/cache/b/']);
  });

  test('are read in order, exclude before include: the last that matches decides, below folders that are left out too', () => {
    expect(excluded(['*.log', '!keep.log'], ['/a.log', '/keep.log'])).toEqual(['/a.log']);
    expect(excluded(['!keep.log', '*.log'], ['/a.log', '/keep.log'])).toEqual(['/a.log', '/keep.log']);
    const paths = ['/srv/cache/', '/srv/cache/keep/', '/srv/cache/keep/a.tmp', '/srv/cache/b'];
    const left = ['/srv/cache/', '/srv/cache/b'];
    expect(excluded(['/srv/cache/', '*.tmp'], paths, ['/srv/cache/keep/'])).toEqual(left);
    expect(excluded(['/srv/cache/', '!/srv/cache/keep/', '*.tmp'], paths)).toEqual([
      '/srv/cache/',
      '/srv/cache/keep/a.tmp',
      '/srv/cache/b',
    ]);
    expect(excluded(['*'], ['/srv/a/', '/srv/a/b', '/srv/x'], ['/srv/a/'])).toEqual(['/srv/x']);
  });

  test('tell upper case from lower case, as the file system does: nothing is left out that was not named', () => {
    expect(excluded(['*.tmp', 'cache/'], ['/A.TMP', '/a.tmp', '/Cache/', '/cache/'])).toEqual([
      '/a.tmp',
      '/cache/',
    ]);
  });

  test('match names that are not ASCII, and never fail on names that are not UTF-8', () => {
    expect(excluded(['größe*'], ['/srv/größe 1', '/srv/grosse'])).toEqual(['/srv/größe 1']);
    const patterns = new Patterns(['*.tmp']);
    const isExcluded = (path: string) => patterns.leavesOut(patterns.decide(path, false));
    expect(isExcluded(fromBytes(Buffer.from([0x2f, 0xff, 0xfe])))).toBe(false);
    expect(isExcluded(fromBytes(Buffer.from([0x2f, 0xff, ...Buffer.from('.tmp')])))).toBe(true);
    for (const name of ['/ ', '/..a', '/a\n.tmp', '/\\', '/a\\b.tmp', '/...', '/!x', '/#x', '/*', '/[']) {
      expect(isExcluded(name), name).toBe(name.endsWith('.tmp'));
    }
  });

  test('answer alike however many paths they were asked about', () => {
    const patterns = new Patterns(['*.t?p', '!/keep/**']);
    for (let i = 0; i < 45_000; i++) {
      if (!patterns.leavesOut(patterns.decide(`/d${i % 7}/${i}.tmp`, false))) expect(i).toBe('left out');
      if (patterns.leavesOut(patterns.decide(`/d${i % 7}/${i}.txt`, false))) expect(i).toBe('kept');
    }
  });

  test('that are none leave out nothing, and none leaves out the root of the file system', () => {
    expect(excluded([], ['/a.tmp', '/'])).toEqual([]);
    expect(excluded(['*', '/'], ['/'])).toEqual([]);
  });

  const component = fc.constantFrom('a', 'b', 'ab', 'a.b', 'ä', ' ', 'a b', '-');
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
  const piece = fc.constantFrom(
    ...['a', 'b', 'ab', '*', '**', 'a*', '*b', '?', 'a.b', '[ab]', 'ä', '\\a', '*.b'],
  );
  const pattern = fc
    .tuple(fc.constantFrom('', '/', '!', '!/'), fc.array(piece, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([begin, parts, folder]) => `${begin}${parts.join('/')}${folder ? '/' : ''}`);

  test('decide as the pattern engine does, asked for one pattern after the other', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), path, fc.boolean(), (exclude, asked, isFolder) => {
        const patterns = new Patterns(exclude);
        const text = `${asked.slice(1)}${isFolder ? '/' : ''}`;
        const last = exclude.findLastIndex((one) =>
          ignore({ ignorecase: false }).add(one.replace(/^!/, '')).ignores(text),
        );
        expect(patterns.decide(fromText(asked), isFolder)).toBe(last);
        let rule = NO_RULE;
        const parts = asked.slice(1).split('/');
        for (const depth of parts.keys()) {
          const here = fromText(`/${parts.slice(0, depth + 1).join('/')}`);
          rule = patterns.next(here, depth < parts.length - 1 || isFolder, rule);
        }
        expect(rule).toBe(last);
      }),
      { numRuns: 3000 },
    );
  });

  test('leave out nothing that git would keep: what differs from it is only ever taken back in', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, fc.boolean(), (exclude, asked, isFolder) => {
        const patterns = new Patterns(exclude);
        if (!patterns.leavesOut(patterns.decide(fromText(asked), isFolder))) return;
        const text = `${asked.slice(1)}${isFolder ? '/' : ''}`;
        expect(ignore({ ignorecase: false }).add(exclude).ignores(text)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test('never let a walk pass by a folder in which something is taken back in', () => {
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 4 }), path, (exclude, asked) => {
        const patterns = new Patterns(exclude);
        const decided = patterns.decide(fromText(asked), false);
        if (patterns.leavesOut(decided) || decided === NO_RULE) return;
        const parts = asked.slice(1).split('/');
        for (let depth = 1; depth < parts.length; depth++) {
          const folder = fromText(`/${parts.slice(0, depth).join('/')}`);
          const rule = patterns.decide(folder, true);
          if (patterns.leavesOut(rule)) expect(patterns.mayTakeBack(folder, rule, false)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('let a walk pass by the folders in which nothing is taken back in', () => {
    const patterns = new Patterns(['/srv/cache/'], ['/srv/cache/a/*/keep', '/var/x']);
    const rule = patterns.decide('/srv/cache', true);
    const may = (folder: string) => patterns.mayTakeBack(folder, rule, false);
    expect(['/srv/cache', '/srv/cache/a', '/srv/cache/a/b'].map(may)).toEqual([true, true, true]);
    expect(['/srv/cache/b', '/srv/cache/a/b/c', '/srv/other'].map(may)).toEqual([false, false, false]);
  });
});
