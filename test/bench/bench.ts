/**
 * `npm run bench`: Holdfast beside other programs that back up, on the same data in turn. Makes the data, runs the works, prints and
 * saves one table; the steps are on this page, the works of one data set in compare.ts.
 */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingServers } from '../servers/missing.ts';
import { CHAINS, describeChain, measureChain } from './chain.ts';
import { compare } from './compare.ts';
import { install, SEARCHED } from './install.ts';
import { describeMachine, versionOf } from './machine.ts';
import { Interrupted, Runner } from './measure.ts';
import { type Options, parseOptions, Refused, USAGE } from './options.ts';
import type { Report, Result } from './results.ts';
import { type DataSet, type Making, SETS, Unavailable } from './sets.ts';
import { oldNode, startUp } from './start-up.ts';
import { markdown } from './table.ts';
import { borg } from './tools/borg.ts';
import { duplicity } from './tools/duplicity.ts';
import { holdfast } from './tools/holdfast.ts';
import { pipeline } from './tools/pipeline.ts';
import { restic } from './tools/restic.ts';
import type { Tool } from './tools/tool.ts';
import { tally } from './tree.ts';
import { UPLOAD, upload } from './upload.ts';

const TOOLS: readonly Tool[] = [holdfast, restic, borg, duplicity, pipeline];

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), new Date());
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const folder = workFolder(options);
  const home = join(folder, 'home');
  mkdirSync(home, { recursive: true });
  const runner = new Runner(folder, { PATH: SEARCHED, LANG: 'C.UTF-8', HOME: home, TMPDIR: home });
  const interrupted = interruption(() => runner.stop());
  try {
    const report = await measureAll(options, folder, runner);
    process.stdout.write(`\n${markdown(report)}\nSaved in ${options.out}: bench.md, bench.json\n`);
    return report.results.some(({ failed }) => failed !== undefined) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    say(`Interrupted. What was measured before is in ${options.out}`);
    return 128 + interrupted();
  } finally {
    if (options.work === undefined && !options.keep) rmSync(folder, { recursive: true, force: true });
    else {
      rmSync(home, { recursive: true, force: true });
      rmSync(join(folder, 'output'), { force: true });
      say(`The data sets are in ${folder}; --work ${folder} uses them again.`);
    }
  }
}

/** Everything, part by part; what has been found is saved after each. */
async function measureAll(options: Options, folder: string, runner: Runner): Promise<Report> {
  const sets = SETS.filter(({ name }) => options.sets.includes(name));
  const wanted = TOOLS.filter(({ name, role }) => role === 'holdfast' || options.peers.includes(name));
  if (options.install) {
    const needed = [
      ...wanted.flatMap((tool) => (tool.package ? [{ package: tool.package, shownBy: tool.program }] : [])),
      ...sets.flatMap((set) => (set.package ? [{ package: set.package, shownBy: set.shownBy ?? '' }] : [])),
    ];
    await install(needed, runner, say);
  }
  const versions: Record<string, string> = {};
  for (const tool of wanted) {
    const version = await versionOf(runner, tool);
    if (version !== undefined) versions[tool.name] = version;
  }
  const tools = wanted.filter(({ name }) => name in versions);
  if (!(holdfast.name in versions)) throw new Refused('holdfast does not start: run `npm run build`');
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: describeMachine(folder),
    versions,
    settings: Object.fromEntries(tools.map(({ name, settings }) => [name, settings])),
    ...{ rounds: options.rounds, scale: options.scale, sets: [], leftOut: [], results: [] },
  };
  const leaveOut = (what: string) => {
    report.leftOut.push(what);
    say(`Left out: ${what}`);
  };
  for (const { name } of wanted.filter((tool) => !tools.includes(tool)))
    leaveOut(`${name} is not installed, or does not start`);
  const lacking = missingServers();
  const targets = options.targets.filter((name) => name !== 'swift' || lacking.length === 0);
  if (targets.length < options.targets.length) leaveOut(`Swift: this machine lacks ${lacking.join(', ')}`);

  const save = (results: readonly Result[]) => {
    report.results.push(...results);
    mkdirSync(options.out, { recursive: true });
    writeFileSync(join(options.out, 'bench.json'), `${JSON.stringify(report, undefined, 2)}\n`);
    writeFileSync(join(options.out, 'bench.md'), markdown(report));
  };
  const common = { runner, folder, tools, say };
  if (options.sets.includes('start-up')) {
    const old = oldNode(process.env.PATH ?? '');
    if (old === undefined) leaveOut('start-up handed over: there is no Node older than 22 on PATH');
    say('start-up');
    save(await startUp(runner, tools, old));
  }
  for (const set of sets) {
    const making = await make(set, options, folder, runner, leaveOut);
    if (making === undefined) continue;
    report.sets.push({ name: set.name, what: set.what, ...tally(making.folder) });
    for (const target of targets.filter((name) => name !== 'swift' || set.swift)) {
      save(await compare({ ...common, set, making, target, rounds: options.rounds }));
    }
    if (options.work === undefined && !options.keep)
      await runner.run({ words: ['rm', '-rf', making.folder] });
  }
  if (options.sets.includes('upload') && targets.includes('swift')) {
    say('upload');
    report.sets.push({ name: 'upload', what: UPLOAD, entries: 0, bytes: 0 });
    save(await upload(runner, folder, options.rounds, options.scale));
  }
  for (const chain of CHAINS.filter(({ name }) => options.sets.includes(name))) {
    report.sets.push({ name: chain.name, what: describeChain(chain), entries: 0, bytes: 0 });
    save(await measureChain({ ...common, chain, scale: options.scale }));
  }
  return report;
}

/** Makes a data set, unless an earlier run has made it whole. */
async function make(
  set: DataSet,
  { scale }: Options,
  folder: string,
  runner: Runner,
  leaveOut: (what: string) => void,
): Promise<Making | undefined> {
  const making = { folder: join(folder, `${set.name}-${scale}`), scale, runner };
  const mark = `${making.folder}.made`;
  if (existsSync(mark)) return making;
  say(`${set.name}: making the data`);
  await runner.run({ words: ['rm', '-rf', making.folder] });
  mkdirSync(making.folder);
  try {
    await set.make(making);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    leaveOut(`${set.name}: ${error.message}`);
    return undefined;
  }
  writeFileSync(mark, '');
  return making;
}

/** Refuses where there is too little room for the largest of the sets, its stores, and what is restored. */
function workFolder({ work, sets, scale, peers }: Options): string {
  const largest = Math.max(
    0,
    ...SETS.filter(({ name }) => sets.includes(name)).map(({ room }) => room * scale),
  );
  const room = largest * (3 + peers.length);
  if (work !== undefined) mkdirSync(work, { recursive: true, mode: 0o700 });
  const places = work === undefined ? [tmpdir(), '/var/tmp'].filter((place) => existsSync(place)) : [work];
  const place = places.find((candidate) => {
    const { bavail, bsize } = statfsSync(candidate);
    return bavail * bsize >= room;
  });
  if (place === undefined) {
    throw new Refused(
      `${places.join(' and ')} have less than ${Math.ceil(room / 1e9)} GB free: name a folder elsewhere by --work, or take less by --scale or --sets`,
    );
  }
  return work ?? realpathSync(mkdtempSync(join(place, 'holdfast-bench-')));
}

/** Stops upon a signal; the answer is the number of the signal that came. */
function interruption(stop: () => void): () => number {
  let came = 0;
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.on(signal, () => {
      came = number;
      stop();
    });
  }
  return () => came;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isPlain = error instanceof Refused || (error instanceof TypeError && 'code' in error);
  process.stderr.write(`bench: ${isPlain ? (error as Error).message : ((error as Error).stack ?? error)}\n`);
  process.exitCode = isPlain ? 2 : 1;
}
