/** The command line of `npm run bench`: parsed and checked. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CHAINS } from './chain.ts';
import { SETS } from './sets.ts';
import { TARGETS, type TargetName } from './targets.ts';

/** A command line that cannot be followed, in one line. */
export class Refused extends Error {}

/** Parts that are no data sets of tools. */
const PARTS = ['start-up', 'upload', ...CHAINS.map(({ name }) => name)] as const;
const PEERS = ['restic', 'borg', 'duplicity'] as const;
const QUICK = 0.05;

export const USAGE = `Usage: npm run bench [-- OPTIONS]

Measures Holdfast, as it is built, beside restic, Borg, Duplicity, and tar | zstd | openssl: the same works on the same data, in turn.
Prints a table, and saves it. A whole run takes hours and up to 60 GB of room; use a machine that has nothing else to do.

  --quick          data sets of a twentieth: some minutes
  --scale X        data sets of X times the whole size (0 < X <= 1)
  --sets A,B       which of ${[...SETS.map(({ name }) => name), ...PARTS].join(', ')}
                   (without it all but half-million, quarter-million, chain, narrow-chain)
  --chain          the sets "chain" and "narrow-chain" besides: 200 incrementals each
  --peers A,B      which of ${PEERS.join(', ')}, pipeline (all); "none" for Holdfast alone
  --targets A,B    which of ${TARGETS.join(', ')} (both, but Swift only for the sets kernel, libraries, sqlite, big)
  --rounds N       rounds of which medians are taken (3)
  --no-install     install no packages
  --work DIR       work there, and leave the data sets there for another run
  --keep           leave the temporary work folder, with the data sets, in the end
  --out DIR        save bench.md and bench.json there (bench-results/DATE)
`;

export interface Options {
  scale: number;
  sets: readonly string[];
  peers: readonly string[];
  targets: readonly TargetName[];
  rounds: number;
  install: boolean;
  work: string | undefined;
  keep: boolean;
  out: string;
}

/** `now` names the folder of results that nobody has named. Undefined when help is asked for; throws Refused, and what parseArgs throws. */
export function parseOptions(args: readonly string[], now: Date): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      scale: { type: 'string' },
      sets: { type: 'string' },
      chain: { type: 'boolean' },
      peers: { type: 'string' },
      targets: { type: 'string' },
      rounds: { type: 'string' },
      'no-install': { type: 'boolean' },
      work: { type: 'string' },
      keep: { type: 'boolean' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const byDefault = [...SETS.filter((set) => set.byDefault).map(({ name }) => name), 'start-up', 'upload'];
  const sets = chosen('--sets', values.sets, [...SETS.map(({ name }) => name), ...PARTS], byDefault);
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-');
  return {
    scale: numberOf('--scale', values.scale, values.quick ? QUICK : 1, (x) => x > 0 && x <= 1),
    sets: values.chain ? [...new Set([...sets, ...CHAINS.map(({ name }) => name)])] : sets,
    peers: values.peers === 'none' ? [] : chosen('--peers', values.peers, [...PEERS, 'pipeline']),
    targets: chosen('--targets', values.targets, TARGETS),
    rounds: numberOf('--rounds', values.rounds, 3, (x) => Number.isInteger(x) && x > 0),
    install: values['no-install'] !== true,
    work: values.work === undefined ? undefined : resolve(values.work),
    keep: values.keep === true,
    out: resolve(values.out ?? `bench-results/${stamp}`),
  };
}

function chosen<T extends string>(
  option: string,
  written: string | undefined,
  known: readonly T[],
  byDefault: readonly T[] = known,
): readonly T[] {
  if (written === undefined) return byDefault;
  const names = written.split(',');
  const unknown = names.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Refused(`${option} ${unknown}: write some of ${known.join(',')}`);
  return known.filter((name) => names.includes(name));
}

function numberOf(
  option: string,
  written: string | undefined,
  byDefault: number,
  isGood: (value: number) => boolean,
): number {
  if (written === undefined) return byDefault;
  const value = Number(written);
  if (written === '' || !isGood(value))
    throw new Refused(`${option} ${written}: see npm run bench -- --help`);
  return value;
}
