/** The program and the recovery script against one another: each restores what it has to, whoever made the store. */
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HandmadeStore, type Tree } from '../helpers/handmade-set.ts';
import { type Ended, project, run, STRIP_TYPES } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { TestKeyring } from '../helpers/test-keys.ts';
import { differences, readTree } from './restored.ts';
import { tellStory } from './story.ts';

async function keyring(): Promise<TestKeyring> {
  const keys = await TestKeyring.make();
  onTestFinished(() => keys.remove());
  return keys;
}

/** Runs the program from its sources: by a file, for its workers inherit the arguments of this Node. */
async function holdfast(...args: string[]): Promise<Ended> {
  const file = join(await temporaryFolder(), 'holdfast.mjs');
  const main = JSON.stringify(project('src/cli/main.ts'));
  writeFileSync(
    file,
    `import { main } from ${main};\nprocess.exitCode = await main(process.argv.slice(2));\n`,
  );
  return run([process.execPath, ...STRIP_TYPES, '--no-warnings', file, ...args]);
}

/** Runs it, and makes sure that all was well. */
async function well(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await holdfast(...args);
  expect(stderr, args.join(' ')).not.toContain('Error');
  expect(code, stderr).toBe(0);
  return stdout;
}

/** Bytes that do not compress and are the same in every run. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let x = seed;
  for (let i = 0; i + 4 <= length; i += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE((x ^ (x >>> 13)) >>> 0, i);
  }
  return bytes;
}

test('the script rebuilds every point of a chain that the program made', async () => {
  const keys = await keyring();
  const folder = await temporaryFolder();
  const [www, store] = [join(folder, 'www'), join(folder, 'store')];
  mkdirSync(store);
  await well(
    'keygen',
    '--name',
    'test-only',
    '--email',
    'it@example.invalid',
    '--out',
    join(folder, 'keys'),
    '--no-passphrase',
  );
  keys.gpg(['--import', join(folder, 'keys/secret.asc')]);
  const strategy = join(folder, 'holdfast.yaml');
  writeFileSync(
    strategy,
    `name: townhall\nsources:\n  - name: www\n    paths: [${www}]\nstore:\n  directory: ${store}\nrecipients: [keys/public.asc]\n`,
  );
  const common = ['-c', strategy, '--state-dir', join(folder, 'state')];

  mkdirSync(join(www, 'docs/deep'), { recursive: true });
  writeFileSync(join(www, 'docs/deep/letter.txt'), 'Dear town hall,\n');
  writeFileSync(Buffer.concat([Buffer.from(www), Buffer.from('/caf\xe9', 'latin1')]), 'no UTF-8');
  writeFileSync(join(www, 'large'), noise(9_000_000, 1));
  writeFileSync(join(www, 'first name'), 'one inode');
  linkSync(join(www, 'first name'), join(www, 'second name'));
  writeFileSync(join(www, 'empty'), '');
  truncateSync(join(www, 'empty'), 300_000);
  symlinkSync('docs/deep', join(www, 'shortcut'));
  lutimesSync(join(www, 'shortcut'), 1_000_000_000, 1_000_000_000.5);
  utimesSync(join(www, 'docs'), 5, 5);
  chmodSync(join(www, 'docs'), 0o2750);

  const changes: (() => void)[] = [
    () => {},
    () => {
      const large = readFileSync(join(www, 'large'));
      noise(40, 2).copy(large, 4_000_000);
      writeFileSync(
        join(www, 'large'),
        Buffer.concat([large.subarray(0, 100), noise(500, 3), large.subarray(100)]),
      );
      rmSync(join(www, 'shortcut'));
      mkdirSync(join(www, 'shortcut'));
      writeFileSync(join(www, 'shortcut/inside'), 'inside');
    },
    () => {
      renameSync(join(www, 'large'), join(www, 'docs/large.1'));
      rmSync(join(www, 'docs/deep'), { recursive: true });
      writeFileSync(join(www, 'docs/deep'), 'now a file');
    },
    () => rmSync(join(www, 'second name')),
    () => {},
    () => appendFileSync(join(www, 'docs/large.1'), noise(300_000, 4)),
  ];
  const signer = (await well('init', ...common)).trim();
  const trees: Tree[] = [];
  for (const change of changes) {
    change();
    await well('backup', ...common);
    trees.push(readTree(folder));
  }
  for (const [i, tree] of trees.entries()) {
    const to = join(await temporaryFolder(), 'to');
    const script = [
      'python3',
      project('docs/recover.py'),
      '--store',
      store,
      '--name',
      'townhall',
      '--to',
      to,
    ];
    const env = { ...process.env, GNUPGHOME: keys.home };
    const { code, stderr } = await run([...script, '--signer', signer, '--at', String(i + 1)], env);
    expect(code, stderr).toBe(0);
    const expected: Tree = new Map([...tree].filter(([path]) => path === '/www' || path.startsWith('/www/')));
    expect(expected.size).toBeGreaterThan(8);
    expect(differences(expected, readTree(join(to, folder))), `point ${i + 1}`).toEqual([]);
  }
});

test('the program restores the points of a chain that was made by hand', async () => {
  const keys = await keyring();
  const folder = await temporaryFolder();
  const recipient = keys.addKey('recipient', 'default');
  const signer = keys.addKey('signer', 'sign');
  const store = new HandmadeStore(join(folder, 'store'), 'townhall', keys, [recipient], signer);
  const trees = tellStory(store);
  const secret = join(folder, 'secret.asc');
  writeFileSync(secret, keys.gpg(['--armor', '--export-secret-keys', recipient]), { mode: 0o600 });
  const where = ['--store', `directory:${store.folder}`, '--name', 'townhall', '--signer', signer];
  // The full, and of the incrementals those that are read with the most manifests.
  let doubtful = 0;
  for (const i of [0, 3, 5, 7]) {
    const tree = trees[i] as Tree;
    const to = join(folder, `to-${i + 1}`);
    const { code, stderr } = await holdfast(
      ...['restore', ...where, '--secret-key', secret, '--numeric-owner', '--at', String(i + 1), '--to', to],
    );
    // Points in which something is carried over, or torn, say so.
    const isDoubtful = /is an older version|was being written to/.test(stderr);
    expect(code, stderr).toBe(isDoubtful ? 3 : 0);
    doubtful += isDoubtful ? 1 : 0;
    expect(differences(tree, readTree(to)), `point ${i + 1}`).toEqual([]);
  }
  expect(doubtful).toBeGreaterThan(0);
});
