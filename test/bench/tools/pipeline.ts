/** What the machine can do at best with standard tools: tar, zstd and openssl in a pipe, which know no incrementals and prove nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tool } from './tool.ts';

const CIPHER = 'openssl enc -aes-256-ctr -pbkdf2 -pass file:passphrase';

export const pipeline: Tool = {
  name: 'pipeline',
  role: 'pipeline',
  program: 'openssl',
  settings: '`tar -cf - | zstd -3 -T2 | openssl enc -aes-256-ctr -pbkdf2`, into one file',
  version: { words: ['/bin/sh', '-c', 'tar --version | head -1 && zstd --version && openssl version'] },
  job({ folder, source, store }) {
    if (typeof store !== 'string') return undefined;
    mkdirSync(folder, { recursive: true });
    mkdirSync(store, { recursive: true });
    writeFileSync(join(folder, 'passphrase'), 'a passphrase for the benchmark\n', { mode: 0o600 });
    const archive = join(store, 'archive');
    const call = (line: string, ...words: string[]) => ({
      words: ['/bin/bash', '-o', 'pipefail', '-c', line, 'bash', ...words],
      cwd: folder,
    });
    return {
      prepare: [],
      full: call(`tar -cf - -C "$1" . | zstd -q -3 -T2 | ${CIPHER} > "$2"`, source, archive),
      restore: (to) => call(`${CIPHER} -d < "$1" | zstd -q -d | tar -xf - -C "$2"`, archive, to),
      restored: (to) => to,
    };
  },
};
