/** No lock-in: stock tools read volumes, check signatures, and make keys that work just as well. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { differences, record } from '../demo/snapshot.ts';
import { project } from '../helpers/script.ts';
import { Machine, noise, tool } from './program.ts';

let gnupg: Gnupg;

beforeAll(async () => {
  gnupg = await Gnupg.start();
});

afterAll(() => gnupg.stop());

/** A chain of a full and an incremental, with small volumes; the keyring knows its secret key. */
async function chain(): Promise<Machine> {
  const machine = await Machine.make({ more: { volume: { size: '256KiB' } } });
  gnupg.run(['--import', machine.secretKey]);
  mkdirSync(machine.at('docs'));
  machine.write('large', noise(1_500_000, 1));
  machine.write('docs/text', 'to be compressed '.repeat(20_000));
  for (let i = 0; i < 50; i++) machine.write(`docs/${i}`, `small file ${i}`);
  await machine.backup();
  machine.write('large', Buffer.concat([noise(1000, 2), noise(1_500_000, 1)]));
  machine.write('docs/7', 'changed');
  await machine.backup();
  return machine;
}

test('gpg -d VOLUME | zstd -d | tar -t names each member by the SHA-256 that sha256sum finds', async () => {
  const machine = await chain();
  let members = 0;
  for (const set of machine.sets()) {
    const folder = join(machine.store, 'town/sets', set);
    for (const name of readdirSync(folder).filter((each) => each.startsWith('vol-'))) {
      const out = join(machine.folder, `out-${set}-${name}`);
      mkdirSync(out);
      const pipe = `gpg --homedir "$1" --batch --quiet --decrypt "$2" | zstd -d | tee "$3/archive.tar" | tar -t`;
      const listed = tool('bash', [
        '-o',
        'pipefail',
        '-ec',
        pipe,
        'sh',
        gnupg.home,
        join(folder, name),
        out,
      ]).toString();
      const names = listed.trimEnd().split('\n');
      tool('tar', ['-x', '-f', join(out, 'archive.tar'), '-C', out]);
      for (const member of names) {
        const digest = /(^|\/)([0-9a-f]{64})$/.exec(member)?.[2];
        expect(digest, `${name} lists ${member}`).toBeDefined();
        const [sum] = tool('sha256sum', [join(out, member)])
          .toString()
          .split(' ');
        expect(sum, member).toBe(digest);
        members++;
      }
      // Names of the source are nowhere in a volume.
      expect(readFileSync(join(out, 'archive.tar')).includes('docs')).toBe(false);
    }
  }
  expect(members).toBeGreaterThan(50);
});

test('gpg --verify accepts a commit with the key from the store, and no other bytes', async () => {
  const machine = await chain();
  const keys = join(machine.store, 'town/keys');
  const [file = ''] = readdirSync(keys);
  const stranger = await Gnupg.start();
  try {
    stranger.run(['--import', join(keys, file)]);
    expect(machine.commits()).toHaveLength(2);
    for (const name of machine.commits()) {
      const commit = join(machine.store, 'town/commits', `${name}.json`);
      const status = stranger.run(['--status-fd', '1', '--verify', `${commit}.asc`, commit]).toString();
      expect(status).toContain(`VALIDSIG ${file.replace('.asc', '')}`);
      const changed = readFileSync(commit);
      changed[changed.length - 3]! ^= 1;
      expect(stranger.verifies(changed, readFileSync(`${commit}.asc`, 'latin1'))).toBe(false);
    }
  } finally {
    stranger.stop();
  }
});

test('the objects of a commit are there with the digests that it names', async () => {
  const machine = await chain();
  for (const name of machine.commits()) {
    const commit = JSON.parse(readFileSync(join(machine.store, 'town/commits', `${name}.json`), 'utf8')) as {
      objects: { name: string; size: number; sha256: string }[];
    };
    const folder = join(machine.store, 'town/sets', name);
    expect(commit.objects.map((object) => object.name).sort()).toEqual(readdirSync(folder).sort());
    for (const { name: object, size, sha256 } of commit.objects) {
      const bytes = readFileSync(join(folder, object));
      expect([bytes.length, createHash('sha256').update(bytes).digest('hex')], object).toEqual([
        size,
        sha256,
      ]);
    }
  }
});

test('keys of GnuPG work: Curve25519 and RSA, armored and binary, locked and not; each opens by itself', async () => {
  const machine = await Machine.prepare();
  const passphrase = 'of two words, ünd mehr';
  const curve = gnupg.makeKey('test-only curve', 'ed25519', { passphrase });
  const rsa = gnupg.makeKey('test-only rsa', 'rsa2048');
  writeFileSync(join(machine.folder, 'curve.gpg'), gnupg.exportPublic(curve));
  writeFileSync(join(machine.folder, 'rsa.asc'), gnupg.exportPublic(rsa, '--armor'));
  const secrets: [string, Buffer][] = [
    ['curve-secret.asc', gnupg.exportSecret(curve, passphrase, '--armor')],
    ['rsa-secret.gpg', gnupg.exportSecret(rsa)],
  ];
  for (const [name, bytes] of secrets) writeFileSync(join(machine.folder, name), bytes, { mode: 0o600 });
  writeFileSync(join(machine.folder, 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
  machine.writeStrategy({ recipients: ['curve.gpg', 'rsa.asc', machine.publicKey] });
  machine.write('file', noise(500_000, 4));
  await machine.well('init');
  await machine.backup();
  machine.write('second', 'file');
  await machine.backup();
  const state = machine.recordSource();
  for (const name of ['curve-secret.asc', 'rsa-secret.gpg', machine.secretKey]) {
    const to = join(machine.folder, `back-${name.replaceAll('/', '_')}`);
    await machine.well('restore', '--secret-key', name, '--passphrase-file', 'passphrase', '--to', to);
    expect(differences(state, record(join(to, machine.source))), name).toEqual([]);
  }
});

test('the recovery script rebuilds every point of it without Holdfast', async () => {
  const machine = await chain();
  for (const seq of [1, 2]) {
    const to = join(machine.folder, `recovered-${seq}`);
    const command = [
      project('docs/recover.py'),
      '--store',
      machine.store,
      '--name',
      'town',
      '--at',
      `${seq}`,
      '--to',
      to,
    ];
    tool('env', [`GNUPGHOME=${gnupg.home}`, 'python3', ...command]);
    if (seq === 2) expect(differences(machine.recordSource(), record(join(to, machine.source)))).toEqual([]);
  }
});
