import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withRawBytes } from '../../src/cli/raw-arguments.ts';
import { fromText } from '../../src/format/bytes.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

async function commandLine(text: string): Promise<string> {
  const file = join(await temporaryFolder(), 'cmdline');
  writeFileSync(file, text, 'latin1');
  return file;
}

test('arguments are taken by their places from the end, and only where all of them are the same', async () => {
  const argv = ['cat', '', '/a\ufffd'];
  const own = await commandLine('node\0--x\0holdfast\0cat\0\0/a\xff\0');
  const other = await commandLine('node\0holdfast\0cat\0--\0/a\xfe\0');
  for (const files of [[own], [other, own], ['/none', own]]) {
    expect(withRawBytes(argv, files).map(fromText)).toEqual(['cat', '', '/a\xff']);
  }
  expect(withRawBytes(['ls', '/ä'], [])).toEqual(['ls', '/ä']);
});

test('an argument that may be another one than it seems to be is refused where that cannot be found out', async () => {
  const short = await commandLine('/a\xff\0');
  for (const files of [[], ['/none'], [short]]) {
    expect(() => withRawBytes(['cat', '/a\ufffd'], files)).toThrow('write ? for such a character');
  }
});
