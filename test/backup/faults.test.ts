import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCommits } from '../../src/chain/commits.ts';
import { HoldfastError } from '../../src/errors.ts';
import { noise } from '../chunk/noise.ts';
import { type FaultMode, type Faults, faultyStore, type StoreOperation } from '../helpers/faulty-store.ts';
import { makeKeys, type QuickKeys } from '../helpers/quick-store.ts';
import { project, STRIP_TYPES } from '../helpers/script.ts';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { BackupHost } from './host.ts';

let keys: QuickKeys;
let baseline: BackupHost;

beforeAll(async () => {
  keys = await makeKeys();
  baseline = new BackupHost(await makeFolder(), keys);
  await baseline.init();
  for (const name of ['a', 'b']) {
    writeFileSync(join(baseline.root, name), noise(2000, name));
    await baseline.backup();
  }
});

afterAll(() => rm(baseline.folder, { recursive: true }));

/** A host that has the two points of the baseline. */
async function newHost(): Promise<BackupHost> {
  const host = baseline.copy(join(await temporaryFolder(), 'host'));
  // Files are known by their paths: once more, under those of this host.
  await host.backup();
  return host;
}

/** What there is to be backed up: something new each time. */
function change(host: BackupHost, n: number): void {
  writeFileSync(join(host.root, `new ${n}`), noise(1000 + n, `new ${n}`));
}

async function idsOf(host: BackupHost): Promise<string[]> {
  return (await host.points()).map(({ seq, id }) => `${seq} ${id}`);
}

/** Checks that nothing was lost by a run that failed, and that the next one needs nobody's help. */
async function expectRecovery(host: BackupHost, before: readonly string[]): Promise<void> {
  expect((await idsOf(host)).slice(0, before.length)).toEqual(before);
  await host.expectWhole();
  const { type, needsAttention } = await host.backup();
  expect(host.warnings).toEqual([]);
  expect({ type, needsAttention }).toEqual({ type: 'incremental', needsAttention: false });
  const points = await host.expectWhole();
  expect(points.map(({ seq }) => seq)).toEqual(points.map((_, i) => i + 1));
  const { rejected } = await loadCommits(host.store, host.names, 'keys-in-store');
  expect(rejected).toEqual([]);
  expect(await host.remains()).toEqual([]);
  const names = readdirSync(join(host.folder, 'state')).map((name) => name.replace(/-[0-9a-f]{32}/, ''));
  expect(names.sort()).toEqual([
    'chain.blocks',
    'chain.extents',
    'chain.segments',
    'entries',
    'index.json',
    'writer.json',
  ]);
}

/** Store and state, to the byte. */
function contentsOf(host: BackupHost): Record<string, string> {
  const files = ['store', 'state'].flatMap((name) =>
    readdirSync(join(host.folder, name), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    ),
  );
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'latin1')]));
}

/** Lets the N-th operation fail, for N from 1 until a run comes through; how many failed. */
async function failEach(
  host: BackupHost,
  mode: FaultMode,
  counted?: StoreOperation[],
  more: Faults = {},
): Promise<number> {
  for (let at = 1; at < 100; at++) {
    // Each run reads the commits of its chain: a chain that grows with N would have no last operation.
    if (at % 6 === 0) await host.backup({ requested: 'full' });
    change(host, at);
    const before = await idsOf(host);
    const contents = contentsOf(host);
    const store = faultyStore(host.store, {
      at,
      mode,
      ...(counted === undefined ? {} : { counted }),
      ...more,
    });
    const error: unknown = await host.backup({ store }).then(
      () => undefined,
      (e: unknown) => e,
    );
    if (error === undefined) {
      expect(store.count).toBeLessThan(at);
      return at - 1;
    }
    if (!(error instanceof HoldfastError) || error.code !== 'store') throw error;
    if (store.log.some((operation) => operation.startsWith('put '))) await expectRecovery(host, before);
    else expect(contentsOf(host)).toEqual(contents);
  }
  throw new Error('there is no end of operations');
}

describe('every point stays, and the next backup needs nobody, when in a backup the N-th store operation', () => {
  test('fails once, for every N', async () => {
    expect(await failEach(await newHost(), 'error-once')).toBeGreaterThanOrEqual(15);
  });

  test('fails, and all later ones, for every N', async () => {
    expect(await failEach(await newHost(), 'error-on')).toBeGreaterThanOrEqual(15);
  });

  test('is a put that is torn, for every N', async () => {
    expect(await failEach(await newHost(), 'torn', ['put'])).toBe(5);
  });

  test('is a question that fails once, for every N, where listings are not believed', async () => {
    const failed = await failEach(await newHost(), 'error-once', ['stat'], { listingsMayLie: true });
    expect(failed).toBeGreaterThanOrEqual(15);
  });

  test('is a put whose answer is lost, for every N', async () => {
    expect(await failEach(await newHost(), 'lost-answer', ['put'])).toBe(5);
  });
});

test('removing what a run has left may fail at any operation: the next run goes on with it', async () => {
  const host = await newHost();
  change(host, 0);
  const before = await idsOf(host);
  const dies = faultyStore(host.store, { at: 4, mode: 'error-on', counted: ['put'] });
  await expect(host.backup({ store: dies })).rejects.toMatchObject({ code: 'store' });
  const left = await host.remains();
  expect(left.length).toBeGreaterThanOrEqual(3);
  for (let at = 1; ; at++) {
    const store = faultyStore(host.store, {
      at,
      mode: at % 2 === 0 ? 'error-once' : 'lost-answer',
      counted: ['remove'],
    });
    const failed = await host.backup({ store }).then(
      () => false,
      () => true,
    );
    expect((await idsOf(host)).slice(0, before.length)).toEqual(before);
    if (!failed) break;
    // A run that got no further than to remove things has begun no set of its own.
    expect((await host.remains()).every((name) => left.includes(name))).toBe(true);
    expect(at).toBeLessThan(10);
  }
  await expectRecovery(host, before);
});

describe('every point stays, and the next backup needs nobody, after a backup is killed', () => {
  /** Runs a backup in a process that kills itself at the N-th put. */
  async function killed(host: BackupHost, at: number, mode: 'before' | 'after'): Promise<void> {
    const signerFile = join(host.folder, 'signer.asc');
    writeFileSync(signerFile, host.signer.key.armor(), { mode: 0o600 });
    const program = project('test/backup/killed-run.ts');
    const child = spawn(
      process.execPath,
      [...STRIP_TYPES, '--no-warnings', program, host.folder, String(at), mode],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 60_000,
      },
    );
    const [said, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect({ said, code, signal }).toEqual({ said: '', code: null, signal: 'SIGKILL' });
  }

  test.each([
    ['when a volume or part is stored', 2, 'after', 0],
    ['before the signature is stored', 4, 'before', 0],
    ['between signature and commit', 4, 'after', 0],
    ['before the commit is stored', 5, 'before', 0],
    ['when the commit is stored', 5, 'after', 1],
  ] as const)('%s', async (_when, at, mode, made) => {
    const host = await newHost();
    change(host, at);
    const before = await idsOf(host);
    await killed(host, at, mode);
    expect((await idsOf(host)).length).toBe(before.length + made);
    await expectRecovery(host, before);
    expect((await idsOf(host)).length).toBe(before.length + made + 1);
  });

  test('and the state folder was copied in the middle: the copy is as good as the machine', async () => {
    const host = await newHost();
    change(host, 1);
    const before = await idsOf(host);
    await killed(host, 4, 'before');
    cpSync(join(host.folder, 'state'), join(host.folder, 'state copy'), { recursive: true });
    await rm(join(host.folder, 'state'), { recursive: true });
    cpSync(join(host.folder, 'state copy'), join(host.folder, 'state'), { recursive: true });
    await expectRecovery(host, before);
  });
});
