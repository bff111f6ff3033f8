import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { expect, test } from 'vitest';
import { Garbage } from '../src/garbage.ts';
import { project } from './helpers/script.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

test('buffers that were left behind do not gather beyond what was said, by far', () => {
  const garbage = new Garbage(2 * MIB);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let i = 0; i < 4000; i++) {
    // As an answer comes: each piece in memory of its own.
    Buffer.allocUnsafeSlow(64 * KIB).fill(i, 0, 16);
    garbage.add(64 * KIB);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(most).toBeLessThan(10 * MIB);
});

test('V8 is told nothing while threads run but what it takes: where steps of its marking were forbidden, it ended a process now and then', () => {
  const told: string[] = [];
  for (const folder of ['bin', 'src']) {
    for (const name of readdirSync(project(folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.[jt]s$/.test(name)) continue;
      const text = readFileSync(join(project(folder), name), 'utf8');
      for (const [call] of text.matchAll(/setFlagsFromString\(.*\)/g)) told.push(`${name}: ${call}`);
    }
  }
  expect(told).toEqual([
    "launch.js: setFlagsFromString('--heap-growing-percent=20')",
    "garbage.ts: setFlagsFromString('--expose-gc')",
    "garbage.ts: setFlagsFromString('--no-expose-gc')",
  ]);
});
