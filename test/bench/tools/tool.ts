/** What the benchmark asks of every program that it compares: the command lines of its works. It runs none of them. */
import type { Command } from '../measure.ts';

/** A container of the local Swift, and how to sign in to it by TempAuth. */
export interface Container {
  container: string;
  authUrl: string;
  user: string;
  key: string;
}

/** Where a program works on one data set. */
export interface Place {
  /** A folder of its own, new, for keys, state and cache. */
  folder: string;
  /** The folder that it backs up. */
  source: string;
  /** A folder of its own, new, or a container that is not there yet. */
  store: string | Container;
}

/** The command lines for one place. A work that a program cannot do is absent. */
export interface Job {
  /** What comes before and is not measured: keys, an empty repository. */
  prepare: readonly Command[];
  full: Command;
  /** A backup after the full; to be called for each anew. */
  incremental?(): Command;
  /** Into a folder that is new and empty. */
  restore?(to: string): Command;
  /** One file, named by its path below the source. */
  restoreOne?(path: string, to: string): Command;
  /** Where the restored source lies below `to`; where one restored file does. */
  restored(to: string): string;
  restoredOne?(path: string, to: string): string;
  verifyWithoutKey?: Command;
  verifyWithKey?: Command;
}

/** A program that backs up. */
export interface Tool {
  name: string;
  /** `pipeline`: no backup program, but what the machine can do at best. */
  role: 'holdfast' | 'peer' | 'pipeline';
  /** The package of Debian that brings it; none for what is there anyway. */
  package?: string;
  /** The program to look for on PATH. */
  program: string;
  /** How it is called, for the reader of the table. */
  settings: string;
  /** Prints its version. */
  version: Command;
  /** Undefined where it has no way to such a store. */
  job(place: Place): Job | undefined;
}
