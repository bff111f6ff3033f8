import { appendFileSync, existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  isSameRestore,
  MARKER_NAME,
  Marker,
  type RestoreStart,
  readMarker,
} from '../../src/target/marker.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const START: RestoreStart = {
  strategy: 'town',
  seq: 7,
  id: 'a'.repeat(32),
  commitSha256: 'b'.repeat(64),
  paths: ['/srv', '/etc/*.conf'],
  overwrite: false,
  mode: 0o755,
};

test('a marker says which restore it is and what is done, and goes away in the end', async () => {
  const root = await temporaryFolder();
  const marker = await Marker.create(root, START);
  expect(lstatSync(join(root, MARKER_NAME)).mode & 0o777).toBe(0o600);
  marker.claim(1, 1);
  marker.prepared();
  marker.claim(7, 12);
  expect(readMarker(root)).toMatchObject({ ...START, prepared: true, volumes: new Set(['1/1', '7/12']) });
  marker.remove();
  marker.close();
  expect(existsSync(join(root, MARKER_NAME))).toBe(false);
  expect(readMarker(root)).toBeUndefined();
});

test('what was cut off in the middle of a line counts for nothing, and the restore goes on after it', async () => {
  const root = await temporaryFolder();
  const marker = await Marker.create(root, START);
  marker.claim(1, 1);
  marker.close();
  appendFileSync(join(root, MARKER_NAME), '{"volume":[1,2');
  const state = readMarker(root);
  expect(state?.volumes).toEqual(new Set(['1/1']));
  const resumed = await Marker.resume(root, state?.length ?? 0);
  resumed.claim(1, 3);
  resumed.close();
  expect(readMarker(root)?.volumes).toEqual(new Set(['1/1', '1/3']));
});

test('something else at the name of the marker is no marker', async () => {
  const root = await temporaryFolder();
  const outside = join(await temporaryFolder(), 'victim');
  const marker = await Marker.create(root, START);
  marker.close();
  writeFileSync(outside, readFileSync(join(root, MARKER_NAME)));

  const other = await temporaryFolder();
  symlinkSync(outside, join(other, MARKER_NAME));
  expect(readMarker(other)).toBeUndefined();
  (await Marker.create(other, START)).close();
  expect(lstatSync(join(other, MARKER_NAME)).isFile()).toBe(true);
  expect(readFileSync(outside, 'utf8').split('\n')).toHaveLength(2);

  for (const text of [
    '',
    'x\n',
    '{}\n',
    '{"format":"holdfast-restore","version":2}\n',
    JSON.stringify(START),
  ]) {
    writeFileSync(join(root, MARKER_NAME), text);
    expect(readMarker(root)).toBeUndefined();
  }
});

test('two restores into one folder at once are refused', async () => {
  const root = await temporaryFolder();
  const first = await Marker.create(root, START);
  const length = readMarker(root)?.length ?? 0;
  await expect(Marker.resume(root, length)).rejects.toMatchObject({ code: 'locked' });
  first.close();
  (await Marker.resume(root, length)).close();
});

test('a restore is the same when point and paths are, in whatever order the paths were given', () => {
  expect(isSameRestore(START, { ...START, paths: ['/etc/*.conf', '/srv'] })).toBe(true);
  const others = [
    { strategy: 'x' },
    { seq: 8 },
    { id: 'c' },
    { commitSha256: 'c' },
    { paths: [] },
    { paths: ['/srv'] },
  ];
  for (const other of others) expect(isSameRestore(START, { ...START, ...other })).toBe(false);
});
