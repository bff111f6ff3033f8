import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Entry } from '../../src/model.ts';
import { file } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { at, fileOf, makeRestoreKeys, memoryRig, type RestoreKeys, ROOT, restoreNewest } from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const MiB = 1024 * 1024;
/** A file system of its own, of that many bytes; only root can have one. */
async function smallDisk(options: string): Promise<string> {
  const folder = await temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
  return folder;
}

/** A point of files of 1 MiB, one in each volume; every second one comes in two parts. */
function plan(files: number): { seq: number; volumes: Buffer[][]; entries: Entry[] } {
  const volumes: Buffer[][] = [];
  const entries: Entry[] = [];
  for (let v = 1; v <= files; v++) {
    const content = Buffer.alloc(MiB, `content ${v} `);
    volumes.push([content]);
    const extents = v % 2 === 0 ? [at(v, 0, MiB)] : [at(v, 0, MiB / 2), at(v, 0, MiB / 2, MiB / 2)];
    entries.push(fileOf(`/f${v}`, content, extents));
  }
  return { seq: 1, volumes, entries };
}

test.runIf(ROOT)('what cannot fit is refused before anything is written, with both figures', async () => {
  const disk = await smallDisk('size=4m');
  const { quick } = memoryRig(keys);
  await quick.add(plan(6));
  const attempt = restoreNewest(quick, keys, { target: join(disk, 'back') });
  await expect(attempt).rejects.toMatchObject({
    code: 'no-space',
    path: join(disk, 'back'),
    message: expect.stringContaining(`needs ${6 * MiB}`),
  });
  expect(existsSync(join(disk, 'back'))).toBe(false);
});

test.runIf(ROOT)(
  'more entries than the file system takes are refused before anything is written',
  async () => {
    const disk = await smallDisk('size=16m,nr_inodes=20');
    const { quick } = memoryRig(keys);
    await quick.add({ seq: 1, entries: Array.from({ length: 30 }, (_, i) => file(`/f${i}`, 1)) });
    const attempt = restoreNewest(quick, keys, { target: join(disk, 'back') });
    await expect(attempt).rejects.toMatchObject({ code: 'no-space', message: expect.stringContaining('30') });
    expect(readdirSync(disk)).toEqual([]);
  },
);

test.runIf(ROOT)(
  'a disk that fills up on the way ends the restore; when there is room again, the same restore goes on',
  async () => {
    const disk = await smallDisk('size=12m');
    const { quick } = memoryRig(keys);
    await quick.add(plan(6));
    const root = join(disk, 'back');
    const filler = join(disk, 'filler');
    const fill = () => writeFileSync(filler, Buffer.alloc(9 * MiB));
    const observer = { phase: (name: string) => name === 'restoring' && fill() };
    const attempt = restoreNewest(quick, keys, { target: root, observer });
    const error = await attempt.catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'no-space',
      path: expect.stringMatching(/\/back\/f\d$/),
      message: expect.stringMatching(/incomplete.*same command/),
    });
    rmSync(filler);
    expect(await restoreNewest(quick, keys, { target: root })).toMatchObject({
      restored: 6,
      damaged: [],
      incomplete: [],
    });
    for (let v = 1; v <= 6; v++) {
      expect(readFileSync(join(root, `f${v}`)).equals(Buffer.alloc(MiB, `content ${v} `))).toBe(true);
    }
  },
);

test.runIf(ROOT)('what is replaced counts as room', async () => {
  const disk = await smallDisk('size=8m');
  const { quick } = memoryRig(keys);
  await quick.add(plan(6));
  const root = join(disk, 'back');
  mkdirSync(root);
  for (let v = 1; v <= 6; v++) writeFileSync(join(root, `f${v}`), Buffer.alloc(MiB, 'old'));
  expect(statfsSync(root).bavail * statfsSync(root).bsize).toBeLessThan(3 * MiB);
  const result = await restoreNewest(quick, keys, { target: root, overwrite: true });
  expect(result).toMatchObject({ restored: 6, damaged: [], incomplete: [] });
});
