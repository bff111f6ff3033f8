import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Column, DigestColumn, NamePool } from '../../src/restore/columns.ts';
import { Pages } from '../../src/restore/pages.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

/** Fills tables that share some pages, changes some rows, and looks at all of them, in order and in none. */
function useTables(pages: Pages, rows = 60_000): void {
  const small = new Column(Uint8Array, pages);
  const large = new Column(Float64Array, pages);
  const digests = new DigestColumn(pages);
  const names = new NamePool(pages);
  const offsets: number[] = [];
  const digest = (i: number) => i.toString(16).padStart(64, 'a');
  for (let i = 0; i < rows; i++) {
    small.push(i % 251);
    large.push(i * 1.5);
    digests.push(digest(i));
    offsets.push(names.add(`a name that is not so short ${i}`));
  }
  // Rows that lie in the scratch by now.
  for (let i = 0; i < rows; i += 90) {
    small.set(i, 255);
    large.set(i, -1);
  }
  const look = (i: number) => {
    expect(small.get(i)).toBe(i % 90 === 0 ? 255 : i % 251);
    expect(large.get(i)).toBe(i % 90 === 0 ? -1 : i * 1.5);
    expect(digests.get(i)).toBe(digest(i));
    const name = `a name that is not so short ${i}`;
    expect(names.get(offsets[i] as number, name.length)).toBe(name);
  };
  for (let i = 0; i < rows; i += 3) look(i);
  for (let n = 0, i = 1; n < 50; n++, i = (i * 7919) % rows) look(i);
}

test('tables are the same whether their pages are in memory or in the scratch, which has no name', async () => {
  const folder = await temporaryFolder();
  for (const [limit, rows] of [
    [1, 200],
    [1_400_000, 60_000],
    [1024 ** 3, 60_000],
  ]) {
    const pages = new Pages(folder, limit);
    useTables(pages, rows);
    expect(readdirSync(folder)).toEqual([]);
    pages.close();
  }
});

test('beyond the bound, pages are not in memory', async () => {
  const limit = 1024 * 1024;
  const pages = new Pages(await temporaryFolder(), limit);
  const made = Array.from({ length: 64 }, () => pages.make(64 * 1024));
  for (const page of made) {
    const content = randomBytes(64 * 1024);
    pages.read(page).set(content);
    page.changed = true;
    pages.read(made[0] as never);
    expect(Buffer.from(pages.read(page)).equals(content)).toBe(true);
  }
  const held = made.filter(({ bytes }) => bytes !== undefined);
  expect(held.length * 64 * 1024).toBeLessThanOrEqual(limit);
  pages.close();
});

test('what was changed after it was written does not go to the same place: no stretch of a key stream serves twice', async () => {
  const pages = new Pages(await temporaryFolder(), 1);
  const page = pages.make(4096);
  pages.make(4096);
  const first = page.offset;
  pages.read(page)[0] = 1;
  page.changed = true;
  pages.make(4096);
  expect(first).toBeDefined();
  expect(page.offset).not.toBe(first);
  pages.close();
});

test('where there is no scratch, or none can be written, everything stays in memory', async () => {
  useTables(new Pages());
  useTables(new Pages(join(await temporaryFolder(), 'is not there'), 1));
});
