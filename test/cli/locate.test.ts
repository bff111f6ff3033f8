import { describe, expect, test } from 'vitest';
import { findStateDir, findStrategy } from '../../src/cli/locate.ts';
import { HoldfastError } from '../../src/errors.ts';

describe('the strategy file', () => {
  const all = ['/w/a.yaml', '/w/holdfast.yaml', '/e/b.yaml', '/etc/holdfast/strategy.yaml'];
  const find = (flag: string | undefined, variable: string | undefined, there: string[] = all) =>
    findStrategy(flag, variable === undefined ? {} : { HOLDFAST_CONFIG: variable }, '/w', (path) =>
      there.includes(path),
    );

  test('is the one named by -c, before all others, relative to the current folder', () => {
    expect(find('a.yaml', '/e/b.yaml')).toBe('/w/a.yaml');
    expect(find('/e/b.yaml', undefined)).toBe('/e/b.yaml');
    expect(find('../e/./b.yaml', undefined)).toBe('/e/b.yaml');
  });

  test('else the one of HOLDFAST_CONFIG', () => {
    expect(find(undefined, '/e/b.yaml')).toBe('/e/b.yaml');
    expect(find(undefined, 'a.yaml')).toBe('/w/a.yaml');
  });

  test('else holdfast.yaml in the current folder, else the one of the system', () => {
    expect(find(undefined, undefined)).toBe('/w/holdfast.yaml');
    expect(find(undefined, '')).toBe('/w/holdfast.yaml');
    expect(find(undefined, undefined, ['/etc/holdfast/strategy.yaml'])).toBe('/etc/holdfast/strategy.yaml');
  });

  test.each([
    ['nowhere.yaml', undefined, '/w/nowhere.yaml, which -c names'],
    ['nowhere.yaml', '/e/b.yaml', '/w/nowhere.yaml, which -c names'],
    ['', undefined, '-c names no file'],
    [undefined, '/nowhere.yaml', '/nowhere.yaml, which HOLDFAST_CONFIG names'],
  ])('that is named (%j, %j) and not there is an error, not replaced by another', (flag, variable, words) => {
    expect(() => find(flag, variable)).toThrow(HoldfastError);
    expect(() => find(flag, variable)).toThrow(
      expect.objectContaining({ code: 'strategy', message: expect.stringContaining(words) }),
    );
  });

  test('that is nowhere is an error that says where was looked', () => {
    expect(() => find(undefined, undefined, [])).toThrow(
      expect.objectContaining({
        code: 'strategy',
        message: expect.stringMatching(
          /^(?=.*\/w\/holdfast\.yaml)(?=.*\/etc\/holdfast\/strategy\.yaml)(?=.*-c FILE)(?=.*HOLDFAST_CONFIG).*$/,
        ),
      }),
    );
  });
});

describe('the state folder', () => {
  test.each([
    [
      '--state-dir before all',
      '/flag',
      { HOLDFAST_STATE_DIR: '/variable', STATE_DIRECTORY: '/systemd' },
      0,
      '/root',
      '/flag',
    ],
    ['--state-dir from the current folder', 'flag', {}, 0, '/root', '/w/flag'],
    [
      'HOLDFAST_STATE_DIR',
      undefined,
      { HOLDFAST_STATE_DIR: '/variable', STATE_DIRECTORY: '/systemd' },
      0,
      '/root',
      '/variable',
    ],
    ['STATE_DIRECTORY of systemd', undefined, { STATE_DIRECTORY: '/var/lib/a' }, 0, '/root', '/var/lib/a'],
    [
      'the first of several of systemd',
      undefined,
      { STATE_DIRECTORY: '/var/lib/a:/var/lib/b' },
      1000,
      '/home/u',
      '/var/lib/a',
    ],
    [
      'empty variables are unset',
      undefined,
      { HOLDFAST_STATE_DIR: '', STATE_DIRECTORY: '', XDG_STATE_HOME: '' },
      1000,
      '/home/u',
      '/home/u/.local/state/holdfast',
    ],
    ['that of the system for root', undefined, { XDG_STATE_HOME: '/xdg' }, 0, '/root', '/var/lib/holdfast'],
    ['XDG_STATE_HOME for others', undefined, { XDG_STATE_HOME: '/xdg' }, 1000, '/home/u', '/xdg/holdfast'],
    [
      'a relative XDG_STATE_HOME is ignored',
      undefined,
      { XDG_STATE_HOME: 'xdg' },
      1000,
      '/home/u',
      '/home/u/.local/state/holdfast',
    ],
    ['the home folder for others', undefined, {}, 1000, '/home/u', '/home/u/.local/state/holdfast'],
  ])('%s', (_, flag, env, uid, home, expected) => {
    expect(findStateDir(flag, env, uid, home, '/w')).toBe(expected);
  });

  test('without a home folder it must be named', () => {
    expect(() => findStateDir(undefined, {}, 1000, '', '/w')).toThrow(
      expect.objectContaining({ code: 'state', message: expect.stringContaining('--state-dir') }),
    );
  });
});
