/** What an examination of a store is given, whichever kind of store it is. */

import type { HoldfastError } from '../errors.ts';
import type { Findings } from '../finding.ts';
import type { Store } from './store.ts';

/** How a store is to be looked at by `holdfast doctor`. */
export interface Examination {
  /** Name of the strategy, below which its objects lie. */
  strategy: string;
  /** Whether backups are to be stored there from here, or only to be read. */
  task: 'backup' | 'restore';
  /** Nothing is written, not even a probe. */
  readOnly: boolean;
  /** Bytes of a volume; undefined where no backups are made. */
  volumeSize: number | undefined;
  /** An object that must be there: the commit of the newest point that was made here. */
  expected: string | undefined;
  /** Looks at the points in the store that was opened, for so many milliseconds at a time; `words` are those for an error of the store. */
  points?: (opened: { store: Store; patience: number; words: (error: HoldfastError) => string }) => Findings;
  /** Paths that are backed up. */
  sources: readonly string[];
  /** Milliseconds for one look. */
  patience: number;
  now: () => Date;
  /** A word that no other run uses, fit for the name of an object. */
  random: () => string;
}
