/** Whatever happens to a tree between two points: each point brings back every entry as it was. */
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differences, raw, record, type Snapshot } from '../demo/snapshot.ts';
import { jsonLines, Machine, noise, tool } from './program.ts';

/** Names that a careless program takes for something else, byte by byte. */
const ODD_NAMES = [
  'caf\xe9 no utf-8 \xff\xfe',
  'new\nline',
  '\x1b[31mred',
  ' leading and trailing ',
  '-rf',
  '*',
  '[a-z]?',
  'back\\slash',
  '"quoted"',
  '~',
  '...',
  '\x01\x02',
  Buffer.from('Ünïcödé 字 🎉').toString('latin1'),
  Buffer.from('u\u0308 decomposed, \u00fc composed').toString('latin1'),
  'n'.repeat(255),
];

const ROOT = process.geteuid?.() === 0;

/** Sets an owner where this user may. */
function chown(path: string, uid: number, gid: number): void {
  if (ROOT) chownSync(path, uid, gid);
}

/** Sets a time in nanoseconds, which Node cannot. */
function touch(path: string, time: string): void {
  tool('touch', ['--no-dereference', '--date', time, path]);
}

function build(machine: Machine): void {
  const at = (path: string) => machine.at(path);
  for (const folder of ['a/b/c', 'empty', 'odd', 'links', 'rights', 'times', 'becomes', 'many'])
    mkdirSync(at(folder), { recursive: true });
  machine.write('a/b/c/deep', 'deep');
  machine.write('a-b', 'sorts between a and a/b in some orders');
  machine.write('zero', '');
  machine.write('large', noise(3_000_000, 1));
  machine.write('holes', '');
  truncateSync(at('holes'), 2_000_000);
  for (const [i, name] of ODD_NAMES.entries())
    writeFileSync(raw(`${machine.source}/odd/${name}`), `odd ${i}`);
  mkdirSync(raw(`${machine.source}/odd/folder \xe9`));
  writeFileSync(raw(`${machine.source}/odd/folder \xe9/inside`), 'inside');
  symlinkSync(raw('points to \xe9'), at('odd/link'));

  machine.write('links/one', 'one inode');
  linkSync(at('links/one'), at('links/two'));
  linkSync(at('links/one'), at('a/b/three'));
  machine.write('links/pair', noise(400_000, 2));
  linkSync(at('links/pair'), at('links/pair-2'));
  symlinkSync('../a/b', at('links/relative'));
  symlinkSync('/nowhere/at/all', at('links/dangling'));
  symlinkSync('loop', at('links/loop'));

  for (const mode of [0o000, 0o400, 0o644, 0o777, 0o4755, 0o2711, 0o1666]) {
    machine.write(`rights/${mode.toString(8)}`, `${mode}`);
    chown(at(`rights/${mode.toString(8)}`), 1234, 4321);
    chmodSync(at(`rights/${mode.toString(8)}`), mode);
  }
  mkdirSync(at('rights/locked'));
  machine.write('rights/locked/file', 'in a locked folder');
  chmodSync(at('rights/locked'), ROOT ? 0o000 : 0o555);
  mkdirSync(at('rights/sticky'));
  chmodSync(at('rights/sticky'), 0o3777);
  symlinkSync('target', at('rights/link'));
  if (ROOT) tool('chown', ['--no-dereference', '77:88', at('rights/link')]);

  const times = {
    early: '1901-12-14 00:00:00.000000001 UTC',
    before: '1969-12-31 23:59:58.999999999 UTC',
    epoch: '1970-01-01 UTC',
    late: '2199-06-01 12:00:00.123456789 UTC',
    fine: '2024-02-29 12:34:56.987654321 UTC',
  };
  for (const [name, time] of Object.entries(times)) {
    machine.write(`times/${name}`, name);
    touch(at(`times/${name}`), time);
  }
  symlinkSync('fine', at('times/link'));
  touch(at('times/link'), '1999-12-31 23:59:59.5 UTC');
  for (const [i, name] of [
    'file-folder',
    'file-link',
    'folder-file',
    'folder-link',
    'link-file',
    'link-folder',
  ].entries()) {
    if (name.startsWith('file')) machine.write(`becomes/${name}`, `content ${i}`);
    if (name.startsWith('link')) symlinkSync(`../a/${i}`, at(`becomes/${name}`));
    if (!name.startsWith('folder')) continue;
    mkdirSync(at(`becomes/${name}/sub`), { recursive: true });
    machine.write(`becomes/${name}/sub/file`, `in ${name}`);
  }
  for (let i = 0; i < 30; i++) machine.write(`many/${i}`, `file ${i}`);
  touch(at('times'), '2001-02-03 04:05:06.789 UTC');
}

/** What happens between the points. */
const CHANGES: [string, (machine: Machine) => void][] = [
  [
    'edits',
    (m) => {
      m.write('a/b/c/deep', 'deep, edited');
      m.write('zero', 'not empty any more');
      m.write(
        'large',
        Buffer.concat([
          noise(3_000_000, 1).subarray(0, 1_500_000),
          noise(10, 3),
          noise(3_000_000, 1).subarray(1_500_000),
        ]),
      );
      for (let i = 0; i < 30; i += 7) m.write(`many/${i}`, `file ${i}, edited`);
      // Same length and same modification time: only the change time tells.
      const { mtime, atime } = statSync(m.at('times/fine'));
      m.write('times/fine', 'FINE');
      utimesSync(m.at('times/fine'), atime, mtime);
      writeFileSync(raw(`${m.source}/odd/${ODD_NAMES[0]}`), 'odd 0, edited');
    },
  ],
  [
    'other types',
    (m) => {
      const at = (name: string) => m.at(`becomes/${name}`);
      unlinkSync(at('file-folder'));
      mkdirSync(at('file-folder'));
      m.write('becomes/file-folder/x', 'x');
      unlinkSync(at('file-link'));
      symlinkSync('somewhere', at('file-link'));
      rmSync(at('folder-file'), { recursive: true });
      m.write('becomes/folder-file', 'a file now');
      rmSync(at('folder-link'), { recursive: true });
      symlinkSync('file-folder', at('folder-link'));
      unlinkSync(at('link-file'));
      m.write('becomes/link-file', 'a file now');
      unlinkSync(at('link-folder'));
      mkdirSync(at('link-folder'));
      m.write('becomes/link-folder/y', 'y');
      unlinkSync(m.at('links/relative'));
      symlinkSync('../a/c', m.at('links/relative'));
    },
  ],
  [
    'deletions and renames',
    (m) => {
      rmSync(m.at('a/b/c'), { recursive: true });
      renameSync(m.at('large'), m.at('odd/large.1'));
      renameSync(m.at('many'), m.at('moved'));
      for (let i = 0; i < 30; i += 11) unlinkSync(m.at(`moved/${i}`));
      rmdirSync(m.at('empty'));
      // Two files change places.
      renameSync(m.at('times/epoch'), m.at('times/swap'));
      renameSync(m.at('times/early'), m.at('times/epoch'));
      renameSync(m.at('times/swap'), m.at('times/early'));
      renameSync(raw(`${m.source}/odd/new\nline`), raw(`${m.source}/odd/new\nname \xc3`));
      unlinkSync(raw(`${m.source}/odd/*`));
    },
  ],
  [
    'hard links, rights, owners and times',
    (m) => {
      unlinkSync(m.at('links/two'));
      linkSync(m.at('links/one'), m.at('links/another'));
      // A group whose content changes, and one that is broken up.
      writeFileSync(m.at('links/pair'), noise(400_000, 5), { flag: 'r+' });
      unlinkSync(m.at('a/b/three'));
      m.write('a/b/three', 'one inode');
      chmodSync(m.at('rights/644'), 0o600);
      chmodSync(m.at('rights/sticky'), 0o700);
      chown(m.at('rights/777'), 5, 6);
      touch(m.at('times/late'), '2010-10-10 10:10:10.101010101 UTC');
      touch(m.at('a'), '2011-11-11 11:11:11.111111111 UTC');
      lutimesSync(m.at('links/dangling'), 12, 34);
    },
  ],
  ['nothing', () => {}],
  [
    'back again',
    (m) => {
      mkdirSync(m.at('empty'));
      mkdirSync(m.at('a/b/c'));
      m.write('a/b/c/deep', 'deep');
      renameSync(m.at('moved'), m.at('many'));
      renameSync(m.at('odd/large.1'), m.at('large'));
      for (const name of ['file-folder', 'link-folder']) rmSync(m.at(`becomes/${name}`), { recursive: true });
      m.write('becomes/file-folder', 'content 0');
      symlinkSync('../a/5', m.at('becomes/link-folder'));
    },
  ],
  [
    'nearly everything goes',
    (m) => {
      for (const name of readdirSync(m.source))
        if (name !== 'odd' && name !== 'links') rmSync(m.at(name), { recursive: true });
    },
  ],
];

test('every point of a chain comes back entry by entry', async () => {
  const machine = await Machine.make();
  build(machine);
  const points = new Map<number, Snapshot>();
  expect((await machine.backup()).point).toMatchObject({ seq: 1, type: 'full' });
  points.set(1, machine.recordSource());
  expect(points.get(1)?.size).toBeGreaterThan(80);
  for (const [what, change] of CHANGES) {
    change(machine);
    // More than half of all entries have gone: that is committed, and said.
    const { point, entries } = await machine.backup(what === 'nearly everything goes' ? 3 : 0);
    expect(point.type, what).toBe('incremental');
    const state = machine.recordSource();
    expect(entries, what).toBe(state.size);
    points.set(point.seq, state);
  }
  await machine.well('verify', '--secret-key', machine.secretKey);
  for (const [seq, state] of points) await machine.expectRestored(seq, state);
});

test('some paths of a point: files, folders and globs, and nothing beside them', async () => {
  const machine = await Machine.make();
  build(machine);
  const before = machine.recordSource();
  await machine.backup();
  const to = await machine.restore(
    'latest',
    machine.at('links'),
    machine.at('times/fine'),
    `${machine.source}/many/1?`,
  );
  const found = record(join(to, machine.source));
  const wanted = [...before].filter(([path]) => /^\/links(\/|$)|^\/times\/fine$|^\/many\/1.$/.test(path));
  expect(wanted.length).toBe(19);
  for (const [path, entry] of wanted) {
    const { link: _, ...rest } = found.get(path) ?? {};
    const { link: __, ...want } = entry;
    expect({ ...rest, mtimeNs: 0n }, path).toEqual({ ...want, mtimeNs: 0n });
  }
  // A hard-link group is linked again as far as its members come back.
  expect(found.get('/links/two')?.link).toBe('/links/one');
  expect([...found.keys()].sort()).toEqual(['', ...wanted.map(([path]) => path), '/times', '/many'].sort());
});

test('a restore over what is there replaces what is in the way, and only when told to', async () => {
  const machine = await Machine.make();
  build(machine);
  const before = machine.recordSource();
  await machine.backup();
  const to = await machine.restore(1);
  const back = join(to, machine.source);
  writeFileSync(join(back, 'large'), 'overwritten');
  rmSync(join(back, 'becomes/folder-file'), { recursive: true });
  writeFileSync(join(back, 'becomes/folder-file'), 'in the way');
  unlinkSync(join(back, 'becomes/file-folder'));
  symlinkSync('/etc/passwd', join(back, 'becomes/file-folder'));
  const command = ['restore', '--secret-key', machine.secretKey, '--to', to];
  expect((await machine.run(...command)).code).toBe(1);
  expect((await machine.run(...command, '--overwrite')).code).toBe(0);
  expect(differences(before, record(back))).toEqual([]);
});

test('ls lists what is there, one a line, with odd names escaped, and as JSON with their bytes', async () => {
  const machine = await Machine.make();
  build(machine);
  await machine.backup();
  const state = machine.recordSource();
  const key = ['--secret-key', machine.secretKey];
  const lines = (await machine.well('ls', ...key)).split('\n').slice(0, -1);
  expect(lines).toHaveLength(state.size);
  expect(lines).toContain(`${machine.source}/odd/new\\nline`);
  expect(lines).toContain(`${machine.source}/odd/caf\\xe9 no utf-8 \\xff\\xfe`);
  for (const line of lines) expect(line).not.toMatch(/[\x00-\x1f\x7f]/);
  expect((await machine.well('ls', ...key, '-l')).split('\n')).toHaveLength(state.size + 1);

  const listed = jsonLines(await machine.well('ls', ...key, '--json')).map(({ path, pathBase64, type }) => {
    const bytes =
      pathBase64 === undefined ? Buffer.from(path as string) : Buffer.from(pathBase64 as string, 'base64');
    return `${type} ${bytes.toString('latin1').slice(machine.source.length)}`;
  });
  expect(listed.sort()).toEqual([...state].map(([path, { type }]) => `${type} ${path}`).sort());
});
