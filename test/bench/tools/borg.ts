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
    const create = call('create', '--compression', 'zstd,3', '::{utcnow:%Y%m%d-%H%M%S-%f}', source);
    // Archives have names, and a command line has to name one: the newest is asked for within the measured command.
    const extract = (to: string, ...paths: string[]) => ({
      words: [
        ...['/bin/sh', '-c', 'exec borg extract "::$(borg list --last 1 --short)" "$@"', 'sh'],
        ...paths,
      ],
      cwd: to,
      env,
    });
    return {
      prepare: [call('init', '--encryption', 'repokey')],
      full: create,
      incremental: create,
      restore: (to) => extract(to),
      restoreOne: (path, to) => extract(to, join(source, path).slice(1)),
      restored: (to) => join(to, source),
      restoredOne: (path, to) => join(to, source, path),
      verifyWithoutKey: call('check', '--repository-only'),
      verifyWithKey: call('check', '--verify-data'),
    };
  },
};
