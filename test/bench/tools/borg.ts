/** Borg, in a folder; it has no way to Swift. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Tool } from './tool.ts';

export const borg: Tool = {
  name: 'borg',
  role: 'peer',
  package: 'borgbackup',
  program: 'borg',
  settings: '`--encryption repokey`, `--compression zstd,3`, passphrase, cache and keys in the work folder',
  version: { words: ['borg', '--version'] },
  job({ folder, source, store }) {
    if (typeof store !== 'string') return undefined;
    mkdirSync(folder, { recursive: true });
    const env = {
      BORG_PASSPHRASE: 'a passphrase for the benchmark',
      BORG_BASE_DIR: folder,
      BORG_REPO: store,
    };
    const call = (...words: string[]) => ({ words: ['borg', ...words], cwd: folder, env });
    // Archives have names; a restore names the last one, so that it need not ask for it first.
    let last = 1;
    const create = () => call('create', '--compression', 'zstd,3', `::${last}`, source);
    const extract = (to: string, ...paths: string[]) => ({
      words: ['borg', 'extract', `::${last}`, ...paths],
      cwd: to,
      env,
    });
    return {
      prepare: [call('init', '--encryption', 'repokey')],
      full: create(),
      incremental: () => {
        last++;
        return create();
      },
      restore: (to) => extract(to),
      restoreOne: (path, to) => extract(to, join(source, path).slice(1)),
      restored: (to) => join(to, source),
      restoredOne: (path, to) => join(to, source, path),
      verifyWithoutKey: call('check', '--repository-only'),
      verifyWithKey: call('check', '--verify-data'),
    };
  },
};
