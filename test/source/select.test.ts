import { describe, expect, test } from 'vitest';
import { fromBytes, fromText } from '../../src/format/bytes.ts';
import { selection } from '../../src/source/select.ts';

/** Which of some paths (folders end in a slash) the patterns leave out. */
function excluded(patterns: string[], paths: string[]): string[] {
  const { isExcluded } = selection(patterns);
  return paths.filter((path) => isExcluded(fromText(path.replace(/(.)\/$/, '$1')), path.endsWith('/')));
}

describe('exclude patterns', () => {
  test('without a slash leave out names at any depth; with one they are anchored at the root', () => {
    const paths = ['/a.tmp', '/srv/www/b.tmp', '/srv/www/cache/', '/other/srv/www/cache/', '/srv/b.tmp.txt'];
    expect(excluded(['*.tmp'], paths)).toEqual(['/a.tmp', '/srv/www/b.tmp']);
    expect(excluded(['/srv/www/cache/'], paths)).toEqual(['/srv/www/cache/']);
    expect(excluded(['srv/www/*.tmp'], paths)).toEqual(['/srv/www/b.tmp']);
    expect(excluded(['**/www/cache'], paths)).toEqual(['/srv/www/cache/', '/other/srv/www/cache/']);
  });

  test('with a slash at the end leave out folders only', () => {
    expect(excluded(['cache/'], ['/cache/', '/srv/cache', '/srv/cache/'])).toEqual([
      '/cache/',
      '/srv/cache/',
    ]);
  });

  test('that come later take back what earlier ones left out', () => {
    expect(excluded(['*.log', '!keep.log'], ['/a.log', '/keep.log'])).toEqual(['/a.log']);
  });

  test('tell upper case from lower case, as the file system does: nothing is left out that was not named', () => {
    expect(excluded(['*.tmp', 'cache/'], ['/A.TMP', '/a.tmp', '/Cache/', '/cache/'])).toEqual([
      '/a.tmp',
      '/cache/',
    ]);
  });

  test('match names that are not ASCII, and never fail on names that are not UTF-8', () => {
    expect(excluded(['größe*'], ['/srv/größe 1', '/srv/grosse'])).toEqual(['/srv/größe 1']);
    const { isExcluded } = selection(['*.tmp']);
    expect(isExcluded(fromBytes(Buffer.from([0x2f, 0xff, 0xfe])), false)).toBe(false);
    expect(isExcluded(fromBytes(Buffer.from([0x2f, 0xff, ...Buffer.from('.tmp')])), false)).toBe(true);
    for (const name of ['/ ', '/..a', '/a\n.tmp', '/\\', '/a\\b.tmp', '/...', '/!x', '/#x', '/*', '/[']) {
      expect(isExcluded(name, false), name).toBe(name.endsWith('.tmp'));
    }
  });

  test('answer alike however many paths they were asked about', () => {
    const { isExcluded } = selection(['*.tmp', '!/keep/**']);
    for (let i = 0; i < 45_000; i++) {
      if (isExcluded(`/d${i % 7}/${i}.tmp`, false) !== true) expect(i).toBe('left out');
      if (isExcluded(`/d${i % 7}/${i}.txt`, false)) expect(i).toBe('kept');
    }
  });

  test('that are none leave out nothing, and none leaves out the root of the file system', () => {
    expect(excluded([], ['/a.tmp', '/'])).toEqual([]);
    expect(excluded(['*', '/'], ['/'])).toEqual([]);
  });
});
