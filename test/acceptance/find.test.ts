/** What was where and when: find, diff and cat, by the built program. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ended } from '../helpers/script.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { jsonLines, Machine, noise } from './program.ts';

let machine: Machine;
/** Content of `big` at each point. */
const big: Buffer[] = [];
const RAW = Buffer.from([0x72, 0xff, 0x0a, 0x1b, 0x5b, 0x33, 0x31, 0x6d]);
const LONG = 'l'.repeat(255);
const DEEP = Array.from({ length: 12 }, (_, i) => `${'d'.repeat(200)}${i}`).join('/');

function raw(): Buffer {
  return Buffer.concat([Buffer.from(`${machine.source}/`), RAW]);
}

/** Five points in two chains: 1 (full), 2, 3 (incremental), 4 (full), 5. */
beforeAll(async () => {
  machine = await Machine.make({ more: { volume: { size: '64KiB' } } }, await makeFolder());
  const set = (path: string, content: string | Buffer, time: number) => {
    writeFileSync(machine.at(path), content);
    utimesSync(machine.at(path), time, time);
  };
  mkdirSync(machine.at('web'));
  set('web/index.html', 'one', 1_700_000_000);
  set('web/stays.html', 'stays', 1_700_000_000);
  set('web/late.html', 'late', 1_700_000_000);
  set(LONG, 'long', 1_700_000_000);
  mkdirSync(machine.at(DEEP), { recursive: true });
  set(`${DEEP}/leaf`, 'leaf', 1_700_000_000);
  writeFileSync(raw(), 'raw');
  symlinkSync('web/index.html', machine.at('link'));
  big.push(noise(700_000, 1));
  set('big', big[0] as Buffer, 1_700_000_001);
  await machine.backup();
  set('web/index.html', 'two', 1_700_000_100);
  rmSync(machine.at('web/late.html'));
  big.push(
    Buffer.concat([
      (big[0] as Buffer).subarray(0, 300_000),
      noise(5000, 2),
      (big[0] as Buffer).subarray(300_000),
    ]),
  );
  set('big', big[1] as Buffer, 1_700_000_002);
  await machine.backup();
  chmodSync(machine.at('web/stays.html'), 0o600);
  set('web/late.html', 'late', 1_700_000_000);
  big.push(Buffer.concat([noise(90_000, 3), (big[1] as Buffer).subarray(90_000), Buffer.alloc(500_000)]));
  set('big', big[2] as Buffer, 1_700_000_003);
  truncateSync(machine.at('big'), (big[2] as Buffer).length + 3_000_000);
  utimesSync(machine.at('big'), 1_700_000_003, 1_700_000_003);
  big[2] = Buffer.concat([big[2] as Buffer, Buffer.alloc(3_000_000)]);
  await machine.backup();
  await machine.backup(0, '--type', 'full');
  set('web/index.html', 'three', 1_700_000_200);
  rmSync(machine.at('link'));
  mkdirSync(machine.at('link'));
  await machine.backup();
});

const withKey = (command: string, ...args: string[]) =>
  machine.run(command, '--secret-key', machine.secretKey, ...args);

describe('find', () => {
  test('gives one row for each version, with the first and the last point that hold it, over all chains', async () => {
    const { code, stdout } = await withKey('find', '--json', '*.html');
    expect(code).toBe(0);
    const rows = jsonLines(stdout).map((row) => {
      const { path, first, last, size, mode, points, current } = row as Record<string, { seq: number }>;
      const name = String(path).slice(machine.source.length);
      return [name, `${first?.seq}-${last?.seq}`, size, Number(mode).toString(8), points, current];
    });
    expect(rows).toEqual([
      ['/web/index.html', '1-1', 3, '644', 1, false],
      ['/web/index.html', '2-4', 3, '644', 3, false],
      ['/web/index.html', '5-5', 5, '644', 1, true],
      ['/web/late.html', '1-1', 4, '644', 1, false],
      ['/web/late.html', '3-5', 4, '644', 3, true],
      ['/web/stays.html', '1-2', 5, '644', 2, false],
      ['/web/stays.html', '3-5', 5, '600', 3, true],
    ]);
  });

  test('takes names, absolute paths and globs, each for paths themselves, and escapes what it shows', async () => {
    const paths = async (...patterns: string[]) => {
      const { stdout } = await withKey('find', '--json', ...patterns);
      return new Set(jsonLines(stdout).map(({ path }) => String(path).slice(machine.source.length)));
    };
    expect(await paths('web')).toEqual(new Set(['/web']));
    expect(await paths(machine.at('web'))).toEqual(new Set(['/web']));
    expect(await paths(`${machine.source}/w*/late*`)).toEqual(new Set(['/web/late.html']));
    expect(await paths('leaf', LONG)).toEqual(new Set([`/${DEEP}/leaf`, `/${LONG}`]));
    const { stdout } = await withKey('find', 'r*m');
    expect(stdout).toMatch(/^1-5 .* - +3 .*\/r\\xff\\x0a\\x1b\[31m\n$/);
    const [row] = jsonLines((await withKey('find', '--json', 'r*m')).stdout);
    expect(Buffer.from(String(row?.pathBase64), 'base64').equals(raw())).toBe(true);
    const link = await withKey('find', 'link');
    expect(link.stdout.split('\n').map((line) => line.slice(0, 4).trim())).toEqual(['1-4', '5', '']);
    expect(link.stdout).toContain(' -> web/index.html\n');
  });

  test('says when there is nothing, and when a list is damaged, which costs no more than what it alone lists', async () => {
    expect(await withKey('find', 'none.txt')).toMatchObject({ code: 10, stdout: '' });
    expect(await withKey('find')).toMatchObject({ code: 2 });
    const copy = join(await temporaryFolder(), 'store');
    cpSync(machine.store, copy, { recursive: true });
    const sets = readdirSync(join(copy, 'town/sets')).sort();
    rmSync(join(copy, 'town/sets', sets[1] as string, 'manifest-0001.jsonl.zst.pgp'));
    const found = await machine.run(
      ...['find', '--json', '--secret-key', machine.secretKey, '--store', `directory:${copy}`],
      ...['--name', 'town', 'index.html'],
    );
    expect(found.code).toBe(4);
    expect(found.stderr).toContain('versions that it alone lists are missing here');
    // The list of point 3 repeats what changed in point 2.
    const whole = await withKey('find', '--json', 'index.html');
    expect(jsonLines(found.stdout)).toEqual(jsonLines(whole.stdout));
    expect(jsonLines(found.stdout)).toHaveLength(3);
  });
});

describe('diff', () => {
  test('says what two points differ in, and the other way round', async () => {
    const show = async (...args: string[]) =>
      (await withKey('diff', ...args)).stdout.replaceAll(machine.source, '').split('\n').slice(0, -1);
    expect(await show('1', '3', machine.at('web'))).toEqual(
      [
        'm /web  (mtime)',
        'M /web/index.html  (content, mtime)',
        'm /web/late.html  (mtime)',
        'm /web/stays.html  (mode 644 -> 600)',
      ].filter((line) => !line.includes('late')),
    );
    expect(await show('1', '2', machine.at('web/late.html'))).toEqual(['D /web/late.html']);
    expect(await show('2', '1', machine.at('web/late.html'))).toEqual(['A /web/late.html']);
    expect(await show('4', '5', machine.at('link'))).toEqual(['T /link  (symlink -> dir)']);
    expect(await show('3', '4')).toEqual([]);
    const [line] = jsonLines((await withKey('diff', '--json', '2', '3', machine.at('big'))).stdout);
    expect(line).toMatchObject({
      change: 'content',
      fields: ['size', 'sha256', 'mtime'],
      from: { size: 705_000 },
    });
    expect(await withKey('diff', '1', '2', '/nowhere')).toMatchObject({ code: 10 });
  });

  test('says what the machine differs in from a point: by time and size, or by content', async () => {
    const live = (...args: string[]) => withKey('diff', 'latest', ...args);
    const clean = await live();
    expect(clean).toMatchObject({ code: 0, stdout: '' });
    expect(clean.stderr).toContain('0 added, 0 removed, 0 of another type, 0 changed');
    onTestFinished(() => {
      writeFileSync(machine.at('web/stays.html'), 'stays');
      utimesSync(machine.at('web/stays.html'), 1_700_000_000, 1_700_000_000);
    });
    writeFileSync(machine.at('web/stays.html'), 'other');
    utimesSync(machine.at('web/stays.html'), 1_700_000_000, 1_700_000_000);
    expect((await live()).stdout).toBe('');
    expect((await live('--checksum')).stdout).toBe(`M ${machine.at('web/stays.html')}  (content)\n`);
    utimesSync(machine.at('web/stays.html'), 1_700_000_007, 1_700_000_007);
    expect((await live(machine.at('web'))).stdout).toBe(`M ${machine.at('web/stays.html')}  (mtime)\n`);
    // What the strategy leaves out now will be gone.
    const file = machine.writeStrategy({ source: { exclude: ['*.html'] } }, 'other.yaml');
    const left = await live('-c', file, '--json');
    expect(jsonLines(left.stdout).map(({ change }) => change)).toEqual(['removed', 'removed', 'removed']);
  });

  test('leaves out the state folder also where only --state-dir says where it is', async () => {
    const other = await Machine.make();
    other.writeStrategy({ paths: [other.folder] });
    await other.backup();
    const args = ['diff', '--secret-key', other.secretKey, 'latest'];
    const env = { HOLDFAST_STATE_DIR: undefined };
    const { code, stdout } = await other.runAs({ env }, ...args, '--state-dir', other.state);
    expect(code).toBe(0);
    expect(stdout).not.toContain(`${other.state}/`);
    expect((await other.runAs({ env }, ...args)).stdout).toContain(`A ${other.state}/town`);
    expect(await other.run(...args, '1', '--state-dir', other.state)).toMatchObject({ code: 2 });
  });

  test('shows names of any bytes on one line, and loses nothing in JSON', async () => {
    chmodSync(raw(), 0o600);
    onTestFinished(() => chmodSync(raw(), 0o644));
    const shown = await withKey('diff', 'latest', machine.source);
    expect(shown.stdout).toBe(`m ${machine.source}/r\\xff\\x0a\\x1b[31m  (mode 644 -> 600)\n`);
    const [line] = jsonLines((await withKey('diff', '--json', 'latest', machine.source)).stdout);
    expect(Buffer.from(String(line?.pathBase64), 'base64').equals(raw())).toBe(true);
  });

  test('does not take what cannot be read for removed', async () => {
    chmodSync(machine.at('web'), 0);
    onTestFinished(() => chmodSync(machine.at('web'), 0o755));
    const { code, stdout } = await machine.runAs(
      { ordinary: true },
      ...['diff', '--secret-key', machine.secretKey, 'latest'],
    );
    expect(code).toBe(3);
    expect(stdout).toBe(`m ${machine.at('web')}  (mode 755 -> 0)\n? ${machine.at('web')}  (EACCES)\n`);
  });
});

describe('cat', () => {
  async function bytesOf(...args: string[]): Promise<Buffer> {
    const child = machine.start(['cat', '--secret-key', machine.secretKey, ...args]);
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    return Buffer.concat(pieces);
  }

  test('gives the bytes of every version, holes and patches included', async () => {
    for (const [i, content] of big.entries()) {
      expect(
        (await bytesOf('--at', String(i + 1), machine.at('big'))).equals(content),
        `point ${i + 1}`,
      ).toBe(true);
    }
    expect((await bytesOf(machine.at('web/index.html'))).toString()).toBe('three');
  });

  test('refuses what has no content, and names what is not there', async () => {
    for (const [path, code, says] of [
      [machine.at('web'), 2, 'is a folder'],
      [machine.at('none'), 10, 'holds no'],
      ['web', 2, 'is no absolute path'],
      ['11:55:33', 2, 'a time with a blank in it needs quotes'],
    ] as const) {
      const ran = await withKey('cat', path);
      expect(ran).toMatchObject({ code, stdout: '' });
      expect(ran.stderr).toContain(says);
    }
    expect((await withKey('cat', '--at', '1', machine.at('link'))).stderr).toContain(
      'is a symlink to web/index.html',
    );
  });

  test('fetches no volume that the file does not need, and gives nothing out of one that is damaged', async () => {
    const copy = join(await temporaryFolder(), 'store');
    cpSync(machine.store, copy, { recursive: true });
    const where = [
      '--secret-key',
      machine.secretKey,
      '--store',
      `directory:${copy}`,
      '--name',
      'town',
      '--at',
      '1',
    ];
    const set = join(copy, 'town/sets', readdirSync(join(copy, 'town/sets')).sort()[0] as string);
    const volumes = readdirSync(set).filter((name) => name.startsWith('vol-'));
    expect(volumes.length).toBeGreaterThan(2);
    const flip = (name: string) => {
      const bytes = readFileSync(join(set, name));
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(join(set, name), bytes);
    };
    flip(volumes[1] as string);
    expect(await machine.run('cat', ...where, machine.at('web/stays.html'))).toMatchObject({
      code: 0,
      stdout: 'stays',
    });
    const child = machine.start(['cat', ...where, machine.at('big')]);
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    expect((await ended(child)).code).toBe(4);
    const got = Buffer.concat(pieces);
    expect(got.length).toBeLessThan(700_000);
    expect(got.length).toBeGreaterThan(0);
    expect(got.equals((big[0] as Buffer).subarray(0, got.length))).toBe(true);
  });

  test('ends quietly when its reader does', async () => {
    const child = machine.start(['cat', '--secret-key', machine.secretKey, '--at', '3', machine.at('big')]);
    child.stdout?.once('data', () => child.stdout?.destroy());
    let errors = '';
    child.stderr?.on('data', (text) => {
      errors += String(text);
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(141);
    expect(errors).not.toContain('holdfast: ');
  });
});
