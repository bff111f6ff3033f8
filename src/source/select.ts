/** Which paths of a source are left out: gitignore patterns on absolute paths, and folders known by their inode. */
import ignore, { type Ignore } from 'ignore';
import { toBytes } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** The pattern engine remembers every path it was asked about; a new one from time to time keeps memory flat. */
const ANSWERS_KEPT = 20_000;

/** Says of paths, met from the top down, whether they are left out. */
export interface Selection {
  /** Whether the patterns leave this path out. Whoever asks does not descend into a folder that is left out. */
  isExcluded(path: ByteString, isFolder: boolean): boolean;
}

const EVERYTHING: Selection = { isExcluded: () => false };

/** A selection by gitignore patterns, the last match decides; patterns with a slash are anchored at the root of the file system. */
export function selection(exclude: readonly string[]): Selection {
  if (exclude.length === 0) return EVERYTHING;
  // By default the engine ignores case: it would leave out what nobody named.
  const newEngine = (): Ignore => ignore({ ignorecase: false }).add(exclude);
  let engine = newEngine();
  let asked = 0;
  return {
    isExcluded(path, isFolder) {
      if (path === '/') return false;
      if (++asked % ANSWERS_KEPT === 0) engine = newEngine();
      const text = toBytes(path.slice(1)).toString('utf8');
      return engine.ignores(isFolder ? `${text}/` : text);
    },
  };
}
