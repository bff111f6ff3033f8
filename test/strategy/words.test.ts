import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFingerprint } from '../../src/strategy/fingerprint.ts';
import { formatKey, formatProblem } from '../../src/strategy/problem.ts';
import { faultOfSourcePath, foldersAbove, plainSourcePath } from '../../src/strategy/source-path.ts';
import { nearestWord } from '../../src/strategy/spelling.ts';

describe('the nearest word', () => {
  const known = ['name', 'sources', 'store', 'allowEmpty', 'credentialsFile', 'at', 'rpo', 'rto'];
  test.each([
    ['nmae', 'name'],
    ['source', 'sources'],
    ['stores', 'store'],
    ['allow_empty', 'allowEmpty'],
    ['allow-empty', 'allowEmpty'],
    ['ALLOWEMPTY', 'allowEmpty'],
    ['credential-file', 'credentialsFile'],
    ['ta', 'at'],
    ['rot', 'rto'],
  ])('of %s is %s', (word, meant) => {
    expect(nearestWord(word, known)).toBe(meant);
  });

  test.each(['', '___', 'recipients', 'xyz', 'x'.repeat(10_000)])('%j is near to none', (word) => {
    expect(nearestWord(word, known)).toBeUndefined();
  });

  test('is found after any one slip in a word of three letters or more', () => {
    const words = ['paths', 'exclude', 'recipients', 'retention', 'objectives'];
    const slips = fc.tuple(
      fc.constantFrom(...words),
      fc.nat(20),
      fc.constantFrom('drop', 'double', 'swap', 'replace'),
    );
    fc.assert(
      fc.property(slips, ([word, anywhere, slip]) => {
        const at = anywhere % (word.length - 1);
        const middle = {
          drop: '',
          double: word[at]! + word[at]!,
          swap: word[at + 1]! + word[at]!,
          replace: 'q',
        }[slip];
        expect(
          nearestWord(word.slice(0, at) + middle + word.slice(slip === 'swap' ? at + 2 : at + 1), words),
        ).toBe(word);
      }),
    );
  });
});

describe('fingerprints', () => {
  const plain = '5F3A9C201B7E44D86A0C91EE27B3D05C8F16E2A4';
  test.each([plain, plain.toLowerCase(), '5F3A 9C20 1B7E 44D8 6A0C  91EE 27B3 D05C 8F16 E2A4'])(
    '%s is read',
    (text) => {
      expect(parseFingerprint(text)).toBe(plain);
    },
  );
  test.each(['', plain.slice(1), `${plain}0`, `0x${plain}`, plain.replace('5', 'G'), `${plain}\n`])(
    '%j is refused',
    (text) => {
      expect(parseFingerprint(text)).toBeUndefined();
    },
  );
});

describe('paths of sources', () => {
  test('a path without fault is absolute and plain, and stays as it is', () => {
    const parts = fc.array(
      fc.string({ unit: 'grapheme', minLength: 1 }).map((part) => part.replaceAll(/[/\0]/g, '_')),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(
        parts,
        fc.constantFrom('/', '//'),
        fc.constantFrom('', '/', '//'),
        (names, between, end) => {
          const written = `/${names.join(between)}${end}`;
          fc.pre(!names.includes('.') && !names.includes('..'));
          expect(faultOfSourcePath(written)).toBeUndefined();
          const plain = plainSourcePath(written);
          expect(plain).toBe(`/${names.join('/')}`);
          expect(plainSourcePath(plain)).toBe(plain);
          expect(foldersAbove(plain)).toHaveLength(names.length);
        },
      ),
    );
  });

  test('the folders above come nearest first', () => {
    expect(foldersAbove('/a/b/c')).toEqual(['/a/b', '/a', '/']);
    expect(foldersAbove('/a')).toEqual(['/']);
    expect(foldersAbove('/')).toEqual([]);
  });
});

describe('problems as lines', () => {
  test('a problem is one line, whatever the names in it hold', () => {
    const problem = {
      line: 1,
      column: 2,
      key: formatKey(['a', 0, 'x\ny\u001b[31m', 'b c']),
      message: 'is\nwrong',
    };
    expect(formatProblem('f', problem)).toBe('f:1:2: a[0]."x\\ny\\u001b[31m"."b c": is wrong');
  });
});
