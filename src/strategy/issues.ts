/** What zod finds wrong with a strategy, in words for people and with the place in the file. */

import type { z } from 'zod';
import type { Disagreement } from './agreement.ts';
import type { WrittenDocument } from './document.ts';
import { formatKey, type Position, type Problem, quote } from './problem.ts';
import { strategyJsonSchema } from './schema.ts';
import { nearestWord } from './spelling.ts';

/** The part of a JSON Schema that tells which keys may stand where. */
interface Shape {
  properties?: Record<string, Shape>;
  items?: Shape;
}

/** The words for an issue that the schema itself has none for. To be given to zod as its error map. */
export function wordsFor(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return 'is missing';
  if (issue.input === null) return 'is empty: give it a value or take the line out';
  switch (issue.code) {
    case 'invalid_type': {
      const scalar = ['number', 'boolean'].includes(typeof issue.input);
      const hint = issue.expected === 'string' && scalar ? ': put it in quotes' : '';
      return `must be ${expectedKind(issue.expected)}, not ${kindOf(issue.input)}${hint}`;
    }
    case 'too_small':
      return issue.origin === 'array' ? 'must not be an empty list' : `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      const meant = typeof issue.input === 'string' ? nearestWord(issue.input, values) : undefined;
      return `must be one of ${values.join(', ')}${meant ? `; did you mean ${quote(meant)}?` : ''}`;
    }
    default:
      return undefined;
  }
}

function expectedKind(expected: string): string {
  switch (expected) {
    case 'string':
      return 'text';
    case 'int':
    case 'number':
      return 'a whole number';
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    case 'object':
      return 'a block of keys';
    default:
      return expected;
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return Number.isFinite(value) ? `the number ${value}` : 'a number without value';
    case 'boolean':
      return `${value}`;
    default:
      return 'a block of keys';
  }
}

/** Problems of a document from zod's issues about its value and from what disagrees in it. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  disagreements: readonly Disagreement[],
  document: WrittenDocument,
): Problem[] {
  const problems: Problem[] = [];
  const meant = new Set<string>();
  let shape: Shape | undefined;
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys) {
      const path = [...issue.path, key];
      shape ??= strategyJsonSchema() as Shape;
      const advice = adviceOnKey(key, issue.path, shape);
      if (advice.meant !== undefined) meant.add(formatKey([...issue.path, advice.meant]));
      problems.push({
        ...(document.names.get(formatKey(path)) ?? placeOf(issue.path, document)),
        key: formatKey(path),
        message: `unknown key${advice.words}`,
      });
    }
  }
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') continue;
    const key = formatKey(issue.path);
    // A required key that is only misspelt is one problem, not two.
    if (meant.has(key) && !document.names.has(key)) continue;
    problems.push({ ...placeOf(issue.path, document), key, message: issue.message });
  }
  for (const { path, message, lacking } of disagreements) {
    if (lacking?.some((key) => meant.has(formatKey([...path, key])))) continue;
    problems.push({ ...placeOf(path, document), key: formatKey(path), message });
  }
  return problems;
}

/** Where a value stands, or, when it is missing, what it is missing from. */
export function placeOf(path: readonly PropertyKey[], document: WrittenDocument): Position {
  for (let length = path.length; length >= 0; length--) {
    const position = document.positions.get(formatKey(path.slice(0, length)));
    if (position) return position;
  }
  return { line: 1, column: 1 };
}

/** What to say of an unknown key: a near spelling of one that may stand here, or where it belongs. */
function adviceOnKey(
  key: string,
  parent: readonly PropertyKey[],
  root: Shape,
): { words: string; meant?: string } {
  const here = parent.reduce<Shape | undefined>(
    (shape, part) => (typeof part === 'number' ? shape?.items : shape?.properties?.[String(part)]),
    root,
  );
  const known = Object.keys(here?.properties ?? {});
  const meant = nearestWord(key, known);
  if (meant !== undefined) return { words: `; did you mean ${quote(meant)}?`, meant };
  const homes = homesOf(key, root, '');
  if (homes.length > 0) return { words: `: it belongs ${homes.join(' or ')}` };
  return { words: known.length > 0 ? `; known here are ${known.join(', ')}` : '' };
}

/** All places where a key of exactly this name may stand. */
function homesOf(key: string, shape: Shape, at: string): string[] {
  const homes: string[] = [];
  for (const [name, below] of Object.entries(shape.properties ?? {})) {
    if (name === key) homes.push(at === '' ? 'at the outermost level' : `under ${quote(at)}`);
    const path = at === '' ? name : `${at}.${name}`;
    homes.push(...homesOf(key, below, path));
    if (below.items) homes.push(...homesOf(key, below.items, `${path}[]`));
  }
  return homes;
}
