/** Everything about a file comes back: trees of every kind of entry, made, changed and compared by stock tools. */
import { expect, test } from 'vitest';
import { compareTrees, makeTree } from './faithful-tree.ts';
import { Machine } from './program.ts';

const ROOT = process.geteuid?.() === 0;

test.runIf(ROOT)('root brings back a tree with every kind of entry as it was', async () => {
  const machine = await Machine.make();
  const source = machine.at('tree');
  makeTree(source, true);
  await machine.backup();
  const to = await machine.restore('latest');
  expect(compareTrees(source, `${to}${source}`)).toEqual([]);
});
