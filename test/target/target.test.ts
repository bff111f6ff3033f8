import { chmodSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MARKER_NAME, type RestoreIdentity } from '../../src/target/marker.ts';
import { chooseTarget, openTarget } from '../../src/target/target.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const IDENTITY: RestoreIdentity = {
  strategy: 'town',
  seq: 7,
  id: 'a'.repeat(32),
  commitSha256: 'b'.repeat(64),
  paths: [],
};

function modeOf(path: string): number {
  return lstatSync(path).mode & 0o7777;
}

test('a folder that is not there is made, closed to others until the end', async () => {
  const path = join(await temporaryFolder(), 'a', 'b');
  const target = await openTarget(chooseTarget(path, IDENTITY, false), IDENTITY, 0o750);
  target.marker.close();
  expect(modeOf(path)).toBe(0o700);
  expect(target.mode).toBe(0o750);
});

test('an empty folder is closed to others, and gets its own mode back in the end', async () => {
  const path = await temporaryFolder();
  chmodSync(path, 0o1775);
  mkdirSync(join(path, 'lost+found'));
  const target = await openTarget(chooseTarget(path, IDENTITY, false), IDENTITY, 0o777);
  target.marker.close();
  expect(modeOf(path)).toBe(0o700);
  expect(target.mode).toBe(0o1775);
});

test('choosing writes nothing', async () => {
  const folder = await temporaryFolder();
  chooseTarget(join(folder, 'new'), IDENTITY, false);
  expect(readdirSync(folder)).toEqual([]);
});

test('a folder with anything in it is refused, unless it may be overwritten; then its mode is left alone', async () => {
  const path = await temporaryFolder();
  writeFileSync(join(path, '.hidden'), '');
  expect(() => chooseTarget(path, IDENTITY, false)).toThrow(
    expect.objectContaining({ code: 'target-not-empty', message: expect.stringContaining('--overwrite') }),
  );
  const before = modeOf(path);
  const target = await openTarget(chooseTarget(path, IDENTITY, true), IDENTITY, 0o777);
  target.marker.close();
  expect([modeOf(path), target.mode]).toEqual([before, null]);
});

test('a lost+found with something in it is not passed over', async () => {
  const path = await temporaryFolder();
  mkdirSync(join(path, 'lost+found'));
  writeFileSync(join(path, 'lost+found', '#12'), '');
  expect(() => chooseTarget(path, IDENTITY, false)).toThrow(
    expect.objectContaining({ code: 'target-not-empty' }),
  );
});

test('what is no folder is refused, also when it may be overwritten', async () => {
  const path = join(await temporaryFolder(), 'f');
  writeFileSync(path, '');
  expect(() => chooseTarget(path, IDENTITY, true)).toThrow(
    expect.objectContaining({ code: 'target-not-empty' }),
  );
});

test('the folder that the person names may be a link to one', async () => {
  const path = await temporaryFolder();
  const link = join(await temporaryFolder(), 'link');
  symlinkSync(path, link);
  const target = await openTarget(chooseTarget(link, IDENTITY, false), IDENTITY, 0o777);
  target.marker.close();
  expect(target.root).toBe(path);
});

test('an interrupted restore of the same point goes on, one of another point is named and refused', async () => {
  const path = join(await temporaryFolder(), 'x');
  (await openTarget(chooseTarget(path, IDENTITY, false), IDENTITY, 0o755)).marker.close();
  writeFileSync(join(path, 'half'), '');
  const choice = chooseTarget(path, IDENTITY, false);
  expect(choice.resumed).toMatchObject({ seq: 7, mode: 0o755 });
  expect(() => chooseTarget(path, { ...IDENTITY, seq: 8, id: 'c'.repeat(32) }, false)).toThrow(
    expect.objectContaining({ code: 'target-not-empty', message: expect.stringContaining('--at 7') }),
  );
  expect(() => chooseTarget(path, { ...IDENTITY, paths: ['/srv'] }, false)).toThrow(
    expect.objectContaining({ code: 'target-not-empty' }),
  );
  const other = chooseTarget(path, { ...IDENTITY, seq: 8 }, true);
  expect([other.resumed, other.overwrite]).toEqual([undefined, true]);
});

test('a marker that was cut off in its first line is no reason to refuse an otherwise empty folder', async () => {
  const path = await temporaryFolder();
  writeFileSync(join(path, MARKER_NAME), '{"format":"hold');
  const choice = chooseTarget(path, IDENTITY, false);
  expect(choice.resumed).toBeUndefined();
  (await openTarget(choice, IDENTITY, 0o755)).marker.close();
  expect(chooseTarget(path, IDENTITY, false).resumed).toMatchObject({ seq: 7 });
});
