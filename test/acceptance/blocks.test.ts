/** An incremental costs what changed: in a database, after a rename, and where bytes were inserted. */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Snapshot } from '../demo/snapshot.ts';
import { run, scriptCommand } from '../helpers/script.ts';
import { Machine, noise } from './program.ts';

const ROWS = 140_000;
/** Bytes of a row that nothing foretells; with what SQLite adds, about 60 MB for all. */
const ROW_BYTES = 400;

/** Works on the database as an application does, in a process of its own. */
async function sqlite(file: string, code: string): Promise<void> {
  const script = `
    import { randomBytes } from 'node:crypto';
    import { DatabaseSync } from 'node:sqlite';
    const db = new DatabaseSync(process.argv[1]);
    db.exec('PRAGMA journal_mode = DELETE');
    db.exec('BEGIN');
    ${code}
    db.exec('COMMIT');
    db.close();
  `;
  const { code: exit, stderr } = await run(scriptCommand(script, [file]));
  expect(exit, stderr).toBe(0);
}

test('a database in which rows changed, its rename, and bytes inserted at the front of a file', async () => {
  const machine = await Machine.make();
  const database = machine.at('orders.db');
  await sqlite(
    database,
    `db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, content BLOB)');
     const insert = db.prepare('INSERT INTO orders VALUES (?, ?)');
     for (let id = 1; id <= ${ROWS}; id++) insert.run(id, randomBytes(${ROW_BYTES}));`,
  );
  expect(statSync(database).size).toBeGreaterThan(58_000_000);
  const large = noise(60_000_000, 7);
  machine.write('large', large);
  const points = new Map<number, Snapshot>();
  const point = async (type: 'full' | 'incremental') => {
    const { point, bytesStored, bytesRead } = await machine.backup();
    expect(point.type).toBe(type);
    points.set(point.seq, machine.recordSource());
    return { bytesStored, bytesRead };
  };
  await point('full');

  // 300 rows all over it, each on a page of its own.
  await sqlite(
    database,
    `const update = db.prepare('UPDATE orders SET content = ? WHERE id = ?');
     for (let i = 0; i < 300; i++) update.run(randomBytes(${ROW_BYTES}), 1 + i * ${Math.floor(ROWS / 300)} + (i * i) % 100);`,
  );
  const changed = await point('incremental');
  expect(changed.bytesStored, 'rows changed').toBeLessThan(900_000);
  expect(changed.bytesStored, 'rows changed').toBeGreaterThan(300 * ROW_BYTES);

  renameSync(database, machine.at('orders.db.1'));
  const renamed = await point('incremental');
  expect(renamed.bytesStored, 'renamed').toBeLessThan(64 * 1024);

  writeFileSync(machine.at('large'), Buffer.concat([noise(100_000, 8), readFileSync(machine.at('large'))]));
  const inserted = await point('incremental');
  expect(inserted.bytesStored, '100 KB inserted').toBeLessThan(1_000_000);
  expect(inserted.bytesStored, '100 KB inserted').toBeGreaterThan(100_000);

  const idle = await point('incremental');
  expect(idle, 'nothing changed').toMatchObject({ bytesRead: 0 });
  expect(idle.bytesStored, 'nothing changed').toBeLessThan(16 * 1024);
  console.log(
    `blocks: rows changed ${changed.bytesStored}, renamed ${renamed.bytesStored}, inserted ${inserted.bytesStored}, idle ${idle.bytesStored}`,
  );
  for (const [seq, state] of points) await machine.expectRestored(seq, state);
});

test('a copy of a file and a rotated log cost next to nothing; a log that grows costs what it grew', async () => {
  const machine = await Machine.make();
  const lines = (from: number, to: number) => {
    let text = '';
    for (let i = from; i < to; i++) text += `${i} ${noise(24, i).toString('base64')}\n`;
    return text;
  };
  const content = lines(0, 100_000);
  machine.write('log', content);
  const points = new Map<number, Snapshot>();
  const point = async () => {
    const { point, bytesStored } = await machine.backup();
    points.set(point.seq, machine.recordSource());
    return bytesStored;
  };
  const full = await point();
  expect(full).toBeGreaterThan(2_000_000);

  const more = lines(100_000, 102_000);
  machine.write('log', content + more);
  expect(await point(), 'grown').toBeLessThan(more.length + 64 * 1024);

  renameSync(machine.at('log'), machine.at('log.1'));
  machine.write('log', 'a new one\n');
  expect(await point(), 'rotated').toBeLessThan(16 * 1024);

  machine.write('copy', content + more);
  expect(await point(), 'copied').toBeLessThan(16 * 1024);
  for (const [seq, state] of points) await machine.expectRestored(seq, state);
});
