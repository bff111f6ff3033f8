import { expect, test } from 'vitest';
import { ManifestWriter } from '../../src/backup/manifest-writer.ts';
import { encodeGone } from '../../src/format/manifest.ts';
import { MemorySink } from './memory-sink.ts';

/** Lists deletions of some paths. */
function list(...entries: [source: string, path: string][]): void {
  const writer = new ManifestWriter(new MemorySink(), 1);
  for (const [source, path] of entries) writer.entry(source, path, [encodeGone(path, 1)]);
}

test('what every reader takes is listed: sources in order, paths component by component', () => {
  list(['a', '/'], ['a', '/x'], ['a', '/x/y'], ['a', '/x-y'], ['b', '/a']);
});

test.each([
  [
    'a path twice',
    [
      ['a', '/x'],
      ['a', '/x'],
    ],
  ],
  [
    'a path before its folder',
    [
      ['a', '/x/y'],
      ['a', '/x'],
    ],
  ],
  [
    'a sibling before what is in a folder',
    [
      ['a', '/x'],
      ['a', '/x-y'],
      ['a', '/x/y'],
    ],
  ],
  [
    'a source after a later one',
    [
      ['b', '/x'],
      ['a', '/x'],
    ],
  ],
  ['a name that is too long', [['a', `/${'n'.repeat(256)}`]]],
  ['a relative path', [['a', 'x']]],
  ['a path with ..', [['a', '/x/../y']]],
] as [string, [string, string][]][])('rather no point than one with %s', (_, entries) => {
  expect(() => list(...entries)).toThrow('a manifest cannot list');
});
