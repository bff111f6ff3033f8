/** Random trees and random edits, metadata and links among them: every point of a chain restores exactly. */
import { mkdirSync, rmSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeFolder } from '../helpers/temporary.ts';
import { Machine, tool } from './program.ts';

const ROOT = process.geteuid?.() === 0;
const SCRIPT = new URL('random-tree.py', import.meta.url).pathname;

const component = fc.constantFrom('a', 'b', 'c', 'd e', '\xff\xfe', 'n\nl', 'a-b', 'caf\xc3\xa9', '.x');
const path = fc.array(component, { minLength: 1, maxLength: 3 });
/** What root alone may do is left out for others. */
const number = fc.integer({ min: 0, max: 5000 });
const xattrName = fc.constantFrom(
  'user.a',
  'user.b',
  'user.\xff',
  ...(ROOT ? ['trusted.t', 'trusted.\xfe'] : []),
);
const size = fc.oneof(fc.nat(2000), fc.nat(600_000));
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('mkdir'), path }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('write'),
      path,
      size,
      at: fc.oneof(fc.constant(0), fc.nat(900_000)),
      seed: fc.nat(9),
      keep: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('truncate'), path, size: fc.nat(1_500_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('symlink'),
      path,
      target: fc.constantFrom('a', '/nowhere/x', '\xff'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('node'),
      path,
      type: fc.constantFrom('fifo', 'socket', ...(ROOT ? ['char', 'block'] : [])),
      major: fc.nat(4095),
      minor: fc.nat(1_048_575),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('link'), path, to: path }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('rename'), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove'), path }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('chmod'),
      path,
      mode: fc.integer({ min: 0o400, max: 0o7777 }).map((m) => m | 0o700),
    }),
  },
  ...(ROOT
    ? [{ weight: 2, arbitrary: fc.record({ op: fc.constant('chown'), path, uid: number, gid: number }) }]
    : []),
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('utime'),
      path,
      ns: fc.bigInt({ min: -2_147_483_647_000_000_000n, max: 9_000_000_000_000_000_000n }).map(String),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('setxattr'),
      path,
      name: xattrName,
      value: fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b).toString('base64')),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('removexattr'), path, name: xattrName }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('acl'),
      path,
      which: fc.constantFrom('access', 'default'),
      entries: fc.array(fc.tuple(fc.nat(9), fc.nat(7)), { maxLength: 3 }),
    }),
  },
);

function show(folder: string): Record<string, unknown> {
  return JSON.parse(tool('python3', [SCRIPT, 'show', folder]).toString()) as Record<string, unknown>;
}

test('of N incrementals, each after random edits, every point restores exactly', async () => {
  const edits = fc.array(fc.array(operation, { minLength: 5, maxLength: 40 }), {
    minLength: 3,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 30, maxLength: 60 }), edits, async (first, edits) => {
      const folder = await makeFolder();
      try {
        const machine = await Machine.make({ source: { allowEmpty: true } }, folder);
        mkdirSync(machine.at('tree'));
        const states: Record<string, unknown>[] = [];
        for (const operations of [first, ...edits]) {
          tool('python3', [SCRIPT, 'apply', machine.at('tree')], Buffer.from(JSON.stringify(operations)));
          // If more than half vanish the run says so, and ends with 3.
          const result = await machine.run('backup');
          expect([0, 3], result.stderr).toContain(result.code);
          expect(result.stderr.replace(/^holdfast: warning: \d+ of \d+ entries have gone.*\n/m, '')).toBe('');
          states.push(show(machine.at('tree')));
        }
        for (const [i, state] of states.entries()) {
          const to = await machine.restore(i + 1, ...(ROOT ? [] : ['--no-owner']));
          expect(show(`${to}${machine.at('tree')}`), `point ${i + 1}`).toEqual(state);
          rmSync(to, { recursive: true, force: true });
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 4, endOnFailure: true },
  );
}, 300_000);
