import { expect, test } from 'vitest';
import { withSigners } from '../../src/cli/signer-words.ts';

const A = 'A9781C281EF8A9781C281EF8A9781C281EF8AB12';
const B = '0123456789abcdef0123456789ABCDEF01234567';
const GROUPS = A.replace(/(.{4})(?!$)/g, '$1 ');

test.each([
  ['nothing to do', ['ls', '/srv', '--name', 'x'], ['ls', '/srv', '--name', 'x']],
  ['a name behind a signer', ['find', '--signer', A, 'index.html'], ['find', '--signer', A, 'index.html']],
  [
    'several, then names',
    ['restore', '--signer', A, B, 'www', '/srv'],
    ['restore', '--signer', A, '--signer', B, 'www', '/srv'],
  ],
  ['numbers of points', ['diff', '--signer', A, '2', '3'], ['diff', '--signer', A, '2', '3']],
  ['groups as words', ['ls', '--signer', ...GROUPS.split(' '), 'www'], ['ls', '--signer', A, 'www']],
  ['groups in quotes', ['ls', '--signer', GROUPS, B], ['ls', '--signer', A, '--signer', B]],
  ['no fingerprint', ['ls', '--signer', 'ABC', 'www'], ['ls', '--signer', 'ABC', 'www']],
  ['too many digits', ['ls', '--signer', `${A}0`], ['ls', '--signer', `${A}0`]],
  ['given twice', ['ls', '--signer', A, '--signer', B], ['ls', '--signer', A, '--signer', B]],
  ['behind --', ['ls', '--', '--signer', A, B], ['ls', '--', '--signer', A, B]],
  ['with nothing behind it', ['ls', '--signer'], ['ls', '--signer']],
])('%s', (_, given, expected) => {
  expect(withSigners(given)).toEqual(expected);
});
