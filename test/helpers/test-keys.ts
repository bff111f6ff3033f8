/** Key pairs made by gpg for one test file, in a keyring of their own. */
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { makeFolder } from './temporary.ts';

const QUIET = ['--batch', '--quiet', '--no-options', '--trust-model', 'always'];

/** A keyring in a temporary folder. */
export class TestKeyring {
  /** What GNUPGHOME is set to for programs that shall use it. */
  readonly home: string;

  private constructor(home: string) {
    this.home = home;
  }

  static async make(): Promise<TestKeyring> {
    return new TestKeyring(await makeFolder());
  }

  /** Runs gpg on this keyring; its standard output. */
  gpg(args: readonly string[], input: Uint8Array = Buffer.alloc(0)): Buffer {
    const options = {
      input,
      maxBuffer: 1 << 28,
      stdio: ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'],
    };
    return execFileSync('gpg', ['--homedir', this.home, ...QUIET, ...args], options);
  }

  /** Makes a key and returns its fingerprint. `usage` `default` is one that is encrypted to, `sign` one that signs. */
  addKey(
    name: string,
    usage: 'default' | 'sign',
    options: { passphrase?: string; expires?: string } = {},
  ): string {
    const algorithm = usage === 'sign' ? 'ed25519' : 'future-default';
    // Before the moment at which handmade sets are signed; a key that expires is made at present.
    const made = options.expires === undefined ? ['--faked-system-time', '20261101T000000'] : [];
    const loopback = [...made, '--pinentry-mode', 'loopback', '--passphrase', options.passphrase ?? ''];
    const uid = `test-only ${name} <${name}@example.invalid>`;
    this.gpg([...loopback, '--quick-generate-key', uid, algorithm, usage, options.expires ?? 'never']);
    const listed = this.gpg(['--with-colons', '--list-keys', `=${uid}`]).toString();
    return /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '';
  }

  /** A public key, armored. */
  exportPublic(fingerprint: string): Buffer {
    return this.gpg(['--armor', '--export', fingerprint]);
  }

  /** Ends the agent and removes everything. */
  async remove(): Promise<void> {
    execFileSync('gpgconf', ['--homedir', this.home, '--kill', 'all']);
    await rm(this.home, { recursive: true, force: true });
  }
}
