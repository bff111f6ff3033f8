/** What is backed up and what is not, as the strategy says it, and that `why` says the same. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lsPaths } from './finding.ts';
import { jsonLines, Machine } from './program.ts';

const TAG = 'Signature: 8a477f597d28d172789f06886806bc55';

function plant(machine: Machine): void {
  for (const folder of ['cache/keep', 'cache/drop', 'marked/deep', 'tagged']) {
    mkdirSync(machine.at(folder), { recursive: true });
  }
  const files = [
    'a.txt',
    'a.log',
    'cache/x',
    'cache/keep/y.log',
    'cache/drop/z',
    'marked/1',
    'marked/deep/2',
  ];
  for (const file of files) machine.write(file, file);
  machine.write('tagged/CACHEDIR.TAG', TAG);
  machine.write('tagged/blob', 'blob');
  machine.write('large.bin', 'x'.repeat(2000));
}

describe('a selection', () => {
  test('decides what is in a point, can be changed, and why() tells which rule does', async () => {
    const machine = await Machine.make();
    plant(machine);
    await machine.backup();
    machine.write('marked/.nobackup', '');
    machine.writeStrategy({
      source: {
        exclude: ['*.log', `${machine.source}/cache/`],
        include: [`${machine.source}/cache/keep/`],
        excludeIfPresent: ['.nobackup'],
        excludeCaches: true,
        excludeLargerThan: 1000,
      },
    });
    const run = await machine.run('backup', '-v');
    expect(run).toMatchObject({ code: 0, stdout: '' });
    expect(run.stderr).toContain(
      `holdfast: ${machine.at('marked')} is left out from now on, because .nobackup lies in it: 3 entries of the last point are not in this one\n`,
    );
    expect(run.stderr).toMatch(/0 gone, 9 left out from now on; /);
    expect(run.stderr).toContain(`${machine.at('large.bin')}: larger than excludeLargerThan, left out\n`);
    const expected = ['', '/a.txt', '/cache', '/cache/keep', '/cache/keep/y.log'].concat(
      ...['/marked', '/marked/.nobackup', '/tagged', '/tagged/CACHEDIR.TAG'],
    );
    expect(await lsPaths(machine)).toEqual(expected.map((path) => `${machine.source}${path}`));
    // Said once; nothing is wrong any more.
    expect(await machine.run('backup')).toMatchObject({ code: 0, stdout: '', stderr: '' });

    const line = (text: string) => expect.stringContaining(text);
    const why = async (path: string) => machine.run('why', machine.at(path));
    expect(await why('a.txt')).toMatchObject({
      code: 0,
      stdout: line('is backed up: no pattern speaks of it; source all'),
    });
    const file = join(machine.folder, 'holdfast.yaml');
    expect(await why('a.log')).toMatchObject({
      code: 10,
      stdout: line(
        `is not backed up: exclude "*.log" (${file}:10:9) leaves it out; source all, path ${machine.source} (${file}:7:9)\n`,
      ),
    });
    expect((await why('cache/drop/z')).stdout).toContain(
      `leaves ${machine.at('cache/drop')}, in which it lies, out`,
    );
    expect(await why('cache/keep/new.log')).toMatchObject({
      code: 0,
      stdout: line('would be backed up (it is not there now): include '),
    });
    expect((await why('marked/deep/2')).stdout).toContain('.nobackup lies in');
    expect(await why('marked')).toMatchObject({
      code: 10,
      stdout: line(`${machine.at('marked')} itself is backed up, but nothing in it: .nobackup lies in`),
    });
    expect((await why('tagged/blob')).stdout).toMatch(
      /CACHEDIR.TAG lies in .*, and excludeCaches \(.*:\d+:\d+\)/,
    );
    expect((await why('large.bin')).stdout).toContain('it has 2000 bytes, and excludeLargerThan (');
    expect(await machine.run('why', '/nowhere')).toMatchObject({
      code: 10,
      stdout: line('no path of any source'),
    });
    expect((await why('../state/town')).stdout).toContain('no path of any source');
    const many = await machine.run(
      'why',
      '--json',
      machine.at('a.txt'),
      'source/cache/',
      'source/none\n\x1b[31m',
    );
    expect(many.code).toBe(10);
    expect(jsonLines(many.stdout)).toMatchObject([
      { path: machine.at('a.txt'), exists: true, backedUp: true, reason: 'backed-up', rule: null },
      { backedUp: false, reason: 'pattern', rule: { key: 'sources[0].exclude[1]', file, line: 11 } },
      { path: machine.at('none\n\x1b[31m'), exists: false, backedUp: true },
    ]);
    const hostile = await machine.run('why', 'source/none\n\x1b[31m');
    expect(hostile.stdout).toContain('none\\n\\x1b[31m would be');
    expect(hostile.stdout.split('\n')).toHaveLength(2);

    // Taken back, everything is there again.
    machine.writeStrategy();
    rmSync(machine.at('marked/.nobackup'));
    await machine.backup();
    expect((await lsPaths(machine)).length).toBe(17);
  });
});
