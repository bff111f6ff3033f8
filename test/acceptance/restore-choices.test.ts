/** What a restore brings, where to, and what it leaves alone: patterns, --strip, --overwrite, --in-place, --dry-run. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { differences, record, type Snapshot } from '../demo/snapshot.ts';
import { expectRefused, HOLDFAST, jsonLines, leavesAlone, Machine, noise } from './program.ts';

const OLD = 1_600_000_000;
const THEN = 1_700_000_000;
const NEW = 1_800_000_000;

let machine: Machine;

beforeEach(async () => {
  machine = await Machine.make();
  for (const folder of ['a/logs', 'b/logs', 'cache/keep']) mkdirSync(machine.at(folder), { recursive: true });
  for (const file of ['a/logs/x.log', 'a/one.txt', 'b/logs/y.log', 'cache/drop', 'cache/keep/z', 'top']) {
    machine.write(file, `then ${file}`);
    utimesSync(machine.at(file), THEN, THEN);
  }
  await machine.backup();
});

/** With the signer pinned, so that nothing but what is tested is said. */
const restore = (...args: string[]) => {
  const [key = ''] = readdirSync(join(machine.store, 'town/keys'));
  const signer = key.replace('.asc', '');
  return machine.run('restore', '--signer', signer, '--secret-key', machine.secretKey, ...args);
};

/** Differences but for the time of the folder itself, in which a restore keeps its marker. */
function differencesIn(before: Snapshot, after: Snapshot): string[] {
  return differences(before, after).filter((line) => !line.startsWith(': mtime'));
}

/** Files below a folder, by path. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length))
    .sort();
}

function depthOf(path: string): string {
  return String(path.split('/').length - 1);
}

describe('patterns', () => {
  test('choose what comes back, as in a strategy, with the folders that it lies in as they were', async () => {
    const to = join(machine.folder, 'back');
    const ran = await restore('--to', to, '--exclude', 'cache/', '--exclude', '*.log', '--include', 'keep/');
    expect(ran.code).toBe(0);
    expect(filesIn(join(to, machine.source))).toEqual(['/a/one.txt', '/cache/keep/z', '/top']);
    const cache = (at: string) => statSync(join(at, 'cache')).mtimeMs;
    expect(cache(join(to, machine.source))).toBeCloseTo(cache(machine.source), 0);
    expectRefused(await restore('--to', `${to}2`, '--exclude', 'a['), 2, /--exclude "a\[" has a "\["/);
    expectRefused(await restore('--to', `${to}2`, '--include', '/'), 2, /--include "\/" matches nothing/);
    expectRefused(await restore('--to', `${to}2`, '--exclude', '#x'), 2, /--exclude "#x" begins with "#"/);
    expectRefused(await restore('--to', `${to}2`, '--include', '!x'), 2, /must not begin with "!"/);
    expect(existsSync(`${to}2`)).toBe(false);
  });
});

describe('--strip', () => {
  test('takes leading components off, and refuses collisions by name before anything is written', async () => {
    const to = join(machine.folder, 'back');
    const depth = machine.source.split('/').length - 1;
    expect((await restore('--to', to, '--strip', String(depth))).code).toBe(0);
    expect(filesIn(to)).toEqual(filesIn(machine.source));
    const other = join(machine.folder, 'other');
    expectRefused(
      await restore('--to', other, '--strip', String(depth + 1), machine.at('a'), machine.at('b')),
      2,
      /\/a\/logs and .*\/b\/logs would both become logs/,
    );
    expectRefused(
      await restore('--to', other, '--strip', String(depth + 1), machine.at('top')),
      2,
      /whole path of .*\/top away/,
    );
    expectRefused(await restore('--to', other, '--strip', 'x'), 2, /no number of components/);
    expect(existsSync(other)).toBe(false);
    expect((await restore('--to', other, '--strip', String(depth + 2), machine.at('a/logs'))).code).toBe(0);
    expect(filesIn(other)).toEqual(['/x.log']);
  });
});

describe('--overwrite', () => {
  let to: string;

  beforeEach(() => {
    to = join(machine.folder, 'there');
    const put = (path: string, time: number) => {
      mkdirSync(join(to, path, '..'), { recursive: true });
      writeFileSync(join(to, path), `mine ${path}`);
      utimesSync(join(to, path), time, time);
    };
    put('a/one.txt', OLD);
    put('top', NEW);
    // Something else than a folder, where a folder belongs.
    put('b', OLD);
    mkdirSync(join(machine.folder, 'elsewhere'));
    symlinkSync('../elsewhere', join(to, 'cache'));
    execFileSync('touch', ['-h', '-d', '@1800000000', join(to, 'cache')]);
  });

  const into = (...args: string[]) => restore('--to', to, '--strip', depthOf(machine.source), ...args);
  const content = (path: string) => readFileSync(join(to, path), 'utf8');

  test('has to be said for a target that is not empty', async () => {
    await leavesAlone(machine.folder, async () => expectRefused(await into(), 1, /is not empty/));
    expectRefused(await into('--overwrite', 'sometimes'), 2, /none of never, if-newer, always/);
  });

  test('never: leaves all that is there, and makes the rest; nothing is written through a link', async () => {
    const ran = await into('--overwrite', 'never');
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    expect(ran.stderr).toMatch(/; \d+ that are there already stayed as they were\./);
    expect([content('a/one.txt'), content('top'), content('b')]).toEqual([
      'mine a/one.txt',
      'mine top',
      'mine b',
    ]);
    expect(content('a/logs/x.log')).toBe('then a/logs/x.log');
    expect(readdirSync(join(machine.folder, 'elsewhere'))).toEqual([]);
    const before = record(to);
    expect((await into('--overwrite', 'never')).code).toBe(0);
    expect(differencesIn(before, record(to))).toEqual([]);
  });

  test('if-newer: replaces what was modified before, and leaves the rest', async () => {
    expect((await into('--overwrite', 'if-newer')).code).toBe(0);
    expect([content('a/one.txt'), content('top')]).toEqual(['then a/one.txt', 'mine top']);
    expect(content('b/logs/y.log')).toBe('then b/logs/y.log');
    // The link is newer than the folder of the point.
    expect(readdirSync(join(machine.folder, 'elsewhere'))).toEqual([]);
  });

  test('if-newer, never: what cannot be looked at stays, and is named', async () => {
    chmodSync(join(to, 'a'), 0);
    const look = (...more: string[]) =>
      machine.runAs({ ordinary: true }, 'restore', '--secret-key', machine.secretKey, '--to', to, ...more);
    const how = ['--strip', depthOf(machine.source), '--overwrite', 'if-newer'];
    const tried = await look(...how, '--dry-run');
    expect(tried.code, tried.stderr).toBe(3);
    expect(tried.stdout).toMatch(/^keep {4}\/a\/one.txt$/m);
    const ran = await look(...how);
    expect(ran.code, ran.stderr).toBe(3);
    expect(ran.stderr).toMatch(/\/a\/one.txt stays as it is: what is there cannot be looked at \(EACCES\)/);
    expect(content('a/one.txt')).toBe('mine a/one.txt');
    expect(content('b/logs/y.log')).toBe('then b/logs/y.log');
  });

  test('always, which it means alone, also before a path: replaces all that is in the way', async () => {
    expect((await into('--overwrite', machine.at('top'))).code).toBe(0);
    expect([content('a/one.txt'), content('top')]).toEqual(['mine a/one.txt', 'then top']);
    expect((await into('--overwrite', 'always')).code).toBe(0);
    expect([content('a/one.txt'), content('b/logs/y.log')]).toEqual(['then a/one.txt', 'then b/logs/y.log']);
    expect(filesIn(to)).toEqual(filesIn(machine.source));
  });

  test('never: an interrupted restore goes on, and still leaves alone what was there before it', async () => {
    machine.write('big', noise(3_000_000, 1));
    machine.write('big2', noise(3_000_000, 2));
    machine.writeStrategy({ more: { volume: { size: '64KiB' } } });
    await machine.backup();
    writeFileSync(join(to, 'big2'), 'mine big2');
    for (const target of [to, join(machine.folder, 'empty')]) await interruptAndGoOn(target);
    expect([content('big2'), content('top')]).toEqual(['mine big2', 'mine top']);
    expect(readFileSync(join(machine.folder, 'empty/big2')).equals(noise(3_000_000, 2))).toBe(true);
  });

  /** Restores with `never`, is killed when something has come, and goes on; all of one large file is there then. */
  async function interruptAndGoOn(target: string): Promise<void> {
    const args = ['--to', target, '--strip', depthOf(machine.source), '--overwrite', 'never'];
    const child = machine.start(['restore', '--secret-key', machine.secretKey, ...args]);
    const marker = join(target, '.holdfast-restore');
    await expect
      .poll(() => existsSync(marker) && readFileSync(marker, 'utf8').includes('"volume"'), {
        timeout: 20_000,
        interval: 1,
      })
      .toBe(true);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.on('close', resolve));
    const again = await restore(...args);
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(join(target, 'big')).equals(noise(3_000_000, 1))).toBe(true);
    expect(existsSync(marker)).toBe(false);
  }
});

describe('--dry-run', () => {
  test('says what would come, entry by entry, and writes nothing', async () => {
    const to = join(machine.folder, 'there');
    mkdirSync(to);
    writeFileSync(join(to, 'top'), 'mine');
    utimesSync(join(to, 'top'), NEW, NEW);
    const depth = depthOf(machine.source);
    await leavesAlone(machine.folder, async () => {
      const all = await restore('--dry-run');
      expect(all.code).toBe(0);
      const paths = [...record(machine.source).keys()].map((path) => `${machine.source}${path}\n`);
      expect(all.stdout).toBe(paths.join(''));
      expect(all.stderr).toMatch(/^Would restore point 1 of .*: \d+ entries, \d+ B\.$/m);
      expect(all.stderr).toMatch(/^Would fetch 1 volume, .*\n {2}town\/sets\/.*vol-000001/m);
      const some = await restore(
        '--dry-run',
        '--to',
        to,
        '--strip',
        depth,
        '--overwrite',
        'if-newer',
        '--exclude',
        '*.log',
      );
      expect(some.stdout).toMatch(/^new {5}\/a$/m);
      expect(some.stdout).toMatch(/^keep {4}\/top$/m);
      expect(some.stdout).not.toContain('.log');
      expectRefused(await restore('--dry-run', '--to', to), 1, /is not empty/);
      const json = jsonLines(
        (await restore('--dry-run', '--json', '--to', `${to}2`, machine.at('top'))).stdout,
      );
      expect(json).toMatchObject([
        { event: 'entry', path: machine.at('top'), type: 'file', size: 8, action: 'new' },
        { event: 'volume' },
        {
          event: 'rehearsal',
          point: { seq: 1 },
          target: `${to}2`,
          entries: 1,
          bytes: 8,
          kept: 0,
          volumes: 1,
        },
      ]);
    });
  });
});

describe('--in-place', () => {
  test('brings back what was lost or changed to where it was, after a yes that is said', async () => {
    const before = record(machine.source);
    rmSync(machine.at('a'), { recursive: true });
    machine.write('top', 'changed');
    machine.write('mine', 'made since');
    const mine = machine.at('mine');
    await leavesAlone(machine.folder, async () => {
      expectRefused(await restore('--in-place'), 2, /here is no terminal to answer/);
      expectRefused(await restore('--in-place', '--to', 'x'), 2, /do not go together/);
      expectRefused(await restore('--in-place', '--yes', '--strip', '1'), 2, /--strip/);
      expectRefused(await restore('--yes', '--to', 'x'), 2, /--yes answers/);
      expectRefused(await restore(), 2, /where to/);
      const tried = await restore('--in-place', '--dry-run', machine.at('top'));
      expect(tried.stdout).toBe(`replace ${machine.at('top')}\n`);
    });
    const ran = await restore('--in-place', '--yes');
    expect(ran.code, ran.stderr).toBe(0);
    expect(readFileSync(mine, 'utf8')).toBe('made since');
    rmSync(mine);
    expect(differencesIn(before, record(machine.source))).toEqual([]);
    machine.write('top', 'changed again');
    machine.write('a/one.txt', 'changed too');
    expect((await restore('--in-place', '--yes', machine.at('top'))).code).toBe(0);
    expect(readFileSync(machine.at('top'), 'utf8')).toBe('then top');
    expect(readFileSync(machine.at('a/one.txt'), 'utf8')).toBe('changed too');
    expect((await restore('--in-place', '--yes', `${machine.source}/*/one.txt`)).code).toBe(0);
    expect(readFileSync(machine.at('a/one.txt'), 'utf8')).toBe('then a/one.txt');
  });

  test('is not led elsewhere by a link that others may have put on the way', async () => {
    const victim = join(machine.folder, 'victim');
    mkdirSync(victim);
    writeFileSync(join(victim, 'x.log'), 'precious');
    renameSync(machine.at('a/logs'), machine.at('a/away'));
    symlinkSync(victim, machine.at('a/logs'));
    chmodSync(machine.at('a'), 0o777);
    await leavesAlone(machine.folder, async () => {
      const advice = /\/a\/logs is a symlink to .*\/victim, .* restore with --to/;
      const log = machine.at('a/logs/x.log');
      expectRefused(await restore('--in-place', '--yes', log), 2, advice);
      expectRefused(await restore('--in-place', '--dry-run', log), 2, advice);
      expectRefused(await restore('--in-place', '--yes', '--overwrite', 'never', log), 2, advice);
    });
    // One that only the person himself can have put there is his wish.
    chmodSync(machine.at('a'), 0o755);
    const ran = await restore('--in-place', '--yes', machine.at('a/logs/x.log'));
    expect(ran.code, ran.stderr).toBe(0);
    expect(readFileSync(join(victim, 'x.log'), 'utf8')).toBe('then a/logs/x.log');
  });

  test('asks on a terminal, and writes nothing without a yes', async () => {
    machine.write('top', 'changed');
    const words = [process.execPath, HOLDFAST, 'restore', '--in-place', '--secret-key', machine.secretKey];
    const line = [...words, machine.at('top')].map((word) => `'${word}'`).join(' ');
    const command = (answer: string) =>
      execFileSync('script', ['-qec', line, '/dev/null'], {
        cwd: machine.folder,
        env: machine.environment(),
        input: `${answer}\n`,
        timeout: 60_000,
        stdio: ['pipe', 'pipe', 'pipe'],
      }).toString();
    let output = '';
    try {
      command('n');
    } catch (error) {
      output = String((error as { stdout: Buffer }).stdout);
      expect((error as { status: number }).status).toBe(130);
    }
    expect(output).toContain('Go on? [y/N]');
    expect(output).toContain('not confirmed: nothing was written');
    expect(readFileSync(machine.at('top'), 'utf8')).toBe('changed');
    expect(command('yes')).toContain('Restored 1 entry');
    expect(readFileSync(machine.at('top'), 'utf8')).toBe('then top');
  });
});
