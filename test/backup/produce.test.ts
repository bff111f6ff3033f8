import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Walker } from '../../src/index/compare.ts';
import { walk } from '../../src/source/walk.ts';
import { noise } from '../chunk/noise.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { apply, edit, overwrite } from '../index/edits.ts';
import { mapFile } from '../source/mapped.ts';
import { asNobody, mountTmpfs } from '../source/rights.ts';
import { MemorySink } from './memory-sink.ts';
import { incidentsOf, normalised, ProducingHost, volumesOfUsage } from './producing.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Longer than time stamps are too young to be trusted. */
const settle = () => sleep(40);

async function newHost(): Promise<{ host: ProducingHost; root: string }> {
  const folder = await temporaryFolder();
  chmodSync(folder, 0o755);
  const root = join(folder, 'root');
  mkdirSync(root);
  return { host: new ProducingHost(join(folder, 'state'), [{ name: 'a', paths: [root] }]), root };
}

function put(root: string, tree: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(tree)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

/** Walks to the end before any of it is looked at, as a walk in another thread may. */
const walkedBefore: Walker = (_source, root, options) => [...walk(root, options)];

/** Checks that the newest point is what is on disk, and that its usage is what its extents name. */
function expectNewest(host: ProducingHost): void {
  expect(differences(normalised(host.restored()), normalised(host.seen()))).toEqual([]);
  const { result } = host.sets.at(-1) as { result: Parameters<typeof volumesOfUsage>[0] };
  expect(volumesOfUsage(result)).toEqual(host.volumesOfPoint());
  const entries = [...host.point().values()];
  const files = entries.filter(({ type }) => type === 'file');
  expect(result.counts).toMatchObject({
    entries: entries.length,
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    listed: host.sets.at(-1)?.listed.length,
  });
}

/** The entries in which two snapshots differ: there are many that are the same. */
function differences(a: readonly unknown[], b: readonly unknown[]): string[] {
  const [left, right] = [a, b].map((list) => new Set(list.map((entry) => JSON.stringify(entry)))) as [
    Set<string>,
    Set<string>,
  ];
  return [
    ...[...left].filter((entry) => !right.has(entry)).map((entry) => `- ${entry}`),
    ...[...right].filter((entry) => !left.has(entry)).map((entry) => `+ ${entry}`),
  ];
}

/** Keys of what a set lists, without the source. */
function listed(host: ProducingHost, root: string): string[] {
  return (host.sets.at(-1)?.listed ?? []).map(
    ({ path, type }) => `${type} ${path.slice(root.length) || '/'}`,
  );
}

describe('points', () => {
  test('read from manifests n, n & (n - 1), … 0 are the trees at their times, over random histories', async () => {
    const step = fc.record({
      edits: fc.array(edit, { maxLength: 12 }),
      /** Where the large file is changed. */
      large: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
      /** Whether the files' time stamps are left to grow old before the next run. */
      settled: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 20 }), async (steps) => {
        const folder = await makeFolder();
        try {
          const roots = [join(folder, 'root'), join(folder, 'root-b')] as const;
          for (const root of roots) mkdirSync(root);
          put(folder, { large: noise(700 * KIB, 'large') });
          const host = new ProducingHost(join(folder, 'state'), [
            { name: 'b', paths: [roots[0]], allowEmpty: true },
            { name: 'a', paths: [join(folder, 'large'), roots[1]], allowEmpty: true },
          ]);
          const snapshots: unknown[][] = [];
          for (const [i, { edits, large, settled }] of steps.entries()) {
            for (const [k, e] of edits.entries()) apply(roots[k % 2] as string, e);
            if (large !== undefined) overwrite(join(folder, 'large'), large, noise(1000, `${i}`));
            if (settled) await settle();
            snapshots.push(normalised(host.seen()));
            await host.run(i % 2 === 1 ? { walker: walkedBefore } : {});
            expectNewest(host);
            expect(incidentsOf(host.sets.at(-1) as never)).toEqual([]);
          }
          for (const [n, snapshot] of snapshots.entries())
            expect(normalised(host.restored(n))).toEqual(snapshot);
        } finally {
          await rm(folder, { recursive: true });
        }
      }),
      { numRuns: 8 },
    );
  });

  test('of 20 incrementals list only what changed since their base', async () => {
    const { host, root } = await newHost();
    put(root, Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, `${i}`])));
    await settle();
    await host.run();
    for (let n = 1; n <= 20; n++) {
      put(root, { [`f${n}`]: `changed ${n}` });
      await settle();
      await host.run();
      const since = n & (n - 1);
      const expected = Array.from({ length: n - since }, (_, i) => `file /f${since + 1 + i}`);
      expect(listed(host, root).sort()).toEqual(expected.sort());
      expectNewest(host);
    }
  });

  test('say of each entry in which set it last changed', async () => {
    const { host, root } = await newHost();
    put(root, { a: '1', b: '1', c: '1' });
    await settle();
    await host.run();
    put(root, { b: '22' });
    await settle();
    await host.run();
    rmSync(join(root, 'c'));
    await host.run();
    const [first, second, third] = host.seqs;
    expect(
      Object.fromEntries([...host.point().values()].map((e) => [e.path.slice(root.length), e.since])),
    ).toEqual({
      '': third,
      '/a': first,
      '/b': second,
    });
    expect(host.sets[2]?.listed.find(({ type }) => type === 'gone')).toMatchObject({
      path: `${root}/c`,
      since: third,
    });
  });

  test('forget nothing that went and came back, as another kind of thing', async () => {
    const { host, root } = await newHost();
    for (let n = 0; n < 9; n++) {
      rmSync(join(root, 'x'), { recursive: true, force: true });
      if (n % 4 === 0) put(root, { x: `${n}` });
      if (n % 4 === 1) put(root, { 'x/inner/deep': `${n}` });
      if (n % 4 === 2) symlinkSync(`${n}`, join(root, 'x'));
      put(root, { kept: '' });
      await host.run();
      expectNewest(host);
    }
  });

  test('hold entries of every kind', async () => {
    const { host, root } = await newHost();
    execFileSync('sh', [
      '-c',
      'cd "$0" && mkfifo fifo && mknod char c 5 7 && mknod block b 300 70000 && touch file',
      root,
    ]);
    symlinkSync(Buffer.from([0x2e, 0xff, 0x22, 0x0a]), join(root, 'link'));
    chmodSync(join(root, 'file'), 0o6755);
    execFileSync('touch', ['-d', '1931-01-02 03:04:05.999999999 UTC', join(root, 'file')]);
    await host.run();
    expectNewest(host);
    const entry = (name: string) => host.point().get(`a ${root}/${name}`);
    expect(entry('char')).toMatchObject({ type: 'char', rdev: [5, 7] });
    expect(entry('block')).toMatchObject({ type: 'block', rdev: [300, 70000] });
    expect(entry('fifo')).toMatchObject({ type: 'fifo', user: 'root', group: 'root' });
    expect(entry('file')?.mtimeNs).toBeLessThan(0n);
    expect(host.sets[0]?.result.bytesRead).toBe(0);
  });

  test('hold long lists of extents in several lines, and many entries in several parts', async () => {
    const { host, root } = await newHost();
    const data = noise(8 * MIB, 'extents');
    put(root, { large: data });
    const name = 'n'.repeat(240);
    mkdirSync(join(root, 'many'));
    for (let i = 0; i < 10_000; i++) writeFileSync(join(root, 'many', `${name}${i}`), '');
    await settle();
    await host.run();
    expect(host.sets[0]?.parts.length).toBeGreaterThan(1);
    const changed = Buffer.from(data);
    for (let i = 0; i < 1500; i++) noise(16, `${i}`).copy(changed, i * 5400);
    put(root, { large: changed });
    await settle();
    await host.run();
    expect(host.point().get(`a ${root}/large`)?.extents.length).toBeGreaterThan(2000);
    expectNewest(host);
  });
});

describe('what has not changed', () => {
  test('is not opened, and costs nothing', async () => {
    const folder = await temporaryFolder();
    const root = join(folder, 'mounted');
    mountTmpfs(root, 'strictatime');
    put(root, { a: 'a', 'd/b': noise(300 * KIB, 'b') });
    const host = new ProducingHost(join(folder, 'state'), [{ name: 'a', paths: [root] }]);
    host.keepAccessTime = false;
    await settle();
    const first = await host.run();
    expect(first.result.bytesRead).toBe(1 + 300 * KIB);
    // Older than the modification, so that even a relative access time would change.
    for (const name of ['a', 'd/b']) utimesSync(join(root, name), 1000, 2000);
    await settle();
    await host.run();
    for (const name of ['a', 'd/b']) execFileSync('touch', ['-a', '-d', '2001-01-01 UTC', join(root, name)]);
    await settle();
    await host.run();
    const accessed = () => ['a', 'd/b'].map((name) => lstatSync(join(root, name)).atimeMs);
    const before = accessed();
    await settle();
    for (let run = 0; run < 2; run++) {
      const { result, sink } = await host.run();
      expect(result).toMatchObject({ bytesRead: 0, changes: { fresh: 0, changed: 0, gone: 0 } });
      expect(sink.names('vol-')).toEqual([]);
    }
    expect(accessed()).toEqual(before);
    expectNewest(host);
  });

  test('but in its mode or owner is read again, and stores nothing', async () => {
    const { host, root } = await newHost();
    put(root, { a: noise(5000, 'a'), b: noise(300 * KIB, 'b') });
    await settle();
    await host.run();
    chmodSync(join(root, 'a'), 0o600);
    execFileSync('chown', ['12:34', join(root, 'b')]);
    await settle();
    const { result, sink } = await host.run();
    expect(result.bytesRead).toBe(5000 + 300 * KIB);
    expect(result.changes).toEqual({ fresh: 0, changed: 2, gone: 0, leftOut: 0 });
    expect(sink.names('vol-')).toEqual([]);
    expectNewest(host);
  });

  test('but in its ctime is read again, and is not even listed', async () => {
    const { host, root } = await newHost();
    put(root, { a: '1' });
    await settle();
    await host.run();
    chmodSync(join(root, 'a'), 0o600);
    chmodSync(join(root, 'a'), 0o644);
    await settle();
    const { result } = await host.run();
    expect(result).toMatchObject({ bytesRead: 1, changes: { changed: 0 } });
    expect(listed(host, root)).toEqual([]);
  });

  test('since a moment ago is read again the next time, and then not any more', async () => {
    const { host, root } = await newHost();
    await settle();
    put(root, { a: '12345' });
    await host.run();
    // On a busy machine a run may come too late to find the file young: it is tried until one does.
    let again = 0;
    for (let i = 0; i < 50 && again === 0; i++) {
      const { mtime, atime } = lstatSync(join(root, 'a'));
      // A change that leaves no trace but in ctime, which here is as young as the last run.
      put(root, { a: i % 2 === 0 ? '54321' : '12345' });
      utimesSync(join(root, 'a'), atime, mtime);
      const changed = await host.run();
      expect(changed.result.bytesRead).toBe(5);
      expectNewest(host);
      await settle();
      again = (await host.run()).result.bytesRead;
    }
    expect(again).toBe(5);
    expect((await host.run()).result.bytesRead).toBe(0);
  });
});

describe('what is known already', () => {
  test('is stored once: copies, renames, and files that come back', async () => {
    const { host, root } = await newHost();
    const data = noise(900 * KIB, 'data');
    put(root, { a: data, small: 'small' });
    await settle();
    await host.run();
    put(root, { 'copies/a': data, 'copies/small': 'small' });
    renameSync(join(root, 'a'), join(root, 'renamed'));
    expect((await host.run()).sink.names('vol-')).toEqual([]);
    expectNewest(host);
    rmSync(join(root, 'renamed'));
    rmSync(join(root, 'copies'), { recursive: true });
    await host.run();
    put(root, { back: data });
    expect((await host.run()).sink.names('vol-')).toEqual([]);
    expectNewest(host);
  });

  test('is found under another name by its inode: a log that is rotated costs what was appended', async () => {
    const { host, root } = await newHost();
    const data = noise(3 * MIB, 'log');
    put(root, { log: data });
    await settle();
    await host.run();
    renameSync(join(root, 'log'), join(root, 'log.1'));
    execFileSync('sh', ['-c', 'echo appended >> "$0"', join(root, 'log.1')]);
    put(root, { log: 'new' });
    const { sink } = await host.run();
    const stored = sink.names('vol-').reduce((sum, name) => sum + sink.content(name).length, 0);
    expect(stored).toBeLessThan(32 * KIB);
    expectNewest(host);
  });

  test('is found under another name by its inode also where that name was taken: logs that are rotated', async () => {
    const { host, root } = await newHost();
    const logs = [noise(3 * MIB, 'log'), noise(3 * MIB, 'log.1')];
    put(root, { log: logs[0] as Buffer, 'log.1': logs[1] as Buffer });
    await settle();
    await host.run();
    renameSync(join(root, 'log.1'), join(root, 'log.2'));
    renameSync(join(root, 'log'), join(root, 'log.1'));
    execFileSync('sh', ['-c', 'echo appended >> "$0"', join(root, 'log.1')]);
    put(root, { log: 'new' });
    const { sink } = await host.run();
    const stored = sink.names('vol-').reduce((sum, name) => sum + sink.content(name).length, 0);
    expect(stored).toBeLessThan(32 * KIB);
    expectNewest(host);
    // One that is replaced as a whole is still compared with what was under its name.
    const changed = Buffer.from(logs[1] as Buffer);
    noise(100, 'changed').copy(changed, MIB);
    put(root, { replacement: changed });
    renameSync(join(root, 'replacement'), join(root, 'log.2'));
    const replaced = await host.run();
    const again = replaced.sink
      .names('vol-')
      .reduce((sum, name) => sum + replaced.sink.content(name).length, 0);
    expect(again).toBeLessThan(32 * KIB);
    expectNewest(host);
  });

  test('of a file with several names is read once', async () => {
    const { host, root } = await newHost();
    put(root, { a: noise(1000, 'a'), 'd/large': noise(300 * KIB, 'large') });
    linkSync(join(root, 'a'), join(root, 'b'));
    linkSync(join(root, 'd/large'), join(root, 'd/again'));
    linkSync(join(root, 'a'), join(root, 'z'));
    symlinkSync('x', join(root, 'link'));
    linkSync(join(root, 'link'), join(root, 'link2'));
    await settle();
    expect((await host.run()).result.bytesRead).toBe(1000 + 300 * KIB);
    expectNewest(host);
    writeFileSync(join(root, 'b'), noise(1001, 'b'));
    await settle();
    expect((await host.run()).result.bytesRead).toBe(1001);
    expectNewest(host);
    rmSync(join(root, 'a'));
    await settle();
    await host.run();
    expectNewest(host);
  });

  test('of names of one inode is not mixed up with another that has the same number on another file system', async () => {
    const folder = await temporaryFolder();
    const roots = ['one', 'two', 'three'].map((name) => join(folder, name));
    for (const root of roots) {
      mountTmpfs(root);
      put(root, { a: '', c: 'same', e: root });
      for (const [from, to] of [
        ['a', 'b'],
        ['c', 'd'],
        ['e', 'f'],
      ] as const)
        linkSync(join(root, from), join(root, to));
    }
    const inodes = roots.map((root) => lstatSync(join(root, 'a')).ino);
    expect(new Set(inodes).size).toBe(1);
    const host = new ProducingHost(join(folder, 'state'), [{ name: 'a', paths: roots }]);
    await settle();
    await host.run();
    expectNewest(host);
    // Only files of the last one change: those of the others are not looked at again.
    for (const name of ['a', 'c', 'e']) chmodSync(join(roots[2] as string, name), 0o600);
    await settle();
    await host.run();
    expectNewest(host);
    for (const name of ['a', 'c', 'e']) chmodSync(join(roots[1] as string, name), 0o640);
    await settle();
    await host.run();
    expectNewest(host);
  });
});

describe('what cannot be read', () => {
  test('stays in the point as it was, marked as carried, until it can be read again; then it is read no more than needed', async () => {
    const { host, root } = await newHost();
    chmodSync(join(root, '..'), 0o777);
    rmSync(host.folder, { recursive: true });
    mkdirSync(host.folder);
    chmodSync(host.folder, 0o777);
    host.keepAccessTime = false;
    const run = () => asNobody(() => host.run());
    put(root, { a: 'first', 'd/b': 'inside', open: '' });
    await settle();
    await run();
    writeFileSync(join(root, 'a'), 'second');
    chmodSync(join(root, 'a'), 0o600);
    chmodSync(join(root, 'd'), 0o700);
    await settle();
    const entry = (name: string) => host.point().get(`a ${root}/${name}`);
    for (let time = 0; time < 2; time++) {
      const made = await run();
      expect(incidentsOf(made)).toEqual([`unreadable ${root}/a carried`, `unreadable ${root}/d carried`]);
      expect(made.result.incomplete).toEqual({ carried: 2, torn: 0, unreadable: 0, partial: 0 });
      expect(made.listed.length).toBe(3);
      expect(entry('a')).toMatchObject({ carried: true, since: host.seqs[1] });
      expect(host.content(entry('a') as never).toString()).toBe('first');
      expect(entry('d/b')).toMatchObject({ carried: true });
      expect(entry('d')?.carried).toBeUndefined();
      expect(made.result.counts).toMatchObject({ entries: 5, files: 3, bytes: 11 });
      expect(volumesOfUsage(made.result)).toEqual(host.volumesOfPoint());
    }
    chmodSync(join(root, 'a'), 0o644);
    chmodSync(join(root, 'd'), 0o755);
    await settle();
    const back = await run();
    expect(incidentsOf(back)).toEqual([]);
    // The file in the folder has the same stat as when it was read last.
    expect(back.result.bytesRead).toBe(6);
    expect(entry('a')?.carried).toBeUndefined();
    expect(entry('d/b')?.carried).toBeUndefined();
    expectNewest(host);
    expect((await run()).result.bytesRead).toBe(0);
  });

  test('and was never read before is counted, and not in the point', async () => {
    const { host, root } = await newHost();
    chmodSync(host.folder, 0o777);
    host.keepAccessTime = false;
    put(root, { a: 'secret', b: '' });
    chmodSync(join(root, 'a'), 0o600);
    const made = await asNobody(() => host.run());
    expect(incidentsOf(made)).toEqual([`unreadable ${root}/a`]);
    expect(made.result.incomplete).toEqual({ carried: 0, torn: 0, unreadable: 1, partial: 0 });
    expect(made.listed.map(({ path }) => path)).toEqual([root, `${root}/b`]);
  });

  test('may be a link of which only the target cannot be had', async () => {
    const folder = await temporaryFolder();
    chmodSync(folder, 0o777);
    const host = await asNobody(
      () => new ProducingHost(join(folder, 'state'), [{ name: 'a', paths: ['/proc/1/exe'] }]),
    );
    const made = await asNobody(() => host.run());
    expect(incidentsOf(made)).toEqual(['unreadable /proc/1/exe']);
    expect(made.listed).toEqual([]);
  });

  test('makes the point incomplete also where nothing but deletions is known of it', async () => {
    const { host, root } = await newHost();
    chmodSync(host.folder, 0o777);
    put(root, { 'd/x': '1', y: '2' });
    await asNobody(() => host.run());
    rmSync(join(root, 'd/x'));
    await asNobody(() => host.run());
    chmodSync(join(root, 'd'), 0o700);
    const { result } = await asNobody(() => host.run());
    expect(result.incomplete).toEqual({ carried: 0, torn: 0, unreadable: 1, partial: 0 });
  });

  test('because its root went when the walk had seen it is no deletion', async () => {
    const { host, root } = await newHost();
    put(root, { same: '1', changed: '1', gone: '1', 'sub/x': '1' });
    await settle();
    await host.run();
    put(root, { changed: '22', fresh: '1' });
    rmSync(join(root, 'gone'));
    const walker: Walker = (...args) => {
      const found = walkedBefore(...args);
      renameSync(root, `${root}-away`);
      return found;
    };
    const made = await host.run({ walker });
    expect(incidentsOf(made)).toEqual([
      `unreadable ${root} carried`,
      `unreadable ${root}/changed carried`,
      `unreadable ${root}/fresh`,
    ]);
    const paths = [...host.point().keys()];
    expect(paths).toEqual(['', '/changed', '/same', '/sub', '/sub/x'].map((path) => `a ${root}${path}`));
    expect(host.content(host.point().get(`a ${root}/changed`) as never).toString()).toBe('1');
    expect(made.result).toMatchObject({ changes: { gone: 1 }, incomplete: { carried: 2, unreadable: 1 } });
    renameSync(`${root}-away`, root);
    await settle();
    expect((await host.run()).result.incomplete.carried).toBe(0);
    expectNewest(host);
  });

  test('of a missing root stays, with what it needs', async () => {
    const { host, root } = await newHost();
    put(root, { a: '1', large: noise(600 * KIB, 'large') });
    await host.run();
    renameSync(root, `${root}-away`);
    for (let time = 0; time < 3; time++) {
      const made = await host.run();
      expect(incidentsOf(made)).toEqual([`missing ${root} carried`]);
      expect(made.result.incomplete.carried).toBe(3);
      expect(host.content(host.point().get(`a ${root}/large`) as never).length).toBe(600 * KIB);
      expect(volumesOfUsage(made.result)).toEqual(host.volumesOfPoint());
    }
    renameSync(`${root}-away`, root);
    await settle();
    expect((await host.run()).result.incomplete.carried).toBe(0);
    expectNewest(host);
  });
});

describe('a file that is written to while it is read', () => {
  /** A sink that meddles whenever it is asked for room in a volume, in the midst of a large file. */
  class MeddlingSink extends MemorySink {
    readonly #meddle: () => void;

    constructor(meddle: () => void) {
      super();
      this.#meddle = meddle;
    }

    protected override onRoom(name: string): void {
      if (name.startsWith('vol-')) this.#meddle();
    }
  }

  test('again and again is marked as torn, and read again the next time', async () => {
    const { host, root } = await newHost();
    const file = join(root, 'file');
    put(root, { file: noise(12 * MIB, 'file') });
    let times = 0;
    const sink = new MeddlingSink(() => overwrite(file, 0.001, noise(100, `${++times}`)));
    const made = await host.run({ sink });
    expect(incidentsOf(made)).toEqual([`torn ${file}`]);
    expect(made.result.incomplete).toEqual({ carried: 0, torn: 1, unreadable: 0, partial: 0 });
    const entry = host.point().get(`a ${file}`);
    expect(entry?.torn).toBe(true);
    expect(host.content(entry as never).length).toBe(12 * MIB);
    expect(volumesOfUsage(made.result)).toEqual(host.volumesOfPoint());
    await settle();
    const next = await host.run();
    expect(next.result.incomplete.torn).toBe(0);
    expectNewest(host);
  });

  test('at its end only is whole, with the bytes of the first look', async () => {
    const { host, root } = await newHost();
    const file = join(root, 'file');
    const data = noise(12 * MIB, 'file');
    put(root, { file: data });
    let times = 0;
    const sink = new MeddlingSink(() => {
      times++;
      execFileSync('sh', ['-c', 'echo more >> "$0"', file]);
    });
    const made = await host.run({ sink });
    expect(times).toBeGreaterThan(1);
    expect(incidentsOf(made)).toEqual([]);
    const entry = host.point().get(`a ${file}`);
    expect(host.content(entry as never).equals(data)).toBe(true);
    expect(made.result.bytesRead).toBe(12 * MIB);
    await host.run();
    expectNewest(host);
  });
});

describe('a large file that a program has mapped into memory', () => {
  test('is read again after a store that a page allowed which was dirty already', async () => {
    const { host, root } = await newHost();
    put(root, { file: noise(MIB, 'file') });
    const fill = await mapFile(join(root, 'file'));
    for (const generation of 'abc') {
      fill(generation);
      await settle();
      await host.run();
      expectNewest(host);
    }
  });
});

describe('volumes that are given up', () => {
  test('are needed no more: what the point has in them is read and stored anew', async () => {
    const { host, root } = await newHost();
    const files = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`f${i}`, noise(250 * KIB, `f${i}`)]),
    );
    put(root, { ...files, large: noise(2 * MIB, 'large') });
    await settle();
    const first = await host.run();
    expect(first.volumes.length).toBeGreaterThan(3);
    const seq = host.seqs[0] as number;
    const givenUp = [{ seq, volumes: [1, 3] }];
    const { result } = await host.run({ givenUp });
    expect(result.bytesRead).toBeGreaterThan(500 * KIB);
    expect(result.bytesRead).toBeLessThan(5 * MIB);
    expectNewest(host);
    const used = host.volumesOfPoint();
    expect(used).not.toContain(`${seq}/1`);
    expect(used).not.toContain(`${seq}/3`);
    expect(used).toContain(`${seq}/2`);
    // What has not changed is not read again after that.
    expect((await host.run()).result.bytesRead).toBe(0);
    expectNewest(host);
  });

  test('are still needed for what cannot be read', async () => {
    const { host, root } = await newHost();
    put(root, { a: 'a' });
    await host.run();
    renameSync(root, `${root}-away`);
    await host.run();
    const seq = host.seqs[0] as number;
    const made = await host.run({ givenUp: [{ seq, volumes: [1] }] });
    expect(volumesOfUsage(made.result)).toEqual([`${seq}/1`]);
    expect(host.content(host.point().get(`a ${root}/a`) as never).toString()).toBe('a');
  });
});
