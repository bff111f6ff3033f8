import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { CliContext } from '../../src/cli/context.ts';
import { restoreCommand } from '../../src/cli/restore.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { Entry } from '../../src/model.ts';
import { directoryStore } from '../../src/store/directory.ts';
import { file, folder, QuickStore } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { at, fileOf, makeRestoreKeys, owner, type RestoreKeys } from '../restore/rig.ts';

let keys: RestoreKeys;

beforeAll(async () => {
  keys = await makeRestoreKeys();
});

const CONTENT = Buffer.from('content');
const OTHER = Buffer.from('other content');

interface Site {
  base: string;
  quick: QuickStore;
}

/** A store of one point in a folder, with the secret key beside it. */
async function site(more: Entry[] = []): Promise<Site> {
  const base = await temporaryFolder();
  mkdirSync(join(base, 'store'));
  writeFileSync(join(base, 'secret.asc'), keys.secretArmored, { mode: 0o600 });
  const quick = new QuickStore(directoryStore(join(base, 'store'), ''), keys);
  await quick.add({
    seq: 1,
    volumes: [[CONTENT], [OTHER]],
    entries: [
      folder('/srv', 1, owner(0, 0)),
      fileOf('/srv/index.html', CONTENT, [at(1, 0, CONTENT.length)], owner(0, 0)),
      fileOf('/srv/other', OTHER, [at(2, 0, OTHER.length)], owner(0, 0)),
      ...more,
    ],
  });
  return { base, quick };
}

/** A device of a number that Linux does not have: nobody can make it. */
function impossible(path: string): Entry {
  return { ...folder(path, 1), type: 'block', rdev: [2 ** 40, 0] };
}

interface Outcome {
  out: string;
  err: string;
  json: Record<string, unknown>[];
  code: number;
  error: unknown;
}

async function run({ base }: Site, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const written = { out: '', err: '' };
  const context: CliContext = {
    env,
    cwd: base,
    stdout: (text) => {
      written.out += text;
    },
    stderr: (text) => {
      written.err += text;
    },
    now: () => new Date('2026-11-25T03:01:00Z'),
    stdin: process.stdin,
    isTTY: { stdout: false, stderr: false, stdin: false },
    exitCode: 0,
  };
  const command = restoreCommand(context).exitOverride();
  command.configureOutput({ writeOut: context.stdout, writeErr: context.stderr });
  let error: unknown;
  const words = args.map((word) => (word.endsWith('.asc') ? join(base, word) : word));
  await command.parseAsync(words, { from: 'user' }).catch((thrown: unknown) => {
    error = thrown;
  });
  const lines = written.out.split('\n').filter((line) => line.startsWith('{'));
  return { ...written, json: lines.map((line) => JSON.parse(line)), code: context.exitCode, error };
}

const STORE = ['--store', 'directory:store', '--name', 'town'];
const KEY = ['--secret-key', 'secret.asc'];

test('says which point comes, how much of it, and whether it fits; then brings it back where it was', async () => {
  const here = await site();
  const { err, code, error, out } = await run(here, ['--to', 'back', ...STORE, ...KEY]);
  expect(error).toBeUndefined();
  expect(code).toBe(0);
  expect(out).toBe('');
  expect(err).toMatch(/Trusting [0-9A-F]{40}/);
  expect(err).toMatch(
    /^Restoring point 1 of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d \(.*full, 3 days old\) into .*\/back: 3 entries, 20 B\.$/m,
  );
  expect(err).toMatch(/^2 volumes, [\d.]+ K?i?B, to fetch; [\d.]+ [KMGT]?i?B are free there\.$/m);
  expect(err).toMatch(/^Restored 3 entries, 20 B, in \d+\.\d s\.$/m);
  expect(readFileSync(join(here.base, 'back/srv/index.html')).equals(CONTENT)).toBe(true);
});

test('with --json every line is JSON, and the last one sums up', async () => {
  const here = await site();
  const args = ['--to', 'back', '--json', ...STORE, '--signer', keys.signer.fingerprint];
  const { out, json, err, code } = await run(here, args, {
    HOLDFAST_SECRET_KEY_FILE: join(here.base, 'secret.asc'),
  });
  expect(code).toBe(0);
  expect(err).not.toContain('Trusting');
  expect(json).toHaveLength(out.trimEnd().split('\n').length);
  expect(json[0]).toMatchObject({ event: 'start', entries: 3, bytes: 20, volumes: 2, resumed: false });
  expect(json.at(-1)).toMatchObject({
    event: 'summary',
    point: { seq: 1, type: 'full', time: '2026-11-22T03:01:00.000Z' },
    restored: 3,
    bytes: 20,
    doubtful: [],
    incomplete: [],
    damaged: [],
  });
  expect(json.at(-1)?.seconds).toBeTypeOf('number');
});

test('what the backup could only carry over, or read in pieces, is named, with 3, also by --dry-run', async () => {
  const here = await site([
    file('/srv/torn', 1, [], { torn: true, ...owner(0, 0) }),
    file('/srv/was', 1, [], { carried: true, ...owner(0, 0) }),
  ]);
  const named = [
    { path: '/srv/torn', problem: 'was being written to when it was read' },
    { path: '/srv/was', problem: 'is an older version: it could not be read' },
  ];
  const tried = await run(here, ['--dry-run', '--json', ...STORE, ...KEY]);
  expect(tried.code).toBe(3);
  expect(tried.json.at(-1)).toMatchObject({ event: 'rehearsal', doubtful: named });
  const { json, err, code } = await run(here, ['--to', 'back', '--json', ...STORE, ...KEY]);
  expect(code).toBe(3);
  expect(json.at(-1)).toMatchObject({ restored: 5, doubtful: named, incomplete: [], damaged: [] });
  for (const one of named) expect(json).toContainEqual({ event: 'note', ...one });
  expect(err).toMatch(/^2 entries are back as the backup could read it/m);
});

test('what could not be made is named, with 3', async () => {
  const here = await site([impossible('/srv/d\xedsk')]);
  const { json, err, code } = await run(here, ['--to', 'back', '--json', ...STORE, ...KEY]);
  expect(code).toBe(3);
  expect(err).toMatch(/^holdfast: \/srv\/d\\xedsk cannot be made \(EINVAL\)/m);
  const named = {
    path: '/srv/d\ufffdsk',
    pathBase64: Buffer.from('/srv/d\xedsk', 'latin1').toString('base64'),
  };
  expect(json.at(-1)).toMatchObject({ restored: 3, incomplete: [named] });
  expect(json).toContainEqual({
    event: 'incomplete',
    ...named,
    problem: 'cannot be made (EINVAL)',
  });
});

test('damage is named, file and object, with 4 and with the point that is whole instead', async () => {
  const here = await site();
  const { quick } = here;
  const set = await quick.add({
    seq: 2,
    volumes: [[CONTENT]],
    entries: [fileOf('/srv/new', CONTENT, [at(1, 0, CONTENT.length, 0, 2)]), file('/srv/empty', 2)],
  });
  const name = quick.names.volume(set.commit, 1);
  await quick.put(name, 'nothing that anybody sealed');
  const { json, err, code } = await run(here, ['--to', 'back', '--json', '--no-owner', ...STORE, ...KEY]);
  expect(code).toBe(4);
  expect(err).toContain(name);
  expect(err).toMatch(/^holdfast: \/srv\/new is lost/m);
  expect(err).toMatch(/the nearest whole point is 1 .* --at 1/);
  expect(json.at(-1)).toMatchObject({ restored: 1, damaged: [{ path: '/srv/new' }] });
  expect(readdirSync(join(here.base, 'back/srv'))).toEqual(['empty']);
});

test('of many entries with one and the same problem, text names the first and counts the rest, JSON names all', async () => {
  const here = await site(Array.from({ length: 30 }, (_, i) => impossible(`/disks/${i}`)));
  const { err, json } = await run(here, ['--to', 'back', '--json', ...STORE, ...KEY]);
  expect(err.match(/^holdfast: \/disks\//gm)).toHaveLength(20);
  expect(err).toMatch(/^holdfast: 10 more like the last: cannot be made/m);
  expect(json.filter(({ event }) => event === 'incomplete')).toHaveLength(30);
});

const BAD: [what: string, args: string[], code: string | undefined][] = [
  ['no target', [...STORE, ...KEY], 'usage'],
  ['an empty target', ['--to', '', ...STORE, ...KEY], 'usage'],
  ['a relative path', ['--to', 'back', ...STORE, ...KEY, 'srv'], 'usage'],
  ['a malformed WHEN', ['--to', 'back', '--at', 'soon', ...STORE, ...KEY], 'usage'],
  ['no such point', ['--to', 'back', '--at', '7', ...STORE, ...KEY], 'no-point'],
  [
    'no such strategy',
    ['--to', 'back', '--store', 'directory:store', '--name', 'village', ...KEY],
    'no-point',
  ],
  ['no such path', ['--to', 'back', ...STORE, ...KEY, '/srv/nothing'], 'no-path'],
  ['no key', ['--to', 'back', ...STORE], 'key'],
  ['a key file that is not there', ['--to', 'back', ...STORE, '--secret-key', 'none.asc'], 'key'],
  [
    'a store that is not there',
    ['--to', 'back', '--store', 'directory:none', '--name', 'town', ...KEY],
    'store-absent',
  ],
  ['another signer', ['--to', 'back', ...STORE, ...KEY, '--signer', 'A'.repeat(40)], 'key'],
];

for (const [what, args, code] of BAD) {
  test(`refused in one clear line, and nothing written: ${what}`, async () => {
    const here = await site();
    const { error } = await run(here, args);
    if (code === undefined) {
      expect(error).toMatchObject({ name: 'CommanderError' });
    } else {
      expect(error).toBeInstanceOf(HoldfastError);
      expect(error).toMatchObject({ code, message: expect.not.stringContaining('\n') });
    }
    expect(existsSync(join(here.base, 'back'))).toBe(false);
  });
}

test("somebody else's secret key is refused before a volume or a manifest is fetched", async () => {
  const here = await site();
  const other = await makeRestoreKeys();
  writeFileSync(join(here.base, 'other.asc'), other.secretArmored, { mode: 0o600 });
  for (const set of readdirSync(join(here.base, 'store/town/sets'))) {
    rmSync(join(here.base, 'store/town/sets', set), { recursive: true });
  }
  const { error } = await run(here, ['--to', 'back', ...STORE, '--secret-key', 'other.asc']);
  expect(error).toMatchObject({ code: 'key', message: expect.stringContaining(keys.recipient) });
});

test('a target that is not empty is refused, and used with --overwrite', async () => {
  const here = await site();
  mkdirSync(join(here.base, 'back'));
  writeFileSync(join(here.base, 'back/mine'), 'mine');
  const args = ['--to', 'back', ...STORE, ...KEY];
  expect((await run(here, args)).error).toMatchObject({ code: 'target-not-empty' });
  expect(readdirSync(join(here.base, 'back'))).toEqual(['mine']);
  expect((await run(here, [...args, '--overwrite'])).code).toBe(0);
  expect(readdirSync(join(here.base, 'back'))).toEqual(['mine', 'srv']);
});

test('--help shows an example', async () => {
  const { out } = await run(await site(), ['--help']);
  expect(out).toContain('holdfast restore --to /srv/restore --secret-key secret.asc');
});
