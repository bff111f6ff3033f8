/** Names of objects in the store: made and recognised here only (docs/format.md, section 2). */

/** A set's number and id: together its folder. */
export interface SetName {
  seq: number;
  id: string;
}

const SET = /^(\d{10,16})-([0-9a-f]{32})$/;

/** `SEQ-ID`. */
export function setFolder(set: SetName): string {
  return `${String(set.seq).padStart(10, '0')}-${set.id}`;
}

/** Reads `SEQ-ID`; undefined for anything else, also for a number with more zeros than it may have. */
export function parseSetFolder(text: string): SetName | undefined {
  const match = SET.exec(text);
  if (match === null) return undefined;
  const seq = Number(match[1]);
  const set = { seq, id: match[2] as string };
  return Number.isSafeInteger(seq) && seq >= 1 && setFolder(set) === text ? set : undefined;
}

export const VOLUME_NAME = /^vol-(\d{6,9})\.tar\.zst\.pgp$/;
export const MANIFEST_NAME = /^manifest-(\d{4,9})\.(json|jsonl)\.zst\.pgp$/;

/** Name of a volume (from 1) below its set's folder. */
export function volumeName(volume: number): string {
  return `vol-${String(volume).padStart(6, '0')}.tar.zst.pgp`;
}

/** Name of a manifest part (from 1) below its set's folder; 0 is the contents list. */
export function manifestName(part: number): string {
  return `manifest-${String(part).padStart(4, '0')}.${part === 0 ? 'json' : 'jsonl'}.zst.pgp`;
}

/** Names of everything that belongs to one strategy. */
export class StrategyNames {
  readonly root: string;

  constructor(strategy: string) {
    this.root = strategy;
  }

  /** Folder (with slash) of the commits. */
  get commits(): string {
    return `${this.root}/commits/`;
  }

  /** Folder (with slash) of all sets. */
  get sets(): string {
    return `${this.root}/sets/`;
  }

  /** Folder (with slash) of the signers' public keys. */
  get keys(): string {
    return `${this.root}/keys/`;
  }

  commit(set: SetName): string {
    return `${this.commits}${setFolder(set)}.json`;
  }

  signature(set: SetName): string {
    return `${this.commit(set)}.asc`;
  }

  /** An object of a set, by its name below the set's folder. */
  object(set: SetName, name: string): string {
    return `${this.sets}${setFolder(set)}/${name}`;
  }

  volume(set: SetName, volume: number): string {
    return this.object(set, volumeName(volume));
  }

  manifest(set: SetName, part: number): string {
    return this.object(set, manifestName(part));
  }

  key(fingerprint: string): string {
    return `${this.keys}${fingerprint}.asc`;
  }

  /** Which set a name below `commits/` is the commit of; undefined for signatures and everything else. */
  parseCommit(name: string): SetName | undefined {
    if (!name.startsWith(this.commits) || !name.endsWith('.json')) return undefined;
    return parseSetFolder(name.slice(this.commits.length, -'.json'.length));
  }

  /** The fingerprint that a name below `keys/` stands for. */
  parseKey(name: string): string | undefined {
    if (!name.startsWith(this.keys)) return undefined;
    return /^([0-9A-F]{40}|[0-9A-F]{64})\.asc$/.exec(name.slice(this.keys.length))?.[1];
  }
}
