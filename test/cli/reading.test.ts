/** The commands that read a store, on a store that was made by hand from the specification, with gpg's keys. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CliContext } from '../../src/cli/context.ts';
import { exitCodeOf } from '../../src/cli/exit.ts';
import { lsCommand } from '../../src/cli/ls.ts';
import { pointsCommand } from '../../src/cli/points.ts';
import { verifyCommand } from '../../src/cli/verify.ts';
import { HandmadeStore } from '../helpers/handmade-set.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { TestKeyring } from '../helpers/test-keys.ts';

let keyring: TestKeyring;
let base: string;
let signer: string;
let recipient: string;
/** A copy of the store, which a test may damage, and a folder of its own. */
let store: string;
let folder: string;

beforeAll(async () => {
  keyring = await TestKeyring.make();
  signer = keyring.addKey('host', 'sign');
  recipient = keyring.addKey('it', 'default');
  const stranger = keyring.addKey('stranger', 'default');
  base = await makeFolder();
  const made = new HandmadeStore(base, 'town', keyring, [recipient], signer);
  const full = made.begin('full');
  const chunk = full.chunk('hello ');
  const second = full.chunk('world');
  full.dir('/srv');
  full.dir('/srv/www');
  full.file('/srv/www/index.html', [chunk, second], { mode: 0o4755, uid: 33, user: 'www-data' });
  full.file('/srv/www/logo\n.png', [second]);
  full.file(Buffer.from('/srv/www/\xff', 'latin1'), [chunk], { torn: true });
  full.symlink('/srv/www/link', 'index.html');
  full.file('/srv/[id].tsx', [{ hole: 10 }]);
  full.commit();
  const next = made.begin('incremental');
  next.gone('/srv/www/link');
  next.file('/srv/www/new.html', [next.chunk('brand new')]);
  next.commit();
  const third = made.begin('incremental');
  third.file('/srv/www/third.html', [{ of: chunk, offset: 0, length: 5 }]);
  third.commit();
  writeFileSync(join(base, 'secret.asc'), keyring.gpg(['--armor', '--export-secret-keys', recipient]));
  writeFileSync(join(base, 'wrong.asc'), keyring.gpg(['--armor', '--export-secret-keys', stranger]));
});

afterAll(async () => {
  await keyring.remove();
  rmSync(base, { recursive: true, force: true });
});

beforeEach(async () => {
  folder = await temporaryFolder();
  store = join(folder, 'store');
  cpSync(base, store, { recursive: true });
});

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function run(
  make: (context: CliContext) => Command,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const outcome = { code: 0, out: '', err: '' };
  const context: CliContext = {
    env,
    cwd: folder,
    stdout: (text) => {
      outcome.out += text;
    },
    stderr: (text) => {
      outcome.err += text;
    },
    now: () => new Date('2026-11-23T00:00:00Z'),
    stdin: process.stdin,
    isTTY: { stdout: false, stderr: false, stdin: false },
    exitCode: 0,
  };
  const command = make(context)
    .exitOverride()
    .configureOutput({ writeOut: context.stdout, writeErr: context.stderr });
  try {
    await command.parseAsync(args, { from: 'user' });
    outcome.code = context.exitCode;
  } catch (error) {
    outcome.code =
      error instanceof Error && error.name === 'CommanderError' ? 2 : exitCodeOf(error, undefined);
    outcome.err += error instanceof Error ? `${error.message}\n` : '';
  }
  return outcome;
}

/** The options that name the store, the signer pinned, and the rest. */
function at(...rest: string[]): string[] {
  return ['--store', `directory:${store}`, '--name', 'town', '--signer', signer, ...rest];
}

function withKey(...rest: string[]): string[] {
  return at('--secret-key', join(base, 'secret.asc'), ...rest);
}

/** Full path of a file of the store whose name contains all of these. */
function find(...parts: string[]): string {
  const names = readdirSync(store, { recursive: true, encoding: 'utf8' });
  const name = names.find((one) => parts.every((part) => one.includes(part)) && one.includes('.'));
  if (name === undefined) throw new Error(`no ${parts.join(' ')}`);
  return join(store, name);
}

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  writeFileSync(file, bytes);
}

describe('points', () => {
  test('lists every point with its state, without a key', async () => {
    const { code, out, err } = await run(pointsCommand, at());
    expect(code).toBe(0);
    expect(err).toBe('');
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[1]).toMatch(
      /^ *1 {2}[0-9a-f]{8} {2}full .*2026-11-2\d \d\d:\d\d:\d\d [+-]\d\d:\d\d .* whole$/,
    );
    expect(lines[2]).toMatch(/incremental.*whole$/);
  });

  test('--json is an array, oldest first, with what a script needs', async () => {
    const { code, out } = await run(pointsCommand, at('--json'));
    expect(code).toBe(0);
    const points = JSON.parse(out) as Record<string, unknown>[];
    expect(points.map((p) => [p.seq, p.type, p.whole, p.entries])).toEqual([
      [1, 'full', true, 7],
      [2, 'incremental', true, 7],
      [3, 'incremental', true, 8],
    ]);
    for (const point of points) {
      expect(point.id).toMatch(/^[0-9a-f]{32}$/);
      expect(point.time).toMatch(/Z$/);
      expect(point.bytesStored).toBeGreaterThan(100);
    }
  });

  test('shows which points are not whole, and what they lack', async () => {
    const lost = find('0000000002-', 'vol-000001');
    rmSync(lost);
    const { out } = await run(pointsCommand, at('--json'));
    const points = JSON.parse(out) as { whole: boolean; missing?: string[] }[];
    // Nothing of point 3 but its entries new since the full: it still holds new.html.
    expect(points.map(({ whole }) => whole)).toEqual([true, false, false]);
    expect(points[1]?.missing).toEqual([lost.slice(store.length + 1)]);
    expect((await run(pointsCommand, at())).out).toMatch(/NOT WHOLE.*vol-000001/);
  });

  test('of a name that is not there: 10, and with --json an empty array and 0', async () => {
    const other = ['--store', `directory:${store}`, '--name', 'village'];
    expect(await run(pointsCommand, other)).toMatchObject({ code: 10, out: '' });
    expect(await run(pointsCommand, [...other, '--json'])).toMatchObject({ code: 0, out: '[]\n' });
  });

  test('says aloud whom it trusts when nothing is pinned', async () => {
    const { err } = await run(pointsCommand, ['--store', `directory:${store}`, '--name', 'town']);
    expect(err).toContain(signer);
    expect(err).toContain('--signer');
  });

  test('names what is refused', async () => {
    flip(find('commits', '0000000003-', '.json'));
    const { code, out, err } = await run(pointsCommand, at());
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    expect(err).toMatch(/warning: town\/commits\/0000000003-.*no point/);
  });

  test('works with a strategy of which only name, store and signer matter', async () => {
    const yaml = `name: town\nstore: { directory: ${store} }\nsigner: [${signer}]\nrecipients: [gone.asc]\n`;
    writeFileSync(join(folder, 'holdfast.yaml'), yaml);
    expect(await run(pointsCommand, [])).toMatchObject({ code: 0, err: '' });
    const other = await run(pointsCommand, ['--signer', recipient]);
    expect(other.code).toBe(12);
  });
});

describe('wrong calls end with 2 and say what is wrong', () => {
  test.each([
    ['a store without a name', ['--store', 'directory:/x']],
    ['a name without a store', ['--name', 'town']],
    ['a store of an unknown kind', ['--store', 'ftp:x', '--name', 'town']],
    ['a name that is none', ['--store', 'directory:/x', '--name', '../town']],
    ['both ways at once', ['-c', 'x.yaml', '--store', 'directory:/x', '--name', 'town']],
    ['a signer that is none', ['--store', 'directory:/x', '--name', 'town', '--signer', 'abc']],
    ['no strategy to be found', ['-c', 'none.yaml']],
    ['an unknown option', ['--frobnicate']],
  ])('%s', async (_what, args) => {
    const { code, out, err } = await run(pointsCommand, args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err.trim()).not.toBe('');
  });

  test('a WHEN that is none', async () => {
    expect((await run(lsCommand, withKey('--at', 'yesterday'))).code).toBe(2);
  });

  test('a PATH that is not absolute', async () => {
    expect((await run(lsCommand, withKey('--', 'srv'))).code).toBe(2);
  });

  test('a store folder that is not there is a failure, not a usage error', async () => {
    expect((await run(pointsCommand, ['--store', 'directory:/nowhere/at/all', '--name', 'town'])).code).toBe(
      1,
    );
  });
});

describe('ls', () => {
  test('lists what exists at the latest point, one path a line', async () => {
    const { code, out } = await run(lsCommand, withKey());
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      '/srv',
      '/srv/[id].tsx',
      '/srv/www',
      '/srv/www/index.html',
      '/srv/www/logo\\n.png',
      '/srv/www/new.html',
      '/srv/www/third.html',
      '/srv/www/\\xff',
      '',
    ]);
  });

  test('lists what existed at an earlier point, by every kind of WHEN', async () => {
    const id = (JSON.parse((await run(pointsCommand, at('--json'))).out) as { id: string }[])[0]?.id ?? '';
    for (const when of ['1', `id:${id.slice(0, 8)}`, '2026-11-22T02:30:00.001Z']) {
      const { out } = await run(lsCommand, withKey('--at', when, '/srv/www/link', '/srv/www/i*'));
      expect(out).toBe('/srv/www/index.html\n/srv/www/link\n');
    }
  });

  test('takes the key and the passphrase file from the environment', async () => {
    const env = { HOLDFAST_SECRET_KEY_FILE: join(base, 'secret.asc') };
    expect((await run(lsCommand, at('/srv/www/new.html'), env)).out).toBe('/srv/www/new.html\n');
  });

  test('takes paths that follow --signer for paths, and never a path for a pin', async () => {
    const key = ['--secret-key', join(base, 'secret.asc')];
    const both = [
      '--store',
      `directory:${store}`,
      '--name',
      'town',
      ...key,
      '--signer',
      signer,
      '/srv/www/new.html',
    ];
    expect((await run(lsCommand, both)).out).toBe('/srv/www/new.html\n');
    const none = ['--store', `directory:${store}`, '--name', 'town', ...key, '--signer', '/srv/www/new.html'];
    expect(await run(lsCommand, none)).toMatchObject({ code: 2, out: '' });
  });

  test('with -l shows mode, owner, size, time and target; with --json all of it, and bytes that are not UTF-8', async () => {
    const { out } = await run(lsCommand, withKey('-l', '--at', '1'));
    expect(out).toMatch(/^-rwsr-xr-x www-data:0 +11 \d{4}-\d\d-\d\d .* \/srv\/www\/index\.html$/m);
    expect(out).toMatch(/^lrwxrwxrwx .* \/srv\/www\/link -> index\.html$/m);
    expect(out).toMatch(/^drwxr-xr-x .* \/srv$/m);
    expect(out).toMatch(/\\xff {2}\[was being written to/);
    const lines = (await run(lsCommand, withKey('--json'))).out.trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries.find((e) => e.path === '/srv/www/index.html')).toMatchObject({
      size: 11,
      mode: 0o4755,
      uid: 33,
    });
    expect(entries.find((e) => e.pathBase64 !== undefined)?.pathBase64).toBe(
      Buffer.from('/srv/www/\xff', 'latin1').toString('base64'),
    );
  });

  test('of a path that the point does not hold ends with 10 and names it', async () => {
    const { code, err } = await run(lsCommand, withKey('/srv/www/index.html', '/srv/nothing', '/x*'));
    expect(code).toBe(10);
    expect(err).toContain('/srv/nothing');
    expect(err).toContain('/x*');
    expect(err).not.toContain('index.html');
  });

  test('of an unknown point ends with 10', async () => {
    for (const when of ['9', 'id:ffffffffff', '2020-01-01']) {
      expect((await run(lsCommand, withKey('--at', when))).code).toBe(10);
    }
  });

  test('without a key, or with a wrong one, ends with 12 before a manifest is fetched', async () => {
    for (const name of readdirSync(join(store, 'town/sets')))
      rmSync(join(store, 'town/sets', name), { recursive: true });
    const none = await run(lsCommand, at());
    expect(none).toMatchObject({ code: 12, out: '' });
    expect(none.err).toContain('--secret-key');
    const wrong = await run(lsCommand, at('--secret-key', join(base, 'wrong.asc')));
    expect(wrong).toMatchObject({ code: 12, out: '' });
    expect(wrong.err).toContain(recipient);
  });

  test('of a damaged point names what is damaged, and the nearest whole point with its --at', async () => {
    flip(find('0000000003-', 'manifest-0001'));
    const { code, out, err } = await run(lsCommand, withKey());
    expect(code).toBe(4);
    expect(out).toBe('');
    expect(err).toMatch(/0000000003-.*manifest-0001.*nearest whole point is 2 .*--at 2/);
    expect((await run(lsCommand, withKey('--at', '2'))).code).toBe(0);
  });

  test('never takes an older point for one whose commit is refused', async () => {
    flip(find('commits', '0000000003-', '.json'));
    for (const when of ['latest', '3', '2026-11-23']) {
      const { code, out, err } = await run(lsCommand, withKey('--at', when));
      expect(code).toBe(4);
      expect(out).toBe('');
      expect(err).toMatch(/commits\/0000000003-.*--at 2/);
    }
  });

  test('never takes an older point for one whose line of parents is broken', async () => {
    rmSync(find('commits', '0000000002-', '.json'));
    const { code, err } = await run(lsCommand, withKey());
    expect(code).toBe(4);
    expect(err).toMatch(/set 2 .*not in the store.*--at 1/);
  });
});

describe('verify', () => {
  test.each([
    ['', []],
    ['--full', ['--full']],
  ])(
    '%s finds nothing wrong in a good store, and ends with one line on standard output',
    async (_what, args) => {
      const { code, out } = await run(verifyCommand, at(...args));
      expect(code).toBe(0);
      expect(out).toMatch(/^verified 3 points, \d+ objects \(.*\): nothing is wrong\n$/);
    },
  );

  test('with the secret key checks every version of every file', async () => {
    const { code, out } = await run(verifyCommand, withKey());
    expect(code).toBe(0);
    expect(out).toMatch(/6 versions of files: nothing is wrong\n$/);
  });

  test('names each damaged object with the points that it harms, and ends with 4', async () => {
    const [volume, manifest] = [find('0000000001-', 'vol-000001'), find('0000000003-', 'manifest-0000')];
    flip(volume);
    rmSync(manifest);
    for (const args of [at(), at('--full'), withKey()]) {
      const { code, out } = await run(verifyCommand, args);
      expect(code).toBe(4);
      const lines = out.trimEnd().split('\n');
      expect(lines).toHaveLength(3);
      expect(out).toMatch(
        new RegExp(`^damage: ${volume.slice(store.length + 1)} .*; harms points 1 to 3$`, 'm'),
      );
      expect(out).toMatch(new RegExp(`^damage: ${manifest.slice(store.length + 1)} .*; harms point 3$`, 'm'));
      expect(lines[2]).toMatch(/2 problems; no point is whole; put damaged objects back from a copy/);
    }
  });

  test('--json tells the same to a script', async () => {
    flip(find('0000000002-', 'vol-000001'));
    const { code, out } = await run(verifyCommand, at('--json'));
    expect(code).toBe(4);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      // That the clock of this test is not that of its commits is noted from some day on.
      .filter(({ event }) => event !== 'note');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ event: 'damage', points: [2, 3] });
    expect(lines[0]?.object).toContain('vol-000001');
    expect(lines[1]).toMatchObject({
      event: 'summary',
      ok: false,
      points: 3,
      whole: 1,
      findings: 1,
      newestWhole: { seq: 1 },
    });
  });

  test('finds a commit that was altered, or signed by someone who is not trusted', async () => {
    flip(find('commits', '0000000002-', '.json'));
    const { code, out } = await run(verifyCommand, at());
    expect(code).toBe(4);
    expect(out).toMatch(/damage: town\/commits\/0000000002-/);
    expect(out).toMatch(/damage: .*0000000003-.*harms point 3/);
  });

  test('with a key that opens nothing ends with 12 before anything is fetched', async () => {
    expect(await run(verifyCommand, at('--secret-key', join(base, 'wrong.asc')))).toMatchObject({
      code: 12,
      out: '',
    });
  });

  test('without points ends with 10', async () => {
    expect((await run(verifyCommand, ['--store', `directory:${store}`, '--name', 'village'])).code).toBe(10);
  });
});

test('every command has a help with an example, and changes nothing in the store', async () => {
  const before = readdirSync(store, { recursive: true }).sort();
  for (const make of [pointsCommand, lsCommand, verifyCommand]) {
    const { out } = await run(make, ['--help']);
    expect(out).toMatch(/Examples?:\n {2}holdfast /);
    await run(make, withKey());
  }
  expect(readdirSync(store, { recursive: true }).sort()).toEqual(before);
});
