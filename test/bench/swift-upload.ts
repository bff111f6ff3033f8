/**
 * Upload to a local Swift: the store beside `swift upload` of python-swiftclient, with the same objects, in turn. Prints the median of the
 * wall times of whole processes, the largest peak of memory, and the ratio.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { project, STRIP_TYPES } from '../helpers/script.ts';
import { startSwift } from '../servers/swift.ts';

const [, , objects = '24', mebibytes = '32', rounds = '5'] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const swift = await startSwift();
try {
  const files = join(folder, 'objects');
  execFileSync('mkdir', [files]);
  for (let i = 0; i < Number(objects); i++) {
    writeFileSync(join(files, `object-${i}`), randomBytes(Number(mebibytes) << 20));
  }
  const env = { ...process.env, ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  const kinds = {
    holdfast: (container: string) => [
      process.execPath,
      ...STRIP_TYPES,
      '--no-warnings',
      project('test/bench/put-objects.ts'),
      files,
      container,
    ],
    'swift upload': (container: string) => ['swift', '--quiet', 'upload', container, '.'],
  };
  const measured: Record<string, { seconds: number; cpu: number; peak: number }[]> = {
    holdfast: [],
    'swift upload': [],
  };
  for (let round = 0; round < Number(rounds); round++) {
    for (const [kind, command] of Object.entries(kinds)) {
      const container = `${kind.replace(' ', '-')}-${round}`;
      const report = join(folder, 'time');
      execFileSync('/usr/bin/time', ['-f', '%e %U %S %M', '-o', report, ...command(container)], {
        cwd: files,
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const [seconds = 0, user = 0, system = 0, peak = 0] = readFileSync(report, 'utf8')
        .trim()
        .split(' ')
        .map(Number);
      measured[kind]?.push({ seconds, cpu: user + system, peak });
      execFileSync('swift', ['delete', container], { env, stdio: 'ignore' });
    }
  }
  const total = (Number(objects) * Number(mebibytes) * (1 << 20)) / 1e6;
  const median = (kind: string) =>
    (measured[kind] ?? []).map(({ seconds }) => seconds).sort((a, b) => a - b)[Number(rounds) >> 1] ?? 0;
  for (const [kind, runs] of Object.entries(measured)) {
    const cpu = runs.reduce((sum, run) => sum + run.cpu, 0) / runs.length;
    const peak = Math.max(...runs.map((run) => run.peak)) / 1024;
    process.stdout.write(
      `${kind.padEnd(13)} ${median(kind).toFixed(2)} s  ${(total / median(kind)).toFixed(0)} MB/s  cpu ${cpu.toFixed(2)} s  peak ${peak.toFixed(0)} MiB  (${runs.map(({ seconds }) => seconds).join(' ')})\n`,
    );
  }
  process.stdout.write(
    `throughput of holdfast / swift upload: ${(median('swift upload') / median('holdfast')).toFixed(2)}\n`,
  );
} finally {
  await swift.stop();
  rmSync(folder, { recursive: true, force: true });
}
