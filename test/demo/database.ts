/** The database of the demonstration: a SQLite file made with node:sqlite, or records in a plain file where this Node has none. */
import { closeSync, openSync, writeSync } from 'node:fs';

/** A database file of orders; rows count from 1. */
export interface Database {
  /** What it is, for people. */
  kind: string;
  make(file: string, rows: number): void;
  /** Changes these rows. */
  update(file: string, rows: readonly number[]): void;
}

/** SQLite where this Node has it. */
export async function database(): Promise<Database> {
  try {
    return sqlite(await import('node:sqlite'));
  } catch {
    return { ...records, kind: 'file of records (this Node has no node:sqlite)' };
  }
}

function sqlite({ DatabaseSync }: typeof import('node:sqlite')): Database {
  return {
    kind: 'SQLite database',
    make(file, rows) {
      const db = new DatabaseSync(file);
      db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, goods TEXT, cents INTEGER)');
      db.exec('BEGIN');
      const insert = db.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)');
      for (let id = 1; id <= rows; id++) insert.run(id, customer(id), goods(id), number(id, 100_000));
      db.exec('COMMIT');
      db.close();
    },
    update(file, rows) {
      const db = new DatabaseSync(file);
      db.exec('BEGIN');
      const update = db.prepare('UPDATE orders SET customer = ?, cents = cents + 1 WHERE id = ?');
      for (const id of rows) update.run(customer(id + 7_000_000), id);
      db.exec('COMMIT');
      db.close();
    },
  };
}

const RECORD = 480;

const records: Omit<Database, 'kind'> = {
  make(file, rows) {
    const fd = openSync(file, 'w');
    for (let id = 1; id <= rows; id += 1000) {
      const some = Array.from({ length: Math.min(1000, rows - id + 1) }, (_, i) => recordOf(id + i, id + i));
      writeSync(fd, some.join(''));
    }
    closeSync(fd);
  },
  update(file, rows) {
    const fd = openSync(file, 'r+');
    for (const id of rows) writeSync(fd, recordOf(id, id + 7_000_000), (id - 1) * RECORD);
    closeSync(fd);
  },
};

function recordOf(id: number, seed: number): string {
  return `${id};${customer(seed)};${goods(id)}`
    .padEnd(RECORD - 1)
    .slice(0, RECORD - 1)
    .concat('\n');
}

const NAMES = 'Adler Bach Conrad Dorn Ebner Falk Graf Horn Imhof Jahn Kern Lang Moser Nagel Otto Pohl'.split(
  ' ',
);
const GOODS =
  'bolt screw hinge lock lamp cable switch fuse pipe valve pump filter paint brush tape glue'.split(' ');

function customer(seed: number): string {
  return `${NAMES[number(seed, NAMES.length)]}, ${NAMES[number(seed * 31, NAMES.length)]} Street ${number(seed * 17, 200)}`;
}

/** About 400 letters, half of which nothing foretells. */
function goods(seed: number): string {
  const lines = Array.from({ length: 14 }, (_, i) => {
    const part = number(seed * 1009 + i, 2 ** 31);
    return `${1 + (part % 9)} ${GOODS[part % GOODS.length]} ${part.toString(36)}-${number(part, 2 ** 31).toString(36)}`;
  });
  return lines.join('; ');
}

/** A number below `limit` that looks random, and is the same for a seed each time. */
function number(seed: number, limit: number): number {
  let x = Math.imul((seed % 2 ** 31) ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) % limit;
}
