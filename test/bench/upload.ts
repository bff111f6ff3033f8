/** Upload to a local Swift: the store beside `swift upload` of python-swiftclient, with the same objects, in turn. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { project, STRIP_TYPES } from '../helpers/script.ts';
import { startSwift } from '../servers/swift.ts';
import type { Runner } from './measure.ts';
import type { Result } from './results.ts';

const OBJECTS = 24;
const OBJECT = 32 << 20;

/** What is uploaded, for the reader of the table. */
export const UPLOAD = `${OBJECTS} objects of 32 MiB of random bytes, by Holdfast's store alone and by python-swiftclient`;

/** A result for each of the two. */
export async function upload(
  runner: Runner,
  folder: string,
  rounds: number,
  scale: number,
): Promise<Result[]> {
  const files = join(folder, 'objects');
  rmSync(files, { recursive: true, force: true });
  mkdirSync(files);
  const count = Math.ceil(OBJECTS * scale);
  for (let i = 0; i < count; i++) writeFileSync(join(files, `object-${i}`), randomBytes(OBJECT));
  const common = { set: 'upload', target: 'swift', work: 'upload', bytes: count * OBJECT } as const;
  const store: Result = { ...common, tool: 'holdfast', role: 'holdfast', runs: [] };
  const client: Result = { ...common, tool: 'swift upload', role: 'peer', runs: [] };
  const kinds = [
    {
      result: store,
      words: (container: string) => [
        ...[process.execPath, ...STRIP_TYPES, '--no-warnings', project('test/bench/put-objects.ts')],
        ...[files, container],
      ],
    },
    {
      result: client,
      words: (container: string) => ['swift', '--quiet', 'upload', container, '.'],
    },
  ];
  const swift = await startSwift();
  const env = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const { result, words } of round % 2 === 1 ? kinds.toReversed() : kinds) {
        const container = `${result.role}-${round}`;
        await runner.run({ words: ['sync'] });
        const { output: _, ...run } = await runner.run({ words: words(container), cwd: files, env });
        result.runs.push(run);
        await runner.run({ words: ['swift', '--quiet', 'delete', container], env });
      }
    }
  } finally {
    await swift.stop();
    rmSync(files, { recursive: true, force: true });
  }
  return [store, client];
}
