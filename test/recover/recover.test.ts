/** docs/recover.py rebuilds points with gpg, zstd and python3 alone: proved on stores made by hand from docs/format.md. */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deviations, type HandmadeSet, HandmadeStore, type Tree } from '../helpers/handmade-set.ts';
import { type Ended, project, run } from '../helpers/script.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { TestKeyring } from '../helpers/test-keys.ts';
import { differences, readTree } from './restored.ts';
import { OWNER, ROOT, tellStory } from './story.ts';

let keys: TestKeyring;
let recipient: string;
let escrow: string;
let signer: string;
let otherSigner: string;
const folders: string[] = [];

beforeAll(async () => {
  keys = await TestKeyring.make();
  recipient = keys.addKey('recipient', 'default');
  escrow = keys.addKey('escrow', 'default', { passphrase: 'sesame' });
  signer = keys.addKey('signer', 'sign');
  otherSigner = keys.addKey('other-signer', 'sign');
});

afterAll(async () => {
  await keys.remove();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function newStore(recipients = [recipient, escrow]): Promise<HandmadeStore> {
  const folder = await makeFolder();
  folders.push(folder);
  return new HandmadeStore(folder, 'townhall', keys, recipients, signer);
}

/** A copy of a store that may be spoilt. */
async function copyOf(store: HandmadeStore): Promise<HandmadeStore> {
  const copy = await newStore();
  cpSync(store.folder, copy.folder, { recursive: true });
  return copy;
}

async function recover(store: HandmadeStore, args: readonly string[], home = keys.home): Promise<Ended> {
  const script = project('docs/recover.py');
  const env = { ...process.env, GNUPGHOME: home };
  return run(['python3', script, '--store', store.folder, '--name', store.strategy, ...args], env);
}

/** Restores a point and says what differs from what it was. */
async function restored(store: HandmadeStore, tree: Tree, args: readonly string[] = []): Promise<string[]> {
  const to = join(await temporaryFolder(), 'to');
  const { code, stderr } = await recover(store, ['--signer', signer, '--to', to, ...args]);
  if (code !== 0) return [`exit code ${code}: ${stderr}`];
  return differences(tree, readTree(to));
}

let story: { store: HandmadeStore; trees: Tree[] };
beforeAll(async () => {
  const store = await newStore();
  story = { store, trees: tellStory(store) };
});

/** A store with one full of a few files, in two volumes. */
async function small(
  deviations: Deviations = {},
): Promise<{ store: HandmadeStore; set: HandmadeSet; tree: Tree }> {
  const store = await newStore();
  const set = store.begin('full');
  set.dir('/srv', OWNER);
  set.file('/srv/one', [set.chunk('one')], OWNER);
  set.nextVolume();
  set.file('/srv/two', [set.chunk('two')], OWNER);
  const tree = set.commit(deviations);
  return { store, set, tree };
}

describe('what comes back', () => {
  test('every point of a chain comes back exactly: content, metadata, links, deletions, changes of type', async () => {
    for (const [i, tree] of story.trees.entries()) {
      expect(await restored(story.store, tree, ['--at', String(i + 1)]), `point ${i + 1}`).toEqual([]);
    }
  });

  test('without --at it is the newest point', async () => {
    expect(await restored(story.store, story.trees.at(-1) as Tree)).toEqual([]);
  });

  test('a point needs only the manifests n, n & (n − 1), … 0, and no volume that holds none of its bytes', async () => {
    const store = await copyOf(story.store);
    // Point 7 has ordinal 6: manifests 6, 4, 0. What the sets between stored and it does not use, it does not need.
    for (const seq of [2, 3, 4, 6]) {
      for (const set of readdirSync(store.path('sets')).filter((n) => Number(n.slice(0, 10)) === seq)) {
        for (const name of readdirSync(store.path(`sets/${set}`))) {
          if (name.startsWith('manifest-')) rmSync(store.path(`sets/${set}/${name}`));
        }
      }
    }
    expect(await restored(store, story.trees[6] as Tree, ['--at', '7'])).toEqual([]);
  });

  test('parts may be cut between any two lines, also in the middle of an entry', async () => {
    const store = await newStore();
    const set = store.begin('full');
    set.file('/srv/before', [set.chunk('before')], OWNER);
    const pieces = Array.from({ length: 2001 }, (_, i) => set.chunk(Buffer.from(`${i} `)));
    set.file('/srv/long', pieces, OWNER);
    set.file('/srv/past', [set.chunk('past')], OWNER);
    expect(await restored(store, set.commit({ linesPerPart: 1 }))).toEqual([]);
  });

  test('the content of objects may be cut into frames anywhere', async () => {
    const inThree = (_name: string, content: Buffer) => {
      const cuts = [0, 1, content.length >> 1, content.length];
      return Buffer.concat(
        cuts.slice(1).map((end, i) => zstdCompressSync(content.subarray(cuts[i] as number, end))),
      );
    };
    const { store, tree } = await small({ frame: inThree });
    expect(await restored(store, tree)).toEqual([]);
  });

  test('the set that names a point may be given by its number with its id, or by the id', async () => {
    const [, { seq, id } = { seq: 0, id: '' }] = story.store.sets;
    const tree = story.trees[1] as Tree;
    expect(await restored(story.store, tree, ['--at', `${String(seq).padStart(10, '0')}-${id}`])).toEqual([]);
    expect(await restored(story.store, tree, ['--at', id.slice(0, 12)])).toEqual([]);
  });

  test('--only restores one folder with its parents', async () => {
    const to = join(await temporaryFolder(), 'to');
    const { code } = await recover(story.store, [
      '--signer',
      signer,
      '--to',
      to,
      '--at',
      '1',
      '--only',
      '/srv/www/a',
    ]);
    expect(code).toBe(0);
    expect([...readTree(to).keys()].sort()).toEqual(['/srv', '/srv/www', '/srv/www/a', '/srv/www/a/x']);
  });

  test('an empty point comes back empty', async () => {
    const store = await newStore();
    const tree = store.begin('full').commit();
    expect(await restored(store, tree)).toEqual([]);
  });

  test('a passphrase may come from a file', async () => {
    const keyring = await TestKeyring.make();
    try {
      keyring.gpg(
        ['--import'],
        keys.gpg(['--pinentry-mode', 'loopback', '--passphrase', 'sesame', '--export-secret-keys', escrow]),
      );
      const { store, tree } = await small();
      const folder = await temporaryFolder();
      const file = join(folder, 'passphrase');
      const args = ['--signer', signer, '--to', join(folder, 'to'), '--passphrase-file', file];
      writeFileSync(file, 'sesam\n');
      const wrong = await recover(store, args, keyring.home);
      expect(wrong.stderr).toContain(escrow);
      expect(wrong.code).toBe(12);
      writeFileSync(file, 'sesame\n');
      expect((await recover(store, args, keyring.home)).code).toBe(0);
      expect(differences(tree, readTree(join(folder, 'to')))).toEqual([]);
    } finally {
      await keyring.remove();
    }
  });

  test('it says which point, how many bytes and where, and prints no terminal codes from names', async () => {
    const to = join(await temporaryFolder(), 'to');
    const { stderr } = await recover(story.store, ['--signer', signer, '--to', to, '--at', '4']);
    const bytes = [...(story.trees[3] as Tree).values()].filter(
      (e) => e.type === 'file' && e.link === undefined,
    );
    const total = bytes.reduce((n, e) => n + (e.content?.length ?? 0), 0);
    expect(stderr).toContain('point 4 (incremental, 2026-11-22T02:30:00.004Z');
    expect(stderr).toContain(`(${total} bytes)`);
    expect(stderr).toContain(`to ${to}`);
    expect(stderr).toContain('/srv/www/empty was torn');
    expect(stderr).toContain('/srv/www/a-b/inside was carried over');
    expect(stderr).not.toContain('\x1b');
  });

  test('--list names every point and needs no secret key', async () => {
    const { code, stdout } = await recover(story.store, ['--list'], await temporaryFolder());
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(8);
    expect(lines[0]).toMatch(/^1 .*full .* whole$/);
    expect(lines[7]).toMatch(/^ +8 .*incremental .* whole$/);
  });
});

describe('whom it trusts', () => {
  test('without a pin it works and says which keys it trusts', async () => {
    const { store } = await small();
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--to', to]);
    expect(code).toBe(0);
    expect(stderr).toContain(`whatever keys lie in the store are trusted: ${signer}`);
  });

  test('a commit by a signer that is not pinned is no point, also when its key lies in the store', async () => {
    const { store } = await small();
    store.signer = otherSigner;
    store.write(`keys/${otherSigner}.asc`, keys.exportPublic(otherSigner));
    const forged = store.begin('full');
    forged.file('/srv/one', [forged.chunk('forged')], OWNER);
    forged.commit();
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--signer', signer, '--to', to]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/commits\/0000000002.*not trusted/);
    expect(readFileSync(join(to, 'srv/one'), 'utf8')).toBe('one');
    const named = await recover(store, ['--signer', signer, '--at', '2', '--to', `${to}2`]);
    expect(named.code).toBe(10);
  });

  test('a pinned key that is not in the store, or is another key, is key trouble', async () => {
    const { store } = await small();
    const args = ['--signer', otherSigner, '--to', join(await temporaryFolder(), 'to')];
    expect((await recover(store, args)).code).toBe(12);
    store.write(`keys/${otherSigner}.asc`, keys.exportPublic(signer));
    const { code, stderr } = await recover(store, args);
    expect(stderr).toContain('does not hold the key');
    expect(code).toBe(12);
  });

  test('a key that has expired, or a clock that is wrong, does not make points invalid', async () => {
    const keyring = await TestKeyring.make();
    try {
      const clock = ['--faked-system-time', '20380101T000000'];
      const make = ['--passphrase', '', '--quick-generate-key', 'test-only hasty', 'ed25519', 'sign', '1d'];
      keyring.gpg([...clock, '--ignore-time-conflict', ...make]);
      const hasty =
        /^fpr:+([0-9A-F]{40}):/m.exec(keyring.gpg(['--with-colons', '--list-keys']).toString())?.[1] ?? '';
      const { store, tree } = await small();
      rmSync(store.path('commits'), { recursive: true });
      rmSync(store.path(`keys/${signer}.asc`));
      store.write(`keys/${hasty}.asc`, keyring.exportPublic(hasty));
      store.sign = (bytes) =>
        // Signed long before the key was made, as a host's clock may have it.
        keyring.gpg(
          [...clock, '--ignore-time-conflict', '--armor', '--local-user', hasty, '--detach-sign'],
          bytes,
        );
      store.listed.clear();
      store.sets.length = 0;
      const again = store.begin('full');
      again.dir('/srv', OWNER);
      again.file('/srv/one', [again.chunk('one')], OWNER);
      again.file('/srv/two', [again.chunk('two')], OWNER);
      again.commit();
      const to = join(await temporaryFolder(), 'to');
      const { code, stderr } = await recover(store, ['--signer', hasty, '--to', to]);
      expect(stderr).toContain('dated in the future');
      expect(code).toBe(0);
      expect(differences(tree, readTree(to))).toEqual([]);
    } finally {
      await keyring.remove();
    }
  });

  test('a commit without signature is no point, and said', async () => {
    const { store } = await small();
    store.begin('full').commit({ unsigned: true });
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--signer', signer, '--to', to]);
    expect(code).toBe(0);
    expect(stderr).toContain('has no signature');
    expect(existsSync(join(to, 'srv/one'))).toBe(true);
  });

  test('a commit whose signature is lost or bad is vouched for by a set that builds on it, and only by that', async () => {
    const { store } = await small();
    const next = store.begin('incremental');
    const tree = next.commit();
    const name = `commits/0000000001-${store.sets[0]?.id}.json`;
    for (const spoil of [
      (s: HandmadeStore) => rmSync(s.path(`${name}.asc`)),
      (s: HandmadeStore) => s.write(`${name}.asc`, s.sign(Buffer.from('something else'))),
    ]) {
      const spoiled = await copyOf(store);
      spoil(spoiled);
      expect(await restored(spoiled, tree)).toEqual([]);
      const { code, stderr } = await recover(spoiled, ['--signer', signer, '--list']);
      expect(code).toBe(0);
      expect(stderr).toMatch(
        new RegExp(`townhall/${name}: its signature is missing or no good, but point 2 .* vouches for it`),
      );
      // The same bytes are needed.
      const changed = await copyOf(spoiled);
      changed.write(
        name,
        Buffer.from(readFileSync(changed.path(name), 'utf8').replace('by hand', 'by Hand')),
      );
      const to = join(await temporaryFolder(), 'to');
      expect((await recover(changed, ['--signer', signer, '--to', to])).code).toBe(4);
      // And a child that is signed.
      rmSync(spoiled.path(`commits/0000000002-${next.id}.json.asc`));
      expect((await recover(spoiled, ['--signer', signer, '--to', to])).code).not.toBe(0);
      expect(existsSync(join(to, 'srv/one'))).toBe(false);
    }
  });

  test('a signature that is not detached is refused, although the signer made it', async () => {
    const { store, set } = await small();
    const commit = readFileSync(store.path(`commits/0000000001-${set.id}.json`));
    store.write(
      `commits/0000000001-${set.id}.json.asc`,
      keys.gpg(['--armor', '-u', signer, '--clearsign'], commit),
    );
    const { code } = await recover(store, ['--signer', signer, '--to', join(await temporaryFolder(), 'to')]);
    expect(code).toBe(4);
  });

  test('without the secret key nothing is written, and the key that is needed is named', async () => {
    const { store } = await small();
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--signer', signer, '--to', to], await temporaryFolder());
    expect(code).toBe(12);
    expect(stderr).toContain(recipient);
    expect(existsSync(to)).toBe(false);
  });
});

describe('damage', () => {
  /** Runs it on a spoilt store: what it said, its exit code, and what is there. */
  async function outcome(store: HandmadeStore, args: readonly string[] = []) {
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--signer', signer, '--to', to, ...args]);
    return { code, stderr, files: existsSync(to) ? [...readTree(to).keys()].sort() : [] };
  }

  function flip(store: HandmadeStore, name: string): void {
    const bytes = readFileSync(store.path(name));
    const middle = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    store.write(name, bytes);
  }

  test('a volume with one flipped bit harms only what lies in it', async () => {
    const { store, set } = await small();
    flip(store, set.object('vol-000002.tar.zst.pgp'));
    const { code, stderr, files } = await outcome(store);
    expect(code).toBe(4);
    expect(stderr).toContain(`townhall/${set.object('vol-000002.tar.zst.pgp')} was altered`);
    expect(stderr).toContain('/srv/two is not whole');
    expect(files).toEqual(['/srv', '/srv/one']);
  });

  test('a missing volume makes a point not whole: an older one is taken, and it is said', async () => {
    const { store, tree } = await small();
    const next = store.begin('incremental');
    next.file('/srv/two', [next.chunk('two, changed')], OWNER);
    next.commit();
    rmSync(store.path(next.object('vol-000001.tar.zst.pgp')));
    const { code, stderr, files } = await outcome(store);
    expect(code).toBe(4);
    expect(stderr).toContain('point 2');
    expect(files).toEqual([...tree.keys()].sort());
    const asked = await outcome(store, ['--at', '2']);
    expect(asked.code).toBe(4);
    expect(asked.stderr).toContain(`${next.object('vol-000001.tar.zst.pgp')} is missing`);
    expect(asked.files).toEqual(['/srv', '/srv/one']);
    const kept = await outcome(store, ['--at', '2', '--keep-damaged']);
    expect(kept.code).toBe(4);
    expect(kept.files).toEqual(['/srv', '/srv/one', '/srv/two']);
  });

  test('a truncated volume, a missing manifest and an altered manifest are damage', async () => {
    const cut = await small();
    truncateSync(cut.store.path(cut.set.object('vol-000001.tar.zst.pgp')), 100);
    expect((await outcome(cut.store, ['--at', '1'])).stderr).toContain('has 100 bytes instead of');
    const { store, set } = await small();
    const manifest = set.object('manifest-0001.jsonl.zst.pgp');
    flip(store, manifest);
    expect(await outcome(store)).toMatchObject({ code: 4, files: [] });
    rmSync(store.path(manifest));
    expect(await outcome(store, ['--at', '1'])).toMatchObject({ code: 4, files: [] });
  });

  test('an altered commit is damage', async () => {
    const { store, set } = await small();
    const name = `commits/0000000001-${set.id}.json`;
    writeFileSync(store.path(name), readFileSync(store.path(name), 'utf8').replace('by hand', 'by Hand'));
    const { code, stderr, files } = await outcome(store);
    expect([code, files]).toEqual([4, []]);
    expect(stderr).toContain(`townhall/${name} is no point: its signature is bad`);
  });

  test('an incremental whose parent is missing or another one is not whole', async () => {
    const { store } = await small();
    const next = store.begin('incremental');
    next.commit();
    const other = await copyOf(store);
    rmSync(store.path(`commits/0000000001-${store.sets[0]?.id}.json`));
    const missing = await outcome(store);
    expect(missing).toMatchObject({ code: 4, files: [] });
    expect(missing.stderr).toContain('builds on set 1');
    const name = `commits/0000000001-${store.sets[0]?.id}.json`;
    const changed = Buffer.from(readFileSync(other.path(name), 'utf8').replace('by hand', 'by Hand'));
    other.write(name, changed);
    other.write(`${name}.asc`, other.sign(changed));
    expect((await outcome(other, ['--at', '2'])).stderr).toContain('another set 1');
  });

  const refused: [string, Deviations, number, string][] = [
    ['an unknown version', { commit: (c) => Object.assign(c, { version: 2 }) }, 1, 'format version 2'],
    ['an unknown feature', { commit: (c) => Object.assign(c, { features: ['x'], y: 1 }) }, 1, 'needs x'],
    ['an unknown key in the commit', { commit: (c) => Object.assign(c, { more: 1 }) }, 4, 'unknown keys'],
    [
      'a commit for another name',
      { commit: (c) => Object.assign(c, { strategy: 'other' }) },
      4,
      'names another set',
    ],
    ['a wrong plain size (too small)', { commit: changeObject((o) => o.plainSize--) }, 4, 'more than the'],
    ['a wrong plain size (too large)', { commit: changeObject((o) => o.plainSize++) }, 4, 'bytes instead of'],
    ['a frame with a large window', { frame: largeWindow }, 4, 'zstd says'],
    ['a wrong modification detection code', { sealed: (_n, s) => spoil(s, s.length - 1) }, 4, 'gpg says'],
    ['a packet after the message', { sealed: (_n, s) => Buffer.concat([s, EMPTY_LITERAL]) }, 4, 'gpg says'],
    ['bytes after the frame', { frame: (_n, _c, f) => Buffer.concat([f, Buffer.from('x')]) }, 4, 'zstd says'],
    ['a chunk that is not its name', { archive: (_v, a) => spoil(a, 512) }, 4, 'not what its name says'],
    ['an archive that ends early', { archive: (_v, a) => a.subarray(0, 300) }, 4, 'not a good tar archive'],
    ['a position beyond the end', { lines: swap('[1,1,0,3]', '[1,1,1,3]') }, 4, 'no chunk at position 1'],
    [
      'a stretch beyond the chunk',
      { lines: swap('[1,1,0,3]', '[1,1,0,3,1]') },
      4,
      'shorter than the manifest says',
    ],
    [
      'a volume that is not there',
      { lines: swap('[1,1,0,3]', '[1,3,0,3]') },
      4,
      'refers to volume 3 of set 1',
    ],
    [
      'a set that is not in the chain',
      { lines: swap('[1,1,0,3]', '[2,1,0,3]') },
      4,
      'refers to volume 1 of set 2',
    ],
    ['extents that do not add up', { lines: swap('[1,1,0,3]', '[1,1,0,2]') }, 4, 'do not add up'],
    ['a wrong digest of a file', { lines: swap('"sha256":"', '"sha256":"0', 1) }, 4, '/srv/one is not whole'],
    ['entries out of order', { lines: swap('/srv/two', '/srv/a') }, 4, 'out of order'],
    ['a path twice', { lines: swap('/srv/two', '/srv/one') }, 4, 'out of order'],
    ['a line that is no JSON', { lines: swap('"since"', 'since') }, 4, 'malformed line'],
    ['an entry of an unknown type', { lines: swap('"dir"', '"door"') }, 4, 'malformed entry'],
  ];
  test.each(refused)('%s is refused', async (_what, deviations, code, message) => {
    const { store } = await small(deviations);
    const result = await outcome(store, ['--at', '1']);
    expect(result.stderr).toContain(message);
    expect(result.code).toBe(code);
  });

  const paths = [
    '/srv/../../evil',
    '/srv//two',
    '/srv/./two',
    'srv/two',
    '/srv/two/',
    '',
    '/srv/t\\u0000o',
    '/srv/\\ud800',
  ];
  test.each(paths)('nothing is written for the path %j, all else comes back', async (path) => {
    const { store } = await small({ lines: swap('/srv/two', path) });
    const { code, stderr, files } = await outcome(store);
    expect(stderr).toContain('forbidden path');
    expect(code).toBe(4);
    expect(files).toEqual(['/srv', '/srv/one']);
  });

  test('nothing is written through a link of the same point, nor over anything', async () => {
    const outside = await temporaryFolder();
    const store = await newStore();
    const set = store.begin('full');
    set.dir('/srv');
    set.symlink('/srv/door', outside);
    set.file('/srv/door/evil', [set.chunk('evil')]);
    set.source = 'zzz';
    set.file('/srv', [set.chunk('a file where a folder is')]);
    set.commit();
    const { code, files } = await outcome(store);
    expect(readdirSync(outside)).toEqual([]);
    expect(code).toBe(3);
    expect(files).toContain('/srv/door/evil');
  });
});

/** A literal packet without content (RFC 9580, section 5.9). */
const EMPTY_LITERAL = Buffer.from([0xcb, 6, 0x62, 0, 0, 0, 0, 0]);

/** Changes one of the objects that a commit lists. */
function changeObject(
  change: (object: { plainSize: number }) => void,
): (commit: Record<string, unknown>) => void {
  return (commit) => change((commit.objects as { plainSize: number }[])[0] as { plainSize: number });
}

/** Replaces a text in the lines of a manifest; `drop` removes as many characters after it. */
function swap(from: string, to: string, drop = 0): (lines: string[]) => string[] {
  return (lines) =>
    lines.map((line) => {
      const at = line.indexOf(from);
      return at < 0 ? line : line.slice(0, at) + to + line.slice(at + from.length + drop);
    });
}

/** Changes one byte. */
function spoil(bytes: Buffer, at: number): Buffer {
  const spoilt = Buffer.from(bytes);
  spoilt.writeUInt8(spoilt.readUInt8(at) ^ 1, at);
  return spoilt;
}

/** The same content in a frame that asks for a window of 16 MiB: a raw block after a header made by hand (RFC 8878, 3.1.1). */
function largeWindow(_name: string, content: Buffer): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (24 - 10) << 3]);
  const block = Buffer.alloc(3);
  block.writeUIntLE((content.length << 3) | 1, 0, 3);
  return Buffer.concat([header, block, content]);
}

describe('the command line', () => {
  test('a target that is not empty, or is a file, is refused and left as it was', async () => {
    const to = await temporaryFolder();
    writeFileSync(join(to, 'mine'), 'mine');
    const full = await recover(story.store, ['--signer', signer, '--to', to]);
    expect(full.stderr).toContain('is not empty');
    expect(full.code).toBe(1);
    const file = await recover(story.store, ['--signer', signer, '--to', join(to, 'mine')]);
    expect(file.code).toBe(1);
    expect(readdirSync(to)).toEqual(['mine']);
  });

  test('unknown points have code 10, wrong arguments 2', async () => {
    const to = join(await temporaryFolder(), 'to');
    const cases: [number, string[]][] = [
      [10, ['--to', to, '--at', '99']],
      [10, ['--to', to, '--at', 'ffffffffff']],
      [10, ['--to', to, '--at', '1', '--only', '/srv/nothing']],
      [2, ['--to', to, '--at', 'yesterday']],
      [2, ['--to', to, '--signer', 'ABC']],
      [2, ['--to', to, '--only', 'srv']],
      [2, []],
    ];
    for (const [code, args] of cases) {
      const result = await recover(story.store, args);
      expect(result.code, args.join(' ')).toBe(code);
      expect(result.stderr).not.toContain('Traceback');
    }
    expect(existsSync(to)).toBe(false);
  });

  test('a folder without such a strategy has code 10, and the right one is suggested', async () => {
    const above = await temporaryFolder();
    mkdirSync(join(above, 'prefix'));
    cpSync(story.store.folder, join(above, 'prefix'), { recursive: true });
    const { code, stderr } = await run([
      ...['python3', project('docs/recover.py'), '--store', above, '--name', 'townhall', '--list'],
    ]);
    expect(code).toBe(10);
    expect(stderr).toContain(`--store ${join(above, 'prefix')} --name townhall`);
  });

  test('two points that both claim to be the newest are both named, and neither is taken', async () => {
    const store = await copyOf(story.store);
    const folder = `commits/0000000008-${story.store.sets[7]?.id}`;
    const twin = JSON.parse(readFileSync(store.path(`${folder}.json`), 'utf8'));
    twin.id = 'a'.repeat(32);
    cpSync(
      store.path(`sets/0000000008-${story.store.sets[7]?.id}`),
      store.path(`sets/0000000008-${twin.id}`),
      { recursive: true },
    );
    const bytes = Buffer.from(JSON.stringify(twin));
    store.write(`commits/0000000008-${twin.id}.json`, bytes);
    store.write(`commits/0000000008-${twin.id}.json.asc`, store.sign(bytes));
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--signer', signer, '--to', to]);
    expect(code).toBe(10);
    expect(stderr).toContain(twin.id);
    expect(stderr).toContain(story.store.sets[7]?.id);
  });

  test('what cannot be set has code 3 and is named', async () => {
    const store = await newStore();
    const set = store.begin('full');
    set.socket('/srv/socket', OWNER);
    set.file('/srv/late', [set.chunk('late')], { ...OWNER, mtime: 10n ** 28n });
    set.commit();
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await recover(store, ['--signer', signer, '--to', to]);
    expect(code).toBe(3);
    expect(lstatSync(join(to, 'srv/socket')).isSocket()).toBe(true);
    expect(stderr).toMatch(/\/srv\/late: /);
    expect(readFileSync(join(to, 'srv/late'), 'utf8')).toBe('late');
  });

  test.runIf(ROOT)('people without root get everything but the owners, and that is said', async () => {
    const folder = await temporaryFolder();
    cpSync(project('docs/recover.py'), join(folder, 'recover.py'));
    cpSync(keys.home, join(folder, 'gnupg'), { recursive: true, filter: (p) => !p.includes('/S.') });
    cpSync(story.store.folder, join(folder, 'store'), { recursive: true });
    await run(['chown', '-R', '65534:65534', folder]);
    chmodSync(folder, 0o700);
    const user = [
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'env',
      `HOME=${folder}`,
    ];
    const command = [...user, `GNUPGHOME=${folder}/gnupg`, '/usr/bin/python3', join(folder, 'recover.py')];
    const args = ['--store', join(folder, 'store'), '--name', 'townhall', '--signer', signer, '--at', '1'];
    const without = await run([...command, ...args, '--to', join(folder, 'to'), '--no-owner']);
    await run([...user, `GNUPGHOME=${folder}/gnupg`, 'gpgconf', '--kill', 'all']);
    expect(without.stderr).toContain('restored');
    expect(without.code).toBe(0);
    const tree: Tree = new Map(story.trees[0]);
    // A set-uid program must not run as somebody else than it was made for.
    for (const [path, entry] of tree) tree.set(path, { ...entry, mode: entry.mode & 0o1777 });
    expect(differences(tree, readTree(join(folder, 'to')), false)).toEqual([]);
    const asked = await run([...command, ...args, '--to', join(folder, 'to-2')]);
    await run([...user, `GNUPGHOME=${folder}/gnupg`, 'gpgconf', '--kill', 'all']);
    expect(asked.stderr).toContain('only root can set them');
    expect(asked.code).toBe(3);
  });
});
