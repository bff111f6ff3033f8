import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Entry } from '../../src/model.ts';
import { directoryStore } from '../../src/store/directory.ts';
import { folder, QuickStore } from '../helpers/quick-store.ts';
import { project, run, STRIP_TYPES } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import {
  at,
  fileOf,
  makeRestoreKeys,
  memoryRig,
  type RestoreKeys,
  ROOT,
  restoreNewest,
  symlink,
} from './rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const CONTENT = Buffer.from('content');
const BOTH = Buffer.concat([CONTENT, CONTENT]);
const EXTENT = at(1, 0, CONTENT.length);
/** Somebody who is neither root nor whoever runs the tests. */
const NOBODY = 65534;
const OTHER = 4242;

const ENTRIES: Entry[] = [
  folder('/d', 1, { mode: 0o2555, uid: OTHER, gid: OTHER }),
  fileOf('/d/in', CONTENT, [EXTENT], { mode: 0o6755, uid: OTHER, gid: OTHER }),
  fileOf('/d/own', CONTENT, [EXTENT], { mode: 0o4750, uid: NOBODY, gid: NOBODY }),
  fileOf('/d/parts', BOTH, [EXTENT, EXTENT], { mode: 0o4644, uid: OTHER, gid: OTHER }),
  symlink('/d/link', 'x', { uid: OTHER, gid: OTHER }),
];

interface Said {
  restored: number;
  incomplete: { path: string; problem: string }[];
  damaged: unknown[];
}

/** Restores as nobody, which takes a process of its own. */
async function restoreAsNobody(owner: boolean, overwrite = false): Promise<{ root: string; result: Said }> {
  const base = await temporaryFolder();
  chmodSync(base, 0o755);
  mkdirSync(join(base, 'store'));
  const quick = new QuickStore(directoryStore(join(base, 'store'), ''), keys);
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries: ENTRIES });
  const { execFileSync } = await import('node:child_process');
  execFileSync('chmod', ['-R', 'a+rX', join(base, 'store')]);
  mkdirSync(join(base, 'own'));
  if (ROOT) execFileSync('chown', [`${NOBODY}:${NOBODY}`, join(base, 'own')]);
  const root = join(base, 'own', 'back');
  if (overwrite) {
    mkdirSync(join(root, 'd'), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, 'd/in'), 'old');
    chmodSync(join(root, 'd'), 0o555);
    if (ROOT) execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, root]);
  }
  const script = join(base, 'restore.mjs');
  writeFileSync(
    script,
    `
    import { loadCommits } from ${JSON.stringify(project('src/chain/commits.ts'))};
    import { toPoints } from ${JSON.stringify(project('src/chain/points.ts'))};
    import { loadSecretKey } from ${JSON.stringify(project('src/crypto/secret-key.ts'))};
    import { StrategyNames } from ${JSON.stringify(project('src/format/names.ts'))};
    import { restore } from ${JSON.stringify(project('src/restore.ts'))};
    import { directoryStore } from ${JSON.stringify(project('src/store/directory.ts'))};
    const store = directoryStore(${JSON.stringify(join(base, 'store'))}, '');
    const names = new StrategyNames('town');
    const { commits, rejected } = await loadCommits(store, names, 'keys-in-store');
    const secret = await loadSecretKey(${JSON.stringify(join(base, 'secret.asc'))}, async () => undefined);
    const request = { store, names, point: toPoints(commits, rejected).at(-1), pointName: 'p', secret, paths: [], selection: undefined,
      target: ${JSON.stringify(root)}, overwrite: ${overwrite}, owner: ${owner}, impliedMode: 0o755,
      signal: new AbortController().signal };
    const nothing = () => {};
    const observer = { onForecast: nothing, phase: nothing, total: nothing, advance: nothing };
    console.log(JSON.stringify(await restore(request, observer)));
    `,
  );
  writeFileSync(join(base, 'secret.asc'), keys.secretArmored);
  const privileges = ROOT ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
  const ended = await run([...privileges, process.execPath, ...STRIP_TYPES, '--no-warnings', script]);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return { root, result: JSON.parse(ended.stdout) as Said };
}

test.runIf(ROOT)(
  'without root, owners that cannot be set are named, and everything else is as it was',
  async () => {
    const { root, result } = await restoreAsNobody(true);
    expect(result).toMatchObject({ restored: ENTRIES.length, damaged: [] });
    const named = result.incomplete.map(({ path, problem }) => `${path} ${problem}`).sort();
    expect(named).toEqual(
      ['/d', '/d/in', '/d/link', '/d/parts'].map((path) => `${path} owner could not be set`),
    );
    expect(readFileSync(join(root, 'd/parts')).equals(BOTH)).toBe(true);
    expect(lstatSync(join(root, 'd')).mode & 0o777).toBe(0o555);
    expect(lstatSync(join(root, 'd/parts')).mtimeMs).toBeCloseTo(Number(ENTRIES[3]?.mtimeNs) / 1e6, 2);
  },
);

test.runIf(ROOT)('with --no-owner nothing is missed', async () => {
  const { root, result } = await restoreAsNobody(false);
  expect(result).toMatchObject({ restored: ENTRIES.length, damaged: [], incomplete: [] });
  expect(lstatSync(join(root, 'd/in')).uid).toBe(NOBODY);
});

test.runIf(ROOT)(
  'a program does not run with the rights of whoever restored it: set-uid stays only with its owner',
  async () => {
    for (const owner of [true, false]) {
      const { root } = await restoreAsNobody(owner);
      expect(lstatSync(join(root, 'd/in')).mode & 0o7777).toBe(0o755);
      expect(lstatSync(join(root, 'd/parts')).mode & 0o7777).toBe(0o644);
      expect(lstatSync(join(root, 'd/own')).mode & 0o7777).toBe(0o4750);
    }
  },
);

test.runIf(ROOT)(
  'a folder that is write-protected against its own user is overwritten all the same',
  async () => {
    const { root, result } = await restoreAsNobody(false, true);
    expect(result).toMatchObject({ restored: ENTRIES.length, damaged: [], incomplete: [] });
    expect(readFileSync(join(root, 'd/in')).equals(CONTENT)).toBe(true);
    expect(lstatSync(join(root, 'd')).mode & 0o777).toBe(0o555);
  },
);

test.runIf(ROOT)('as root, owners and set-uid come back', async () => {
  const { quick } = memoryRig(keys);
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries: ENTRIES });
  const root = join(await temporaryFolder(), 'back');
  expect(await restoreNewest(quick, keys, { target: root })).toMatchObject({ incomplete: [] });
  for (const entry of ENTRIES) {
    const { uid, gid, mode } = lstatSync(join(root, entry.path));
    expect([uid, gid]).toEqual([entry.uid, entry.gid]);
    if (entry.type !== 'symlink') expect(mode & 0o7777).toBe(entry.mode);
  }
});

test.runIf(ROOT)(
  'a folder that cannot be made, and what would be in it, are named; the rest comes back',
  async () => {
    const { quick } = memoryRig(keys);
    const entries = [
      fileOf('/fine', CONTENT, [EXTENT]),
      folder('/locked/d', 1),
      fileOf('/locked/d/f', CONTENT, [EXTENT]),
      symlink('/locked/d/link', 'x'),
    ];
    await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
    const root = join(await temporaryFolder(), 'back');
    mkdirSync(join(root, 'locked'), { recursive: true });
    execFileSync('chattr', ['+i', join(root, 'locked')]);
    onTestFinished(() => void execFileSync('chattr', ['-i', join(root, 'locked')]));
    const result = await restoreNewest(quick, keys, { target: root, overwrite: true });
    expect(result).toMatchObject({ restored: 1, damaged: [] });
    expect(result.incomplete.map(({ path }) => path)).toEqual(['/locked/d', '/locked/d/f', '/locked/d/link']);
    expect(readFileSync(join(root, 'fine')).equals(CONTENT)).toBe(true);
  },
);

test('a tree that is deeper than the longest path comes back', async () => {
  const { quick } = memoryRig(keys);
  const deep = `/${Array.from({ length: 40 }, () => 'x'.repeat(250)).join('/')}`;
  const entries = [
    fileOf(`${deep}/f`, CONTENT, [EXTENT], { link: 'a' }),
    fileOf(`${deep}/further`, CONTENT, [EXTENT], { link: 'a' }),
    fileOf(`${deep}/parts`, BOTH, [EXTENT, EXTENT]),
    symlink(`${deep}/s`, 'f'),
  ];
  await quick.add({ seq: 1, volumes: [[CONTENT]], entries });
  const base = await temporaryFolder();
  // Node's own rm() cannot.
  onTestFinished(() => void execFileSync('rm', ['-rf', base]));
  const result = await restoreNewest(quick, keys, { target: join(base, 'back') });
  expect(result).toMatchObject({ restored: 4, damaged: [], incomplete: [] });
  const listed = execFileSync('find', ['-type', 'f', '-printf', '%f %s %n\n', '-execdir', 'cat', '{}', ';'], {
    cwd: base,
    encoding: 'utf8',
  });
  expect(listed).toContain(`f ${CONTENT.length} 2\n${CONTENT}`);
  expect(listed).toContain(`parts ${BOTH.length} 1\n${BOTH}`);
});
