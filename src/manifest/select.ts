/** What a person asks for of a point: paths and globs, matched against the paths of entries. */
import { HoldfastError } from '../errors.ts';
import { fromText, show } from '../format/bytes.ts';
import { comparePaths, isWithin } from '../format/order.ts';
import type { ByteString } from '../model.ts';
import { globPrefix, globToRegExp } from './glob.ts';

/** Where an entry stands in a manifest. */
export interface Place {
  source: string;
  path: ByteString;
}

/** What is wanted of a manifest: then only those parts are fetched that can hold it. */
export interface Wanted {
  /** Whether an entry is wanted. */
  matches(path: ByteString): boolean;
  /**
   * Whether a wanted entry can stand in a part of a manifest: its first line belongs to `first`, that of the next part to `next`, which
   * may have lines in this one too.
   */
  mayHold(first: Place, next: Place | undefined): boolean;
  /** Notes that the point holds this path, which is wanted. */
  mark?(path: ByteString): void;
}

/** Whether something at or below a folder can stand in a part of a manifest; see Wanted. */
export function mayLieIn(prefix: ByteString, first: Place, next: Place | undefined): boolean {
  // Another source may begin in it, and then anything may follow. Such parts are few, and one of them is the last.
  if (next?.source !== first.source) return true;
  const past = comparePaths(first.path, prefix) > 0 && !isWithin(first.path, prefix);
  return !past && comparePaths(next.path, prefix) >= 0;
}

/** One path, and nothing below it. */
export function onlyPath(path: ByteString): Wanted {
  return {
    matches: (other) => other === path,
    mayHold: (first, next) => mayLieIn(path, first, next),
  };
}

/** One path or glob as it was written. */
interface Pattern {
  text: string;
  /** As a path: it selects itself and everything below. */
  path: ByteString;
  /** Undefined for a plain path. */
  glob: RegExp | undefined;
  /** Whatever it selects lies at or below this folder. */
  prefix: ByteString;
  found: boolean;
}

/**
 * A set of paths and globs. Each selects what it matches, and everything below. A glob has `*` and `?` (which do not
 * cross a slash), `**` (which does) and `[…]`; a backslash takes a character's meaning away. Since names may hold these
 * characters, a glob that is also the name of an entry selects that entry too.
 */
export class Selection implements Wanted {
  readonly #patterns: Pattern[];
  readonly #byPath: ReadonlyMap<ByteString, Pattern>;
  readonly #globs: readonly Pattern[];

  /** `texts` are absolute paths or globs. Errors: `usage`, naming the one that is neither. */
  constructor(texts: readonly string[]) {
    this.#patterns = texts.map(parsePattern);
    this.#byPath = new Map(this.#patterns.map((pattern) => [pattern.path, pattern]));
    this.#globs = this.#patterns.filter(({ glob }) => glob !== undefined);
  }

  matches(path: ByteString): boolean {
    for (const folder of selfAndAbove(path)) if (this.#byPath.has(folder)) return true;
    return this.#globs.some(({ glob }) => glob?.test(path));
  }

  mark(path: ByteString): void {
    for (const folder of selfAndAbove(path)) {
      const pattern = this.#byPath.get(folder);
      if (pattern !== undefined) pattern.found = true;
    }
    for (const pattern of this.#globs) if (!pattern.found && pattern.glob?.test(path)) pattern.found = true;
  }

  /** What was written and nothing that was marked answers to. */
  get unmatched(): string[] {
    const texts = this.#patterns.filter(({ path }) => this.#byPath.get(path)?.found === false);
    return [...new Set(texts.map(({ text }) => text))];
  }

  mayHold(first: Place, next: Place | undefined): boolean {
    return this.#patterns.some(({ prefix }) => mayLieIn(prefix, first, next));
  }
}

/**
 * The error `no-path` when something was asked for that the point, named by `point`, does not hold; to be called when
 * the point was read to its end.
 */
export function refuseUnmatched(selection: Selection | undefined, point: string): void {
  const [first, ...others] = selection?.unmatched ?? [];
  if (first === undefined) return;
  const more = others.length === 0 ? '' : `, nor ${others.map((text) => show(fromText(text))).join(', ')}`;
  throw new HoldfastError(
    'no-path',
    `${point} holds no ${show(fromText(first))}${more}: "holdfast ls" lists what it holds; what was deleted before is in older points (--at)`,
    { path: first },
  );
}

/** An absolute path as a person writes it, in its plain form. Errors: `usage`, naming it. */
export function absolutePath(text: string): ByteString {
  const plain = text.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
  if (!plain.startsWith('/') || plain.split('/').some((part) => part === '.' || part === '..')) {
    const hint = /^\d\d:\d\d/.test(text)
      ? 'a time with a blank in it needs quotes, such as --at "2026-11-22 03:30:00 +01:00"'
      : 'write the path as it was on the host, such as /srv/www';
    throw new HoldfastError('usage', `${JSON.stringify(text)} is no absolute path: ${hint}`, { path: text });
  }
  return fromText(plain);
}

function parsePattern(text: string): Pattern {
  const path = absolutePath(text);
  if (!/[*?[\\]/.test(path)) return { text, path, glob: undefined, prefix: path, found: false };
  return { text, path, glob: globToRegExp(path), prefix: globPrefix(path), found: false };
}

/** A path and all folders that it lies in, the innermost first. */
function* selfAndAbove(path: ByteString): Generator<ByteString, void> {
  let end = path.length;
  while (end > 0) {
    yield path.slice(0, end);
    end = path.lastIndexOf('/', end - 1);
  }
  if (path !== '/') yield '/';
}
