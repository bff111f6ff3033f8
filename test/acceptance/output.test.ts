/** What is printed, and where: answers and JSON on standard output, all else on standard error, nothing when there is nothing to say. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { raw } from '../demo/snapshot.ts';
import { ended } from '../helpers/script.ts';
import { makeFolder } from '../helpers/temporary.ts';
import {
  expectRefused,
  HOLDFAST,
  jsonLines,
  lastLine,
  leavesAlone,
  Machine,
  type Summary,
} from './program.ts';

const COMMANDS = [
  'keygen',
  'init',
  'config',
  'config check',
  'config schema',
  'config example',
  'backup',
  'points',
  'ls',
  'restore',
  'verify',
];

test.each(COMMANDS)('%s --help shows an example and ends with 0', async (command) => {
  const machine = Machine.in('/');
  const { code, stdout, stderr } = await machine.run(...command.split(' '), '--help');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(new RegExp(`^Usage: holdfast ${command} `));
  expect(stdout).toMatch(/\nExamples?[^\n]*:\n.*holdfast/);
  expect(await machine.well('help', ...command.split(' '))).toBe(stdout);
});

test('--help and --version of the whole', async () => {
  const machine = Machine.in('/');
  const help = await machine.well('--help');
  expect(await machine.well('help')).toBe(help);
  for (const command of COMMANDS) expect(help).toContain(`\n  ${command.split(' ')[0]} `);
  expect(await machine.well('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await machine.well('-V')).toBe(await machine.well('--version'));
});

test('the example of a strategy is accepted, and the schema is JSON', async () => {
  const machine = await Machine.prepare();
  const example = await machine.well('config', 'example');
  writeFileSync(join(machine.folder, 'example.yaml'), example);
  const { stdout } = await machine.run('config', 'check', '-c', 'example.yaml');
  // All that may be missing are the key files that it names, and paths.
  const rest = stdout.split('\n').filter((line) => !/there is no such file|problems?$|^$/.test(line));
  for (const line of rest) expect(line).toMatch(/^(retention|objectives|schedule)/);
  expect(JSON.parse(await machine.well('config', 'schema'))).toMatchObject({ type: 'object' });
});

test('a backup without a terminal prints nothing when all is well; --verbose and --json do', async () => {
  const machine = await Machine.make();
  machine.write('file', 'content');
  const quiet = { code: 0, signal: null, stdout: '', stderr: '' };
  expect(await machine.run('backup')).toEqual(quiet);
  expect(await machine.run('backup', '--type', 'full')).toEqual(quiet);

  const verbose = await machine.run('backup', '--verbose');
  expect(verbose).toMatchObject({ code: 0, stdout: '' });
  expect(verbose.stderr).toMatch(/^point 3: incremental, because /);
  expect(verbose.stderr).toMatch(
    /\npoint 3 \(incremental, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d\): 2 entries/,
  );

  const json = await machine.run('backup', '--json');
  expect(json).toMatchObject({ code: 0, stderr: '' });
  const summary = lastLine(json.stdout) as Summary;
  expect(summary).toEqual({
    event: 'summary',
    point: {
      seq: 4,
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      type: 'incremental',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
    },
    reason: expect.stringMatching(/./),
    entries: 2,
    files: 1,
    bytes: 7,
    new: 0,
    changed: 0,
    gone: 0,
    leftOut: 0,
    vanished: 0,
    bytesRead: expect.any(Number),
    bytesStored: expect.any(Number),
    seconds: expect.any(Number),
    incomplete: [],
  });

  const listed = await machine.points();
  expect(listed.map(({ seq, type }) => `${seq} ${type}`)).toEqual([
    '1 full',
    '2 full',
    '3 incremental',
    '4 incremental',
  ]);
  expect(listed.at(-1)).toMatchObject({
    id: summary.point.id,
    time: summary.point.time,
    entries: 2,
    bytesStored: summary.bytesStored,
    whole: true,
  });
});

test('a dry run says what would be done, and does nothing', async () => {
  const machine = await Machine.make();
  machine.write('file', 'content');
  machine.write('other', 'other');
  const first = await machine.run('backup', '--dry-run', '--json');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(jsonLines(first.stdout)).toEqual([
    expect.objectContaining({
      event: 'plan',
      type: 'full',
      reason: 'this is the first backup',
      entries: 3,
      new: 3,
      changed: 0,
      gone: 0,
      bytes: 12,
    }),
  ]);
  expect(await machine.points()).toEqual([]);
  await machine.backup();
  machine.write('file', 'changed content');
  machine.write('new', 'new');
  rmSync(machine.at('other'));
  const second = await machine.run('backup', '--dry-run', '-v');
  expect(second).toMatchObject({ code: 0 });
  expect(second.stdout).toMatch(/would make: incremental/);
  for (const path of ['file', 'new', 'other']) expect(second.stdout).toContain(machine.at(path));
  expect(await machine.points()).toHaveLength(1);
});

test('names that are not UTF-8 carry their bytes in base64 besides, wherever JSON names them', async () => {
  const machine = await Machine.make();
  const name = raw(`${machine.source}/caf\xe9`);
  const ordinary = { ordinary: true } as const;
  writeFileSync(name, 'content');
  await machine.backup();
  chmodSync(name, 0o000);
  const { code, stdout } = await machine.runAs(ordinary, 'backup', '--json');
  expect(code).toBe(3);
  const keys = { path: `${machine.source}/caf\ufffd`, pathBase64: name.toString('base64') };
  const lines = jsonLines(stdout);
  expect(lines[0]).toEqual({
    event: 'incomplete',
    ...keys,
    kind: 'unreadable',
    error: 'EACCES',
    carried: true,
  });
  expect(lines.at(-1)).toMatchObject({ incomplete: [keys] });
  const listed = jsonLines(await machine.well('ls', '--json', '--secret-key', machine.secretKey));
  expect(listed[1]).toMatchObject({ ...keys, type: 'file', size: 7, carried: true });
});

test('restore and verify as JSON: every line parses, and the last is the summary', async () => {
  const machine = await Machine.make();
  mkdirSync(machine.at('folder'));
  machine.write('folder/file', 'content');
  await machine.backup();
  const restored = await machine.run('restore', '--json', '--secret-key', machine.secretKey, '--to', 'back');
  expect(restored.code).toBe(0);
  expect(jsonLines(restored.stdout)).toEqual([
    expect.objectContaining({
      event: 'start',
      entries: 3,
      bytes: 7,
      volumes: 1,
      download: expect.any(Number),
    }),
    expect.objectContaining({ event: 'summary', restored: 3, bytes: 7, incomplete: [], damaged: [] }),
  ]);
  const again = await machine.run('restore', '--json', '--secret-key', machine.secretKey, '--to', 'back');
  expect(again.code).toBe(1);
  expect(jsonLines(again.stdout)).toEqual([
    expect.objectContaining({
      event: 'error',
      code: 'target-not-empty',
      message: expect.stringMatching(/not empty/),
    }),
  ]);
  const verified = await machine.run('verify', '--json', '--full', '--secret-key', machine.secretKey);
  expect(verified.code).toBe(0);
  expect(jsonLines(verified.stdout)).toEqual([
    expect.objectContaining({ event: 'summary', ok: true, points: 1, whole: 1, findings: 0 }),
  ]);
});

test('nothing that only reads writes to the store, nor to the machine but where it was told to', async () => {
  const machine = await Machine.make();
  machine.write('file', 'content');
  await machine.backup();
  const key = ['--secret-key', machine.secretKey];
  await leavesAlone(machine.folder, async () => {
    for (const command of [
      ['points'],
      ['ls', ...key],
      ['verify', '--full'],
      ['verify', ...key],
      ['config', 'check'],
    ]) {
      await machine.well(...command);
    }
    await machine.well('backup', '--dry-run');
  });
  await leavesAlone(machine.store, () => machine.restore('latest'));
});

test('errors as JSON name the path or object concerned', async () => {
  const machine = await Machine.make();
  const nostore = machine.writeStrategy({ store: { directory: 'nostore' } }, 'nostore.yaml');
  const { code, stdout } = await machine.run('backup', '--json', '-c', nostore);
  expect(code).toBe(1);
  expect(jsonLines(stdout)).toEqual([
    {
      event: 'error',
      code: 'store-absent',
      message: expect.any(String),
      path: join(machine.folder, 'nostore'),
    },
  ]);
});

test('without a pin everything that reads says whom it trusts; with one it does not', async () => {
  const machine = await Machine.make();
  machine.write('file', 'content');
  await machine.backup();
  const signer = (await machine.well('init')).trim();
  for (const command of [['points'], ['ls', '--secret-key', machine.secretKey], ['verify']]) {
    const { stderr } = await machine.run(...command);
    expect(stderr).toMatch(
      new RegExp(`^Trusting ${signer}, only because its key lies in the store: .*pin it.*\n$`),
    );
    expect((await machine.run(...command, '--signer', signer)).stderr).toBe('');
  }
  machine.writeStrategy({ more: { signer: signer.match(/.{4}/g)?.join(' ') } });
  expect((await machine.run('points')).stderr).toBe('');
  // As it is on a machine that never saw this one: a name and a store, and keys that are not there.
  machine.writeStrategy({ more: { signer }, recipients: ['gone.asc'], paths: ['/nowhere'] });
  expect(await machine.run('points')).toMatchObject({ code: 0, stderr: '' });
});

test('from 30 days before a key expires every run warns, and ends with 0 all the same', async () => {
  const gnupg = await Gnupg.start();
  try {
    const machine = await Machine.prepare();
    for (const [name, days] of [
      ['soon', 20],
      ['later', 40],
    ] as const) {
      const key = gnupg.makeKey(`test-only ${name}`, 'ed25519', { expires: `${days}d` });
      writeFileSync(join(machine.folder, `${name}.asc`), gnupg.exportPublic(key, '--armor'));
    }
    machine.write('file', 'content');
    machine.writeStrategy({ recipients: [machine.publicKey, 'soon.asc', 'later.asc'] });
    await machine.well('init');
    for (const type of ['full', 'incremental']) {
      const { code, stdout, stderr } = await machine.run('backup', '--json', '--type', type);
      expect(code).toBe(0);
      expect(stderr).toMatch(
        /^holdfast: warning: .*\/soon\.asc: the key of test-only soon expires in (19|20) days, on \d{4}-\d\d-\d\d.*\n$/,
      );
      expect(jsonLines(stdout)[0]).toEqual({ event: 'warning', message: expect.stringMatching(/soon\.asc/) });
    }
    // Twenty days on, one of the two has expired, and the other warns.
    const later = await machine.runAs({ clockAhead: 21 * 86_400_000 }, 'backup');
    expect(later.code).toBe(12);
    expect(later.stderr).toMatch(
      /^holdfast: .*\/soon\.asc: the key of test-only soon .* expired on [^\n]*\n$/,
    );
    machine.writeStrategy({ recipients: [machine.publicKey, 'later.asc'] });
    const left = await machine.runAs({ clockAhead: 21 * 86_400_000 }, 'backup');
    expect(left).toMatchObject({ code: 0, stdout: '' });
    expect(left.stderr).toMatch(/^holdfast: warning: .*\/later\.asc: .*expires in (18|19) days[^\n]*\n$/);
  } finally {
    gnupg.stop();
  }
});

test('what lies inside and is its own is left out, and that is said', async () => {
  const machine = await Machine.prepare();
  const { folder } = machine;
  machine.writeStrategy({ paths: [folder] });
  await machine.well('init');
  const { code, stdout, stderr } = await machine.run('backup', '--json');
  expect([code, stderr]).toEqual([0, '']);
  const skipped = jsonLines(stdout).filter(({ event }) => event === 'skipped');
  expect(skipped).toEqual([
    { event: 'skipped', path: join(folder, 'state/town'), why: 'own' },
    { event: 'skipped', path: machine.store, why: 'own' },
  ]);
  const verbose = await machine.run('backup', '-v');
  expect(verbose.stderr).toContain(`${machine.store}: Holdfast's own, left out`);
  const listed = await machine.well('ls', '--secret-key', machine.secretKey);
  expect(listed).toContain(join(folder, 'holdfast.yaml'));
  expect(listed).not.toContain(machine.store);
});

test('what is not acted upon yet is named by init and config check', async () => {
  const machine = await Machine.prepare();
  machine.writeStrategy({ more: { retention: { points: '30d' }, objectives: { rpo: '26h' } } });
  const { code, stderr } = await machine.run('init');
  expect(code).toBe(0);
  for (const key of ['retention', 'objectives']) expect(stderr).toMatch(new RegExp(`note: .*${key}`));
  const checked = await machine.well('config', 'check');
  for (const key of ['retention', 'objectives']) expect(checked).toContain(key);
});

describe('when nobody reads on', () => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await Machine.make({}, await makeFolder());
    // More than a pipe holds.
    for (let i = 0; i < 1500; i++) machine.write(`${'long name '.repeat(8)}${i}`, '');
    await machine.backup();
  });

  afterAll(() => rmSync(machine.folder, { recursive: true }));

  test.each([
    ['ls', 141],
    ['ls -l', 141],
    ['ls --json', 141],
    ['config schema', 141],
    ['verify', 0],
    ['restore --json --to back', 0],
    ['backup --json', 0],
  ] as const)('%s ends quietly', async (line, expected) => {
    const [command = '', ...rest] = line.split(' ');
    const key = ['ls', 'restore'].includes(command) ? ['--secret-key', machine.secretKey] : [];
    const reader = expected === 0 ? 'true' : 'head -1';
    const shell = `"$@" | { ${reader}; }; echo "ended with \${PIPESTATUS[0]}"`;
    const words = [process.execPath, HOLDFAST, command, ...rest, ...key];
    const child = spawn('bash', ['-c', shell, 'sh', ...words], {
      cwd: machine.folder,
      env: machine.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    const { stdout, stderr } = await ended(child);
    expect(stderr).not.toMatch(/EPIPE|defect|Error/);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(expected === 0 ? 1 : 2);
    // A small answer may have been written whole before the reader ended.
    expect([`ended with ${expected}`, ...(command === 'config' ? ['ended with 0'] : [])]).toContain(
      lines.at(-1),
    );
  });

  test.each([
    ['ls', 1],
    ['points --json', 1],
    ['config schema', 1],
    ['verify', 1],
    ['backup --json', 1],
    ['backup', 0],
  ] as const)('%s, its answer going to a full disk, ends with %i and says so', async (line, expected) => {
    const [command = '', ...rest] = line.split(' ');
    const key = command === 'ls' ? ['--secret-key', machine.secretKey] : [];
    const words = [process.execPath, HOLDFAST, command, ...rest, ...key];
    const child = spawn('sh', ['-c', 'exec "$@" > /dev/full', 'sh', ...words], {
      cwd: machine.folder,
      env: machine.environment(),
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 60_000,
    });
    const { code, stderr } = await ended(child);
    expect(code, stderr).toBe(expected);
    const said = stderr.split('\n').filter((each) => each !== '' && !each.startsWith('Trusting'));
    expect(said).toEqual(
      expected === 0
        ? []
        : [expect.stringMatching(/^holdfast: the answer cannot be written to standard output \(ENOSPC\)/)],
    );
  });
});

test('a current folder that was removed is said', async () => {
  const machine = await Machine.prepare();
  const shell = 'cd source && rmdir ../source && exec "$@"';
  const child = spawn('sh', ['-c', shell, 'sh', process.execPath, HOLDFAST, 'points'], {
    cwd: machine.folder,
    env: machine.environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  expectRefused(await ended(child), 2, /current folder is not there any more/);
});
