/** What threads load: each of them loads it anew, while a command is waiting to begin. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../src');

/** Packages that a module loads, and all that it imports, other than for types and on demand. */
function packagesOf(file: string, seen = new Set<string>(), found = new Set<string>()): Set<string> {
  if (seen.has(file)) return found;
  seen.add(file);
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(
    /^(?:import|export)\s(?!type\s)(?:[^;]*?\sfrom\s)?'([^']+)';/gms,
  )) {
    if (name.startsWith('.')) packagesOf(resolve(dirname(file), name), seen, found);
    else if (!name.startsWith('node:')) found.add(name);
  }
  return found;
}

const workers = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => /(^|[/-])worker\.ts$/.test(name))
  .sort();

test('there are threads to look at', () => {
  expect(workers.length).toBeGreaterThanOrEqual(5);
  expect([...packagesOf(join(SRC, 'strategy/load.ts'))]).toContain('zod');
});

test.each(workers)('%s loads none of the large packages', (name) => {
  const small = ['ignore'];
  expect(
    [...packagesOf(join(SRC, name))].filter((found) => !small.includes(found)),
    relative(SRC, name),
  ).toEqual([]);
});
