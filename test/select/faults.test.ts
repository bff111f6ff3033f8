import { expect, test } from 'vitest';
import { leadsElsewhere } from '../../src/select/faults.ts';

const PATHS = ['/srv/www', '/etc'];

test.each(['www/cache/', 'cache/tmp', '!www/keep', 'srv/ftp/x', 'etcetera/*', 'a/**/b'])(
  '%s leads to none of the paths: it was meant to be read from a folder',
  (pattern) => expect(leadsElsewhere(pattern, PATHS)).toBe(true),
);

test.each([
  ...['*.tmp', 'cache', 'cache/', '!keep', '/elsewhere/x', '/www/cache/'],
  ...[
    'srv/www/cache',
    'srv/www',
    'srv/*/cache',
    'etc/ssl',
    '*/www',
    '[se]rv/www',
    '**/www/cache',
    'srv/**/x',
    '!etc/x',
    'srv/www  ',
  ],
])('%s is read as it is written', (pattern) => expect(leadsElsewhere(pattern, PATHS)).toBe(false));

test('below the root of the file system anything may be', () => {
  expect(leadsElsewhere('www/cache/', ['/'])).toBe(false);
});
