import { describe, expect, test } from 'vitest';
import { fromText } from '../../src/format/bytes.ts';
import { refuseUnmatched, Selection } from '../../src/manifest/select.ts';

function selects(pattern: string, path: string): boolean {
  return new Selection([pattern]).matches(fromText(path));
}

describe('a path or glob selects', () => {
  test.each([
    ['/srv/www', '/srv/www'],
    ['/srv/www', '/srv/www/a/b'],
    ['/srv/www/', '/srv/www/a'],
    ['/srv//www', '/srv/www'],
    ['/', '/'],
    ['/', '/srv'],
    ['/srv/*.html', '/srv/index.html'],
    ['/srv/*', '/srv/www/deep/below'],
    ['/srv/**/x.log', '/srv/x.log'],
    ['/srv/**/x.log', '/srv/a/b/x.log'],
    ['/**/x.log', '/x.log'],
    ['/srv/**', '/srv/a/b'],
    ['/srv/a**z', '/srv/a/b/z'],
    ['/srv/?', '/srv/ä'],
    ['/srv/??', '/srv/äö'],
    ['/srv/[ä-ü]x', '/srv/öx'],
    ['/srv/[!a]', '/srv/ß'],
    ['/srv/[0-9a-f]', '/srv/c'],
    ['/srv/[]]', '/srv/]'],
    ['/srv/\\*', '/srv/*'],
    ['/srv/[', '/srv/['],
    ['/srv/a\nb*', '/srv/a\nbc'],
    ['/srv/[id].tsx', '/srv/[id].tsx'],
    ['/srv/Größe*', '/srv/Größe 1'],
  ])('%s: %s', (pattern, path) => {
    expect(selects(pattern, path)).toBe(true);
  });
});

describe('a path or glob does not select', () => {
  test.each([
    ['/srv/www', '/srv/www2'],
    ['/srv/www', '/srv'],
    ['/srv/*.html', '/srv/a/index.html'],
    ['/srv/*.html', '/srv/index.htm'],
    ['/srv/*.html', '/srv/index.html2'],
    ['/srv/?', '/srv/äö'],
    ['/srv/[!a]', '/srv/a'],
    ['/srv/[a-c]', '/srv/-'],
    ['/srv/\\*', '/srv/a'],
    ['/srv/a.b', '/srv/axb'],
    ['/srv/**/x', '/srv/ax'],
  ])('%s: %s', (pattern, path) => {
    expect(selects(pattern, path)).toBe(false);
  });
});

test('a name that is not UTF-8 is matched byte by byte by ? and *', () => {
  const path = '/srv/\xff\xe4x';
  expect(new Selection(['/srv/*']).matches(path)).toBe(true);
  expect(new Selection(['/srv/??x']).matches(path)).toBe(true);
});

test.each(['srv/www', '', './x', '/srv/../etc', '/srv/./x', '/a/[z-a]'])('%j is refused as usage', (text) => {
  expect(() => new Selection([text])).toThrow(expect.objectContaining({ code: 'usage' }));
});

test('what nothing answered to is named, and what was found is not', () => {
  const selection = new Selection(['/a', '/b/c', '/x*', '/y*', '/z']);
  selection.mark('/a/below');
  selection.mark('/xylophone');
  expect(selection.unmatched).toEqual(['/b/c', '/y*', '/z']);
  expect(() => refuseUnmatched(selection, 'point 3')).toThrow(expect.objectContaining({ code: 'no-path' }));
  expect(() => refuseUnmatched(selection, 'point 3')).toThrow(/point 3.*\/b\/c.*\/y\*.*\/z/);
  for (const path of ['/b/c', '/yes', '/z/1']) selection.mark(path);
  expect(selection.unmatched).toEqual([]);
  refuseUnmatched(selection, 'point 3');
  refuseUnmatched(undefined, 'point 3');
});

describe('a part of a manifest', () => {
  const may = (pattern: string, first: string, next: string) =>
    new Selection([pattern]).mayHold({ source: 's', path: first }, { source: 's', path: next });

  test('is read when it can hold what is selected', () => {
    expect(may('/m', '/a', '/z')).toBe(true);
    expect(may('/m', '/a', '/m')).toBe(true);
    expect(may('/m', '/m/x', '/m/y')).toBe(true);
    expect(may('/m/*.x', '/m/b', '/m/c')).toBe(true);
    expect(may('/**/x', '/a', '/b')).toBe(true);
    expect(may('/', '/a', '/b')).toBe(true);
  });

  test('is passed over when it cannot', () => {
    expect(may('/m', '/a', '/b')).toBe(false);
    expect(may('/m', '/n', '/z')).toBe(false);
    expect(may('/m', '/m-', '/n')).toBe(false);
    expect(may('/m/*.x', '/n', '/o')).toBe(false);
  });

  test('is read when another source may begin in it', () => {
    const selection = new Selection(['/a']);
    expect(selection.mayHold({ source: 's', path: '/m' }, { source: 't', path: '/b' })).toBe(true);
    expect(selection.mayHold({ source: 's', path: '/m' }, undefined)).toBe(true);
  });
});
