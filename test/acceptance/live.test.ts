/** Reading a live system, on real file systems: what changes, vanishes or fails under the backup, and how its summary tells. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { shell } from './faithful-tree.ts';
import { jsonLines, Machine, noise } from './program.ts';

const ROOT = process.geteuid?.() === 0;

/** Starts a python script that goes on until the test ends; resolves when it has said something. */
async function running(...args: string[]): Promise<void> {
  const child = spawn('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
  });
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error(`${args[0]} has ended`)));
  });
}

/** Whether a file of the busy writer is one that was there at some moment. */
function wasOneState(bytes: Buffer): boolean {
  const runs: bigint[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const word = bytes.readBigUInt64LE(at);
    if (runs.at(-1) !== word) runs.push(word);
    if (runs.length > 2) return false;
  }
  return runs.length < 2 || (runs[0] as bigint) - (runs[1] as bigint) === 1n;
}

test('files that another process rewrites, cuts and lets grow all the time are never taken for whole when they are not', async () => {
  const machine = await Machine.make();
  await running(new URL('busy-writer.py', import.meta.url).pathname, machine.source);
  let torn = 0;
  for (let i = 0; i < 6; i++) {
    const { code, stdout, stderr } = await machine.run('backup', '--json');
    expect([0, 3], stderr).toContain(code);
    const summary = jsonLines(stdout).at(-1) as {
      point: { seq: number };
      incomplete: { path: string; kind: string }[];
    };
    const { seq } = summary.point;
    const to = await machine.restoreEnding(code ?? 0, seq);
    for (const name of ['calm', 'wild']) {
      const isTorn = summary.incomplete.some(
        ({ path, kind }) => path === machine.at(name) && kind === 'torn',
      );
      if (isTorn) torn++;
      const bytes = readFileSync(join(to, machine.at(name)));
      expect(isTorn || wasOneState(bytes), `${name} of point ${seq}`).toBe(true);
    }
    expect(summary.incomplete.every(({ kind }) => kind === 'torn')).toBe(true);
    expect(code).toBe(summary.incomplete.length > 0 ? 3 : 0);
  }
  // Otherwise nothing was put to the test.
  expect(torn).toBeGreaterThan(0);
}, 120_000);

test('names that vanish before they can be read are deletions: counted, and no error', async () => {
  const machine = await Machine.make();
  mkdirSync(machine.at('spool'));
  machine.write('stays', 'stays');
  const script = `
import os, random, sys
names = [os.path.join(sys.argv[1], f"job-{i:05d}") for i in range(3000)]
for name in names: os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
print("ready", flush=True)
while True:
    i = random.randrange(len(names))
    other = names[i][:-1] if names[i].endswith("~") else names[i] + "~"
    os.rename(names[i], other)
    names[i] = other
`;
  await running('-c', script, machine.at('spool'));
  let vanished = 0;
  for (let tries = 0; vanished === 0 && tries < 30; tries++) {
    const { code, stdout, stderr } = await machine.run('backup', '--json');
    // That most of a spool has gone is worth a warning.
    expect(stderr.replace(/^holdfast: warning: \d+ of \d+ entries have gone.*\n/m, '')).toBe('');
    expect([0, 3]).toContain(code);
    const summary = jsonLines(stdout).at(-1) as { vanished: number; incomplete: unknown[] };
    expect(summary.incomplete).toEqual([]);
    vanished = summary.vanished;
  }
  expect(vanished).toBeGreaterThan(0);
  expect(readFileSync(join(await machine.restore('latest'), machine.at('stays')), 'utf8')).toBe('stays');
}, 120_000);

test('content that changed under an unchanged modification time and size is read', async () => {
  const machine = await Machine.make();
  machine.write('a', 'first!');
  shell(machine.source, "touch -d '2020-01-01 00:00:00.123456789' a");
  await machine.backup();
  shell(machine.source, 'touch -r a ../stamp; printf second > a; touch -r ../stamp a');
  await machine.backup();
  expect(readFileSync(join(await machine.restore(2), machine.at('a')), 'utf8')).toBe('second');
});

/** A file system in an image, mounted at a folder, until the test ends. */
function mountImage(image: string, at: string): void {
  shell('/', `mount -o loop '${image}' '${at}'`);
  onTestFinished(() => void shell('/', `umount '${at}' 2>/dev/null || true`));
}

test.runIf(ROOT)(
  'a disk that fails in the middle of a file: it is named, its last version stays, and the rest is read',
  async () => {
    const machine = await Machine.make();
    const disk = machine.at('disk');
    const image = join(machine.folder, 'image');
    mkdirSync(disk);
    shell(machine.folder, 'truncate -s 24M image; mkfs.ext4 -q -F -b 4096 -m 0 image');
    machine.writeStrategy({ paths: [disk, machine.at('beside')] });
    machine.write('beside', 'beside');
    mountImage(image, disk);
    const content = noise(6_000_000, 1);
    writeFileSync(join(disk, 'good'), 'good');
    writeFileSync(join(disk, 'bad'), content);
    await machine.backup();
    shell(disk, "touch -d '2021-01-01' bad; sync");
    shell('/', `umount '${disk}'`);
    const blocks = shell(machine.folder, "debugfs -R 'blocks /bad' image 2>/dev/null")
      .trim()
      .split(/\s+/)
      .map(Number);
    // A copy: the loop device of the image may not be gone yet, and would give out what it has kept of it.
    shell(machine.folder, 'cp image failing');
    mountImage(join(machine.folder, 'failing'), disk);
    // Everything from the middle of the file on is not there any more: reading it fails.
    shell(machine.folder, `truncate -s ${(blocks[Math.floor(blocks.length / 2)] as number) * 4096} failing`);
    const { incomplete, point } = await machine.backup(3);
    expect(point.type).toBe('incremental');
    expect(incomplete).toEqual([
      { path: join(disk, 'bad'), kind: 'unreadable', error: 'EIO', carried: true },
    ]);
    const to = await machine.restoreEnding(3, 2);
    expect(readFileSync(join(to, disk, 'bad')).equals(content)).toBe(true);
    expect(readFileSync(join(to, disk, 'good'), 'utf8')).toBe('good');
    // A full has no last version: what came before the error is not taken for the file.
    const full = await machine.run('backup', '--json', '--type', 'full');
    expect(full.code).toBe(3);
    expect(existsSync(join(await machine.restore(3), disk, 'bad'))).toBe(false);
  },
);

test.runIf(ROOT)(
  'attributes that the disk cannot give: the file is in the point without them, and is named each time',
  async () => {
    const machine = await Machine.make();
    const disk = machine.at('disk');
    mkdirSync(disk);
    shell(machine.folder, 'truncate -s 24M image; mkfs.ext4 -q -F -b 4096 -I 128 -m 0 image');
    const image = join(machine.folder, 'image');
    mountImage(image, disk);
    writeFileSync(join(disk, 'file'), 'content');
    shell(disk, 'setfattr -n user.lost -v "$(head -c 500 /dev/zero | tr "\\0" x)" file; sync');
    shell('/', `umount '${disk}'`);
    // The block of its attributes is overwritten.
    const block = /File ACL: (\d+)/.exec(
      shell(machine.folder, "debugfs -R 'stat /file' image 2>/dev/null"),
    )?.[1];
    // Of a copy: the loop device of the image may not be gone yet, and would give out what it has kept of it.
    shell(machine.folder, 'cp image broken');
    shell(machine.folder, `dd if=/dev/zero of=broken bs=4096 seek=${block} count=1 conv=notrunc status=none`);
    mountImage(join(machine.folder, 'broken'), disk);
    machine.writeStrategy({ paths: [disk] });
    // Small inodes keep whole seconds: a younger file would be read again, since its times may hide a change.
    await sleep(2500);
    const partial = { path: join(disk, 'file'), kind: 'partial', error: expect.any(String), carried: false };
    expect((await machine.backup(3)).incomplete).toEqual([partial]);
    // It is tried again, and no content is read for that.
    const second = await machine.backup(3);
    expect(second).toMatchObject({ incomplete: [partial], bytesRead: 0 });
    const { stdout } = await machine.run('points', '--json');
    expect(JSON.parse(stdout)).toMatchObject([
      { incomplete: { partial: 1 } },
      { incomplete: { partial: 1 } },
    ]);
    const to = await machine.restoreEnding(3, 2);
    expect(readFileSync(join(to, disk, 'file'), 'utf8')).toBe('content');
    // Mended: the next point is whole again.
    shell('/', `umount '${disk}'`);
    shell(machine.folder, 'cp broken mended; e2fsck -fy mended >/dev/null 2>&1 || true');
    mountImage(join(machine.folder, 'mended'), disk);
    expect((await machine.backup()).incomplete).toEqual([]);
  },
);

test.runIf(ROOT)(
  'a file system that is not mounted is not taken for deleted; one inside a source is not entered, and is named',
  async () => {
    const machine = await Machine.make();
    const data = machine.at('data');
    mkdirSync(join(data, 'inner'), { recursive: true });
    machine.writeStrategy({ paths: [data] });
    const mount = () => shell('/', `mount -t tmpfs tmpfs '${data}'`);
    mount();
    onTestFinished(() => void shell('/', `umount -R '${data}' 2>/dev/null || true`));
    mkdirSync(join(data, 'inner'));
    writeFileSync(join(data, 'file'), 'content');
    await machine.backup();
    shell('/', `mount -t tmpfs tmpfs '${data}/inner'`);
    writeFileSync(join(data, 'inner/hidden'), 'not backed up');
    const { code, stdout } = await machine.run('backup', '--json');
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toContainEqual({ event: 'skipped', path: join(data, 'inner'), why: 'mount' });
    const before = shell(join(await machine.restore(2), data), 'find . | sort');
    expect(before).toBe('.\n./file\n./inner\n');
    shell('/', `umount -R '${data}'; rmdir '${data}/inner'`);
    const { incomplete } = await machine.backup(3);
    expect(incomplete).toEqual([{ path: data, kind: 'empty', carried: true }]);
    shell('/', `rmdir '${data}'`);
    const gone = await machine.run('backup', '--json');
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining(data)]);
    expect(readFileSync(join(await machine.restoreEnding(3, 'latest'), data, 'file'), 'utf8')).toBe(
      'content',
    );
  },
);

test('paths of more bytes than a path may have: what can be reached is in the point, the rest is named', async () => {
  const machine = await Machine.make();
  machine.write('beside', 'beside');
  // 30 folders of 200 bytes each; node:fs cannot make them, and cannot remove them.
  shell(
    machine.source,
    'for i in $(seq 30); do n=$(printf "%0200d" "$i"); mkdir "$n"; cd "$n"; done; printf deep > file',
  );
  onTestFinished(() => void shell(machine.folder, 'rm -rf source restored-*'));
  const { incomplete } = await machine.backup(3);
  expect(incomplete).toEqual([
    { path: expect.stringMatching(/0{10}/), kind: 'unreadable', error: 'ENAMETOOLONG', carried: false },
  ]);
  const to = await machine.restore(1);
  expect(readFileSync(join(to, machine.at('beside')), 'utf8')).toBe('beside');
  expect(Number(shell(join(to, machine.source), 'find . -type d | wc -l'))).toBeGreaterThan(15);
});

test('a file of more than 4 GiB comes back to its last byte', async () => {
  const machine = await Machine.make();
  const size = 4 * 2 ** 30 + 4097;
  const ends = [0, 2 ** 31 - 3, 2 ** 32 - 3, size - 6];
  shell(
    machine.source,
    `truncate -s ${size} huge; for at in ${ends.join(' ')}; do printf island | dd of=huge bs=1 seek=$at conv=notrunc status=none; done`,
  );
  const { bytesRead } = await machine.backup();
  expect(bytesRead).toBeLessThan(1_000_000);
  const to = join(await machine.restore(1), machine.source);
  expect(Number(shell(to, 'stat -c %s huge'))).toBe(size);
  for (const at of ends) expect(shell(to, `dd if=huge bs=1 skip=${at} count=6 status=none`)).toBe('island');
  expect(shell(to, 'stat -c %b huge')).toBe(shell(machine.source, 'stat -c %b huge'));
}, 180_000);

test('few open files are enough, for many folders and files', async () => {
  const machine = await Machine.make();
  shell(
    machine.source,
    'for a in $(seq 40); do mkdir -p "$a/x/y/z"; for b in 1 2 3 4 5; do printf "$a $b" > "$a/x/y/z/$b"; done; done',
  );
  machine.write('large', noise(3_000_000, 2));
  await machine.backup();
  machine.write('large', Buffer.concat([noise(3_000_000, 2), noise(100_000, 3)]));
  const limited = (...args: string[]) =>
    shell(
      machine.folder,
      `export HOLDFAST_STATE_DIR='${machine.state}'; ulimit -n 160; '${process.execPath}' '${new URL('../../bin/holdfast.js', import.meta.url).pathname}' ${args.join(' ')}`,
    );
  limited('backup');
  limited('restore', '--secret-key', machine.secretKey, '--to', 'back');
  expect(shell(machine.folder, `diff -r source 'back${machine.source}'`)).toBe('');
});

test('nothing to back up is no error: empty files, an empty source, all of it excluded', async () => {
  const machine = await Machine.make({ source: { allowEmpty: true } });
  expect(await machine.backup()).toMatchObject({ entries: 1, incomplete: [] });
  machine.write('empty', '');
  await machine.backup();
  expect(readFileSync(join(await machine.restore(2), machine.at('empty')), 'utf8')).toBe('');
  machine.writeStrategy({ source: { allowEmpty: true, exclude: [`${machine.source}/*`] } });
  const { code, stdout } = await machine.run('backup', '--json');
  expect(code).toBe(0);
  expect(jsonLines(stdout).at(-1)).toMatchObject({ entries: 1, gone: 0, leftOut: 1 });
  expect(shell(join(await machine.restore(3), machine.source), 'find .')).toBe('.\n');
});

test.runIf(ROOT)(
  'special files are never opened: a pipe without a writer, a device that nobody answers for',
  async () => {
    const machine = await Machine.make();
    // No driver has these numbers: opening them fails, and the first tape would be wound back.
    shell(
      machine.source,
      'mkfifo pipe; mknod tape c 4000 1; mknod disk b 4000 2; python3 -c \'import socket; socket.socket(socket.AF_UNIX).bind("socket")\'',
    );
    chmodSync(machine.at('pipe'), 0o000);
    const { incomplete, entries } = await machine.backup();
    expect({ incomplete, entries }).toEqual({ incomplete: [], entries: 5 });
  },
);
