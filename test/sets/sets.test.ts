import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { loadCommits } from '../../src/chain/commits.ts';
import { toPoints } from '../../src/chain/points.ts';
import { loadSecretKey, type SecretKey } from '../../src/crypto/secret-key.ts';
import { StrategyNames } from '../../src/format/names.ts';
import { directoryStore } from '../../src/store/directory.ts';
import { type Finding, verify } from '../../src/verify.ts';
import { project } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const HERE = project('test/sets');
const ROOT = process.getuid?.() === 0;
/** Node sets times as doubles of seconds: within a microsecond. */
const GRAIN_NS = 1000n;

interface Expected {
  path64: string;
  type: 'file' | 'dir' | 'symlink';
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: string;
  size?: number;
  sha256?: string;
  target64?: string;
  group?: number;
}

function expectedOf(folder: string, seq: number): Expected[] {
  const lines = readFileSync(join(folder, `expected-${seq}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as Expected);
}

/** Every path below `root`, as bytes, relative to it. */
function pathsBelow(root: Buffer, folder = Buffer.alloc(0)): Buffer[] {
  const at = Buffer.concat([root, folder]);
  return readdirSync(at, { withFileTypes: true, encoding: 'buffer' }).flatMap((entry) => {
    const path = Buffer.concat([folder, Buffer.from('/'), entry.name as unknown as Buffer]);
    return entry.isDirectory() ? [path, ...pathsBelow(root, path)] : [path];
  });
}

function compare(target: string, expected: readonly Expected[]): void {
  const groups = new Map<number, bigint>();
  for (const e of expected) {
    const path = Buffer.from(e.path64, 'base64');
    const what = path.toString('latin1');
    const there = Buffer.concat([Buffer.from(target), path]);
    const stat = lstatSync(there, { bigint: true });
    const type = stat.isFile()
      ? 'file'
      : stat.isDirectory()
        ? 'dir'
        : stat.isSymbolicLink()
          ? 'symlink'
          : 'else';
    expect(type, what).toBe(e.type);
    if (type !== 'symlink') expect(Number(stat.mode) & 0o7777, `mode of ${what}`).toBe(e.mode);
    if (ROOT) expect([Number(stat.uid), Number(stat.gid)], `owner of ${what}`).toEqual([e.uid, e.gid]);
    const off = stat.mtimeNs - BigInt(e.mtimeNs);
    expect(off < GRAIN_NS && off > -GRAIN_NS, `mtime of ${what} is off by ${off} ns`).toBe(true);
    if (type === 'symlink') {
      expect(readlinkSync(there, { encoding: 'buffer' }).toString('base64'), what).toBe(e.target64);
    }
    if (type === 'file') {
      const digest = createHash('sha256').update(readFileSync(there)).digest('hex');
      expect([Number(stat.size), digest], what).toEqual([e.size, e.sha256]);
    }
    if (e.group !== undefined) {
      expect(stat.ino, `hard link ${what}`).toBe(groups.get(e.group) ?? stat.ino);
      groups.set(e.group, stat.ino);
    }
  }
}

for (const name of readdirSync(HERE, { withFileTypes: true })
  .filter((e) => e.isDirectory())
  .map((e) => e.name)) {
  const folder = join(HERE, name);
  const seqs = readdirSync(folder).flatMap((file) => /^expected-(\d+)\.jsonl$/.exec(file)?.[1] ?? []);
  const store = join(folder, 'store');

  describe(`the stored sets ${name}`, () => {
    test.each(seqs.map(Number).sort((a, b) => a - b))('give back point %i as it was', async (seq) => {
      const target = join(await temporaryFolder(), 'back');
      const key = ['--secret-key', join(folder, 'secret-test-only.asc')];
      const passphrase = ['--passphrase-file', join(folder, 'passphrase-test-only')];
      const from = ['--store', `directory:${store}`, '--name', name, '--at', String(seq)];
      const owner = ROOT ? [] : ['--no-owner'];
      const command = [
        project('bin/holdfast.js'),
        'restore',
        '--to',
        target,
        ...from,
        ...key,
        ...passphrase,
        ...owner,
      ];
      execFileSync(process.execPath, command, { stdio: 'pipe' });
      const expected = expectedOf(folder, seq);
      compare(target, expected);
      const root = Buffer.from((expected[0] as Expected).path64, 'base64');
      const below = pathsBelow(Buffer.concat([Buffer.from(target), root])).map((path) =>
        Buffer.concat([root, path]).toString('base64'),
      );
      expect(below.sort()).toEqual(
        expected
          .slice(1)
          .map(({ path64 }) => path64)
          .sort(),
      );
    });

    test('are found whole, to the last chunk', async () => {
      expect(await findings(store, name, await secretOf(folder))).toEqual([]);
    });

    test('are never found whole where one bit of any object is another', async () => {
      const files = readdirSync(store, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(store.length + 1))
        .filter((file) => !file.includes('/keys/'));
      const copy = join(await temporaryFolder(), 'store');
      cpSync(store, copy, { recursive: true });
      const secret = await secretOf(folder);
      for (const file of files) {
        const good = readFileSync(join(store, file));
        for (const place of [0, good.length >> 2, good.length >> 1, good.length - 2]) {
          const bad = Buffer.from(good);
          bad[place] = (bad[place] as number) ^ 0x01;
          writeFileSync(join(copy, file), bad);
          const found = await findings(copy, name, secret);
          // An armored signature has lines that carry nothing: a comment, the dashes. What it says is then unharmed.
          if (!file.endsWith('.asc')) expect(found, `${file}, byte ${place}`).not.toEqual([]);
        }
        writeFileSync(join(copy, file), good);
      }
      expect(await findings(copy, name, secret)).toEqual([]);
    });
  });
}

/** Opening it takes longer than all that is done with it. */
async function secretOf(folder: string): Promise<SecretKey> {
  const passphrase = readFileSync(join(folder, 'passphrase-test-only'), 'utf8').trimEnd();
  return loadSecretKey(join(folder, 'secret-test-only.asc'), async () => passphrase);
}

async function findings(folder: string, name: string, secret: SecretKey): Promise<Finding[]> {
  const store = directoryStore(folder);
  const names = new StrategyNames(name);
  const { commits, rejected, faults } = await loadCommits(store, names, 'keys-in-store');
  const found: Finding[] = [];
  const points = toPoints(commits, rejected);
  const scratch = tmpdir();
  const observer = { onFinding: (f: Finding) => found.push(f), onNote() {}, onBegin() {}, onObject() {} };
  await verify({ store, names, points, rejected, faults, full: true, secret, scratch }, observer);
  return found;
}
