/**
 * Ordered patterns in gitignore's syntax, read against absolute paths: which of them decides about a path. Knows no file system and
 * no manifest.
 */
import ignore, { type Ignore } from 'ignore';
import { toBytes } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';
import { type Shape, shapeOf } from './shape.ts';

/** The pattern engine remembers every path it was asked about; a new one from time to time keeps memory flat. In all, so many answers. */
const ANSWERS_KEPT = 20_000;
/** Each engine keeps at least so many: neighbours share their folders. */
const FEWEST_KEPT = 200;

/** No rule matches. */
export const NO_RULE = -1;

/** One pattern, in its place among the others. */
export interface Rule {
  /** As it was written. */
  pattern: string;
  /** The list in which it stands, and its place there, from 0. */
  list: 'exclude' | 'include';
  place: number;
  /** Whether it leaves out what it matches; otherwise it takes it back in. */
  leavesOut: boolean;
}

/**
 * The patterns of `exclude`, then those of `include`, as one list: the last that matches a path, or a folder above it, decides about it.
 * A pattern of `exclude` that begins with `!`, and every pattern of `include`, takes back in, below folders that are left out too.
 */
export class Patterns {
  readonly rules: readonly Rule[];
  readonly #matchers: readonly Matcher[];
  /** The folder asked about last by decide(), and its rule: neighbours share it. */
  #folder: ByteString = '/';
  #folderRule = NO_RULE;

  constructor(exclude: readonly string[], include: readonly string[] = []) {
    this.rules = [
      ...exclude.map((pattern, place): Rule => {
        return { pattern, list: 'exclude', place, leavesOut: !pattern.startsWith('!') };
      }),
      ...include.map((pattern, place): Rule => ({ pattern, list: 'include', place, leavesOut: false })),
    ];
    const kept = Math.max(FEWEST_KEPT, Math.floor(ANSWERS_KEPT / this.rules.length));
    this.#matchers = this.rules.map(({ pattern, list }) => {
      const plain = list === 'exclude' && pattern.startsWith('!') ? pattern.slice(1) : pattern;
      return new Matcher(plain, kept);
    });
  }

  /**
   * The index of the rule that decides about a path, where `above` decides about the folder that it is in; NO_RULE for none. For a walk from
   * the top down: most rules are passed by without asking the engine.
   */
  next(path: ByteString, isFolder: boolean, above: number): number {
    if (this.rules.length === 0 || path === '/') return above;
    let text: string | undefined;
    for (let i = this.rules.length - 1; i > above; i--) {
      const matcher = this.#matchers[i] as Matcher;
      if (!matcher.mayMatch(path, isFolder)) continue;
      text ??= asText(path, isFolder);
      if (matcher.matches(text)) return i;
    }
    return above;
  }

  /** The index of the rule that decides about a path, whatever was asked before; NO_RULE for none. */
  decide(path: ByteString, isFolder: boolean): number {
    if (this.rules.length === 0) return NO_RULE;
    const end = path.lastIndexOf('/');
    const folder = end <= 0 ? '/' : path.slice(0, end);
    if (folder !== this.#folder) {
      let rule = NO_RULE;
      for (let at = folder.indexOf('/', 1); at > 0; at = folder.indexOf('/', at + 1)) {
        rule = this.next(folder.slice(0, at), true, rule);
      }
      this.#folderRule = this.next(folder, true, rule);
      this.#folder = folder;
    }
    return this.next(path, isFolder, this.#folderRule);
  }

  /** Whether a rule after `rule` may take something back in that lies in a folder; `onlyInclude`: only those of `include` count. */
  mayTakeBack(folder: ByteString, rule: number, onlyInclude: boolean): boolean {
    for (let i = this.rules.length - 1; i > rule; i--) {
      const { leavesOut, list } = this.rules[i] as Rule;
      if (leavesOut || (onlyInclude && list !== 'include')) continue;
      if (this.#matchers[i]?.mayMatchBelow(folder)) return true;
    }
    return false;
  }

  /** Whether a rule leaves out. */
  leavesOut(rule: number): boolean {
    return rule !== NO_RULE && this.rules[rule]?.leavesOut === true;
  }

  /** Whether a rule is one of `include`, which nothing else overrules. */
  isInclude(rule: number): boolean {
    return rule !== NO_RULE && this.rules[rule]?.list === 'include';
  }
}

/** What the engine takes for an absolute path. */
function asText(path: ByteString, isFolder: boolean): string {
  const text = toBytes(path.slice(1)).toString('utf8');
  return isFolder ? `${text}/` : text;
}

/** One pattern, without the `!` that may stand before it. */
class Matcher {
  readonly #pattern: string;
  readonly #shape: Shape;
  readonly #answersKept: number;
  #engine: Ignore;
  #asked = 0;
  /** For each depth, what the folders must match in which something can lie that the pattern matches. */
  readonly #above = new Map<number, Ignore>();

  constructor(pattern: string, answersKept: number) {
    this.#pattern = pattern;
    this.#answersKept = answersKept;
    this.#shape = shapeOf(pattern);
    this.#engine = engineFor(pattern);
  }

  /** False where the pattern certainly does not match the path itself; folders above it do not count. */
  mayMatch(path: ByteString, isFolder: boolean): boolean {
    const { onlyFolders, head, tail, name } = this.#shape;
    if (onlyFolders && !isFolder) return false;
    if (!path.endsWith(tail)) return false;
    if (name === undefined) return path.startsWith(head);
    return path.startsWith(name, path.lastIndexOf('/') + 1);
  }

  /** Whether it matches a path, or a folder above it. */
  matches(text: string): boolean {
    if (++this.#asked % this.#answersKept === 0) this.#engine = engineFor(this.#pattern);
    return this.#engine.ignores(text);
  }

  mayMatchBelow(folder: ByteString): boolean {
    const { components } = this.#shape;
    if (components === undefined || folder === '/') return true;
    const depth = folder.split('/').length - 1;
    const above = components.slice(0, depth);
    if (above.some((component) => component.includes('**'))) return true;
    if (depth >= components.length) return false;
    let engine = this.#above.get(depth);
    if (engine === undefined || ++this.#asked % this.#answersKept === 0) {
      engine = engineFor(`/${above.join('/')}/`);
      this.#above.set(depth, engine);
    }
    return engine.ignores(asText(folder, true));
  }
}

function engineFor(pattern: string): Ignore {
  // By default the engine ignores case: it would leave out what nobody named.
  return ignore({ ignorecase: false }).add(pattern);
}
