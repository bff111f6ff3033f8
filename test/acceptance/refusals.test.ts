/** What is wrong with a call, a strategy or a key is said in one line, with its exit code, and nothing is written. */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { ended } from '../helpers/script.ts';
import { makeFolder } from '../helpers/temporary.ts';
import {
  expectRefused,
  jsonLines,
  leavesAlone,
  Machine,
  noise,
  type StrategyParts,
  until,
} from './program.ts';

const PASSPHRASE = 'the right one';

/** Keys that something is wrong with, by the file that they are in. */
let gnupg: Gnupg;
let keys: Record<'good' | 'expired' | 'revoked' | 'signsOnly' | 'locked' | 'stranger', string>;
let keyFolder: string;

beforeAll(async () => {
  gnupg = await Gnupg.start();
  keyFolder = await makeFolder();
  const put = (name: string, bytes: Uint8Array) => {
    const file = join(keyFolder, name);
    writeFileSync(file, bytes, { mode: 0o600 });
    return file;
  };
  const good = gnupg.makeKey('test-only good', 'ed25519', { passphrase: PASSPHRASE });
  const expired = gnupg.makeKey('test-only expired', 'ed25519', { at: '20200101T000000', expires: '1y' });
  const revoked = gnupg.makeKey('test-only revoked', 'ed25519');
  gnupg.revoke(revoked);
  const signsOnly = gnupg.makeKey('test-only signs', 'ed25519', { subkey: 'none' });
  const stranger = gnupg.makeKey('test-only stranger', 'ed25519');
  keys = {
    good: put('good.gpg', gnupg.exportPublic(good)),
    expired: put('expired.asc', gnupg.exportPublic(expired, '--armor')),
    revoked: put('revoked.asc', gnupg.exportPublic(revoked, '--armor')),
    signsOnly: put('signs.asc', gnupg.exportPublic(signsOnly, '--armor')),
    locked: put('locked.asc', gnupg.exportSecret(good, PASSPHRASE, '--armor')),
    stranger: put('stranger.asc', gnupg.exportSecret(stranger, '', '--armor')),
  };
});

afterAll(() => {
  gnupg.stop();
  rmSync(keyFolder, { recursive: true });
});

/** A machine with a point, made for the key with a passphrase too. */
async function withPoint(): Promise<Machine> {
  const machine = await Machine.prepare();
  machine.writeStrategy({ recipients: [machine.publicKey, keys.good] });
  mkdirSync(machine.at('docs'));
  machine.write('docs/letter', 'Dear town hall,\n');
  await machine.well('init');
  await machine.backup();
  return machine;
}

describe('a backup is refused, on a machine that has made points as on one that never did', () => {
  /** One on which init has never been run, and one with a point. Nothing here may change them. */
  let fresh: Machine;
  let used: Machine;

  beforeAll(async () => {
    [fresh, used] = [
      await Machine.prepare({}, await makeFolder()),
      await Machine.make({}, await makeFolder()),
    ];
    for (const machine of [fresh, used]) {
      mkdirSync(machine.at('real'));
      machine.write('real/file', 'content');
      symlinkSync('real', machine.at('link'));
      symlinkSync('nothing', join(machine.folder, 'dangling'));
      writeFileSync(join(machine.folder, 'empty.asc'), '');
      writeFileSync(join(machine.folder, 'text.asc'), 'no key at all\n');
    }
    await used.backup();
  });

  afterAll(() => {
    for (const { folder } of [fresh, used]) rmSync(folder, { recursive: true });
  });

  const strategyWith = (machine: Machine, parts: (machine: Machine) => StrategyParts) =>
    machine.writeStrategy(parts(machine), 'bad.yaml');

  const cases: [string, number, RegExp, (machine: Machine) => StrategyParts][] = [
    [
      'for a misspelt key',
      2,
      /:9:7: sources\[0\]\.exlude: unknown key; did you mean "exclude"/,
      () => ({ source: { exlude: ['*.tmp'] } }),
    ],
    [
      'for a misspelt key at the top',
      2,
      /retentoin: unknown key; did you mean "retention"/,
      () => ({ more: { retentoin: { points: '30d' } } }),
    ],
    [
      'for a path that is missing, when there is no other',
      1,
      /none of the paths .* is there .*\/nowhere/,
      (m) => ({ paths: [m.at('nowhere')] }),
    ],
    [
      'for paths all missing',
      1,
      /\/nowhere, .*\/gone.*mounted/,
      (m) => ({ paths: [m.at('nowhere'), m.at('gone')] }),
    ],
    [
      'for a path that is a symlink, naming the real one',
      2,
      /\/link is a symlink: write .*\/real instead/,
      (m) => ({ paths: [m.at('link')] }),
    ],
    [
      'for a symlink that points nowhere',
      2,
      /\/dangling is a symlink/,
      (m) => ({ paths: [m.source, m.at('../dangling')] }),
    ],
    [
      'for a path inside another',
      2,
      /lies inside .*must not overlap/,
      (m) => ({ paths: [m.source, m.at('real')] }),
    ],
    ['for a path given twice', 2, /paths\[1\].*source/, (m) => ({ paths: [m.source, `${m.source}/`] })],
    ['for a relative path', 2, /paths\[0\].*absolute/, () => ({ paths: ['source'] })],
    ['without a recipient', 2, /recipients/, () => ({ recipients: [] })],
    [
      'for a secret key as recipient',
      12,
      /secret\.asc: holds a SECRET key .*export the public key instead/,
      (m) => ({ recipients: [m.secretKey] }),
    ],
    [
      'for an expired key',
      12,
      /expired\.asc: .*test-only expired.* expired on 2020-12-31/,
      () => ({ recipients: [keys.expired] }),
    ],
    [
      'for an expired key beside a good one',
      12,
      /expired\.asc: .*test-only expired.* expired on 2020-12-31/,
      (m) => ({ recipients: [m.publicKey, keys.expired, keys.good] }),
    ],
    [
      'for a revoked key',
      12,
      /revoked\.asc: .*test-only revoked.* is revoked/,
      () => ({ recipients: [keys.revoked] }),
    ],
    [
      'for a key that cannot encrypt',
      12,
      /signs\.asc: .*test-only signs.* cannot encrypt/,
      () => ({ recipients: [keys.signsOnly] }),
    ],
    ['for an empty key file', 12, /empty\.asc is empty: export/, () => ({ recipients: ['empty.asc'] })],
    ['for a file that is no key', 12, /text\.asc/, () => ({ recipients: ['text.asc'] })],
    [
      'for a key file that is not there',
      12,
      /nokey\.asc: there is no such file/,
      () => ({ recipients: ['nokey.asc'] }),
    ],
    ['for a folder in place of a key file', 12, /keys: .*EISDIR/, () => ({ recipients: ['keys'] })],
    [
      'for a store folder that does not exist',
      1,
      /\/nostore: the folder is not there; mount it, or create it if it is to be a new store/,
      () => ({ store: { directory: 'nostore' } }),
    ],
    ['for a store that is a file', 1, /text\.asc/, () => ({ store: { directory: 'text.asc' } })],
    [
      'for a command as source',
      2,
      /sources\[0\]\.command: .*does not work yet/,
      () => ({ source: { paths: undefined, command: 'pg_dump orders' } }),
    ],
    [
      'for a Swift store without credentials, naming the ways to give them',
      2,
      /no credentials for the Swift store: name a cloud of clouds\.yaml .*OS_CLOUD.*, or set OS_AUTH_URL .*, or set ST_AUTH, ST_USER and ST_KEY/,
      () => ({ store: { swift: { container: 'backups' } } }),
    ],
    [
      'for a limit of size',
      2,
      /limits\.size: .*does not work yet and would not be kept/,
      () => ({ more: { limits: { size: '1GiB', upload: '20MiB/s' } } }),
    ],
  ];

  test.each(cases)('%s', async (_, code, says, parts) => {
    const [first, bad] = [strategyWith(fresh, parts), strategyWith(used, parts)];
    await leavesAlone(fresh.folder, async () => {
      expectRefused(await fresh.run('init', '-c', first), code, says);
    });
    await leavesAlone(used.folder, async () => {
      const { stdout, ...result } = await used.run('backup', '-c', bad, '--json');
      expectRefused({ ...result, stdout: '' }, code, says);
      const error = {
        event: 'error',
        code: expect.stringMatching(/^[a-z-]+$/),
        message: expect.stringMatching(says),
      };
      expect(jsonLines(stdout)).toEqual([expect.objectContaining(error)]);
    });
  });

  test('config check names what is wrong with keys and paths too, each with its place, and nothing where all is right', async () => {
    const bad = used.writeStrategy(
      {
        paths: [used.at('link'), used.at('real')],
        recipients: [used.publicKey, keys.expired, 'nokey.asc', used.secretKey],
      },
      'bad.yaml',
    );
    const { code, stdout, stderr } = await used.run('config', 'check', '-c', bad);
    expect([code, stderr]).toEqual([2, '']);
    const lines = stdout.split('\n');
    for (const [i, says] of [
      /bad\.yaml:\d+:\d+: sources\[0\]\.paths\[0\]: .*is a symlink: write/,
      /bad\.yaml:\d+:\d+: recipients\[1\]: .* expired on/,
      /bad\.yaml:\d+:\d+: recipients\[2\]: .*there is no such file/,
      /bad\.yaml:\d+:\d+: recipients\[3\]: .*holds a SECRET key/,
      /: 4 problems$/,
    ].entries()) {
      expect(lines[i]).toMatch(says);
    }
    expect(await used.run('config', 'check')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/: in order\n$/),
    });
    const refusals: [StrategyParts, RegExp][] = [
      [
        { more: { limits: { size: '1GiB' } } },
        /bad\.yaml:\d+:\d+: limits\.size: a limit of size does not work yet/,
      ],
      [
        { source: { paths: undefined, command: 'pg_dump orders' } },
        /bad\.yaml:\d+:\d+: sources\[0\]\.command: a command as source does not work yet/,
      ],
      [
        { store: { swift: { container: 'backups' } } },
        /bad\.yaml:\d+:\d+: store\.swift: no credentials for the Swift store/,
      ],
    ];
    for (const [parts, says] of refusals) {
      const refused = await used.run('config', 'check', '-c', used.writeStrategy(parts, 'bad.yaml'));
      expect(refused).toMatchObject({ code: 2, stdout: expect.stringMatching(says) });
    }
    const unlimited = used.writeStrategy({ more: { limits: { upload: '20MiB/s' } } }, 'good.yaml');
    expect(await used.run('config', 'check', '-c', unlimited)).toMatchObject({ code: 0 });
  });

  test('all problems of a strategy are told at once, each with its place', async () => {
    const machine = await Machine.prepare();
    const bad = join(machine.folder, 'bad.yaml');
    writeFileSync(
      bad,
      `name: town\nsources:\n  - name: a\n    pathes: [/srv]\nstore: { directry: store }\nrecipient: [x.asc]\n`,
    );
    const { code, stdout, stderr } = await machine.run('config', 'check', '-c', bad);
    expect([code, stderr]).toEqual([2, '']);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(`${bad}:4:5: sources[0].pathes: unknown key; did you mean "paths"?`);
    expect(lines[1]).toBe(`${bad}:5:10: store.directry: unknown key; did you mean "directory"?`);
    expect(lines[2]).toBe(`${bad}:6:1: recipient: unknown key; did you mean "recipients"?`);
    const refused = await machine.run('backup', '-c', bad);
    expect(refused.code).toBe(2);
    for (const line of lines.slice(0, 3)) expect(refused.stderr).toContain(line);
  });

  test('before init has been run', async () => {
    const machine = await Machine.prepare();
    machine.write('file', 'content');
    await leavesAlone(machine.folder, async () => {
      expectRefused(await machine.run('backup'), 2, /run "?holdfast init/);
      expectRefused(await machine.run('backup', '--dry-run'), 2, /run "?holdfast init/);
    });
  });

  test('after init, but for another store', async () => {
    const machine = await Machine.make();
    machine.write('file', 'content');
    mkdirSync(join(machine.folder, 'other'));
    const other = machine.writeStrategy({ store: { directory: 'other' } }, 'other.yaml');
    await leavesAlone(machine.folder, async () => {
      expectRefused(
        await machine.run('backup', '-c', other),
        2,
        /does not know this host's signing key .*run "holdfast init"/,
      );
    });
  });

  test('while another run is under way, saying which', async () => {
    const machine = await Machine.make({ more: { volume: { compression: 19 } } });
    machine.write('large', noise(8_000_000, 1));
    const first = machine.start(['backup']);
    const result = ended(first);
    try {
      await until(() => readFileSync(join(machine.state, 'town/lock')).length > 0);
      first.kill('SIGSTOP');
      await leavesAlone(machine.folder, async () => {
        const who = new RegExp(
          `is running: backup, pid ${first.pid}, since 20[-0-9: ]* UTC; wait for it or end it`,
        );
        expectRefused(await machine.run('backup'), 11, who);
        expectRefused(await machine.run('init'), 11, who);
        expectRefused(await machine.run('backup', '--dry-run'), 11, who);
      });
    } finally {
      first.kill('SIGCONT');
    }
    expect(await result).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(await machine.backup()).toMatchObject({ point: { seq: 2, type: 'incremental' } });
  });

  test('as an incremental, where there is nothing to build upon', async () => {
    const machine = await Machine.make();
    machine.write('file', 'content');
    const incremental = ['backup', '--type', 'incremental'];
    await leavesAlone(machine.store, async () => {
      expectRefused(
        await machine.run(...incremental),
        2,
        /incremental cannot be made: this is the first backup; use --type auto or --type full/,
      );
    });
    await machine.backup();
    rmSync(machine.state, { recursive: true });
    await leavesAlone(machine.store, async () => {
      expectRefused(await machine.run(...incremental), 2, /cannot be made: this host has no index/);
    });
  });
});

describe('a strategy that is not found', () => {
  test('is said, with the places that were looked at', async () => {
    const machine = await Machine.prepare();
    const elsewhere = { cwd: machine.source };
    await leavesAlone(machine.folder, async () => {
      expectRefused(
        await machine.run('backup', '-c', 'nix.yaml'),
        2,
        /there is no strategy file .*\/nix\.yaml, which -c names/,
      );
      expectRefused(await machine.run('points', '-c', machine.source), 2, /\/source: is a folder/);
      const variable = { env: { HOLDFAST_CONFIG: '/nowhere/town.yaml' } };
      expectRefused(
        await machine.runAs(variable, 'ls'),
        2,
        /\/nowhere\/town\.yaml, which HOLDFAST_CONFIG names/,
      );
      const habit = await machine.runAs(elsewhere, 'backup');
      expectRefused(habit, 2, /looked at .*\/source\/holdfast\.yaml and \/etc\/holdfast\/strategy\.yaml/);
    });
  });

  test('by one who may not read it is said', async () => {
    const machine = await Machine.prepare();
    const file = machine.writeStrategy({}, 'secret.yaml');
    chmodSync(file, 0);
    expectRefused(
      await machine.runAs({ ordinary: true }, 'backup', '-c', file),
      2,
      /secret\.yaml: may not be read by this user/,
    );
  });
});

describe('a restore is refused', () => {
  let machine: Machine;
  let folder: string;

  beforeAll(async () => {
    // Made once: nothing here may change it.
    folder = await makeFolder();
    machine = await Machine.prepare({}, folder);
    machine.writeStrategy({ recipients: [machine.publicKey, keys.good] });
    mkdirSync(machine.at('docs'));
    machine.write('docs/letter', 'Dear town hall,\n');
    await machine.well('init');
    await machine.backup();
    mkdirSync(join(folder, 'full/of'), { recursive: true });
    writeFileSync(join(folder, 'a-file'), '');
    writeFileSync(join(folder, 'empty.asc'), '');
    writeFileSync(join(folder, 'wrong'), 'the wrong one\n', { mode: 0o600 });
    writeFileSync(join(folder, 'right'), `${PASSPHRASE}\nsecond line\n`, { mode: 0o600 });
    writeFileSync(join(folder, 'no-passphrase'), '\n', { mode: 0o600 });
    // Pinned, so that nothing is said but what is wrong.
    const signer = (await machine.well('init')).trim();
    machine.writeStrategy({ more: { signer } });
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const key = () => ['--secret-key', machine.secretKey];
  const locked = () => ['--secret-key', keys.locked];
  const cases: [string, number, RegExp, () => string[]][] = [
    [
      'for a WHEN that is malformed',
      2,
      /"yesterday": is no way to name a point; write latest, /,
      () => [...key(), '--at', 'yesterday'],
    ],
    [
      'for a day that there is not',
      2,
      /"2026-02-30": there is no such day/,
      () => [...key(), '--at', '2026-02-30'],
    ],
    ['for point 0', 2, /points are counted from 1/, () => [...key(), '--at', '0']],
    ['for an empty WHEN', 2, /"": /, () => [...key(), '--at', '']],
    [
      'for a point that there is not',
      10,
      /there is no point 7; nearest: 1 \(id:/,
      () => [...key(), '--at', '7'],
    ],
    [
      'for an id that there is not',
      10,
      /no point has an id that begins with 00000000/,
      () => [...key(), '--at', 'id:00000000'],
    ],
    [
      'for a time before the first point',
      10,
      /there is no point of 2001-.* or before; the oldest is 1/,
      () => [...key(), '--at', '2001-01-01'],
    ],
    [
      'for an age before the first point',
      10,
      /there is no point of .* or before; the oldest is 1/,
      () => [...key(), '--at', '3d'],
    ],
    [
      'for a path that the point does not hold',
      10,
      /point 1 .* holds no \/srv\/nowhere/,
      () => [...key(), '/srv/nowhere'],
    ],
    [
      'for a path beside one that it holds',
      10,
      /holds no \/srv\/nowhere/,
      () => [...key(), machine.source, '/srv/nowhere'],
    ],
    [
      'for a glob that nothing matches',
      10,
      /holds no .*\*\.html/,
      () => [...key(), `${machine.source}/**/*.html`],
    ],
    ['for a relative path', 2, /"docs\/letter"|docs\/letter/, () => [...key(), 'docs/letter']],
    [
      'for a target that is not empty',
      1,
      /\/full is not empty: choose another folder, or .*--overwrite/,
      () => [...key(), '--to', 'full'],
    ],
    ['for a target that is a file', 1, /\/a-file/, () => [...key(), '--to', 'a-file']],
    ['for a target without a name', 2, /--to names no folder/, () => [...key(), '--to', '']],
    [
      'without a secret key',
      12,
      /secret key of one of the recipients is needed .*--secret-key FILE/,
      () => [],
    ],
    [
      'for a secret key that is not there',
      12,
      /nokey\.asc: there is no such file/,
      () => ['--secret-key', 'nokey.asc'],
    ],
    ['for an empty secret key', 12, /empty\.asc is empty/, () => ['--secret-key', 'empty.asc']],
    [
      'for a public key as secret key',
      12,
      /public\.asc: holds a public key, which cannot decrypt/,
      () => ['--secret-key', machine.publicKey],
    ],
    [
      'for somebody else’s secret key',
      12,
      /test-only stranger.*cannot open point 1, which is encrypted for/,
      () => ['--secret-key', keys.stranger],
    ],
    [
      'for a wrong passphrase',
      12,
      /locked\.asc: the passphrase is wrong/,
      () => [...locked(), '--passphrase-file', 'wrong'],
    ],
    [
      'for an empty passphrase',
      12,
      /no-passphrase: .*first line is empty/,
      () => [...locked(), '--passphrase-file', 'no-passphrase'],
    ],
    [
      'for a passphrase file that is not there',
      12,
      /nofile: .*there is no such file/,
      () => [...locked(), '--passphrase-file', 'nofile'],
    ],
    [
      'for a locked key without a terminal',
      12,
      /locked\.asc: is locked with a passphrase: give it with --passphrase-file/,
      () => locked(),
    ],
    [
      'for a store that is not there',
      1,
      /\/nostore: the folder is not there/,
      () => [...key(), '--store', 'directory:nostore', '--name', 'town'],
    ],
    [
      'for a name without points',
      10,
      /holds no points of a strategy named village: check the name and the store, which holds town$/m,
      () => [...key(), '--store', 'directory:store', '--name', 'village'],
    ],
    [
      'for a name without points, with a signer',
      10,
      /holds no points of a strategy named Town: check the name and the store, which holds town$/m,
      () => [...key(), '--store', 'directory:store', '--name', 'Town', '--signer', 'A'.repeat(40)],
    ],
    [
      'for a store that is the folder above it',
      10,
      /holds no points of a strategy named town: check the name and the store, which holds town \(in store\)$/m,
      () => [...key(), '--store', 'directory:.', '--name', 'town'],
    ],
    [
      'for a store that is the folder of the strategy',
      10,
      /holds no points of a strategy named town: it looks like the folder of one strategy: the store is the folder above it$/m,
      () => [...key(), '--store', 'directory:store/town', '--name', 'town'],
    ],
    [
      'for a store without a name',
      2,
      /--store and --name go together/,
      () => [...key(), '--store', 'directory:store'],
    ],
    ['for a name without a store', 2, /--store and --name go together/, () => [...key(), '--name', 'town']],
    [
      'for a store beside a strategy',
      2,
      /-c and --store say the same thing/,
      () => [...key(), '-c', 'holdfast.yaml', '--store', 'directory:store', '--name', 'town'],
    ],
    [
      'for a store of no known kind',
      2,
      /--store "store" is no store: write directory:/,
      () => [...key(), '--store', 'store', '--name', 'town'],
    ],
    [
      'for a name that is none',
      2,
      /--name "a\/b" is no name/,
      () => [...key(), '--store', 'directory:store', '--name', 'a/b'],
    ],
    [
      'for a signer that is no fingerprint',
      2,
      /--signer "5F3A" is not the fingerprint/,
      () => [...key(), '--signer', '5F3A'],
    ],
    [
      'for a signer who made nothing',
      12,
      /AAAA is pinned, but its public key .* is not in the store/,
      () => [...key(), '--signer', 'A'.repeat(40)],
    ],
  ];

  test.each(cases)('%s', async (_, code, says, args) => {
    const words = args();
    const to = words.includes('--to') ? [] : ['--to', 'back'];
    await leavesAlone(folder, async () => {
      expectRefused(await machine.run('restore', ...to, ...words), code, says);
    });
  });

  test('for a misspelt signer: in the strategy, which would make it trust anybody', async () => {
    const bad = machine.writeStrategy({ more: { singer: 'A'.repeat(40) } }, 'misspelt.yaml');
    await leavesAlone(folder, async () => {
      const args = ['restore', '-c', bad, '--secret-key', machine.secretKey, '--to', 'back'];
      expectRefused(await machine.run(...args), 2, /singer: unknown key; did you mean "signer"/);
    });
  });

  test('but not for the right passphrase, from an option or from variables', async () => {
    await machine.well('restore', ...locked(), '--passphrase-file', 'right', '--to', 'back-1');
    const env = { HOLDFAST_SECRET_KEY_FILE: keys.locked, HOLDFAST_PASSPHRASE_FILE: join(folder, 'right') };
    const { code, stderr } = await machine.runAs({ env }, 'restore', '--to', 'back-2');
    expect(code, stderr).toBe(0);
    for (const name of ['back-1', 'back-2']) rmSync(join(folder, name), { recursive: true });
  });

  test('and ls and verify refuse the same keys', async () => {
    await leavesAlone(folder, async () => {
      expectRefused(await machine.run('ls', '--secret-key', keys.stranger), 12, /cannot open point 1/);
      expectRefused(await machine.run('ls', ...locked()), 12, /is locked with a passphrase/);
      expectRefused(await machine.run('ls', ...key(), '/srv/nowhere'), 10, /holds no \/srv\/nowhere/);
      expectRefused(await machine.run('ls', ...key(), '--at', 'soon'), 2, /"soon": is no way/);
      expectRefused(
        await machine.run('verify', '--secret-key', keys.stranger),
        12,
        /opens none of the points/,
      );
      expectRefused(await machine.run('verify', '--secret-key', machine.publicKey), 12, /holds a public key/);
    });
  });
});

describe('a store without points', () => {
  test('ends everything that reads with 10, but a list as JSON is empty', async () => {
    const machine = await Machine.prepare();
    machine.writeStrategy({ more: { signer: (await machine.well('init')).trim() } });
    await leavesAlone(machine.folder, async () => {
      for (const command of [['points'], ['verify'], ['ls', '--secret-key', machine.secretKey]]) {
        expectRefused(
          await machine.run(...command),
          10,
          /holds no points of a strategy named town: its host has been set up, and has made no backup yet$/m,
        );
      }
      const restore = ['restore', '--secret-key', machine.secretKey, '--to', 'back'];
      expectRefused(await machine.run(...restore), 10, /holds no points/);
      expect(await machine.run('points', '--json')).toMatchObject({ code: 0, stdout: '[]\n', stderr: '' });
    });
  });
});

describe('a call that is wrong', () => {
  test.each<[RegExp, string[]]>([
    [/unknown command 'backpu'.*backup/, ['backpu']],
    [/unknown command 'frob'/, ['config', 'frob']],
    [/unknown command 'frob'/, ['help', 'frob']],
    [/unknown option '--verbos'.*--verbose/, ['backup', '--verbos']],
    [/'weird' is invalid.*auto, full, incremental/, ['backup', '--type', 'weird']],
    [/too many arguments for 'backup'/, ['backup', 'everything']],
    [/where to: name a folder with --to, or give --in-place or --tar/, ['restore']],
    [/required option '--email <address>' not specified/, ['keygen', '--name', 'x', '--out', 'k']],
    [/'--adopt <fingerprint>' argument missing/, ['init', '--adopt']],
    [/--adopt "5F3A" is not the fingerprint/, ['init', '--adopt', '5F3A']],
    [
      /"it" is no e-mail address/,
      ['keygen', '--name', 'x', '--email', 'it', '--out', 'k', '--no-passphrase'],
    ],
    [
      /--passphrase-file or --no-passphrase, not both/,
      [
        'keygen',
        '--name',
        'x',
        '--email',
        'it@example.org',
        '--out',
        'k',
        '--no-passphrase',
        '--passphrase-file',
        'f',
      ],
    ],
  ])('is told so: %s', async (says, args) => {
    const machine = await Machine.prepare();
    await leavesAlone(machine.folder, async () => {
      expectRefused(await machine.run(...args), 2, says);
    });
  });

  test('is told so as JSON too', async () => {
    const machine = await Machine.prepare();
    const { code, stdout } = await machine.run('backup', '--json', '--frob');
    expect(code).toBe(2);
    expect(jsonLines(stdout)).toEqual([
      { event: 'error', code: 'usage', message: expect.stringMatching(/--frob/) },
    ]);
  });

  test('without a command shows what there is, and ends with 2', async () => {
    const machine = await Machine.prepare();
    const { code, stdout, stderr } = await machine.run();
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: holdfast/);
  });
});

describe('one path missing among several', () => {
  test('the others are backed up, its entries are carried over, and it is named with 3', async () => {
    const machine = await Machine.prepare();
    const [here, away] = [machine.at('here'), machine.at('away')];
    for (const folder of [here, away]) mkdirSync(folder);
    machine.write('here/file', 'first');
    machine.write('away/file', 'last seen');
    machine.writeStrategy({ paths: [here, away] });
    await machine.well('init');
    await machine.backup();
    renameSync(away, join(machine.folder, 'elsewhere'));
    machine.write('here/file', 'second');
    const { code, stdout, stderr } = await machine.run('backup', '--json');
    expect(code).toBe(3);
    expect(stderr).toBe(`holdfast: ${away} is missing; its last version stays in the point\n`);
    expect(jsonLines(stdout).at(-1)).toMatchObject({
      point: { seq: 2, type: 'incremental' },
      incomplete: [{ path: away, kind: 'missing', carried: true }],
    });
    const to = await machine.restoreEnding(3, 2);
    expect(readFileSync(join(to, here, 'file'), 'utf8')).toBe('second');
    expect(readFileSync(join(to, away, 'file'), 'utf8')).toBe('last seen');
    renameSync(join(machine.folder, 'elsewhere'), away);
    expect(await machine.backup()).toMatchObject({ incomplete: [] });
  });

  test('one that never was there is named too', async () => {
    const machine = await withPoint();
    const never = join(machine.folder, 'never');
    machine.writeStrategy({ paths: [machine.source, never], recipients: [machine.publicKey, keys.good] });
    const { code, stderr } = await machine.run('backup');
    expect(code).toBe(3);
    expect(stderr).toBe(`holdfast: ${never} is missing; it is not in the point\n`);
  });
});
