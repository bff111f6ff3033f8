/** Looks at folders from outside: how much is in one, which file of it to restore. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Entries below a folder, and the bytes of its files. */
export interface Tally {
  entries: number;
  bytes: number;
}

/** Counts what is below a folder. */
export function tally(folder: string): Tally {
  const sum = { entries: 0, bytes: 0 };
  const visit = (path: string) => {
    for (const entry of readdirSync(Buffer.from(path, 'latin1'), {
      encoding: 'latin1',
      withFileTypes: true,
    })) {
      const inside = `${path}/${entry.name}`;
      sum.entries++;
      if (entry.isDirectory()) visit(inside);
      else if (entry.isFile()) sum.bytes += lstatSync(Buffer.from(inside, 'latin1')).size;
    }
  };
  visit(Buffer.from(folder).toString('latin1'));
  return sum;
}

/** A file from the later half of a folder, by its path below it; throws where there is none with a plain name. */
export function oneFile(folder: string): string {
  const files = (readdirSync(folder, { recursive: true }) as string[])
    .filter((path) => /^[\w./-]+$/.test(path))
    .sort();
  for (let i = Math.floor(files.length * 0.66); i < files.length; i++) {
    const stat = lstatSync(join(folder, files[i] as string));
    if (stat.isFile() && stat.size >= 1000) return files[i] as string;
  }
  throw new Error(`${folder} holds no file to restore alone`);
}
