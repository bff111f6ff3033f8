/** Duplicity with GnuPG, in a folder or by its own Swift backend. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Tool } from './tool.ts';

const ADDRESS = 'bench@example.org';

export const duplicity: Tool = {
  name: 'duplicity',
  role: 'peer',
  package: 'duplicity',
  program: 'duplicity',
  settings:
    '`--encrypt-key` of GnuPG (default type of key, no passphrase), `--allow-source-mismatch`, archive, temporary files and keys in the work folder',
  version: { words: ['duplicity', '--version'] },
  job({ folder, source, store }) {
    const [home, archive, temporary] = ['gnupg', 'archive', 'tmp'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const made of [home, archive, temporary]) mkdirSync(made, { recursive: true, mode: 0o700 });
    if (typeof store === 'string') mkdirSync(store, { recursive: true });
    const env: Record<string, string> = {
      GNUPGHOME: home,
      // The key has none; without the variable duplicity asks for one.
      PASSPHRASE: '',
      ...(typeof store === 'string'
        ? {}
        : {
            SWIFT_AUTHURL: store.authUrl,
            SWIFT_USERNAME: store.user,
            SWIFT_PASSWORD: store.key,
            SWIFT_AUTHVERSION: '1',
            // Its second connection, which asks for sizes, takes none of these to TempAuth.
            ...{ ST_AUTH: store.authUrl, ST_USER: store.user, ST_KEY: store.key },
          }),
    };
    const url = typeof store === 'string' ? `file://${store}` : `swift://${store.container}`;
    const common = [
      ...['--encrypt-key', ADDRESS, '--gpg-options', '--trust-model=always', '--allow-source-mismatch'],
      ...['--archive-dir', archive, '--tempdir', temporary, '--name', 'bench', '--verbosity', 'warning'],
    ];
    const call = (verb: string, ...words: string[]) => ({
      words: ['duplicity', verb, ...common, ...words],
      cwd: folder,
      env,
    });
    const backup = (verb: string) => call(verb, '--no-print-statistics', source, url);
    return {
      prepare: [
        {
          words: [
            ...['gpg', '--batch', '--pinentry-mode', 'loopback', '--passphrase', ''],
            ...['--quick-generate-key', `Bench <${ADDRESS}>`, 'default', 'default', 'never'],
          ],
          cwd: folder,
          env,
        },
      ],
      full: backup('full'),
      incremental: () => backup('incremental'),
      restore: (to) => call('restore', url, to),
      restoreOne: (path, to) => call('restore', '--file-to-restore', path, url, join(to, 'file')),
      restored: (to) => to,
      restoredOne: (_path, to) => join(to, 'file'),
      verifyWithKey: call('verify', url, source),
    };
  },
};
