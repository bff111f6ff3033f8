import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expiryWarning, loadRecipient, parseRecipients } from '../../src/crypto/recipients.ts';
import { project, run, scriptCommand } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { Gnupg } from './gnupg.ts';
import { failure } from './streams.ts';

let gnupg: Gnupg;
let ed: string;
let rsa: string;

beforeAll(async () => {
  gnupg = await Gnupg.start();
  ed = gnupg.makeKey('Ed Curve <ed@example.org>', 'ed25519');
  rsa = gnupg.makeKey('Ron Rivest <rsa@example.org>', 'rsa2048', { passphrase: 'locked' });
});
afterAll(() => gnupg.stop());

const now = () => new Date();

/** A file with this content in a folder that goes when the test ends. */
async function keyFile(content: string | Uint8Array): Promise<string> {
  const file = join(await temporaryFolder(), 'it-staff.asc');
  await writeFile(file, content);
  return file;
}

/** What loading a file with this content fails with; the error must have code `key` and name the file first. */
async function refusal(content: string | Uint8Array, at = now()): Promise<string> {
  const file = await keyFile(content);
  const error = await failure(loadRecipient(file, at));
  expect(error.code).toBe('key');
  expect(error.path).toBe(file);
  expect(error.message.startsWith(file)).toBe(true);
  return error.message.slice(file.length);
}

describe('keys that are accepted', () => {
  test.each(['binary', 'armored'])('exports of gpg, Curve25519 and RSA, %s', async (form) => {
    for (const fingerprint of [ed, rsa]) {
      const bytes = gnupg.exportPublic(fingerprint, ...(form === 'armored' ? ['--armor'] : []));
      const file = await keyFile(bytes);
      const recipient = await loadRecipient(file, now());
      expect(recipient).toMatchObject({ fingerprint, file, expires: undefined });
      expect(recipient.userId).toBe(
        fingerprint === ed ? 'Ed Curve <ed@example.org>' : 'Ron Rivest <rsa@example.org>',
      );
      const [parsed] = await parseRecipients([structuredClone(recipient.key).binary]);
      expect(parsed?.fingerprint).toBe(fingerprint);
    }
  });

  test('an armored key among other text, with line ends of Windows and a byte order mark', async () => {
    const armored = gnupg.exportPublic(ed, '--armor').toString().replaceAll('\n', '\r\n');
    const file = await keyFile(`\ufeffour key:\r\n\r\n${armored}\r\nregards`);
    expect((await loadRecipient(file, now())).fingerprint).toBe(ed);
  });

  test('a key from a pipe, as the shell makes for <(gpg --export …)', async () => {
    const code = `import { loadRecipient } from ${JSON.stringify(project('src/crypto/recipients.ts'))};
      console.log((await loadRecipient('/dev/stdin', new Date())).fingerprint);`;
    const file = await keyFile(gnupg.exportPublic(ed));
    const ended = await run(['sh', '-c', 'f=$1; shift; cat "$f" | "$@"', 'sh', file, ...scriptCommand(code)]);
    expect(ended).toMatchObject({ code: 0, stdout: `${ed}\n` });
  });

  test('a key whose older encryption subkey has expired and whose newer one has not', async () => {
    const at = '20200101T000000';
    const fingerprint = gnupg.makeKey('Rotated', 'ed25519', { at, subkey: 'none' });
    gnupg.run([
      '--passphrase',
      '',
      '--faked-system-time',
      at,
      '--quick-add-key',
      fingerprint,
      'cv25519',
      'encr',
      '1y',
    ]);
    gnupg.run(['--passphrase', '', '--quick-add-key', fingerprint, 'cv25519', 'encr', '2y']);
    const recipient = await loadRecipient(await keyFile(gnupg.exportPublic(fingerprint)), now());
    const left = (recipient.expires?.getTime() ?? 0) - Date.now();
    expect(left / 86_400_000).toBeGreaterThan(700);
    expect(left / 86_400_000).toBeLessThan(732);
  });
});

describe('keys that are refused, each with the reason and what to do', () => {
  test('a missing file, a folder, a file that may not be read', async () => {
    const folder = await temporaryFolder();
    const missing = await failure(loadRecipient(join(folder, 'none.asc'), now()));
    expect(missing).toMatchObject({ code: 'key', path: join(folder, 'none.asc') });
    expect(missing.message).toMatch(/there is no such file.*gpg --armor --output FILE --export/);

    await mkdir(join(folder, 'dir'));
    expect((await failure(loadRecipient(join(folder, 'dir'), now()))).message).toMatch(
      /cannot be read \(EISDIR\)/,
    );

    const locked = join(folder, 'locked.asc');
    await writeFile(locked, 'x');
    await chmod(folder, 0o755);
    await chmod(locked, 0o000);
    // Root reads everything, so the process becomes nobody once its code is loaded.
    const code = `import { loadRecipient } from ${JSON.stringify(project('src/crypto/recipients.ts'))};
      if (process.getuid() === 0) process.seteuid(65534);
      await loadRecipient(process.argv[1], new Date()).catch((e) => console.log(e.code, e.message));`;
    const ended = await run(scriptCommand(code, [locked]));
    expect(ended.stdout).toBe(
      `key ${locked}: cannot be read (EACCES): make it a file that this user may read\n`,
    );
  });

  test('an empty file, garbage, half a key, another kind of OpenPGP file, a huge file', async () => {
    const armored = gnupg.exportPublic(ed, '--armor').toString();
    const binary = gnupg.exportPublic(ed);
    expect(await refusal('')).toMatch(/^ is empty: .*gpg --armor/);
    expect(await refusal(' \n\n')).toMatch(/^ is empty/);
    expect(await refusal('ssh-ed25519 AAAAC3Nza')).toMatch(/^ is not an OpenPGP key.*gpg --armor/);
    expect(await refusal(Buffer.alloc(500, 0xc6))).toMatch(/^ is not an OpenPGP key/);
    expect(await refusal(armored.slice(0, 200))).toMatch(/^ is not an OpenPGP key/);
    expect(await refusal(binary.subarray(0, 40))).toMatch(/^ is not an OpenPGP key/);
    expect(await refusal(gnupg.run(['--armor', '-r', ed, '--encrypt'], 'x'))).toMatch(
      /^ holds a "PGP MESSAGE"/,
    );
    expect(
      await refusal(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(armored, 'utf16le')])),
    ).toMatch(/^ was saved as UTF-16/);
    expect(await refusal(Buffer.alloc(5 << 20, 0x41))).toMatch(/^ is too large/);
  });

  test('a secret key, armored or binary, alone or beside the public key: loudly', async () => {
    const secret = gnupg.exportSecret(ed);
    const armored = gnupg.exportSecret(ed, '', '--armor').toString();
    const both = `${gnupg.exportPublic(ed, '--armor')}\n${armored}`;
    for (const content of [secret, armored, both, gnupg.exportSecret(rsa, 'locked')]) {
      expect(await refusal(content)).toMatch(
        /holds a SECRET key .*must not lie on a machine that is backed up: remove it .*gpg --armor --output FILE --export [0-9A-F]{40}/,
      );
    }
  });

  test('several keys in one file, in one block or in two: says which', async () => {
    const oneBlock = gnupg.run(['--export', ed, rsa]);
    const twoBlocks = `${gnupg.exportPublic(ed, '--armor')}${gnupg.exportPublic(rsa, '--armor')}`;
    for (const content of [oneBlock, twoBlocks]) {
      const message = await refusal(content);
      expect(message).toMatch(/holds 2 keys, .*put each recipient's key into a file of its own/);
      expect(message).toContain(`${ed} (Ed Curve <ed@example.org>)`);
      expect(message).toContain(`${rsa} (Ron Rivest <rsa@example.org>)`);
    }
  });

  test('an expired key and an expired encryption subkey: with the date', async () => {
    const at = '20200101T000000';
    const whole = gnupg.makeKey('Gone', 'ed25519', { at, expires: '1y' });
    expect(await refusal(gnupg.exportPublic(whole))).toMatch(
      /^: the key of Gone .* expired on 2020-12-31: extend it/,
    );

    const part = gnupg.makeKey('Half gone', 'ed25519', { at, subkey: 'none' });
    gnupg.run([
      '--passphrase',
      '',
      '--faked-system-time',
      at,
      '--quick-add-key',
      part,
      'cv25519',
      'encr',
      '1y',
    ]);
    expect(await refusal(gnupg.exportPublic(part))).toMatch(
      /^: the encryption subkey of the key of Half gone .* expired on 2020-12-31/,
    );
  });

  test('a revoked key, whatever the clock says', async () => {
    const fingerprint = gnupg.makeKey('Revoked', 'ed25519');
    gnupg.revoke(fingerprint);
    const bytes = gnupg.exportPublic(fingerprint);
    expect(await refusal(bytes)).toMatch(/is revoked: put the recipient's new key in its place/);
    expect(await refusal(bytes, new Date('2001-01-01'))).toMatch(/is revoked/);
  });

  test('a key that only signs, and one that is too weak', async () => {
    const signs = gnupg.makeKey('Signs only', 'ed25519', { subkey: 'none' });
    expect(await refusal(gnupg.exportPublic(signs))).toMatch(
      /Signs only .* cannot encrypt .*encryption subkey/,
    );
    const weak = gnupg.makeKey('Weak', 'rsa1024');
    expect(await refusal(gnupg.exportPublic(weak))).toMatch(
      /cannot encrypt .*RSA keys shorter than 2047 bits/,
    );
  });

  test('a key of a kind that GnuPG 2.2 does not know', async () => {
    const userIDs = { name: 'Too new' };
    const v4 = await openpgp.generateKey({ type: 'curve25519', userIDs });
    const v6 = await openpgp.generateKey({ userIDs, config: { v6Keys: true } });
    for (const { publicKey } of [v4, v6]) {
      expect(await refusal(publicKey)).toMatch(/GnuPG 2.2 cannot use.*holdfast keygen/);
    }
  });

  test('a key from the future of the clock: names both times', async () => {
    const armored = gnupg.exportPublic(ed, '--armor');
    expect(await refusal(armored, new Date('2001-02-03T04:05:06Z'))).toMatch(
      /the clock of this machine shows 2001-02-03T04:05:06.000Z, but the key of Ed Curve .* was made at 20[2-9].*set the clock right/,
    );
  });

  test('a key that was changed after the time of the clock, and a subkey added after it', async () => {
    const at = '20200101T000000';
    const changed = gnupg.makeKey('Changed', 'ed25519', { at });
    gnupg.run([
      '--passphrase',
      '',
      '--faked-system-time',
      '20220101T000000',
      '--quick-set-expire',
      changed,
      '20y',
    ]);
    const minimal = gnupg.exportPublic(changed, '--export-options', 'export-minimal');
    expect(await refusal(minimal, new Date('2021-01-01'))).toMatch(
      /the clock of this machine shows 2021-01-01.* the present form of the key of Changed .* made at 2022-01-01/,
    );
    const added = gnupg.makeKey('Added', 'ed25519', { at, subkey: 'none' });
    gnupg.run([
      '--passphrase',
      '',
      '--faked-system-time',
      '20220101T000000',
      '--quick-add-key',
      added,
      'cv25519',
      'encr',
    ]);
    expect(await refusal(gnupg.exportPublic(added), new Date('2021-01-01'))).toMatch(
      /the clock of this machine shows 2021-01-01.* the encryption subkey of the key of Added .* made at 2022-01-01/,
    );
  });
});

test('a key is warned about from 30 days before the earlier of its expiries', async () => {
  const fingerprint = gnupg.makeKey('Soon <soon@example.org>', 'ed25519', { subkey: 'none' });
  gnupg.run(['--passphrase', '', '--quick-add-key', fingerprint, 'cv25519', 'encr', '60d']);
  const file = await keyFile(gnupg.exportPublic(fingerprint));
  const recipient = await loadRecipient(file, now());
  const end = recipient.expires?.getTime() ?? Number.NaN;
  const day = 86_400_000;
  expect(Math.round((end - Date.now()) / day)).toBe(60);
  expect(expiryWarning(recipient, new Date(end - 30 * day - 1000))).toBeUndefined();
  const warning = expiryWarning(recipient, new Date(end - 29.5 * day));
  expect(warning).toContain(`${file}: the key of Soon <soon@example.org> expires in 29 days, on `);
  expect(warning).toContain(new Date(end).toISOString().slice(0, 10));
  expect(expiryWarning(recipient, new Date(end - 1000))).toContain('expires within a day');
  expect(expiryWarning({ ...recipient, expires: undefined }, now())).toBeUndefined();
});
