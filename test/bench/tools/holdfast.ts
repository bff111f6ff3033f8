/** Holdfast, as it was built. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { project } from '../../helpers/script.ts';
import type { Place, Tool } from './tool.ts';

const HOLDFAST = [project('bin/holdfast.js')];

export const holdfast: Tool = {
  name: 'holdfast',
  role: 'holdfast',
  program: process.execPath,
  settings: 'defaults; one recipient, whose secret key has no passphrase',
  version: { words: [...HOLDFAST, '--version'] },
  job(place) {
    const { folder, store } = place;
    mkdirSync(folder, { recursive: true });
    if (typeof store === 'string') mkdirSync(store, { recursive: true });
    writeFileSync(join(folder, 'strategy.yaml'), strategyOf(place));
    const env: Record<string, string> =
      typeof store === 'string' ? {} : { ST_AUTH: store.authUrl, ST_USER: store.user, ST_KEY: store.key };
    const call = (...words: string[]) => ({ words: [...HOLDFAST, ...words], cwd: folder, env });
    const strategy = ['-c', 'strategy.yaml'];
    const host = [...strategy, '--state-dir', 'state'];
    const key = ['--secret-key', 'keys/secret.asc'];
    return {
      prepare: [
        call(
          ...[
            'keygen',
            '--name',
            'Bench',
            '--email',
            'bench@example.org',
            '--out',
            'keys',
            '--no-passphrase',
          ],
        ),
        call('init', ...host),
      ],
      full: call('backup', '--type', 'full', ...host),
      incremental: () => call('backup', ...host),
      restore: (to) => call('restore', '--json', ...strategy, ...key, '--to', to),
      restoreOne: (path, to) =>
        call('restore', '--json', ...strategy, ...key, '--to', to, join(place.source, path)),
      restored: (to) => join(to, place.source),
      restoredOne: (path, to) => join(to, place.source, path),
      verifyWithoutKey: call('verify', ...strategy),
      verifyWithKey: call('verify', ...strategy, ...key, '--scratch', folder),
    };
  },
};

function strategyOf({ source, store }: Place): string {
  const where =
    typeof store === 'string'
      ? `directory: ${JSON.stringify(store)}`
      : `swift: { container: ${JSON.stringify(store.container)} }`;
  return `name: bench
sources:
  - name: data
    paths: [${JSON.stringify(source)}]
store:
  ${where}
recipients: [keys/public.asc]
schedule: { full: monthly }
`;
}

/** What a restore says that it fetches; undefined where that is not to be found in its output. */
export function fetched(output: string): { volumes: number; bytes: number } | undefined {
  const line = output.split('\n').find((text) => text.startsWith('{"event":"start"'));
  if (line === undefined) return undefined;
  const { volumes, download } = JSON.parse(line) as { volumes: number; download: number };
  return { volumes, bytes: download };
}
