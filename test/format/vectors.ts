/** Reads the test vectors, and compares what a parser does with what is expected of it. */
import { readFileSync } from 'node:fs';
import { HoldfastError } from '../../src/errors.ts';
import { MalformedManifest } from '../../src/format/manifest-parser.ts';
import { project } from '../helpers/script.ts';

/** What all vectors have. */
export interface Vector {
  what: string;
  expect: string;
}

/** The vectors of a file. */
export function readVectors<V extends Vector>(name: string): V[] {
  const text = readFileSync(project(`test/vectors/${name}`), 'utf8');
  if (!name.endsWith('.jsonl')) return (JSON.parse(text) as { vectors: V[] }).vectors;
  const lines = text.trimEnd().split('\n');
  return lines.slice(1).map((line) => JSON.parse(line) as V);
}

/** `ok` or what was thrown, as vectors name it: the code and the message. Errors of other kinds are thrown on. */
export function outcome(action: () => unknown): string {
  try {
    action();
    return 'ok';
  } catch (error) {
    if (error instanceof HoldfastError) return `${error.code}: ${error.message}`;
    if (error instanceof MalformedManifest) return `damage: ${error.message}`;
    throw error;
  }
}

/** Whether an outcome is the expected one: the same code, and a message that holds the expected words. */
export function answers(found: string, expected: string): boolean {
  const [code = '', ...words] = expected.split(': ');
  return found.split(': ', 1)[0] === code && found.includes(words.join(': '));
}
