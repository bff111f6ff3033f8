/**
 * What must agree between keys of a strategy: unique names, paths that do not overlap, one kind of store.
 * Looks at the written values and passes over what has the wrong shape, so that these problems are told
 * together with those of the schema.
 */

import { faultOfPattern, leadsElsewhere } from '../select/faults.ts';
import { quote } from './problem.ts';
import { faultOfSourcePath, foldersAbove, plainSourcePath } from './source-path.ts';

/** A problem that does not know its place in the file yet. */
export interface Disagreement {
  path: PropertyKey[];
  message: string;
  /** Keys whose absence is the problem: one that is there, but misspelt, is told as that and not here. */
  lacking?: string[];
}

type Block = Record<string, unknown>;

/** All disagreements of a written strategy. */
export function disagreements(written: unknown): Disagreement[] {
  const strategy = block(written);
  return [
    ...list(strategy.sources).flatMap((source, place) =>
      kindOfSource(block(source), ['sources', place], source),
    ),
    ...repeatedNames(list(strategy.sources)),
    ...overlaps(list(strategy.sources)),
    ...strayPatterns(list(strategy.sources)),
    ...disagreementsOfStore(strategy.store),
    ...repeatedFiles(list(strategy.recipients)),
    ...emptyRetention(strategy.retention),
  ];
}

function block(value: unknown): Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Block) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Keys that mean nothing for the output of a command. */
const ONLY_FOR_PATHS = [
  ...['exclude', 'include', 'excludeIfPresent', 'excludeCaches', 'excludeLargerThan'],
  ...['oneFileSystem', 'allowEmpty'],
];

function kindOfSource(source: Block, path: PropertyKey[], written: unknown): Disagreement[] {
  if (source !== written) return [];
  const hasPaths = 'paths' in source;
  const hasCommand = 'command' in source;
  if (hasPaths && hasCommand)
    return [{ path: [...path, 'command'], message: 'a source has either paths or a command: keep one' }];
  if (!hasPaths && !hasCommand) {
    return [{ path, message: 'has neither paths nor a command: add "paths"', lacking: ['paths', 'command'] }];
  }
  if (hasPaths) return [];
  return ONLY_FOR_PATHS.filter((key) => key in source).map((key) => ({
    path: [...path, key],
    message: 'is for paths; this source is a command',
  }));
}

/**
 * Patterns that look as if they were read from the folder of their source, and match nothing. Sources may share a list: it is enough that one of them has
 * what a pattern leads to.
 */
function strayPatterns(sources: readonly unknown[]): Disagreement[] {
  const written = sources.flatMap((source) => list(block(source).paths));
  const roots = written.filter((path) => typeof path === 'string' && faultOfSourcePath(path) === undefined);
  if (roots.length === 0 || roots.length < written.length) return [];
  const plain = (roots as string[]).map(plainSourcePath);
  return sources.flatMap((source, place) =>
    (['exclude', 'include'] as const).flatMap((key) =>
      list(block(source)[key]).flatMap((pattern, index) => {
        if (typeof pattern !== 'string' || faultOfPattern(pattern) !== undefined) return [];
        if (!leadsElsewhere(pattern, plain)) return [];
        const not = pattern.startsWith('!') ? '!' : '';
        const message = `${quote(pattern)} is read from the root of the file system, where no source has anything, and matches nothing: write the whole path, or ${quote(`${not}**/${pattern.slice(not.length)}`)} for any depth`;
        return [{ path: ['sources', place, key, index], message }];
      }),
    ),
  );
}

function repeatedNames(sources: readonly unknown[]): Disagreement[] {
  const seen = new Map<string, number>();
  const found: Disagreement[] = [];
  for (const [place, source] of sources.entries()) {
    const { name } = block(source);
    if (typeof name !== 'string') continue;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, place);
    else
      found.push({
        path: ['sources', place, 'name'],
        message: `${quote(name)} is the name of sources[${first}] already`,
      });
  }
  return found;
}

function overlaps(sources: readonly unknown[]): Disagreement[] {
  const places = new Map<string, { path: PropertyKey[]; source: string }>();
  const found: Disagreement[] = [];
  for (const [place, source] of sources.entries()) {
    const { name, paths } = block(source);
    for (const [index, written] of list(paths).entries()) {
      if (typeof written !== 'string' || faultOfSourcePath(written) !== undefined) continue;
      const path = ['sources', place, 'paths', index];
      const plain = plainSourcePath(written);
      const same = places.get(plain);
      if (same)
        found.push({ path, message: `${quote(plain)} stands twice (also in ${same.source}): keep one` });
      else
        places.set(plain, {
          path,
          source: typeof name === 'string' ? `source ${quote(name)}` : `sources[${place}]`,
        });
    }
  }
  for (const [plain, { path }] of places) {
    const outer = foldersAbove(plain).find((folder) => places.has(folder));
    if (outer === undefined) continue;
    const where = places.get(outer)?.source;
    found.push({
      path,
      message: `${quote(plain)} lies inside ${quote(outer)} of ${where}: paths must not overlap, take one of them out`,
    });
  }
  return found;
}

/** Disagreements of the `store` block alone, which a restore needs too. */
export function disagreementsOfStore(written: unknown): Disagreement[] {
  const store = block(written);
  if (store !== written) return [];
  const hasSwift = 'swift' in store;
  const hasDirectory = 'directory' in store;
  if (hasSwift && hasDirectory)
    return [{ path: ['store', 'directory'], message: 'a store is either swift or a directory: keep one' }];
  if (!hasSwift && !hasDirectory)
    return [
      {
        path: ['store'],
        message: 'names no store: add "directory" or "swift"',
        lacking: ['directory', 'swift'],
      },
    ];
  if (hasSwift && 'prefix' in store)
    return [{ path: ['store', 'prefix'], message: 'the prefix of a Swift store belongs under "swift"' }];
  return [];
}

function repeatedFiles(files: readonly unknown[]): Disagreement[] {
  const seen = new Set<string>();
  const found: Disagreement[] = [];
  for (const [place, file] of files.entries()) {
    if (typeof file !== 'string') continue;
    if (seen.has(file))
      found.push({ path: ['recipients', place], message: `${quote(file)} stands twice: keep one` });
    seen.add(file);
  }
  return found;
}

function emptyRetention(written: unknown): Disagreement[] {
  const retention = block(written);
  const lacking = ['points', 'weekly', 'monthly', 'yearly'];
  if (retention !== written || lacking.some((key) => key in retention)) return [];
  return [
    { path: ['retention'], message: 'says nothing to keep: add "points", such as points: 30d', lacking },
  ];
}
