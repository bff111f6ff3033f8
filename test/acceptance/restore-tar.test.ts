/** A point as a tar archive: what stock tools make of it. */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { raw, record, shown } from '../demo/snapshot.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { jsonLines, Machine, noise, tool } from './program.ts';

let machine: Machine;
const NAMES = [
  '\xff\xfe',
  'a\nb',
  '\x1b[31m',
  'ä',
  '\\',
  ' ',
  'x'.repeat(255),
  '-rf',
  '\xf0\x9f\x98\x80',
  "it's",
];

/** Incrementals over a full, so that content of one file is spread over volumes of several sets. */
beforeAll(async () => {
  machine = await Machine.make({ more: { volume: { size: '64KiB' } } }, await makeFolder());
  const at = (name: string) => raw(`${machine.source}/${name}`);
  for (const [i, name] of NAMES.entries()) {
    writeFileSync(at(name), `content of ${i}`);
    lutimesSync(at(name), 1_600_000_000 + i / 7, 1_600_000_000 + i / 7);
  }
  let deep = machine.source;
  for (let i = 0; i < 8; i++) {
    deep = join(deep, `${'long'.repeat(50)}-${i}`);
    mkdirSync(deep);
  }
  writeFileSync(join(deep, 'leaf'), 'leaf');
  writeFileSync(raw(`${deep}/\xfeleaf`), 'leaf of raw bytes');
  symlinkSync('t'.repeat(300), machine.at('long-link'));
  symlinkSync(raw('\xff-target'), machine.at('raw-link'));
  linkSync(machine.at('-rf'), machine.at('zz-other-name'));
  machine.write('empty', '');
  machine.write('mode', '');
  chmodSync(machine.at('mode'), 0o6751);
  machine.write('owned', 'owned');
  chownSync(machine.at('owned'), 3_000_000, 4_000_000_000);
  machine.write('ancient', 'before 1970');
  execFileSync('touch', ['-d', '1960-01-02T03:04:05.123456789Z', machine.at('ancient')]);
  machine.write('future', 'after 2242');
  execFileSync('touch', ['-d', '2300-01-02T03:04:05.987654321Z', machine.at('future')]);
  execFileSync('touch', ['-h', '-d', '2020-01-02T03:04:05.111222333Z', machine.at('raw-link')]);
  execFileSync('mkfifo', [machine.at('pipe')]);
  execFileSync('mknod', [machine.at('device'), 'c', '1', '3']);
  machine.write('sparse', 'x');
  truncateSync(machine.at('sparse'), 5_000_000);
  let content = noise(900_000, 1);
  machine.write('big', content);
  await machine.backup();
  for (let i = 0; i < 4; i++) {
    content = Buffer.concat([
      content.subarray(0, 100_000 + i * 150_000),
      noise(3000, 9 + i),
      content.subarray(100_000 + i * 150_000),
    ]);
    machine.write('big', content);
    machine.write(`new-${i}`, noise(50_000, 20 + i));
    await machine.backup();
  }
  mkdirSync(machine.at('closed'));
  chmodSync(machine.at('closed'), 0o500);
  execFileSync('touch', ['-d', '2001-02-03T04:05:06.700000001Z', machine.at('closed')]);
  await machine.backup();
});

/** The archive that a restore writes; the program must end with `code`. */
async function archive(code: number, ...args: string[]): Promise<{ bytes: Buffer; stderr: string }> {
  const child = machine.start(['restore', '--tar', '--secret-key', machine.secretKey, ...args]);
  const pieces: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr?.on('data', (text) => {
    stderr += String(text);
  });
  expect(await new Promise((resolve) => child.on('close', resolve)), stderr).toBe(code);
  return { bytes: Buffer.concat(pieces), stderr };
}

/** All differences between two folders, times to the nanosecond. */
function exactDifferences(expected: string, found: string): string[] {
  const [a, b] = [record(expected), record(found)];
  const lines: string[] = [];
  for (const path of new Set([...a.keys(), ...b.keys()])) {
    const text = (one: unknown) =>
      JSON.stringify(one, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    if (text(a.get(path)) !== text(b.get(path))) {
      lines.push(`${shown(path)}: ${text(a.get(path))} came as ${text(b.get(path))}`);
    }
  }
  return lines;
}

describe('restore --tar', () => {
  test.each(['C', 'C.UTF-8'])(
    'gives GNU tar all that there was, to the nanosecond (LC_ALL=%s)',
    async (locale) => {
      const { bytes, stderr } = await archive(0);
      expect(stderr).toContain('Wrote point 6 of');
      expect(bytes.length % 10_240).toBe(0);
      const to = await temporaryFolder();
      const unpacked = spawn('tar', ['-x', '-p', '-C', to], {
        env: { ...process.env, LC_ALL: locale },
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      let errors = '';
      unpacked.stderr.on('data', (text) => {
        errors += String(text);
      });
      unpacked.stdin.end(bytes);
      expect(await new Promise((resolve) => unpacked.on('close', resolve)), errors).toBe(0);
      expect(exactDifferences(machine.source, join(to, machine.source))).toEqual([]);
      expect(tool('stat', ['-c', '%F %t %T', join(to, machine.at('device'))]).toString()).toBe(
        'character special file 1 3\n',
      );
      expect(tool('stat', ['-c', '%F', join(to, machine.at('pipe'))]).toString()).toBe('fifo\n');
      const names = readdirSync(join(to, machine.source), { encoding: 'latin1' });
      expect(names).toEqual(expect.arrayContaining(NAMES.map((name) => name)));
    },
  );

  test("gives Python's tarfile the same names, owners and times", async () => {
    const { bytes } = await archive(0);
    const file = join(await temporaryFolder(), 'a.tar');
    writeFileSync(file, bytes);
    const script = `
import json, os, sys, tarfile
out = []
with tarfile.open(sys.argv[1], errors='surrogateescape') as archive:
    for m in archive:
        out.append([os.fsencode(m.name).hex(), os.fsencode(m.linkname).hex(), m.uid, m.gid, m.uname, str(m.mtime), m.size])
print(json.dumps(out))`;
    const members = JSON.parse(tool('python3', ['-c', script, file]).toString()) as [
      string,
      string,
      number,
      number,
      string,
      string,
      number,
    ][];
    const byPath = new Map(members.map((one) => [Buffer.from(one[0], 'hex').toString('latin1'), one]));
    const of = (path: string) => byPath.get(`${machine.source.slice(1)}${path}`);
    for (const path of record(machine.source).keys()) expect(of(path), shown(path)).toBeDefined();
    expect(of('/owned')?.slice(2, 4)).toEqual([3_000_000, 4_000_000_000]);
    expect(of('/mode')?.[4]).toBe('root');
    expect(Number(of('/ancient')?.[5])).toBeCloseTo(-315521754.8765, 3);
    expect(Buffer.from(String(of('/raw-link')?.[1]), 'hex').toString('latin1')).toBe('\xff-target');
  });

  test('takes paths, patterns and --strip as a folder does', async () => {
    const list = async (...args: string[]) => {
      const { bytes } = await archive(0, ...args);
      return tool('tar', ['-t'], bytes).toString().split('\n').slice(0, -1);
    };
    const depth = machine.source.split('/').length - 1;
    expect(await list(`${machine.source}/new-*`, '--exclude', 'new-2', '--strip', String(depth))).toEqual([
      'new-0',
      'new-1',
      'new-3',
    ]);
    expect(await list(machine.source, '--exclude', '*', '--include', 'new-3')).toEqual([
      `${machine.source.slice(1)}/`,
      `${machine.source.slice(1)}/new-3`,
    ]);
  });

  test('leaves a damaged file out and names it, and says that the archive lacks it', async () => {
    const copy = join(await temporaryFolder(), 'store');
    cpSync(machine.store, copy, { recursive: true });
    const sets = readdirSync(join(copy, 'town/sets')).sort();
    const volume = join(copy, 'town/sets', sets[4] as string, 'vol-000001.tar.zst.pgp');
    const bytes = readFileSync(volume);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(volume, bytes);
    const where = ['--store', `directory:${copy}`, '--name', 'town', '--at', '5'];
    const { bytes: got, stderr } = await archive(4, ...where);
    expect(stderr).toMatch(/^holdfast: .*\/(big|new-3) is lost: /m);
    expect(stderr).toMatch(/For what is damaged: the nearest whole point is 4/);
    const listed = tool('tar', ['-t'], got).toString();
    expect(listed).toContain('/new-2\n');
    expect(listed).not.toContain('/new-3\n');
  });

  test('is refused where it makes no sense', async () => {
    for (const more of [['--to', 'x'], ['--overwrite'], ['--no-owner'], ['--in-place']]) {
      const ran = await machine.run('restore', '--tar', '--secret-key', machine.secretKey, ...more);
      expect(ran, more.join(' ')).toMatchObject({ code: 2, stdout: '' });
    }
    const json = await machine.run('restore', '--tar', '--json', '--secret-key', machine.secretKey);
    expect(jsonLines(json.stdout)).toMatchObject([{ event: 'error', code: 'usage' }]);
    const none = await machine.run('restore', '--tar', '--secret-key', machine.secretKey, '/nowhere');
    expect(none).toMatchObject({ code: 10, stdout: '' });
  });
});
