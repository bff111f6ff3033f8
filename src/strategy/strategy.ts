/** The strategy as the rest of the program uses it: checked, with every default filled in, in plain units. */

import type { Period } from './period.ts';
import type { Position } from './problem.ts';

/** A source made of files and folders. */
export interface PathsSource {
  kind: 'paths';
  name: string;
  /** Absolute, without a slash at the end (`/` itself stands for the root), none inside another. */
  paths: string[];
  /** Patterns in gitignore's syntax, read against the absolute path. */
  exclude: string[];
  /** Further ones, after those of `exclude`: what they match is taken back in. */
  include?: string[];
  /** Names of files whose presence leaves out what is in their folder. */
  excludeIfPresent?: string[];
  /** Whether a valid CACHEDIR.TAG does the same. */
  excludeCaches?: boolean;
  /** Whether what is mounted inside a path is left out; it is where nothing is said. */
  oneFileSystem?: boolean;
  /** Larger files are left out; in bytes. */
  excludeLargerThan?: number;
  /** Finding nothing at all is right for this source. */
  allowEmpty: boolean;
}

/** A source that is the output of a command, kept as one file with the source's name. */
export interface CommandSource {
  kind: 'command';
  name: string;
  command: string;
}

export type Source = PathsSource | CommandSource;

/** A container of an OpenStack Swift store. */
export interface SwiftStore {
  kind: 'swift';
  container: string;
  /** Components joined by `/`, none at either end; empty for none. */
  prefix: string;
  cloud?: string;
  /** Absolute path. */
  credentialsFile?: string;
  /** What is undefined from here to insecure is as the credentials have it. */
  region?: string;
  interface?: 'public' | 'internal' | 'admin';
  /** Absolute path. */
  caFile?: string;
  insecure?: boolean;
  /** Regions in which the store may lie; undefined when any will do. */
  allowedRegions?: string[];
  /** Objects sent at once. */
  uploads: number;
  /** Milliseconds for which an operation that fails is tried again. */
  deadline: number;
}

/** A folder as store. */
export interface DirectoryStore {
  kind: 'directory';
  /** Absolute path. */
  directory: string;
  /** Components joined by `/`, none at either end; empty for none. */
  prefix: string;
}

export type StoreChoice = SwiftStore | DirectoryStore;

/** When backups are to be made. */
export interface Schedule {
  full: Period;
  incremental?: Period;
  /** Local time of day, `HH:MM`. */
  at?: string;
}

/** Which points are to be kept. */
export interface Retention {
  /** Milliseconds for which every point is kept. */
  points?: number;
  weekly: number;
  monthly: number;
  yearly: number;
  minimumChains: number;
}

export interface Limits {
  /** Bytes in the store. */
  size?: number;
  /** Bytes a second. */
  upload?: number;
}

export interface Objectives {
  /** Recovery point objective: the most time whose changes may be lost, in milliseconds. */
  rpo?: number;
  /** Recovery time objective: the most time that a restore may take, in milliseconds. */
  rto?: number;
}

export interface VolumeShape {
  /** Bytes of ciphertext at which a volume is closed. */
  size: number;
  /** Level of zstd, 1 to 19. */
  compression: number;
}

/** A whole strategy: plain data, which can be handed to a worker thread. */
export interface Strategy {
  /** Absolute path of the strategy file. */
  file: string;
  name: string;
  sources: Source[];
  store: StoreChoice;
  /** Absolute paths of public-key files, none twice. */
  recipients: string[];
  schedule: Schedule;
  /** Undefined when nothing was written: nothing is ever to be deleted. */
  retention?: Retention;
  limits?: Limits;
  objectives?: Objectives;
  /** Fingerprints that a restore pins: 40 hex digits in upper case, none twice; empty when none is pinned. */
  signer: string[];
  volume: VolumeShape;
  /** Where each value stands in the file, by its key (`recipients[0]`), so that later checks can say it. */
  positions: ReadonlyMap<string, Position>;
}

/** What restoring, listing and verifying need of a strategy. */
export type StrategyForRestore = Pick<Strategy, 'file' | 'name' | 'store' | 'signer' | 'positions'>;
