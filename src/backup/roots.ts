/** Looks at the roots of the sources before a run: which are there, which cannot be meant, and what lies in them that must be left out. */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { HoldfastError, systemCode } from '../errors.ts';
import { fromText, show } from '../format/bytes.ts';
import { isWithin } from '../format/order.ts';
import type { ComparedSource } from '../index/compare.ts';
import { hasNoNames } from '../source/folder.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** A root that is not there, or is empty though nobody said that it may be. */
export interface AbsentRoot {
  source: string;
  path: string;
  /** Whether the root itself is there. */
  isEmpty: boolean;
}

/** What was found at the roots. */
export interface Roots {
  absent: AbsentRoot[];
}

/** The sources of a strategy that are files and folders. */
export function pathSources({ sources }: Pick<Strategy, 'sources'>): ComparedSource[] {
  return sources.flatMap((source): ComparedSource[] => {
    if (source.kind === 'command') return [];
    const { kind: _kind, ...compared } = source;
    return [compared];
  });
}

/**
 * Checks the roots. Throws `strategy` for one that is itself a symlink, naming what it points to; `source-missing` when none is
 * there at all.
 */
export function lookAtRoots(sources: readonly ComparedSource[]): Roots {
  const absent: AbsentRoot[] = [];
  let there = 0;
  for (const source of sources) {
    for (const path of source.paths) {
      const state = lookAt(path);
      if (state !== 'missing') there++;
      if (state === 'missing' || (state === 'empty' && !source.allowEmpty)) {
        absent.push({ source: source.name, path, isEmpty: state === 'empty' });
      }
    }
  }
  if (there === 0) {
    const list = sources.flatMap(({ paths }) => paths).map((path) => show(fromText(path)));
    throw new HoldfastError(
      'source-missing',
      `none of the paths of the strategy is there (${list.join(', ')}): check that they are mounted, or correct the strategy`,
      { path: list[0] as string },
    );
  }
  return { absent };
}

function lookAt(path: string): 'there' | 'empty' | 'missing' {
  let isLink: boolean;
  let isEmpty = false;
  try {
    const stat = lstatSync(path);
    isLink = stat.isSymbolicLink();
    if (stat.isDirectory()) isEmpty = hasNoNames(fromText(path));
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    // What cannot be listed is there; the walk says what is wrong with it.
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'there';
  }
  if (isLink) {
    throw new HoldfastError(
      'strategy',
      `the source path ${show(fromText(path))} is a symlink: write ${realPath(path)} instead`,
      { path },
    );
  }
  return isEmpty ? 'empty' : 'there';
}

function realPath(path: string): string {
  try {
    return show(fromText(realpathSync(path)));
  } catch {
    return 'the real path (it points nowhere now)';
  }
}

/**
 * Of Holdfast's own folders (state, directory store) those that lie inside a source, as `device:inode`, which the walk leaves out.
 * A folder that contains a source is none of these.
 */
export function ownFolders(folders: readonly string[], sources: readonly ComparedSource[]): string[] {
  const roots = sources.flatMap(({ paths }) => paths).flatMap((path) => real(path) ?? []);
  return folders.flatMap((folder) => {
    const path = real(folder);
    if (path === undefined || !roots.some((root) => isWithin(fromText(path), fromText(root)))) return [];
    const stat = statSync(path, { bigint: true });
    return [`${stat.dev}:${stat.ino}`];
  });
}

function real(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
