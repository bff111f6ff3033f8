/** What a benchmark found out, as plain data, and the figures that are made of it. It measures nothing and prints nothing. */
import type { Measured } from './measure.ts';
import type { Tool } from './tools/tool.ts';

/** One measured run of a command. */
export interface Run extends Omit<Measured, 'output'> {
  /** Bytes that it added to the store; absent where it stores nothing. */
  stored?: number;
  /** What else is to be said of it. */
  note?: string;
}

/** All rounds of one work by one tool. */
export interface Result {
  set: string;
  target: string;
  work: string;
  tool: string;
  role: Tool['role'];
  runs: Run[];
  /** Bytes of content that the work goes through; absent where that says nothing. */
  bytes?: number;
  /** Why it could not be done. */
  failed?: string;
}

/** Everything, as it is saved. */
export interface Report {
  date: string;
  machine: Readonly<Record<string, string>>;
  /** Versions by program. */
  versions: Readonly<Record<string, string>>;
  /** How each tool was called. */
  settings: Readonly<Record<string, string>>;
  rounds: number;
  scale: number;
  sets: { name: string; what: string; entries: number; bytes: number }[];
  /** What was not done, and why. */
  leftOut: string[];
  results: Result[];
}

/** The medians of a result, with what they come to beside the others. */
export interface Row {
  result: Result;
  seconds: number;
  fastest: number;
  slowest: number;
  cpu: number;
  peak: number;
  stored: number | undefined;
  note: string | undefined;
  /** Wall time by that of the fastest peer; absent where there is none, and for peers. */
  toPeer: number | undefined;
  /** Wall time by that of the pipeline. */
  toPipeline: number | undefined;
  /** Stored bytes by the smallest peer's. */
  storedToPeer: number | undefined;
  /** Peak memory by the smallest peer's. */
  peakToPeer: number | undefined;
}

/** The middle value; of an even number of them the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  return Number.isInteger(half) ? ((sorted[half - 1] ?? Number.NaN) + upper) / 2 : upper;
}

/** One row for each result, in their order. Ratios are between medians of the same work on the same data in the same store. */
export function rowsOf(results: readonly Result[]): Row[] {
  return results.map((result) => {
    const beside = results.filter(
      (other) =>
        other.set === result.set &&
        other.target === result.target &&
        other.work === result.work &&
        other.runs.length > 0,
    );
    const ratio = (figure: (runs: readonly Run[]) => number, role: Tool['role']) => {
      const least = Math.min(
        ...beside.filter((other) => other.role === role).map(({ runs }) => figure(runs)),
      );
      return result.role === 'holdfast' && result.runs.length > 0 && Number.isFinite(least) && least > 0
        ? figure(result.runs) / least
        : undefined;
    };
    const { runs } = result;
    const isStored = runs.some(({ stored }) => stored !== undefined);
    return {
      result,
      seconds: secondsOf(runs),
      fastest: Math.min(...runs.map(({ seconds }) => seconds)),
      slowest: Math.max(...runs.map(({ seconds }) => seconds)),
      cpu: median(runs.map(({ cpu }) => cpu)),
      peak: peakOf(runs),
      stored: isStored ? storedOf(runs) : undefined,
      note: runs.at(-1)?.note,
      toPeer: ratio(secondsOf, 'peer'),
      toPipeline: ratio(secondsOf, 'pipeline'),
      storedToPeer: isStored ? ratio(storedOf, 'peer') : undefined,
      peakToPeer: ratio(peakOf, 'peer'),
    };
  });
}

function secondsOf(runs: readonly Run[]): number {
  return median(runs.map(({ seconds }) => seconds));
}

function peakOf(runs: readonly Run[]): number {
  return median(runs.map(({ peak }) => peak));
}

function storedOf(runs: readonly Run[]): number {
  return median(runs.map(({ stored }) => stored ?? 0));
}
