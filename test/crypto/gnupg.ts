/** A GnuPG of its own for tests: a temporary home, keys made by gpg, and an end to its agent. */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';

export interface KeyOptions {
  passphrase?: string;
  /** What gpg is to take for the present when it makes the key, e.g. `20200101T000000`. */
  at?: string;
  /** gpg's notation: `never`, `1y`, … */
  expires?: string;
  /** `none` makes no encryption subkey. */
  subkey?: 'same' | 'none';
}

export class Gnupg {
  readonly home: string;

  constructor(home: string) {
    this.home = home;
  }

  /** Sockets of gpg-agent lie in the home, and their paths must be short. */
  static async start(): Promise<Gnupg> {
    const gnupg = new Gnupg(await mkdtemp('/tmp/hf-gpg-'));
    // Makes the trust database, without which gpg 2.2 cannot import a revocation.
    gnupg.run(['--trust-model', 'pgp', '--list-keys']);
    return gnupg;
  }

  stop(): void {
    execFileSync('gpgconf', ['--homedir', this.home, '--kill', 'all']);
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Runs gpg; returns its standard output. Throws when it fails. */
  run(args: readonly string[], input: Uint8Array | string = ''): Buffer {
    const always = [
      '--homedir',
      this.home,
      '--batch',
      '--yes',
      '--pinentry-mode',
      'loopback',
      '--trust-model',
      'always',
    ];
    return execFileSync('gpg', [...always, ...args], {
      input,
      maxBuffer: 1 << 30,
      timeout: 60_000,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** Makes a key of an algorithm with an encryption subkey; returns its fingerprint. */
  makeKey(userId: string, algorithm: 'ed25519' | 'rsa1024' | 'rsa2048', options: KeyOptions = {}): string {
    const { passphrase = '', at, expires = 'never', subkey = 'same' } = options;
    const how = ['--passphrase', passphrase, ...(at === undefined ? [] : ['--faked-system-time', at])];
    this.run([...how, '--quick-generate-key', userId, algorithm, 'sign', expires]);
    const fingerprint = this.fingerprint(userId);
    const encrypts = algorithm === 'ed25519' ? 'cv25519' : algorithm;
    if (subkey === 'same') this.run([...how, '--quick-add-key', fingerprint, encrypts, 'encr', expires]);
    return fingerprint;
  }

  fingerprint(userId: string): string {
    const listing = this.run(['--with-colons', '--list-keys', `=${userId}`]).toString();
    return /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1] ?? '';
  }

  /** Declares a key invalid with the certificate that gpg made along with it. */
  revoke(fingerprint: string): void {
    const certificate = readFileSync(join(this.home, 'openpgp-revocs.d', `${fingerprint}.rev`), 'latin1');
    this.run(['--import'], certificate.replace(/^:(-----BEGIN)/m, '$1'));
  }

  exportPublic(fingerprint: string, ...options: string[]): Buffer {
    return this.run([...options, '--export', fingerprint]);
  }

  exportSecret(fingerprint: string, passphrase = '', ...options: string[]): Buffer {
    return this.run(['--passphrase', passphrase, ...options, '--export-secret-keys', fingerprint]);
  }

  decrypt(message: Uint8Array, passphrase = ''): Buffer {
    return this.run(['--passphrase', passphrase, '--decrypt'], message);
  }

  /** The lines of gpg's listing of a message's packets. */
  packets(message: Uint8Array, passphrase = ''): string {
    return this.run(['--passphrase', passphrase, '--list-packets', '--verbose'], message).toString();
  }

  /** Whether gpg accepts a detached signature. */
  verifies(bytes: Uint8Array, signature: string): boolean {
    const file = join(this.home, 'signature.asc');
    writeFileSync(file, signature);
    try {
      this.run(['--verify', file, '-'], bytes);
      return true;
    } catch {
      return false;
    }
  }
}
