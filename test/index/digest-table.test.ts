import { hash } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { DigestTable } from '../../src/index/digest-table.ts';
import { project, run, scriptCommand } from '../helpers/script.ts';

const MILLION = 1_000_000;

function digestOf(n: number): Buffer {
  return hash('sha256', `segment ${n}`, 'buffer');
}

/** Digests of numbers, one after the other in one buffer. */
function digests(count: number): Buffer {
  const all = Buffer.allocUnsafe(32 * count);
  for (let n = 0; n < count; n++) digestOf(n).copy(all, 32 * n);
  return all;
}

describe('the table of digests', () => {
  test('finds each of a million segments, and none that was not added, at 12 bytes a segment at most', () => {
    const all = digests(MILLION);
    const at = (n: number) => all.subarray(32 * n, 32 * n + 32);
    const table = new DigestTable();
    let worst = 0;
    for (let n = 0; n < MILLION; n++) {
      table.add(at(n), n);
      // Until then the table is no larger than a few kilobytes.
      if (n >= 10_000 && n % 1000 === 0) worst = Math.max(worst, table.bytes / table.size);
    }
    expect(table.size).toBe(MILLION);
    expect(worst).toBeLessThanOrEqual(12);
    expect(table.bytes / MILLION).toBeLessThanOrEqual(12);
    let wrong = 0;
    for (let n = 0; n < MILLION; n += 3) {
      const digest = at(n);
      if (table.find(digest, (found) => at(found).equals(digest)) !== n) wrong++;
    }
    for (let n = 0; n < 100_000; n++) {
      const digest = digestOf(-1 - n);
      if (table.find(digest, (found) => at(found).equals(digest)) !== -1) wrong++;
    }
    expect(wrong).toBe(0);
  });

  test('that knows how many will come takes 12 bytes a segment at most, from the first on', () => {
    const table = new DigestTable(200_000);
    const bytes = table.bytes;
    for (let n = 0; n < 200_000; n++) table.add(digestOf(n), n);
    expect(bytes / 200_000).toBeLessThanOrEqual(12);
    expect(table.bytes / 200_000).toBeLessThanOrEqual(12);
  });

  test('leaves no holes behind where it grows: the whole process needs 12 bytes a segment, and some megabytes', async () => {
    // As the launcher has malloc keep memory.
    const env = { ...process.env, MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: `${8 << 20}` };
    const code = `
      import { readFileSync } from 'node:fs';
      import { DigestTable } from ${JSON.stringify(pathToFileURL(project('src/index/digest-table.ts')))};
      const resident = () => 1024 * Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      const table = new DigestTable();
      const digest = Buffer.alloc(32);
      let state = 1;
      const add = (segment) => {
        for (let at = 0; at < 8; at += 4) {
          state ^= state << 13;
          state ^= state >>> 17;
          state ^= state << 5;
          digest.writeInt32LE(state, at);
        }
        table.add(digest, segment);
      };
      for (let n = 0; n < 20_000; n++) add(n);
      const before = resident();
      for (let n = 20_000; n < 2_000_000; n++) add(n);
      console.log(resident() - before);`;
    const { code: status, stdout } = await run(scriptCommand(code), env);
    expect(status).toBe(0);
    expect(Number(stdout)).toBeLessThan(2_000_000 * 12 + 10_000_000);
  });

  test('asks only about segments whose digest may be the one', () => {
    const table = new DigestTable();
    for (let n = 0; n < 50_000; n++) table.add(digestOf(n), n);
    let asked = 0;
    for (let n = 0; n < 1000; n++) {
      const isIt = (found: number) => {
        asked++;
        return found === n;
      };
      expect(table.find(digestOf(n), isIt)).toBe(n);
    }
    expect(asked).toBeLessThan(1010);
  });

  test('finds the newest of several with one digest, and an older one where the newest is not meant', () => {
    const table = new DigestTable();
    for (let n = 0; n < 10; n++) table.add(digestOf(7), n);
    for (let n = 10; n < 5000; n++) table.add(digestOf(n), n);
    expect(table.find(digestOf(7), () => true)).toBe(9);
    expect(table.find(digestOf(7), (n) => n < 4)).toBe(3);
    expect(table.find(digestOf(7), () => false)).toBe(-1);
  });

  test('finds one as the caller proves it, where only the beginnings of digests agree', () => {
    const table = new DigestTable();
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 1)];
    b[31] = 2;
    table.add(a, 0);
    table.add(b, 1);
    const known = [a, b];
    for (const [n, digest] of known.entries())
      expect(table.find(digest, (found) => known[found]?.equals(digest) === true)).toBe(n);
  });
});
