/** restic, in a folder or by its own Swift backend. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Tool } from './tool.ts';

export const restic: Tool = {
  name: 'restic',
  role: 'peer',
  package: 'restic',
  program: 'restic',
  settings: 'repository version 2 (compressed, `auto`), password and cache in the work folder',
  version: { words: ['restic', 'version'] },
  job({ folder, source, store }) {
    mkdirSync(folder, { recursive: true });
    const env: Record<string, string> = {
      RESTIC_PASSWORD: 'a passphrase for the benchmark',
      RESTIC_CACHE_DIR: join(folder, 'cache'),
      RESTIC_REPOSITORY: typeof store === 'string' ? store : `swift:${store.container}:/`,
      ...(typeof store === 'string'
        ? {}
        : { ST_AUTH: store.authUrl, ST_USER: store.user, ST_KEY: store.key }),
    };
    const call = (...words: string[]) => ({ words: ['restic', '--quiet', ...words], cwd: folder, env });
    return {
      prepare: [call('init', '--repository-version', '2')],
      full: call('backup', source),
      incremental: () => call('backup', source),
      restore: (to) => call('restore', 'latest', '--target', to),
      restoreOne: (path, to) => call('restore', 'latest', '--target', to, '--include', join(source, path)),
      restored: (to) => join(to, source),
      restoredOne: (path, to) => join(to, source, path),
      verifyWithKey: call('check', '--read-data'),
    };
  },
};
