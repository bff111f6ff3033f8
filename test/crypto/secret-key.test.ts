import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isRecipient, loadSecretKey, open, parseSecretKey, type SecretKey } from '../../src/crypto/open.ts';
import { parseRecipients, seal } from '../../src/crypto/seal.ts';
import { project, STRIP_TYPES } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { Gnupg } from './gnupg.ts';
import { collect, failure } from './streams.ts';

const PASSPHRASE = 'grüße an alle – und mehr';

let gnupg: Gnupg;
let ed: string;
let rsa: string;

beforeAll(async () => {
  gnupg = await Gnupg.start();
  ed = gnupg.makeKey('Ed <ed@example.org>', 'ed25519');
  rsa = gnupg.makeKey('Rsa <rsa@example.org>', 'rsa2048', { passphrase: PASSPHRASE });
});
afterAll(() => gnupg.stop());

async function keyFile(content: string | Uint8Array): Promise<string> {
  const file = join(await temporaryFolder(), 'secret.asc');
  await writeFile(file, content);
  return file;
}

const nobody = async () => undefined;

async function load(content: string | Uint8Array, passphrase?: string): Promise<SecretKey> {
  return loadSecretKey(await keyFile(content), async () => passphrase);
}

/** What loading fails with; the error must have code `key`, name the file, and hold no passphrase. */
async function refusal(content: string | Uint8Array, passphrase?: string): Promise<string> {
  const file = await keyFile(content);
  const error = await failure(loadSecretKey(file, async () => passphrase));
  expect(error).toMatchObject({ code: 'key', path: file });
  expect(error.message.startsWith(file)).toBe(true);
  if (passphrase) expect(error.message).not.toContain(passphrase);
  return error.message.slice(file.length);
}

async function sealFor(fingerprint: string, text: string): Promise<Buffer> {
  const recipients = await parseRecipients([gnupg.exportPublic(fingerprint)]);
  return collect(seal([Buffer.from(text)], recipients, new Date()));
}

describe('keys of gpg', () => {
  test.each(['binary', 'armored'])('without a passphrase, %s: nothing is asked', async (form) => {
    const ask = vi.fn(nobody);
    const bytes = gnupg.exportSecret(ed, '', ...(form === 'armored' ? ['--armor'] : []));
    const secret = await loadSecretKey(await keyFile(bytes), ask);
    expect(ask).not.toHaveBeenCalled();
    expect(secret).toMatchObject({ fingerprint: ed, userId: 'Ed <ed@example.org>' });
    const opened = await collect(open(await sealFor(ed, 'hello'), await parseSecretKey(secret)));
    expect(opened.toString()).toBe('hello');
  });

  test.each(['binary', 'armored'])('with a passphrase, %s: it is asked for once', async (form) => {
    const ask = vi.fn(async () => PASSPHRASE);
    const bytes = gnupg.exportSecret(rsa, PASSPHRASE, ...(form === 'armored' ? ['--armor'] : []));
    const secret = await loadSecretKey(await keyFile(bytes), ask);
    expect(ask).toHaveBeenCalledTimes(1);
    const opened = await collect(open(await sealFor(rsa, 'hello'), await parseSecretKey(secret)));
    expect(opened.toString()).toBe('hello');
  });

  test('with a passphrase that is wrong at first: it is asked for again, until there is none', async () => {
    const file = await keyFile(gnupg.exportSecret(rsa, PASSPHRASE));
    const told: boolean[] = [];
    const answers = ['wrong', PASSPHRASE];
    const secret = await loadSecretKey(file, async (again) => {
      told.push(again);
      return answers.shift();
    });
    expect([secret.fingerprint, told]).toEqual([rsa, [false, true]]);
    const once = vi.fn(async (again: boolean) => (again ? undefined : 'wrong'));
    expect((await failure(loadSecretKey(file, once))).message).toMatch(
      /the passphrase is wrong for this key/,
    );
    expect(once).toHaveBeenCalledTimes(2);
    const always = vi.fn(async () => 'wrong');
    expect((await failure(loadSecretKey(file, always))).message).toMatch(/the passphrase is wrong/);
    expect(always).toHaveBeenCalledTimes(3);
  });

  test('beside its public key in one file, and without its primary secret key', async () => {
    const both = `${gnupg.exportPublic(ed, '--armor')}${gnupg.exportSecret(ed, '', '--armor')}`;
    expect((await load(both)).fingerprint).toBe(ed);
    const part = gnupg.run(['--passphrase', PASSPHRASE, '--export-secret-subkeys', rsa]);
    const secret = await load(part, PASSPHRASE);
    expect(secret.fingerprint).toBe(rsa);
    const opened = await collect(open(await sealFor(rsa, 'from a part'), await parseSecretKey(secret)));
    expect(opened.toString()).toBe('from a part');
  });

  test('what a passphrase prompt throws is thrown on', async () => {
    const interrupted = new Error('Ctrl-C');
    const file = await keyFile(gnupg.exportSecret(rsa, PASSPHRASE));
    await expect(loadSecretKey(file, () => Promise.reject(interrupted))).rejects.toBe(interrupted);
  });
});

describe('the form that is posted to worker threads', () => {
  test('works there, unlocked', async () => {
    const secret = await load(gnupg.exportSecret(rsa, PASSPHRASE), PASSPHRASE);
    const message = await sealFor(rsa, 'in another thread');
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      (async () => {
        const { open, parseSecretKey } = await import(workerData.module);
        const pieces = [];
        for await (const p of open(workerData.message, await parseSecretKey(workerData.secret))) pieces.push(p);
        parentPort.postMessage(Buffer.concat(pieces).toString());
      })();`;
    const module = pathToFileURL(project('src/crypto/open.ts')).href;
    const worker = new Worker(code, {
      eval: true,
      execArgv: [...STRIP_TYPES],
      workerData: { secret, message, module },
    });
    try {
      const answer = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(answer).toBe('in another thread');
    } finally {
      await worker.terminate();
    }
  });

  test('holds no secret that decryption does not need', async () => {
    const secret = await load(gnupg.exportSecret(ed));
    const key = await openpgp.readPrivateKey({ binaryKey: secret.binary });
    expect((key.keyPacket as openpgp.SecretKeyPacket).isDummy()).toBe(true);
    expect(key.subkeys.map((subkey) => subkey.isDecrypted())).toEqual([true]);
    expect(secret.keyIds).toEqual(key.subkeys.map((subkey) => subkey.getKeyID().toHex().toUpperCase()));
  });
});

test('a secret key is told to be among the recipients of a set, or not', async () => {
  const secret = await load(gnupg.exportSecret(ed));
  expect(isRecipient(secret, [rsa, ed])).toBe(true);
  expect(isRecipient(secret, [ed.toLowerCase()])).toBe(true);
  expect(isRecipient(secret, [rsa])).toBe(false);
  expect(isRecipient(secret, [])).toBe(false);
});

describe('keys that are refused, each with the reason and what to do', () => {
  test('a missing file, an empty one, garbage, half a key', async () => {
    const missing = await failure(loadSecretKey('/nowhere/secret.asc', nobody));
    expect(missing).toMatchObject({ code: 'key', path: '/nowhere/secret.asc' });
    expect(missing.message).toMatch(/there is no such file.*--export-secret-keys/);
    expect(await refusal('')).toMatch(/^ is empty: .*--export-secret-keys/);
    expect(await refusal('garbage')).toMatch(/^ is not an OpenPGP key/);
    const bytes = gnupg.exportSecret(ed);
    expect(await refusal(bytes.subarray(0, 60))).toMatch(/^ is not an OpenPGP key/);
  });

  test('a public key: says how to export the secret one', async () => {
    for (const form of [[], ['--armor']]) {
      expect(await refusal(gnupg.exportPublic(ed, ...form))).toMatch(
        new RegExp(`^: holds a public key, which cannot decrypt: .*--export-secret-keys ${ed}$`),
      );
    }
  });

  test('several secret keys: says which', async () => {
    const message = await refusal(
      Buffer.concat([gnupg.exportSecret(ed), gnupg.exportSecret(rsa, PASSPHRASE)]),
    );
    expect(message).toMatch(/^: holds 2 secret keys, /);
    expect(message).toContain(`${ed} (Ed <ed@example.org>), ${rsa} (Rsa <rsa@example.org>)`);
  });

  test('a wrong passphrase, an empty one, none to be had', async () => {
    const bytes = gnupg.exportSecret(rsa, PASSPHRASE);
    expect(await refusal(bytes, 'not this one')).toMatch(/^: the passphrase is wrong for this key/);
    expect(await refusal(bytes, '')).toMatch(/^: the passphrase is wrong for this key/);
    expect(await refusal(bytes)).toMatch(/^: is locked with a passphrase: give it with --passphrase-file/);
  });

  test('a key that only signs', async () => {
    const signs = gnupg.makeKey('Signs only', 'ed25519', { subkey: 'none' });
    expect(await refusal(gnupg.exportSecret(signs))).toMatch(/Signs only .* has no encryption subkey/);
  });

  test('a key whose decrypting part is elsewhere: nothing is asked', async () => {
    const other = await Gnupg.start();
    try {
      const fingerprint = other.makeKey('Elsewhere', 'ed25519');
      const listing = other.run(['--with-colons', '--with-keygrip', '--list-keys', fingerprint]).toString();
      const grips = [...listing.matchAll(/^grp:+([0-9A-F]{40}):/gm)].map((match) => match[1]);
      rmSync(join(other.home, 'private-keys-v1.d', `${grips[1]}.key`));
      const stripped = other.exportSecret(fingerprint);
      // What gpg writes for a key on a smart card differs in one byte and the card's number, here empty.
      const onCard = Buffer.concat([stripped]);
      onCard[onCard.lastIndexOf('GNU\x01', undefined, 'latin1') + 3] = 2;
      for (const content of [stripped, onCard]) {
        expect(await refusal(content, 'unused')).toMatch(
          /the part of the secret key of Elsewhere .* that decrypts is not in this file .*complete copy/,
        );
      }
    } finally {
      other.stop();
    }
  });

  test('a key whose secret part was altered', async () => {
    const { privateKey } = await openpgp.generateKey({ userIDs: { name: 'Altered' }, format: 'object' });
    const { privateKey: other } = await openpgp.generateKey({ userIDs: { name: 'Other' }, format: 'object' });
    const [packet, foreign] = [privateKey, other].map(
      (key) => key.subkeys[0]?.keyPacket as openpgp.SecretSubkeyPacket,
    );
    Object.assign(packet ?? {}, { privateParams: foreign?.privateParams });
    expect(await refusal(privateKey.write())).toMatch(/^: is a damaged secret key/);
  });
});
