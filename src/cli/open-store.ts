/** Opens the store that a strategy or the command line names. */
import { resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { directoryStore } from '../store/directory.ts';
import type { Store } from '../store/store.ts';
import type { StoreChoice } from '../strategy/strategy.ts';

/** The store that a strategy names. Nothing is asked of it yet. Errors: `strategy` for a kind that does not work yet. */
export function openStore(choice: StoreChoice): Store {
  if (choice.kind === 'directory') return directoryStore(choice.directory, choice.prefix);
  throw new HoldfastError('strategy', 'a Swift store does not work yet: use a directory as store');
}

/** What `--store` says: `directory:/path`, a relative path starting from `cwd`. Errors: `usage`. */
export function parseStoreOption(text: string, cwd: string): StoreChoice {
  const path = /^directory:(.+)$/s.exec(text)?.[1];
  if (path === undefined) {
    throw new HoldfastError(
      'usage',
      `--store ${JSON.stringify(text)} is no store: write directory:/path/of/the/store`,
    );
  }
  return { kind: 'directory', directory: resolve(cwd, path), prefix: '' };
}
