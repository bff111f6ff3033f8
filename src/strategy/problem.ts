/** What can be wrong in a strategy file, and where: the one shape in which problems are gathered and told. */

import { HoldfastError } from '../errors.ts';

/** A place in a text, both counted from 1. */
export interface Position {
  line: number;
  column: number;
}

/** One thing that is wrong. */
export interface Problem extends Position {
  /** The key concerned, e.g. `sources[1].paths[0]` (lists are counted from 0); empty for the whole file. */
  key: string;
  /** What is wrong and what to do about it, one line. */
  message: string;
}

/** A problem with the value under a key such as `recipients[0]`, at its place in the strategy's file. */
export function problemAt(
  strategy: { positions: ReadonlyMap<string, Position> },
  key: string,
  message: string,
): Problem {
  return { ...(strategy.positions.get(key) ?? { line: 1, column: 1 }), key, message };
}

/** No more than this many problems are told at once. */
const MOST_TOLD = 50;

/** The problem as one line: `holdfast.yaml:7:3: sources[0].exlude: unknown key; did you mean "exclude"?`. */
export function formatProblem(file: string, problem: Problem): string {
  const key = problem.key === '' ? '' : `${problem.key}: `;
  // A name or text of the file may hold line breaks; a problem is always one line.
  return `${file}:${problem.line}:${problem.column}: ${key}${problem.message}`.replace(
    /[\x00-\x1f\x7f\u2028\u2029]+/g,
    ' ',
  );
}

/** The problems as lines, in the order of the file. */
export function formatProblems(file: string, problems: readonly Problem[]): string[] {
  const lines = inOrder(problems)
    .slice(0, MOST_TOLD)
    .map((problem) => formatProblem(file, problem));
  const rest = problems.length - lines.length;
  if (rest > 0) lines.push(`${file}: and ${rest} more`);
  return lines;
}

/** The problems in the order of the file. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
}

/**
 * The error for a file with problems (at least one): its message is one line for one problem; for several,
 * a line with their number, then one line each.
 */
export function strategyError(file: string, problems: readonly Problem[]): HoldfastError {
  const lines = formatProblems(file, problems);
  const message =
    problems.length === 1 ? lines.join('') : [`${file}: ${problems.length} problems`, ...lines].join('\n');
  return new HoldfastError('strategy', message, { path: file });
}

/** The parts of a key, as `sources[1].paths`. */
export function formatKey(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? shown(String(part)) : `.${shown(String(part))}`;
  }
  return text;
}

/** A key as it stands, or quoted and cut where it is no plain word. */
function shown(part: string): string {
  if (/^[\w-]{1,64}$/.test(part)) return part;
  return quote(part);
}

/** Text of the file for a message: quoted, on one line, at most 60 characters of it. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
