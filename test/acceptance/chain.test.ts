/** A long chain stays cheap to read: few manifests, no volume without a byte of the point, never much more than the point is worth. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { differences, record, type Snapshot } from '../demo/snapshot.ts';
import { jsonLines, Machine, noise, tool } from './program.ts';

const INCREMENTALS = 40;
const FILES = 24;
const FILE_BYTES = 100_000;
/** What a restore fetches besides content: heads of OpenPGP, of zstd and of tar, for each volume and chunk. */
const OVERHEAD = 64 * 1024;

interface CommitRecord {
  ordinal: number;
  objects: { name: string; size: number }[];
  depends: { seq: number; id: string; volumes: [number, number][] }[];
}

function commitOf(machine: Machine, name: string): CommitRecord {
  return JSON.parse(
    readFileSync(join(machine.store, 'town/commits', `${name}.json`), 'utf8'),
  ) as CommitRecord;
}

/** Full names, below `sets`, of the volumes that a point needs by its commit. */
function volumesOf(machine: Machine, name: string): string[] {
  const { objects, depends } = commitOf(machine, name);
  const own = objects
    .filter((object) => object.name.startsWith('vol-'))
    .map((object) => `${name}/${object.name}`);
  const earlier = depends.flatMap(({ seq, id, volumes }) =>
    volumes.flatMap(([from, to]) =>
      Array.from({ length: to - from + 1 }, (_, i) => {
        const number = String(from + i).padStart(6, '0');
        return `${String(seq).padStart(10, '0')}-${id}/vol-${number}.tar.zst.pgp`;
      }),
    ),
  );
  return [...own, ...earlier].sort();
}

/** The sets whose manifests a point is read with: ordinal n goes back to n & (n - 1), until the full. */
function manifestsOf(names: readonly string[], index: number): string[] {
  const sets = [names[index] as string];
  for (let n = index; n > 0; n &= n - 1) sets.push(names[n & (n - 1)] as string);
  return sets;
}

/** A store beside the machine's with nothing in `sets` but what `keep` says. */
function reduced(machine: Machine, keep: (object: string) => boolean): string {
  const folder = join(machine.folder, 'reduced');
  rmSync(folder, { recursive: true, force: true });
  cpSync(machine.store, folder, { recursive: true });
  const sets = join(folder, 'town/sets');
  for (const object of readdirSync(sets, { recursive: true, encoding: 'utf8' })) {
    if (object.includes('/') && !keep(object)) rmSync(join(sets, object));
  }
  return folder;
}

/** Restores from such a store; what was announced first. */
async function restoreFrom(
  machine: Machine,
  store: string,
  at: number,
  expected: Snapshot,
): Promise<{ volumes: number; download: number }> {
  const to = join(machine.folder, 'back');
  rmSync(to, { recursive: true, force: true });
  const where = ['--store', `directory:${store}`, '--name', 'town', '--secret-key', machine.secretKey];
  const output = await machine.well('restore', ...where, '--at', String(at), '--to', to, '--json');
  expect(differences(expected, record(join(to, machine.source))), `point ${at}`).toEqual([]);
  const start = jsonLines(output).find(({ event }) => event === 'start');
  return start as unknown as { volumes: number; download: number };
}

test('of 40 incrementals each needs few manifests, no volume that holds nothing of it, and at most twice its size', async () => {
  const machine = await Machine.make();
  const points: Snapshot[] = [];
  const sizes: number[] = [];
  const point = async () => {
    const { point } = await machine.backup();
    expect(point.type).toBe(points.length === 0 ? 'full' : 'incremental');
    points.push(machine.recordSource());
    sizes.push([...machine.recordSource().values()].reduce((sum, { size }) => sum + size, 0));
  };
  mkdirSync(machine.at('folder'));
  for (let i = 0; i < FILES; i++) machine.write(`folder/${i}`, noise(FILE_BYTES, i));
  machine.write('patched', noise(1_000_000, 100));
  await point();
  for (let n = 1; n <= INCREMENTALS; n++) {
    // Three files are new each time, so that in the end nothing of the full is left; a large one changes in one place.
    for (let i = 0; i < 3; i++)
      machine.write(`folder/${(3 * n + i) % FILES}`, noise(FILE_BYTES, 1000 * n + i));
    const patched = readFileSync(machine.at('patched'));
    noise(300, 7 * n).copy(patched, (n * 77_777) % 990_000);
    machine.write('patched', patched);
    if (n % 10 === 0) renameSync(machine.at('patched'), machine.at(`folder/was-patched-${n}`));
    if (n % 10 === 0) machine.write('patched', noise(1_000_000, 100 + n));
    if (n > 20 && n % 10 === 0) rmSync(machine.at(`folder/was-patched-${n - 20}`), { force: true });
    await point();
  }
  const names = machine.commits();
  expect(names).toHaveLength(INCREMENTALS + 1);

  const chosen = [0, 7, 12, 31, INCREMENTALS];
  for (const index of chosen) {
    const manifests = manifestsOf(names, index);
    expect(manifests.length).toBeLessThanOrEqual(1 + Math.ceil(Math.log2(Math.max(2, index + 1))));
    const volumes = volumesOf(machine, names[index] as string);
    const store = reduced(machine, (object) =>
      object.includes('/manifest')
        ? manifests.some((set) => object.startsWith(`${set}/`))
        : volumes.includes(object),
    );
    // With everything else taken away it comes back all the same.
    const { volumes: fetched, download } = await restoreFrom(
      machine,
      store,
      index + 1,
      points[index] as Snapshot,
    );
    expect(fetched, `volumes of point ${index + 1}`).toBe(volumes.length);
    expect(download, `point ${index + 1}`).toBeLessThanOrEqual(2 * (sizes[index] as number) + OVERHEAD);
    expect(download).toBe(volumes.reduce((sum, name) => sum + statOf(store, name), 0));
  }
  // So much has been replaced that the first volume holds nothing of the newest point.
  const newest = volumesOf(machine, names[INCREMENTALS] as string);
  expect(newest).not.toContain(`${names[0]}/vol-000001.tar.zst.pgp`);
  await expectUseful(machine, newest, points.length);
}, 300_000);

function statOf(store: string, object: string): number {
  const file = join(store, 'town/sets', object);
  expect(existsSync(file), object).toBe(true);
  return readFileSync(file).length;
}

/** Opens volumes with gpg, and makes sure that some stretch of each lies in a file of the source as it is now. */
async function expectUseful(machine: Machine, volumes: readonly string[], point: number): Promise<void> {
  const content = Buffer.concat(
    readdirSync(machine.source, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name))),
  );
  const gnupg = await Gnupg.start();
  try {
    gnupg.run(['--import', machine.secretKey]);
    for (const volume of volumes) {
      const file = join(machine.store, 'town/sets', volume);
      const tar = tool('zstd', ['-d'], gnupg.decrypt(readFileSync(file)));
      const useful = Array.from({ length: Math.floor(tar.length / 128) }, (_, i) =>
        tar.subarray(128 * i, 128 * i + 32),
      ).some((stretch) => stretch.some((byte) => byte !== 0) && content.includes(stretch));
      expect(useful, `${volume} holds nothing of point ${point}, in ${dirname(file)}`).toBe(true);
    }
  } finally {
    gnupg.stop();
  }
}
