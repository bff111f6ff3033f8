/** YAML 1.2 (core schema) text → plain values with the place of each; knows nothing of what a strategy means. */

import { isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { formatKey, type Position, type Problem, quote } from './problem.ts';

/** A YAML text, taken apart. */
export interface WrittenDocument {
  /** Plain value: objects (without prototype), arrays, text, numbers, booleans, null. Undefined when `broken`. */
  value: unknown;
  /** Where each value stands, by its key as formatKey writes it; the whole document is ''. */
  positions: Map<string, Position>;
  /** Where the name of each key of a mapping stands. */
  names: Map<string, Position>;
  problems: Problem[];
  /** The text is no YAML, or not one that is read here: there is no value. */
  broken: boolean;
}

/** Bounds on what a text of limited length may unfold to: a strategy needs far less. */
const MOST_ALIASES = 100;
const MOST_VALUES = 100_000;
const DEEPEST = 32;

const TOO_DEEP = 'is nested too deeply for a strategy';

/** Tags that only name what the core schema reads anyway. */
const CORE_TAGS = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`),
);

class TooLarge extends Error {}

/** Reads a text. Problems are gathered, never thrown. */
export function parseYaml(text: string): WrittenDocument {
  const lines = new LineCounter();
  const found: WrittenDocument = {
    value: undefined,
    positions: new Map(),
    names: new Map(),
    problems: [],
    broken: true,
  };
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let document: ReturnType<typeof parseDocument>;
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      resolveKnownTags: false,
      // Done by the walk below, in linear time and with the place of the first.
      uniqueKeys: false,
      prettyErrors: false,
      lineCounter: lines,
    });
  } catch (error) {
    // The parser is recursive: a text of nothing but brackets exhausts the stack.
    if (!(error instanceof RangeError)) throw error;
    found.problems.push({ line: 1, column: 1, key: '', message: TOO_DEEP });
    return found;
  }
  if (document.errors.length > 0) {
    if (document.errors.some((error) => error.code === 'RESOURCE_EXHAUSTION')) {
      found.problems.push({ line: 1, column: 1, key: '', message: TOO_DEEP });
      return found;
    }
    // One slip gives several errors at one place, of which the first says it.
    let last = -1;
    for (const { pos, code, message } of document.errors) {
      if (pos[0] !== last)
        found.problems.push({ ...at(pos[0]), key: '', message: syntaxMessage(code, message) });
      last = pos[0];
    }
    return found;
  }
  if (document.contents === null) {
    found.problems.push({
      line: 1,
      column: 1,
      key: '',
      message: 'is empty: "holdfast config example" prints a strategy to start from',
    });
    return found;
  }
  try {
    found.value = unfold(document.contents as Node, at, found);
    found.broken = false;
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    found.problems.push({ line: 1, column: 1, key: '', message: error.message });
  }
  return found;
}

function syntaxMessage(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'holds several YAML documents; a strategy is one';
  const hint =
    code === 'BAD_ALIAS' || code === 'BAD_SCALAR_START'
      ? ' (put text that begins with a special character in quotes)'
      : '';
  return `is not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}${hint}`;
}

/** Plain value of a node and of all below it; fills positions, names and problems. */
function unfold(root: Node, at: (offset: number) => Position, found: WrittenDocument): unknown {
  const anchors = new Map<string, Node>();
  const open = new Set<Node>();
  let aliases = 0;
  let values = 0;

  const problem = (position: Position, path: readonly PropertyKey[], message: string) => {
    found.problems.push({ ...position, key: formatKey(path), message });
  };

  const visit = (node: Node | null, path: readonly PropertyKey[], keyAt: Position): unknown => {
    values += 1;
    if (values > MOST_VALUES)
      throw new TooLarge(`holds more than ${MOST_VALUES} values: too large for a strategy`);
    if (path.length > DEEPEST) throw new TooLarge(TOO_DEEP);
    const empty = node === null || (isScalar(node) && node.value === null && !node.source);
    let position = empty || !node?.range ? keyAt : at(node.range[0]);
    // A block that begins below its key is looked for at the key.
    if (typeof path.at(-1) === 'string' && isCollection(node) && !node.flow && position.line > keyAt.line)
      position = keyAt;
    const key = formatKey(path);
    if (!found.positions.has(key)) found.positions.set(key, position);
    if (node === null) return null;
    if (isAlias(node)) return follow(node.source, path, position);
    if ('anchor' in node && node.anchor) anchors.set(node.anchor, node);
    if (node.tag !== undefined && !CORE_TAGS.has(node.tag)) {
      problem(
        position,
        path,
        `the YAML tag ${quote(node.tag)} means nothing here; put text that begins with "!" in quotes`,
      );
      return undefined;
    }
    open.add(node);
    try {
      if (isMap(node)) return mapping(node.items, path);
      if (isSeq(node))
        return node.items.map((item, place) => visit(item as Node | null, [...path, place], position));
    } finally {
      open.delete(node);
    }
    return isScalar(node) ? node.value : null;
  };

  const follow = (name: string, path: readonly PropertyKey[], position: Position): unknown => {
    aliases += 1;
    if (aliases > MOST_ALIASES)
      throw new TooLarge(`uses more than ${MOST_ALIASES} YAML aliases: too many for a strategy`);
    const target = anchors.get(name);
    if (target === undefined) {
      problem(
        position,
        path,
        `*${name} is read as a YAML alias, and nothing has that name; if it is a pattern, put it in quotes: ${quote(`*${name}`)}`,
      );
      return undefined;
    }
    if (open.has(target)) {
      problem(position, path, `the YAML alias *${name} contains itself`);
      return undefined;
    }
    return visit(target, path, position);
  };

  const mapping = (
    items: readonly { key: unknown; value: unknown }[],
    path: readonly PropertyKey[],
  ): unknown => {
    const result: Record<string, unknown> = Object.create(null);
    for (const pair of items) {
      const keyNode = pair.key as Node | null;
      const position = at(keyNode?.range?.[0] ?? 0);
      if (!isScalar(keyNode) || keyNode.value === null || typeof keyNode.value === 'object') {
        problem(position, path, 'the name of a key must be plain text');
        continue;
      }
      const name = String(keyNode.value);
      const here = [...path, name];
      if (Object.hasOwn(result, name)) {
        const first = found.names.get(formatKey(here));
        problem(position, here, `stands twice${first ? ` (first in line ${first.line})` : ''}: keep one`);
        continue;
      }
      if (!found.names.has(formatKey(here))) found.names.set(formatKey(here), position);
      result[name] = visit(pair.value as Node | null, here, position);
    }
    return result;
  };

  return visit(root, [], { line: 1, column: 1 });
}
