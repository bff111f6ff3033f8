/** The first hour: keys, init, and a card for the safe whose commands work as they stand on it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { differences, record } from '../demo/snapshot.ts';
import { run } from '../helpers/script.ts';
import { followCard, layOut } from './card.ts';
import { expectRefused, HOLDFAST, leavesAlone, Machine } from './program.ts';

const WHO = ['--name', 'IT staff of Ünterstadt', '--email', 'it@example.invalid'];

test('keygen with a passphrase file: GnuPG imports and uses the keys, and a restore needs the passphrase', async () => {
  const machine = await Machine.prepare();
  writeFileSync(join(machine.folder, 'passphrase'), 'öpen, please\n', { mode: 0o600 });
  const made = await machine.run('keygen', ...WHO, '--out', 'new/keys', '--passphrase-file', 'passphrase');
  expect(made.code).toBe(0);
  const fingerprint = made.stdout.trim();
  expect(fingerprint).toMatch(/^[0-9A-F]{40}$/);
  const folder = join(machine.folder, 'new/keys');
  const [publicKey, secretKey] = [join(folder, 'public.asc'), join(folder, 'secret.asc')];
  for (const file of [publicKey, secretKey]) expect(made.stderr).toContain(file);
  expect(made.stderr).toContain('Without this file and its passphrase nothing can be restored');
  expect(statSync(secretKey).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o077).toBe(0);
  expect(readFileSync(publicKey, 'latin1')).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/);
  expect(readFileSync(secretKey, 'latin1')).toMatch(/^-----BEGIN PGP PRIVATE KEY BLOCK-----/);

  const gnupg = await Gnupg.start();
  try {
    gnupg.run(['--import', publicKey]);
    expect(gnupg.fingerprint('IT staff of Ünterstadt <it@example.invalid>')).toBe(fingerprint);
    const message = gnupg.run(['--encrypt', '--recipient', fingerprint], 'a message');
    gnupg.run(['--passphrase', 'öpen, please', '--import', secretKey]);
    expect(gnupg.decrypt(message, 'öpen, please').toString()).toBe('a message');
  } finally {
    gnupg.stop();
  }

  machine.writeStrategy({ recipients: [publicKey] });
  machine.write('file', 'content');
  await machine.well('init');
  await machine.backup();
  const restore = ['restore', '--secret-key', secretKey, '--signer', (await machine.well('init')).trim()];
  expectRefused(
    await machine.run(...restore, '--to', 'back'),
    12,
    /secret\.asc: is locked with a passphrase/,
  );
  await machine.well(...restore, '--passphrase-file', 'passphrase', '--to', 'back');
  expect(readFileSync(join(machine.folder, 'back', machine.at('file')), 'utf8')).toBe('content');
});

test('keygen never writes over a file, nor asks where there is no terminal', async () => {
  const machine = await Machine.prepare();
  mkdirSync(join(machine.folder, 'half'));
  writeFileSync(join(machine.folder, 'half/public.asc'), 'precious');
  mkdirSync(join(machine.folder, 'linked'));
  symlinkSync('/nowhere', join(machine.folder, 'linked/secret.asc'));
  await leavesAlone(machine.folder, async () => {
    for (const out of ['keys', 'half', 'linked']) {
      expectRefused(
        await machine.run('keygen', ...WHO, '--out', out, '--no-passphrase'),
        2,
        /exists already and is not overwritten: a lost key means lost backups/,
      );
    }
    expectRefused(
      await machine.run('keygen', ...WHO, '--out', 'other'),
      12,
      /no terminal to ask for a passphrase: give --passphrase-file FILE, or --no-passphrase/,
    );
    expectRefused(
      await machine.run('keygen', ...WHO, '--out', 'other', '--passphrase-file', 'none'),
      12,
      /none: cannot take the passphrase/,
    );
    expectRefused(
      await machine.run('keygen', ...WHO, '--out', 'holdfast.yaml', '--no-passphrase'),
      1,
      /holdfast\.yaml/,
    );
  });
});

test('init twice is harmless, and prints the same fingerprint', async () => {
  const machine = await Machine.prepare();
  const first = await machine.run('init');
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9A-F]{40}\n$/) });
  expect(first.stderr).toContain('Made the signing key of this host');
  const fingerprint = first.stdout.trim();
  expect(readdirSync(join(machine.store, 'town/keys'))).toEqual([`${fingerprint}.asc`]);
  expect(statSync(join(machine.folder, 'town.signer.asc')).mode & 0o777).toBe(0o600);
  const again = await leavesAlone(machine.folder, () => machine.run('init'));
  expect(again).toMatchObject({ code: 0, stdout: first.stdout });
  machine.write('file', 'content');
  await machine.backup();
  // With points in the store, and after the state was lost, too.
  rmSync(machine.state, { recursive: true });
  expect(await machine.well('init')).toBe(first.stdout);
  // What somebody took out of the store is put back.
  rmSync(join(machine.store, 'town/keys'), { recursive: true });
  expectRefused(await machine.run('backup'), 2, /does not know this host's signing key/);
  expect(await machine.well('init')).toBe(first.stdout);
  expect(await machine.backup()).toMatchObject({ point: { seq: 2 } });
});

test.each(['store', "mayor's & other $stores"])(
  'the commands of the card work when they are copied, with a store in "%s"',
  async (name) => {
    const machine = await Machine.prepare();
    const store = join(machine.folder, name);
    mkdirSync(store, { recursive: true });
    machine.writeStrategy({ store: { directory: store, prefix: 'hosts/web01' } });
    machine.write('file', 'content');
    await machine.well('init', '--card', 'card.txt');
    await machine.backup();
    const file = join(machine.folder, 'card.txt');
    const card = readFileSync(file, 'utf8');
    const [key = ''] = readdirSync(join(store, 'hosts/web01/town/keys'));
    const signer = key.replace('.asc', '');
    for (const word of [
      'town',
      store,
      signer.match(/.{4}/g)?.join(' '),
      'test-only',
      'secret.asc',
      'gnupg, zstd and python3',
    ]) {
      expect(card).toContain(word);
    }
    expect(statSync(file).mode & 0o777).toBe(0o644);
    // Printable: plain lines, and no more of them than a page has.
    expect(card.split('\n').length).toBeLessThan(60);
    expect(card).toMatch(/^[\n\x20-\x7e]*$/);

    const desk = layOut(machine);
    await followCard(card, desk, {}, [
      'holdfast points',
      'holdfast restore',
      'gpg --import',
      'python3 recover.py',
    ]);
    for (const i of [1, 3]) {
      expect(
        differences(machine.recordSource(), record(join(desk, `restored-${i}`, machine.source))),
      ).toEqual([]);
    }
  },
);

test('a card takes the place of an older one, and of no other file', async () => {
  const machine = await Machine.prepare();
  const signer = join(machine.folder, 'town.signer.asc');
  await machine.well('init', '--card', 'card.txt');
  await machine.well('init', '--card', 'card.txt');
  writeFileSync(join(machine.folder, 'empty'), '');
  for (const other of [
    signer,
    join(machine.folder, 'holdfast.yaml'),
    join(machine.folder, 'empty'),
    machine.folder,
  ]) {
    await leavesAlone(machine.folder, async () =>
      expectRefused(
        await machine.run('init', '--card', other),
        2,
        /is there already, and is no restore card/,
      ),
    );
  }
});

test('a card that cannot be written is said, and init has done its work', async () => {
  const machine = await Machine.prepare();
  const { code, stdout, stderr } = await machine.run('init', '--card', 'nowhere/card.txt');
  expect(code).toBe(1);
  expect(stdout).toMatch(/^[0-9A-F]{40}\n$/);
  expect(stderr).toMatch(
    /\nholdfast: cannot write the card .*nowhere\/card\.txt \(ENOENT\): give --card another name\n$/,
  );
});

/**
 * Runs a command on a terminal of its own, and types what a dialog says: each answer when its question stands there. What the
 * terminal showed, and the code.
 */
async function onTerminal(
  machine: Machine,
  args: string[],
  dialog: [string, string][],
): Promise<{ code: number; shown: string }> {
  const script = `
import json, os, pty, select, sys, time
words, dialog = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    os.execv(words[0], words)
shown, end = b'', time.time() + 40
while time.time() < end:
    if not select.select([fd], [], [], 0.5)[0]:
        continue
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if dialog and shown.endswith(dialog[0][0].encode()):
        os.write(fd, dialog.pop(0)[1].encode())
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps({'code': code, 'shown': shown.decode()}))
`;
  const words = [process.execPath, HOLDFAST, ...args];
  const { code, stdout, stderr } = await run(
    ['python3', '-c', script, JSON.stringify([words, dialog])],
    machine.environment(),
  );
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as { code: number; shown: string };
}

test('on a terminal a passphrase is asked for and never shown; Ctrl-C there ends with 130 and does nothing', async () => {
  const machine = await Machine.prepare();
  const out = join(machine.folder, 'asked');
  const keygen = ['keygen', ...WHO, '--out', out];
  const cancelled = await onTerminal(machine, keygen, [['New passphrase: ', '\x03']]);
  expect(cancelled.code).toBe(130);
  expect(cancelled.shown).toContain('interrupted');
  const differing = await onTerminal(machine, keygen, [
    ['New passphrase: ', 'one thing\n'],
    ['The same again: ', 'another\n'],
    ['New passphrase: ', '\x03'],
  ]);
  expect(differing.code).toBe(130);
  expect(differing.shown).toContain('The two entries differ');
  expect(readdirSync(machine.folder)).not.toContain('asked');

  const made = await onTerminal(machine, keygen, [
    ['New passphrase: ', 'only by heart\n'],
    ['The same again: ', 'only by heart\n'],
  ]);
  expect(made.code, made.shown).toBe(0);
  expect(made.shown).not.toContain('heart');

  const config = machine.writeStrategy({ recipients: [join(out, 'public.asc')] });
  machine.write('file', 'content');
  await machine.well('init');
  const backup = await onTerminal(machine, ['backup', '-c', config], []);
  expect(backup.code, backup.shown).toBe(0);
  expect(backup.shown).toMatch(/point 1: full, because this is the first backup/);
  expect(backup.shown).toMatch(/point 1 \(full, .*2 entries/);
  const secret = join(out, 'secret.asc');
  const restore = ['restore', '-c', config, '--secret-key', secret, '--to', join(machine.folder, 'back')];
  const question = `Passphrase of ${secret}: `;
  const answers = (...typed: string[]) => typed.map((answer): [string, string] => [question, `${answer}\n`]);
  const wrong = await onTerminal(
    machine,
    restore,
    answers('by hard', 'by heard', 'by hurt', 'never asked for'),
  );
  expect(wrong.code).toBe(12);
  expect(wrong.shown.split(question)).toHaveLength(4);
  expect(wrong.shown).toContain('the passphrase is wrong for this key');
  expect(readdirSync(machine.folder)).not.toContain('back');
  const right = await onTerminal(machine, restore, answers('by hard', 'only by heart'));
  expect(right.shown.split('That is not its passphrase.')).toHaveLength(2);
  expect(right.code, right.shown).toBe(0);
  expect(right.shown).not.toContain('heart');
  expect(readFileSync(join(machine.folder, 'back', machine.at('file')), 'utf8')).toBe('content');
});
