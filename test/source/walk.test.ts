import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { fromText, toBytes } from '../../src/format/bytes.ts';
import { comparePaths } from '../../src/format/order.ts';
import type { ByteString } from '../../src/model.ts';
import { BY_PATH, type FolderReader, folderReader } from '../../src/source/folder.ts';
import { selection } from '../../src/source/select.ts';
import { type Found, type WalkOptions, walk } from '../../src/source/walk.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { asNobody, mountTmpfs } from './rights.ts';

/** How folders are looked at: every walk is the same, but where the sources change meanwhile. */
const READERS: [string, FolderReader][] = [
  ['by open descriptors', folderReader()],
  ['by paths', BY_PATH],
];
let reader: FolderReader = BY_PATH;

const ALL: WalkOptions = {
  selection: selection({ exclude: [] }),
  own: new Set(),
  get reader() {
    return reader;
  },
};

/** Everything that a walk finds, as `kind path` below the root. */
function found(root: string, options: WalkOptions = ALL): string[] {
  return [...walk(fromText(root), options)].map((f) => describeFound(f, root));
}

function describeFound(f: Found, root: string): string {
  const path = f.path.slice(root.length) || '/';
  return 'error' in f ? `${f.kind} ${path} ${f.error}` : `${f.kind} ${path}`;
}

async function newRoot(): Promise<string> {
  const root = join(await temporaryFolder(), 'root');
  mkdirSync(root);
  chmodSync(join(root, '..'), 0o755);
  return root;
}

function below(root: string, name: ByteString): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), toBytes(name)]);
}

test('on this machine, folders are looked at by open descriptors', () => {
  expect(folderReader()).not.toBe(BY_PATH);
});

describe.each(READERS)('a walk %s', (_how, way) => {
  beforeEach(() => {
    reader = way;
  });

  test('meets everything once, in the order of the manifest, whatever bytes are in the names', async () => {
    const root = await newRoot();
    const names = ['a', 'a-b', 'a.b', 'a b', 'A', '\n', '\t', '%', '\\', '\xff', '\xc3\xa4', '\x01', '~'];
    const expected: ByteString[] = [root];
    for (const folder of names) {
      mkdirSync(below(root, folder));
      expected.push(`${root}/${folder}`);
      for (const name of names) {
        writeFileSync(below(root, `${folder}/${name}`), '');
        expected.push(`${root}/${folder}/${name}`);
      }
    }
    writeFileSync(below(root, 'a+'), '');
    expected.push(`${root}/a+`);
    const paths = [...walk(root, ALL)].map(({ path }) => path);
    expect(paths).toEqual(expected.sort(comparePaths));
    expect(paths.slice(0, 3)).toEqual([root, `${root}/\x01`, `${root}/\x01/\x01`]);
    expect(paths.indexOf(`${root}/a/~`)).toBeLessThan(paths.indexOf(`${root}/a b`));
  });

  test('gives what lstat says, to the nanosecond, and follows no link', async () => {
    const root = await newRoot();
    writeFileSync(join(root, 'file'), 'x');
    execFileSync('touch', ['-d', '1969-12-31 23:59:59.123456789 UTC', join(root, 'file')]);
    symlinkSync('..', join(root, 'loop'));
    symlinkSync('/nowhere', join(root, 'nowhere'));
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const stats = new Map(
      [...walk(root, ALL)].map((f) => [f.path.slice(root.length), f.kind === 'entry' ? f.stat : f]),
    );
    expect([...stats.keys()]).toEqual(['', '/fifo', '/file', '/loop', '/nowhere']);
    expect(stats.get('/file')).toMatchObject({ size: 1n, mtimeNs: -876543211n });
    for (const [path, stat] of stats) {
      const { dev, ino, mode, nlink, size, mtimeNs, ctimeNs } = lstatSync(`${root}${path}`, { bigint: true });
      expect(stat).toMatchObject({ dev, ino, mode, nlink, size, mtimeNs, ctimeNs });
    }
  });

  test('of a root that is a file meets the file', async () => {
    const root = await newRoot();
    writeFileSync(join(root, 'file'), 'x');
    expect(found(join(root, 'file'))).toEqual(['entry /']);
  });

  test('opens no file and changes no access time of one', async () => {
    const root = await newRoot();
    writeFileSync(join(root, 'file'), 'x', { mode: 0 });
    utimesSync(join(root, 'file'), 1000, 2000);
    chmodSync(root, 0o755);
    expect(await asNobody(() => found(root))).toEqual(['entry /', 'entry /file']);
    expect(lstatSync(join(root, 'file')).atimeMs).toBe(1_000_000);
  });

  test('leaves out what is excluded, and all that is in it', async () => {
    const root = await newRoot();
    mkdirSync(join(root, 'cache/inner'), { recursive: true });
    writeFileSync(join(root, 'cache/inner/file'), '');
    writeFileSync(join(root, 'a.tmp'), '');
    writeFileSync(join(root, 'b.txt'), '');
    expect(found(root, { ...ALL, selection: selection({ exclude: ['cache/', '*.tmp'] }) })).toEqual([
      'entry /',
      'entry /b.txt',
    ]);
  });

  test("leaves out Holdfast's own folders and says so, the root among them", async () => {
    const root = await newRoot();
    mkdirSync(join(root, 'state/town'), { recursive: true });
    writeFileSync(join(root, 'state/town/lock'), '');
    const identity = (path: string) => {
      const { dev, ino } = statSync(path);
      return `${dev}:${ino}`;
    };
    const own = new Set([identity(join(root, 'state/town'))]);
    expect(found(root, { ...ALL, own })).toEqual(['entry /', 'entry /state', 'own /state/town']);
    expect(found(join(root, 'state/town'), { ...ALL, own })).toEqual(['own /']);
  });

  test('does not enter another file system, and says so', async () => {
    const root = await newRoot();
    const mounted = join(root, 'mounted');
    mountTmpfs(mounted);
    writeFileSync(join(mounted, 'file'), '');
    writeFileSync(join(root, 'z'), '');
    expect(found(root)).toEqual(['entry /', 'entry /mounted', 'mount /mounted', 'entry /z']);
    expect(found(mounted)).toEqual(['entry /', 'entry /file']);
  });

  test('says what cannot be listed, and of which names nothing can be learned', async () => {
    const root = await newRoot();
    for (const [name, mode] of [
      ['a-closed', 0o700],
      ['b-unlistable', 0o711],
      ['c-names-only', 0o744],
    ] as const) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, 'file'), '');
      chmodSync(join(root, name), mode);
    }
    expect(await asNobody(() => found(root))).toEqual([
      'entry /',
      'entry /a-closed',
      'unlistable /a-closed EACCES',
      'entry /b-unlistable',
      'unlistable /b-unlistable EACCES',
      'entry /c-names-only',
      'unreadable /c-names-only/file EACCES',
    ]);
    expect(await asNobody(() => found(join(root, 'a-closed')))).toEqual(['entry /', 'unlistable / EACCES']);
    expect(await asNobody(() => found(join(root, 'a-closed/file')))).toEqual(['unreadable / EACCES']);
  });

  test('passes over what vanishes or changes its type on the way', async () => {
    const root = await newRoot();
    for (const name of ['a', 'b', 'c', 'd']) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, 'file'), '');
    }
    const met: string[] = [];
    for (const f of walk(root, ALL)) {
      met.push(describeFound(f, root));
      if (f.kind !== 'entry') continue;
      if (f.path === `${root}/a`) rmSync(join(root, 'a'), { recursive: true });
      if (f.path === `${root}/b`) {
        rmSync(join(root, 'c'), { recursive: true });
        rmSync(join(root, 'b'), { recursive: true });
        writeFileSync(join(root, 'b'), '');
      }
    }
    expect(met).toEqual([
      ...['entry /', 'entry /a', 'vanished /a', 'entry /b', 'vanished /b'],
      ...['vanished /c', 'entry /d', 'entry /d/file'],
    ]);
  });

  test('does not take a root that vanishes under it for an empty one', async () => {
    const root = await newRoot();
    writeFileSync(join(root, 'file'), '');
    const met: string[] = [];
    for (const f of walk(root, ALL)) {
      met.push(describeFound(f, root));
      if (f.kind === 'entry' && f.path === root) renameSync(root, `${root}-away`);
    }
    expect(met).toEqual(['entry /', 'unlistable / ENOENT']);
    expect(found(root)).toEqual(['unreadable / ENOENT']);
  });

  test.each(['moved away', 'unmounted', 'replaced'])(
    'notices that its root is %s in the middle',
    async (how) => {
      const root = await newRoot();
      if (how === 'unmounted') mountTmpfs(root);
      for (const name of ['a', 'b', 'c']) {
        mkdirSync(join(root, name));
        writeFileSync(join(root, name, 'file'), '');
      }
      const met: string[] = [];
      for (const f of walk(root, ALL)) {
        met.push(describeFound(f, root));
        if (f.path !== `${root}/a/file`) continue;
        if (how === 'unmounted') execFileSync('umount', ['--lazy', root]);
        else renameSync(root, `${root}-away`);
        if (how === 'replaced') mkdirSync(root);
      }
      // What is open is still seen, and never the whole truth.
      const seen = ['entry /', 'entry /a', 'entry /a/file'];
      const rest = ['entry /b', 'entry /b/file', 'entry /c', 'entry /c/file'];
      expect(met).toEqual([...seen, ...(way === BY_PATH ? [] : rest), 'unlistable / ENOENT']);
    },
  );

  test('leaves the rest of a root that is taken away, rather than tell of each entry', async () => {
    const root = await newRoot();
    for (let i = 0; i < 1000; i++) writeFileSync(join(root, `file ${1000 + i}`), '');
    const met: Found[] = [];
    for (const f of walk(root, ALL)) {
      met.push(f);
      if (met.length === 2) renameSync(root, `${root}-away`);
    }
    expect(met.at(-1)).toEqual({ kind: 'unlistable', path: root, error: 'ENOENT' });
    expect(met.length).toBeLessThan(300);
    // That it is there again must not make it look whole.
    renameSync(`${root}-away`, root);
    met.length = 0;
    for (const f of walk(root, ALL)) {
      met.push(f);
      if (met.length === 2) renameSync(root, `${root}-away`);
      if (f.kind === 'unlistable') renameSync(`${root}-away`, root);
    }
    expect(met.filter(({ kind }) => kind === 'unlistable')).toHaveLength(1);
  });

  test('reaches into trees that are deep, and says where a path is too long to be reached', async () => {
    const root = await newRoot();
    const name = 'd'.repeat(250);
    // Each step from inside: the whole path would be too long.
    onTestFinished(() => void execFileSync('rm', ['-rf', root]));
    execFileSync('bash', ['-c', `cd "$0"; for i in $(seq 18); do mkdir ${name}; cd ${name}; done`, root]);
    const met = found(root);
    expect(met.length).toBeGreaterThanOrEqual(16);
    const last = met.at(-1) as string;
    expect(last).toMatch(/^(unlistable|unreadable) .* ENAMETOOLONG$/);
  });
});
