/**
 * `npm run demo`: Holdfast's main job from end to end on real files: key pair, full, changes, incremental, restore of both points, a
 * comparison of every entry with what was there, verification. Runs the program as a person would; the steps are on this page.
 */

import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { makeChanges } from './changes.ts';
import { CommandFailed, Commands, HOLDFAST, print, type Ran } from './commands.ts';
import { database } from './database.ts';
import { Refused, type WorkFolder, workFolder } from './folder.ts';
import { addOddities, gather } from './gather.ts';
import { differences, record, type Snapshot } from './snapshot.ts';

const USAGE = `Usage: npm run demo [-- [FOLDER] [--keep] [--files DIR] [--store swift:CONTAINER]]

Backs up copies of real files of this machine and a database, changes them, backs up again, restores both points, and compares every
entry. Works in a temporary folder that it removes in the end, or in FOLDER, which must be new or empty, and stays.

  --keep       leave the temporary folder in the end
  --files DIR  copy the files from there, instead of from /usr and node_modules
  --store swift:CONTAINER  back up into this container, with the credentials of the environment; "npm run swift" starts a
               Swift to try this with. What is stored there stays, below a prefix of its own.
`;

const MIB = 1 << 20;
const FILES = 240 * MIB;
const ROWS = 200_000;
const CHANGED_ROWS = 500;
/** The data, as much again in the store, and one restored point. */
const ROOM = 1300 * MIB;
/** So many differences are named. */
const NAMED = 20;

/** A line of the table at the end. */
interface Step {
  what: string;
  seconds: number;
  note: string;
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      keep: { type: 'boolean' },
      files: { type: 'string' },
      store: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || positionals.length > 1) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const started = performance.now();
  const files = values.files === undefined ? undefined : existingFolder(values.files);
  const store = storeBlock(values.store);
  const folder = workFolder(positionals[0], values.keep === true, ROOM);
  const commands = new Commands(folder.path, process.env);
  let interrupted: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = signal;
      commands.kill();
    });
  }
  try {
    const found = await demonstrate(folder, commands, store, files);
    print(`\n${verdict(found)} (${((performance.now() - started) / 1000).toFixed(0)} s in all)`);
    if (folder.stays)
      print(`Everything is still in ${folder.path}; the commands above can be given again there.`);
    return found.length === 0 ? 0 : 1;
  } catch (error) {
    if (interrupted !== undefined)
      return interrupted === 'SIGINT' ? 130 : interrupted === 'SIGTERM' ? 143 : 129;
    if (!(error instanceof CommandFailed)) throw error;
    print(`\nFAILED: ${error.message}`);
    if (!folder.stays) print('To look at what is left, run it again with: npm run demo -- --keep');
    return 1;
  } finally {
    folder.end();
  }
}

function existingFolder(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Refused(`--files ${path}: there is no such folder`);
  }
  return realpathSync(path);
}

/** All steps; returns in what the restored points differ from the source. */
async function demonstrate(
  folder: WorkFolder,
  commands: Commands,
  store: string,
  files: string | undefined,
): Promise<string[]> {
  const { path } = folder;
  const data = join(path, 'vm/data');
  const steps: Step[] = [];
  print('In the commands below, which run in');
  print(`  ${path}`);
  print(
    '"vm" is the machine that is backed up, "client" the one that holds the secret key, "store" is where the backups go,',
  );
  print(`and "holdfast" stands for ${HOLDFAST}.`);

  title('Real files, and a database');
  const db = await database();
  const dbFile = join(data, 'orders.db');
  copyFiles(data, files);
  db.make(dbFile, ROWS);
  print(`${db.kind}, ${ROWS} rows: ${mib(statSync(dbFile).size)}`);
  const first = record(data);
  const bytes = [...first.values()].reduce((sum, { size }) => sum + size, 0);
  print(
    `In all ${first.size} entries, ${mib(bytes)}; every file's SHA-256, mode, owner, time and links noted for later.`,
  );

  title('A key pair, on the client; only its public half goes to the vm');
  mkdirSync(join(path, 'client'));
  writeFileSync(join(path, 'client/passphrase'), `${randomBytes(12).toString('hex')}\n`, { mode: 0o600 });
  await commands.holdfast(
    ...['keygen', '--name', 'IT staff', '--email', 'it@example.org', '--out', 'client/keys'],
    ...['--passphrase-file', 'client/passphrase'],
  );
  copyFileSync(join(path, 'client/keys/public.asc'), join(path, 'vm/it-staff.asc'));

  title('The strategy of the vm, and its signing key');
  mkdirSync(join(path, 'store'));
  show(join(path, 'vm/strategy.yaml'), path, strategyOf(data, store));
  const vm = ['-c', 'vm/strategy.yaml'];
  const host = [...vm, '--state-dir', 'vm/state'];
  await commands.holdfast('config', 'check', ...vm);
  const { output } = await commands.holdfast('init', ...host, '--card', 'client/card.txt');
  const pin = `signer: "${/^[0-9A-F]{40}$/m.exec(output)?.[0]}"\n`;
  print('\n  The fingerprint goes into the strategy of the vm, and into a short one for whoever restores:');
  show(join(path, 'vm/strategy.yaml'), path, strategyOf(data, store) + pin, pin);
  show(join(path, 'client/restore.yaml'), path, `name: demo\nstore:\n  ${store}\n${pin}`);

  title('A full backup');
  const full = await commands.holdfast('backup', '--verbose', ...host);

  title('Changes');
  const changes = makeChanges(data, first, ['/orders.db', '/odd']);
  const rows = Array.from({ length: CHANGED_ROWS }, (_, i) => Math.floor(((i + 0.5) * ROWS) / CHANGED_ROWS));
  db.update(dbFile, rows);
  for (const said of [...changes.said, `${CHANGED_ROWS} rows of the database updated, all over it`])
    print(`- ${said}`);
  const second = record(data);
  const touched = changes.bytes + statSync(dbFile).size;
  print(`The files whose content was touched have ${mib(touched)} in all.`);

  title('An incremental backup');
  const incremental = await commands.holdfast('backup', '--verbose', ...host);
  const [storedFull, storedIncremental] = await storedBytes(commands, vm);
  steps.push(
    { what: 'full backup', seconds: full.seconds, note: `stored ${mib(storedFull)} of ${mib(bytes)}` },
    {
      what: 'incremental backup',
      seconds: incremental.seconds,
      note: `stored ${mib(storedIncremental)}, where the touched files have ${mib(touched)}`,
    },
  );

  title('What can be restored');
  await commands.holdfast('points', ...vm);

  title('Restore of both points, on the client, and comparison with what was there');
  const unlock = ['--secret-key', 'client/keys/secret.asc', '--passphrase-file', 'client/passphrase'];
  const found: string[] = [];
  for (const [seq, expected] of [
    [1, first],
    [2, second],
  ] as const) {
    const to = `client/point-${seq}`;
    const ran = await commands.holdfast(
      'restore',
      '-c',
      'client/restore.yaml',
      '--at',
      String(seq),
      '--to',
      to,
      ...unlock,
    );
    found.push(...compare(seq, expected, join(path, to, data)));
    steps.push({
      what: `restore of point ${seq}`,
      seconds: ran.seconds,
      note: `${expected.size} entries compared`,
    });
    // Only one of them needs room at a time.
    if (!folder.stays) rmSync(join(path, to), { recursive: true });
  }

  title('Verification: without a key, as the vm may do it, and with the key, down to every chunk');
  const keyless = await commands.holdfast('verify', ...vm);
  const keyed = await commands.holdfast('verify', '-c', 'client/restore.yaml', ...unlock);
  steps.push(stepOf('verify without a key', keyless), stepOf('verify with the key', keyed));

  title('What each step took');
  for (const { what, seconds, note } of steps)
    print(`${what.padEnd(22)}${seconds.toFixed(1).padStart(6)} s   ${note}`);
  return found;
}

function copyFiles(data: string, files: string | undefined): void {
  mkdirSync(data, { recursive: true });
  const modules = join(dirname(dirname(HOLDFAST)), 'node_modules');
  const copied = gather(data, FILES, modules, files);
  addOddities(data);
  print(`Copied ${copied.entries} entries, ${mib(copied.bytes)}, from ${copied.from.join(', ')}`);
}

/** Compares, says what came of it, and returns the differences. */
function compare(seq: number, expected: Snapshot, restored: string): string[] {
  const found = differences(expected, record(restored));
  for (const line of found.slice(0, NAMED)) print(`  DIFFERENT: ${line}`);
  if (found.length > NAMED) print(`  and ${found.length - NAMED} more`);
  if (found.length === 0) {
    print(
      `  Point ${seq}: all ${expected.size} entries are as they were: content, mode, owner, time, links.`,
    );
  }
  return found.map((line) => `point ${seq}: ${line}`);
}

function verdict(found: readonly string[]): string {
  if (found.length > 0)
    return `FAILED: ${found.length} differences between what was backed up and what came back`;
  return 'PASSED: both points came back as they were, and nothing is wrong in the store';
}

/** Bytes that the two sets have put into the store. */
async function storedBytes(commands: Commands, vm: readonly string[]): Promise<[number, number]> {
  const { output } = await commands.quietly('points', ...vm, '--json');
  const points = JSON.parse(output) as { bytesStored: number }[];
  return [points[0]?.bytesStored ?? 0, points[1]?.bytesStored ?? 0];
}

/** The line of a strategy that names the store: a folder beside the vm, or a container of Swift. */
function storeBlock(written: string | undefined): string {
  if (written === undefined) return 'directory: ../store';
  const [, container, prefix] = /^swift:([^/]+)(?:\/(.+?))?\/*$/.exec(written) ?? [];
  if (container === undefined)
    throw new Refused(`--store ${written}: write swift:CONTAINER or swift:CONTAINER/PREFIX`);
  // Of its own each time: points of an earlier demonstration are by another signer.
  const own = [...(prefix === undefined ? [] : [prefix]), `demo-${randomBytes(4).toString('hex')}`].join('/');
  return `swift: { container: ${JSON.stringify(container)}, prefix: ${JSON.stringify(own)} }`;
}

function strategyOf(data: string, store: string): string {
  return `name: demo
sources:
  - name: data
    paths: [${JSON.stringify(data)}]
store:
  ${store}
recipients: [it-staff.asc]
schedule: { full: weekly }
`;
}

/** Writes a file and shows it, or what is new in it. */
function show(file: string, folder: string, content: string, added?: string): void {
  writeFileSync(file, content);
  print(`\n  ${relative(folder, file)}${added === undefined ? '' : ', a further line'}:`);
  for (const line of (added ?? content).trimEnd().split('\n')) print(`    ${line}`);
}

function title(text: string): void {
  print(`\n== ${text}`);
}

function stepOf(what: string, { seconds }: Ran): Step {
  return { what, seconds, note: '' };
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isPlain = error instanceof Refused || (error instanceof TypeError && 'code' in error);
  process.stderr.write(`demo: ${isPlain ? (error as Error).message : ((error as Error).stack ?? error)}\n`);
  process.exitCode = isPlain ? 2 : 1;
}
